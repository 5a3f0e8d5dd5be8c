"""A window of a log: the rows that were seen last, or since a time, and how answers were given before them."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import numpy as np

from ..errors import Misuse
from .drift import Service
from .features import WIDTH, Features, Known, features
from .log import Judgement, demand_ours, has_scores
from .rows import Rows

MOST: Final = 5000  # rows of a window that are compared: more show nothing that these do not
BEFORE: Final = 20_000  # rows before it
GOOD_FROM: Final = 3  # a rating, of 1 to 5, below which an answer is called bad
COLUMNS: Final = ("id, time, model, kind, asked, answered, tokens_in, tokens_out, seconds, confidence, label, error,"
                  " characters, words, language, unknown, hashed")


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of the log; asked, answered: None where only features were kept."""

    id: str
    time: float
    kind: str
    asked: str | None
    answered: str | None
    tokens_in: int
    tokens_out: int
    seconds: float
    confidence: float | None
    label: str | None
    error: str | None
    features: Features | None
    scores: Mapping[str, float]
    judgement: Judgement | None = None

    @property
    def bad(self) -> bool:
        """Whether somebody said that the answer is bad, or corrected it."""
        said = self.judgement
        return said is not None and (said.good is False or bool(said.correction)
                                     or (said.rating is not None and said.rating < GOOD_FROM))


@dataclass(frozen=True)
class Window:
    """Entries in the order of their time, the newest 5,000 where there are more; answered: which of them are compared.

    within, before: how answers were given; lost: rows that could not be written, by reason; seen: all of the window.
    """

    model: str
    entries: tuple[Entry, ...]
    rows: Rows
    answered: tuple[int, ...]
    within: Service
    before: Service | None
    lost: dict[str, int]
    seen: int


def read(
    path: Path, known: Known, *, model: str = "", name: str = "", since: float | None = None, last: int | None = None
) -> Window:
    """The window of a log. model: whose rows, where the log has several; name: the run's, which is meant by default.

    since: seconds since 1970; last: how many rows. known: the words of the training rows. Raises Misuse for a file
    that is no log, and for a model that it does not know.
    """
    with _opened(path) as database:
        chosen = _model(database, path, model, name)
        start = _start(database, chosen, since, last)
        seen = database.execute("select count(*) from answers where model = ? and time >= ?", (chosen, start)
                                ).fetchone()[0]
        found = database.execute(
            f"select {_columns(database)} from answers where model = ? and time >= ? order by time desc, id limit ?",  # noqa: S608
            (chosen, start, min(MOST, last or MOST))).fetchall()
        judged = {row[0]: Judgement(None if row[1] is None else bool(row[1]), row[2], row[3]) for row in
                  database.execute("select answer, good, rating, correction from judgements")}
        entries = tuple(_entry(row, judged) for row in reversed(found))
        first = entries[0].time if entries else start
        before = _before(database, chosen, first, judged)
        lost = {why: rows for why, rows in database.execute(
            "select why, sum(rows) from lost where time >= ? group by why", (first,))}
    answered = tuple(place for place, entry in enumerate(entries) if entry.error is None and (
        entry.features is not None or entry.asked))
    rows = _rows([entries[place] for place in answered], known)
    return Window(chosen, entries, rows, answered, _service(entries), before, lost, seen)


def demand(path: Path) -> None:
    """Raise Misuse where there is no log."""
    if not path.is_file():
        raise Misuse("monitoring.no_log", "there is no log of what was seen", str(path),
                     "set `monitoring.keep` in the run's recipe to `text` or `features` and serve it, or name the file "
                     "with `--log`")


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    """The log, to be read alone. Raises Misuse where there is none."""
    demand(path)
    try:
        with closing(sqlite3.connect(f"file:{quote(str(path.resolve()))}?mode=ro", uri=True, timeout=5.0)) as database:
            demand_ours(database, path)
            yield database
    except (sqlite3.Error, ValueError) as error:  # ValueError: scores that are no JSON
        raise Misuse("monitoring.other_file", f"the file is no log of answers: {error}", str(path),
                     "name the file that the server writes, `seen.sqlite` in the run's folder unless told otherwise"
                     ) from error


def _model(database: sqlite3.Connection, path: Path, model: str, name: str) -> str:
    """Whose rows are looked at: the model that was named, the run, or the only one that there is."""
    there = [row[0] for row in database.execute("select distinct model from answers order by model")]
    wanted = model or (name if name in there else there[0] if len(there) == 1 else "")
    if not there:
        raise Misuse("monitoring.empty", "the log holds no answer yet", str(path), "ask the served run something first")
    if wanted not in there:
        told = ", ".join(f"`{each}`" for each in there)
        raise Misuse("monitoring.model", f"the log has no rows of `{model}`" if model else
                     "the log has rows of several models", str(path), f"name one of them with `--model`: {told}")
    return wanted


def _start(database: sqlite3.Connection, model: str, since: float | None, last: int | None) -> float:
    """The time from which on the window is."""
    start = since if since is not None else -1.0
    if last is None:
        return start
    row = database.execute("select time from answers where model = ? and time >= ? order by time desc, id limit 1 "
                           "offset ?", (model, start, max(last - 1, 0))).fetchone()
    return float(row[0]) if row else start


def _entry(row: tuple[Any, ...], judged: dict[str, Judgement]) -> Entry:
    (name, time, _, kind, asked, answered, tokens_in, tokens_out, seconds, confidence, label, error, characters, words,
     language, unknown, hashed, scores) = row
    told = Features(characters, words, language, unknown, hashed) if isinstance(hashed, bytes) and len(
        hashed) == WIDTH else None
    return Entry(name, time, kind, asked, answered, tokens_in, tokens_out, seconds, confidence, label, error, told,
                 json.loads(scores) if scores else {}, judged.get(name))


def _rows(entries: list[Entry], known: Known) -> Rows:
    found = [each.features or features(each.asked or "", known) for each in entries]
    return Rows.of(found).said(
        [each.label or "" for each in entries],
        np.array([np.nan if each.confidence is None else each.confidence for each in entries], np.float64),
        [each.scores for each in entries])


def _columns(database: sqlite3.Connection) -> str:
    """What is read of a row; a file of the first version, which only its writer may change, has no scores."""
    return f"{COLUMNS}, {'scores' if has_scores(database) else 'null'}"


def _before(
    database: sqlite3.Connection, model: str, first: float, judged: dict[str, Judgement]
) -> Service | None:
    found = database.execute(
        f"select {_columns(database)} from answers where model = ? and time < ? order by time desc limit ?",  # noqa: S608
        (model, first, BEFORE)).fetchall()
    return _service([_entry(row, judged) for row in found]) if found else None


def _service(entries: tuple[Entry, ...] | list[Entry]) -> Service:
    """How answers were given."""
    said = [each for each in entries if each.judgement is not None]
    return Service(np.array([each.seconds for each in entries if each.error is None], np.float64),
                   (sum(each.error is not None for each in entries), len(entries)),
                   (sum(each.bad for each in said), len(said)))
