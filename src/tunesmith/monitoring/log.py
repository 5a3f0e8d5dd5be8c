"""What a served run saw, in one SQLite file: written by a thread of its own, so that no answer waits or fails for it.

The file is in write-ahead mode and each batch of rows is one transaction: a process that is killed at any moment leaves
a whole file, which lacks at most the rows of the last quarter of a second. Source: sqlite.org/wal.html.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import queue
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from ..errors import Failure, Misuse
from ..recipe.monitoring import Monitoring
from ..text.personal import masked
from .features import Known, features

APPLICATION: Final = 0x74756E65  # "tune": a database of another program is not written into
VERSION: Final = 2  # from 2 on with scores
QUEUED: Final = 4096  # rows held while the disk is slow; more are counted and let go
PATIENCE: Final = 0.25  # seconds between two transactions
SWEEP: Final = 60.0  # seconds between two looks at what is too old
LONGEST: Final = 200_000  # characters of a text that are kept
CLOSING: Final = 10.0  # seconds that a closing server waits for the disk

TABLES: Final = """
create table if not exists answers (
  id text primary key, time real not null, model text not null, kind text not null, asked text, answered text,
  tokens_in integer not null, tokens_out integer not null, seconds real not null, confidence real, label text,
  error text, characters integer, words integer, language text, unknown real, hashed blob,
  scores text) without rowid;
create index if not exists by_time on answers (time);
create table if not exists judgements (
  answer text primary key, time real not null, good integer, rating integer, correction text) without rowid;
create table if not exists lost (time real not null, rows integer not null, why text not null);
"""


@dataclass(frozen=True, slots=True)
class Seen:
    """One request and its answer. time: seconds since 1970; asked: what the user asked last; confidence: 0 to 1.

    label: what a head said; error: the kind of what went wrong, where nothing was answered; scores: of the likeliest
    labels how likely each was.
    """

    id: str
    time: float
    model: str
    kind: str
    asked: str
    answered: str
    tokens_in: int
    tokens_out: int
    seconds: float
    confidence: float | None = None
    label: str | None = None
    error: str | None = None
    scores: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Judgement:
    """What somebody thinks of an answer: good or not, or 1 to 5; correction: what it should have been."""

    good: bool | None = None
    rating: int | None = None
    correction: str | None = None


@dataclass(frozen=True, slots=True)
class _Judged:
    id: str
    time: float
    judgement: Judgement


@dataclass(frozen=True, slots=True)
class _Reached:
    """Told when everything that was handed in before it is on the disk."""

    event: threading.Event


class Log:
    """An open log; any thread may write into it, and none is kept waiting or raised at.

    unwritten: how many rows could not be written, by reason; the file is told too, once it can be written again.
    """

    def __init__(self, path: Path, settings: Monitoring, known: Known | None = None) -> None:
        self.path, self.settings, self.known = path, settings, known
        self.unwritten: Counter[str] = Counter()
        self._untold: Counter[str] = Counter()
        self._counting = threading.Lock()
        self._queue: queue.Queue[Seen | _Judged | _Reached | None] = queue.Queue(QUEUED)
        self._database = _connect(path)
        self._swept = 0.0
        self._thread = threading.Thread(target=self._work, name="tunesmith log", daemon=True)
        self._thread.start()

    def write(self, seen: Seen) -> None:
        """Keep what was seen, as far as the run says so. Returns at once; what cannot be kept is counted."""
        if self.settings.keep != "nothing" and drawn(seen.id, self.settings):
            self._hand_in(seen)

    def judge(self, answer_id: str, judgement: Judgement) -> bool:
        """Keep what somebody thinks of an answer, in the place of what was said of it before; False if it cannot be."""
        return self.settings.keep != "nothing" and self._hand_in(_Judged(answer_id, time.time(), judgement))

    def flush(self, seconds: float = CLOSING) -> bool:
        """Wait until all that was handed in is on the disk; False where that takes longer."""
        reached = _Reached(threading.Event())
        with contextlib.suppress(queue.Full):
            self._queue.put(reached, timeout=seconds)
            return reached.event.wait(seconds)
        return False

    def close(self) -> None:
        """Write what is left and close the file."""
        with contextlib.suppress(queue.Full):
            self._queue.put(None, timeout=CLOSING)
        self._thread.join(CLOSING)

    def _hand_in(self, one: Seen | _Judged) -> bool:
        try:
            self._queue.put_nowait(one)
        except queue.Full:
            self._count("the queue was full", 1)
            return False
        return True

    def _count(self, why: str, rows: int) -> None:
        with self._counting:
            self.unwritten[why] += rows
            self._untold[why] += rows

    def _work(self) -> None:
        """Take what was handed in, a transaction a quarter of a second, until told to end."""
        ended = False
        while not ended:
            self._tidy()
            batch = self._batch()
            ended = None in batch
            rows = [one for one in batch if isinstance(one, Seen | _Judged)]
            if rows:
                self._commit(rows)
            for one in batch:
                if isinstance(one, _Reached):
                    one.event.set()
        if self._untold:
            self._commit(())
        with contextlib.suppress(sqlite3.Error):
            self._database.close()

    def _batch(self) -> list[Seen | _Judged | _Reached | None]:
        """What is there, and what comes within a quarter of a second; no more once somebody waits for it.

        Nothing where nothing comes for a minute.
        """
        try:
            batch = [self._queue.get(timeout=SWEEP)]
        except queue.Empty:
            return []
        until = time.monotonic() + PATIENCE
        while isinstance(batch[-1], Seen | _Judged) and len(batch) < QUEUED:
            try:
                batch.append(self._queue.get(timeout=max(0.0, until - time.monotonic())))
            except queue.Empty:
                break
        return batch

    def _commit(self, rows: Sequence[Seen | _Judged]) -> None:
        """Write rows in one transaction; where it fails they are counted, and the next ones are tried again."""
        with self._counting:
            untold, self._untold = self._untold, Counter()
        try:
            with self._database:
                self._database.execute("begin")
                for row in rows:
                    self._insert(row)
                self._database.executemany("insert into lost values (?, ?, ?)",
                                           [(time.time(), count, why) for why, count in untold.items()])
        except (sqlite3.Error, ValueError, OverflowError) as error:  # Overflow: a number that SQLite cannot hold
            with self._counting:
                self._untold += untold
            self._retry(rows, str(error))

    def _tidy(self) -> None:
        """Delete what may be kept no longer: when the log is opened, and each minute, whether anybody asks or not."""
        if not self._swept or time.monotonic() - self._swept > SWEEP:
            self._swept = time.monotonic()
            with contextlib.suppress(sqlite3.Error):
                sweep(self._database, self.settings, time.time())

    def _retry(self, rows: Sequence[Seen | _Judged], why: str) -> None:
        """One row that cannot be written takes no other with it."""
        if len(rows) == 1:
            self._count(why, 1)
            return
        for row in rows:
            try:
                with self._database:
                    self._database.execute("begin")
                    self._insert(row)
            except (sqlite3.Error, ValueError, OverflowError) as error:
                self._count(str(error), 1)

    def _insert(self, row: Seen | _Judged) -> None:
        if isinstance(row, Seen):
            insert(self._database, row, self.settings, self.known)
            return
        said = row.judgement
        correction = _kept(said.correction, self.settings) if self.settings.keep == "text" else None
        self._database.execute("insert or replace into judgements values (?, ?, ?, ?, ?)",
                               (row.id, row.time, said.good, said.rating, correction))


def open_log(path: Path, settings: Monitoring, known: Known | None = None) -> Log:
    """The log in a file, made where there is none; readable by its owner alone.

    known: the words of the run's training rows, which features are told by. Raises Misuse for a file that is no such
    log, Failure where it cannot be made.
    """
    return Log(path, settings, known)


def drawn(answer_id: str, settings: Monitoring) -> bool:
    """Whether an answer is among the share that is kept: the same for the same id, in every process."""
    digest = hashlib.blake2b(answer_id.encode(errors="surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64 < settings.share


def insert(database: sqlite3.Connection, seen: Seen, settings: Monitoring, known: Known | None) -> None:
    """Write what may be kept of one answer. Raises sqlite3.IntegrityError where its id is there already."""
    one = replace(seen, asked=_kept(seen.asked, settings) or "", answered=_kept(seen.answered, settings) or "")
    text = settings.keep == "text"
    told: tuple[object, ...] = (None,) * 5
    if not text:
        found = features(one.asked, known)
        told = (found.characters, found.words, found.language, found.unknown, found.hashed)
    database.execute(
        f"insert into answers values ({', '.join('?' * 18)})",  # noqa: S608 - question marks alone
        (one.id, one.time, one.model, one.kind, one.asked if text else None, one.answered if text else None,
         one.tokens_in, one.tokens_out, one.seconds, one.confidence, one.label, one.error, *told,
         json.dumps(dict(one.scores), ensure_ascii=False) if one.scores else None))


def sweep(database: sqlite3.Connection, settings: Monitoring, now: float) -> None:
    """Delete what is older than may be kept, and the oldest tenth again and again while the file is too large."""
    oldest = now - settings.days * 86_400
    with database:
        database.execute("begin")
        _delete(database, oldest)
    while _size(database) > settings.megabytes * 1_000_000:
        times = database.execute(
            "select time from answers order by time limit 1 offset (select count(*) / 10 from answers)").fetchone()
        if times is None:
            break
        with database:
            database.execute("begin")
            _delete(database, times[0] + 1e-6)
    database.executescript("pragma incremental_vacuum")  # `execute` would give back a single page
    database.execute("pragma wal_checkpoint(truncate)").fetchall()


def _delete(database: sqlite3.Connection, before: float) -> None:
    database.execute("delete from answers where time < ?", (before,))
    database.execute("delete from judgements where time < ?", (before,))
    database.execute("delete from lost where time < ?", (before,))


def _size(database: sqlite3.Connection) -> int:
    """Bytes of the file that hold something."""
    [pages], [free], [size] = (database.execute(f"pragma {name}").fetchone()
                               for name in ("page_count", "freelist_count", "page_size"))
    return int((pages - free) * size)


def _kept(text: str | None, settings: Monitoring) -> str | None:
    if text is None:
        return None
    whole = text[:LONGEST].encode("utf-8", "replace").decode()  # half a character cannot be written
    return masked(whole) if settings.mask else whole


def _connect(path: Path) -> sqlite3.Connection:
    """The database, with its tables. The writer's thread alone uses it once it is open."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
        database = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=5.0)
    except (OSError, sqlite3.Error) as error:
        raise Failure("monitoring.not_opened", f"the log cannot be opened: {error}", str(path),
                      "name a file in a folder that can be written, or set `monitoring.keep` to `nothing`") from error
    try:
        demand_ours(database, path, new=True)
        database.execute("pragma auto_vacuum = incremental")
        database.execute("pragma journal_mode = wal").fetchall()
        database.execute("pragma synchronous = normal")
        database.executescript(TABLES)
        if not has_scores(database):  # a file of the first version
            database.execute("alter table answers add column scores text")
        database.execute(f"pragma application_id = {APPLICATION}")
        database.execute(f"pragma user_version = {VERSION}")
    except sqlite3.Error as error:
        database.close()
        raise _foreign(path, str(error)) from error
    except Misuse:
        database.close()
        raise
    return database


def has_scores(database: sqlite3.Connection) -> bool:
    """Whether the file has a column for scores, which those of the first version lack."""
    return any(column[1] == "scores" for column in database.execute("pragma table_info(answers)"))


def demand_ours(database: sqlite3.Connection, path: Path, *, new: bool = False) -> None:
    """Raise Misuse for a database of another program. new: an empty one is to be made ours."""
    [application], [version] = (database.execute(f"pragma {name}").fetchone()
                                for name in ("application_id", "user_version"))
    [tables] = database.execute("select count(*) from sqlite_master").fetchone()
    if new and not tables and not application:
        return
    if application != APPLICATION or version > VERSION:
        raise _foreign(path, "it is another program's" if application != APPLICATION else "a later version wrote it")


def _foreign(path: Path, why: str) -> Misuse:
    return Misuse("monitoring.other_file", f"the file is no log of answers: {why}", str(path),
                  "name another file; this one is left as it is")
