"""Files, jobs and events in SQLite: what was committed stands, whatever ends the process; the rest never was.

A job changes its status only from the one that it is thought to have, in one transaction with the event that tells so:
of two who would end a job, by success and by `cancel`, one comes first and the other one learns it.
"""

from __future__ import annotations

import json
import secrets
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..errors import Failure, Refusal
from ..runs.redact import redacted
from .entries import UNFINISHED, Event, File, Job, Outcome, Status, Wish
from .place import Place

VERSION = 1
PATIENCE_SECONDS = 10.0
SCHEMA = """
CREATE TABLE files (number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE NOT NULL, created_at INTEGER NOT NULL,
    bytes INTEGER NOT NULL, filename TEXT NOT NULL, purpose TEXT NOT NULL, digest TEXT NOT NULL);
CREATE TABLE jobs (number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE NOT NULL, created_at INTEGER NOT NULL,
    status TEXT NOT NULL, wish TEXT NOT NULL, outcome TEXT NOT NULL, finished_at INTEGER,
    ended INTEGER NOT NULL DEFAULT 0, steps INTEGER NOT NULL DEFAULT 0);
CREATE TABLE events (number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE NOT NULL, job TEXT NOT NULL,
    created_at INTEGER NOT NULL, level TEXT NOT NULL, message TEXT NOT NULL, data TEXT NOT NULL, mark TEXT,
    UNIQUE (job, mark));
CREATE INDEX events_of ON events (job, number);
"""
FILE = "id, created_at, bytes, filename, purpose, digest"
JOB = "id, created_at, status, wish, outcome, finished_at, ended, steps"
EVENT = "message, level, data, mark, id, created_at"


class Store:
    """The database of a folder of jobs; any thread may ask it."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self._lock = threading.RLock()
        with told(place.database):
            self._base = sqlite3.connect(place.database, timeout=PATIENCE_SECONDS, isolation_level=None,
                                         check_same_thread=False)
            # WAL with FULL: a commit is on the disk before it is answered
            self._base.execute("PRAGMA journal_mode = WAL")
            self._base.execute("PRAGMA synchronous = FULL")
        self._prepare()

    def close(self) -> None:
        """Close the database."""
        with self._lock:
            self._base.close()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """One transaction: all of it is committed, or nothing. Raises Failure where the disk does not take it."""
        with self._lock, told(self.place.database):
            if self._begun():  # part of a larger one
                yield
                return
            self._base.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._base.execute("COMMIT")
            finally:
                if self._begun():
                    self._base.execute("ROLLBACK")

    def add_file(self, file: File) -> None:
        """Remember a file; one that is remembered already stays as it is."""
        with self.writing():
            self._base.execute(f"INSERT OR IGNORE INTO files ({FILE}) VALUES (?, ?, ?, ?, ?, ?)",  # noqa: S608
                               (file.id, file.created_at, file.bytes, file.filename, file.purpose, file.digest))

    def file(self, id: str) -> File | None:
        """The file of that id."""
        found = self._asked(f"SELECT {FILE} FROM files WHERE id = ?", id)  # noqa: S608
        return File(*found[0]) if found else None

    def files(self, *, purpose: str | None, after: str | None, limit: int, newest: bool = True) -> list[File]:
        """So many files after that one, the newest first or last. Raises KeyError where there is no such file."""
        since = self._number("files", after, newest)
        order, beyond = ("DESC", "<") if newest else ("ASC", ">")
        found = self._asked(
            f"SELECT {FILE} FROM files WHERE number {beyond} ? AND (? IS NULL OR purpose = ?) "  # noqa: S608
            f"ORDER BY number {order} LIMIT ?", since, purpose, purpose, limit)
        return [File(*row) for row in found]

    def forget_file(self, id: str) -> bool:
        """Forget a file; whether its content belongs to no other."""
        with self.writing():
            file = self.file(id)
            self._base.execute("DELETE FROM files WHERE id = ?", (id,))
            return file is not None and file.digest not in self.digests()

    def digests(self) -> set[str]:
        """The contents that belong to a file."""
        return {row[0] for row in self._asked("SELECT DISTINCT digest FROM files")}

    def add_job(self, id: str, wish: Wish, event: Event) -> Job:
        """A new job, whose files are to be validated."""
        with self.writing():
            self._base.execute("INSERT INTO jobs (id, created_at, status, wish, outcome) VALUES (?, ?, ?, ?, ?)",
                               (id, now(), UNFINISHED[0], _json(wish.as_json()), _json(Outcome().as_json())))
            self.tell(id, [event])
        return self.job(id)

    def job(self, id: str) -> Job:
        """The job of that id. Raises KeyError where there is none."""
        found = self._asked(f"SELECT {JOB} FROM jobs WHERE id = ?", id)  # noqa: S608
        if not found:
            raise KeyError(id)
        return _job(found[0])

    def jobs(self, *, after: str | None, limit: int, metadata: Mapping[str, str] | None = None) -> list[Job]:
        """So many jobs after that one, the newest first. Raises KeyError where there is no such job."""
        wanted = "".join(" AND EXISTS (SELECT 1 FROM json_each(wish, '$.metadata') WHERE key = ? AND value = ?)"
                         for _ in metadata or ())
        pairs = [part for pair in (metadata or {}).items() for part in pair]
        found = self._asked(f"SELECT {JOB} FROM jobs WHERE number < ?{wanted} ORDER BY number DESC "  # noqa: S608
                            "LIMIT ?", self._number("jobs", after, True), *pairs, limit)
        return [_job(row) for row in found]

    def with_status(self, *statuses: Status) -> list[Job]:
        """The jobs of these statuses, in the order in which they were asked for."""
        marks = ", ".join("?" for _ in statuses)
        found = self._asked(f"SELECT {JOB} FROM jobs WHERE status IN ({marks}) ORDER BY number",  # noqa: S608
                            *statuses)
        return [_job(row) for row in found]

    def move(self, job: str, before: Sequence[Status], after: Status, event: Event, outcome: Outcome | None = None,
             ) -> bool:
        """Change a job's status and tell so, if it is one of `before`; whether it was."""
        finished = None if after in UNFINISHED else now()
        with self.writing():
            marks = ", ".join("?" for _ in before)
            changed = self._base.execute(
                f"UPDATE jobs SET status = ?, finished_at = ?, outcome = coalesce(?, outcome) "  # noqa: S608
                f"WHERE id = ? AND status IN ({marks})",
                (after, finished, _json(outcome.as_json()) if outcome else None, job, *before)).rowcount
            if changed:
                self.tell(job, [event])
        return bool(changed)

    def count_end(self, job: str, steps: int) -> int:
        """Remember that a job's process ended by itself after so many steps; how often now without one more."""
        with self.writing():
            self._base.execute("UPDATE jobs SET ended = CASE WHEN ? > steps THEN 1 ELSE ended + 1 END, "
                               "steps = max(steps, ?) WHERE id = ?", (steps, steps, job))
            return self.job(job).ended

    def tell(self, job: str, events: Sequence[Event]) -> None:
        """Write down what happened; what has a mark is told once."""
        with self.writing():
            self._base.executemany(
                "INSERT OR IGNORE INTO events (id, job, created_at, level, message, data, mark) "
                "VALUES (?, ?, ?, ?, ?, ?, ?)",
                [(f"ftevent-{secrets.token_hex(12)}", job, now(), event.level, redacted(event.message),
                  _json(redacted(event.data)), event.mark) for event in events])

    def events(self, job: str, *, after: str | None, limit: int) -> list[Event]:
        """So many events after that one, the newest first. Raises KeyError where the job has no such event."""
        found = self._asked(f"SELECT {EVENT} FROM events WHERE job = ? AND number < ? "  # noqa: S608
                            "ORDER BY number DESC LIMIT ?", job, self._number("events", after, True), limit)
        return [Event(message, level, json.loads(data), mark, id, created_at)
                for message, level, data, mark, id, created_at in found]

    def _begun(self) -> bool:
        return self._base.in_transaction

    def _number(self, table: str, after: str | None, newest: bool) -> int:
        if after is None:
            return 1 << 62 if newest else 0
        found = self._asked(f"SELECT number FROM {table} WHERE id = ?", after)  # noqa: S608
        if not found:
            raise KeyError(after)
        return int(found[0][0])

    def _asked(self, question: str, *values: object) -> list[Any]:
        with self._lock, told(self.place.database):
            return self._base.execute(question, values).fetchall()

    def _prepare(self) -> None:
        with self.writing():
            version = self._asked("PRAGMA user_version")[0][0]
            if version not in (0, VERSION):
                raise Refusal("jobs.other_version", f"the database of jobs is of version {version}, and this program "
                              f"knows version {VERSION}", str(self.place.database),
                              "use the tunesmith that made it, or name another folder with `--jobs`")
            if version == 0:
                for statement in SCHEMA.split(";\n"):
                    self._base.execute(statement)
                self._base.execute(f"PRAGMA user_version = {VERSION}")


@contextmanager
def told(database: Path) -> Iterator[None]:
    """What SQLite says, as a Failure or a Refusal."""
    try:
        yield
    except sqlite3.OperationalError as error:
        raise Failure("jobs.not_kept", f"the database of jobs cannot be used: {error}", str(database),
                      "look whether its disk is full or may not be written; what was kept stands") from error
    except sqlite3.DatabaseError as error:
        raise Refusal("jobs.damaged", f"the database of jobs is damaged: {error}", str(database),
                      "restore it from a copy, or name another folder with `--jobs`") from error


def now() -> int:
    """The clock, for people: nothing is ordered by it."""
    return int(time.time())


def _json(value: Any) -> str:
    return json.dumps(value, default=dict)


def _job(row: Sequence[Any]) -> Job:
    id, created_at, status, wish, outcome, finished_at, ended, steps = row
    return Job(id, created_at, status, Wish(**json.loads(wish)), Outcome(**json.loads(outcome)), finished_at, ended,
               steps)
