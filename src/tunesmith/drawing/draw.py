"""Some rows of files that are worth looking at or labelling: far apart, of every kind, or any."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Any, Final, Literal

from ..data.ledger import Ledger
from ..errors import Misuse, Refusal
from ..reading.files import find
from ..reading.header import Header
from ..reading.naming import LABELS, first
from ..reading.quoting import listed
from ..reading.read import Way, rows
from ..records import Finding, Row
from . import features
from .reservoir import Drawn, Reservoir, Strata, drawable, largest
from .spread import coverage, far_apart

By = Literal["diverse", "strata", "random"]
Measure = Callable[[Sequence[str]], features.Vectors]
MOST_ROWS: Final = 1_000_000  # that are compared with each other: their vectors take a gigabyte
MOST_BYTES: Final = 1 << 29  # of JSON that are held meanwhile


@dataclass(frozen=True, slots=True)
class Compared:
    """How texts become vectors that can be compared, and of how many rows at most."""

    measure: Measure = features.vectors
    most_rows: int = MOST_ROWS


@dataclass(frozen=True, slots=True)
class Sample:
    """The rows that were drawn, and of what.

    rows: how many there were; compared: of how many distances were taken, None where none were; coverage, random: the
    mean distance from a row to the nearest drawn one, and to the nearest of as many random ones; strata: of each value
    how many rows there were and how many were drawn.
    """

    drawn: tuple[Drawn, ...]
    rows: int
    findings: tuple[Finding, ...] = ()
    compared: int | None = None
    coverage: float | None = None
    random: float | None = None
    column: str = ""
    strata: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """All but the rows themselves."""
        told: dict[str, Any] = {"rows": self.rows, "drawn": len(self.drawn)}
        if self.compared is not None:
            told |= {"compared": self.compared, "coverage": self.coverage, "coverage_of_random": self.random}
        if self.strata:
            told |= {"column": self.column, "strata": {name: {"rows": rows, "drawn": drawn}
                                                       for name, (rows, drawn) in self.strata.items()}}
        return {**told, "findings": [finding.as_json() for finding in self.findings]}


@dataclass(slots=True)
class _Files:
    """The rows of some files, and what was found while they were read."""

    paths: Sequence[str]
    base_folder: Path
    header: Header
    ledger: Ledger = field(default_factory=Ledger)
    rows: int = 0

    def read(self) -> Iterator[Row]:
        files, aside = find(self.paths, self.base_folder)
        self.ledger.add(*aside)
        for each in chain.from_iterable(rows(file, base_folder=self.base_folder, way=Way(self.header))
                                        for file in files):
            if isinstance(each, Row):
                self.rows += 1
                yield each
            else:
                self.ledger.add(each)


def draw(
    paths: Sequence[str], rows: int, by: By, *, seed: int = 0, column: str | None = None, equal: bool = False,
    compared: Compared | None = None, header: Header = None, base_folder: Path = Path(),
) -> Sample:
    """So many different rows of files, by one of three ways; the same ones in whatever order they stand.

    `random`: every row as likely as any other. `strata`: each value of a column, by default the label's, in proportion
    to its rows or (`equal`) as often as any other. `diverse`: rows whose texts are far apart. The first two hold no
    more rows than they draw, of each value. Raises Misuse for paths that are no files, Refusal where there is no row.
    """
    if rows < 1:
        raise Misuse("sample.rows", "no row is to be drawn", "--rows", "set it to 1 or more; 200 is usual")
    files = _Files(paths, base_folder, header)
    each = ((row, drawable(row, seed)) for row in files.read())
    if by == "diverse":
        sample = _apart(each, rows, seed, compared or Compared())
    else:
        sample = _any(each, rows) if by == "random" else _of_every_kind(each, rows, column, equal)
    if not sample.drawn:
        broken = [finding for finding in files.ledger.findings() if finding.severity == "error"]
        first_wrong = f": {broken[0].what}" if broken else ""
        raise Refusal("sample.nothing", f"no row can be read, so none can be drawn{first_wrong}",
                      broken[0].where if broken else str(paths[0]), "set that right, or name a file that holds rows")
    if len(sample.drawn) < rows:
        files.ledger.add(Finding("note", "sample.few", f"there are {len(sample.drawn)} different rows, fewer than the "
                                 f"{rows} asked for: all of them are drawn", str(paths[0])))
    files.ledger.add(*sample.findings)
    return replace(sample, rows=files.rows, findings=files.ledger.findings())


_Each = Iterator[tuple[Row, Drawn]]


def _any(each: _Each, rows: int) -> Sample:
    held = Reservoir(rows)
    for _, drawn in each:
        held.add(drawn)
    return Sample(tuple(held.drawn()), 0)


def _of_every_kind(each: _Each, rows: int, column: str | None, equal: bool) -> Sample:
    begun = next(each, None)
    if begun is None:
        return Sample((), 0)
    named = column or first(begun[0].values, LABELS)
    if named is None:
        raise Misuse("sample.no_column", "no column of the first row is one of labels", begun[0].where,
                     f"name one with `--column`: {listed(begun[0].values)}")
    held, columns = Strata(named, rows), dict[str, None]()
    for row, drawn in chain([begun], each):
        columns.update(dict.fromkeys(row.values))
        held.add(row.values.get(named), drawn)
    if named not in columns:
        raise Misuse("sample.no_column", f"no row has a column `{named}`", begun[0].where,
                     f"name one of: {listed(columns)}")
    found = held.drawn(equal=equal)
    told = {name: (count, len(found[name])) for name, count in largest(held.counts).items()}
    return Sample(tuple(sorted((one for some in found.values() for one in some), key=lambda one: one.key)), 0,
                  column=named, strata=told)


def _apart(each: _Each, rows: int, seed: int, compared: Compared) -> Sample:
    held = Reservoir(compared.most_rows, MOST_BYTES)
    for _, drawn in each:
        held.add(drawn)
    kept, full = held.drawn(), held.full
    del held
    if not kept:
        return Sample((), 0)
    vectors = compared.measure([features.wording(one.values) for one in kept])
    chosen = far_apart(vectors, rows, seed=seed)
    part = Finding("note", "sample.compared", f"{len(kept):,} different rows are compared, drawn at random: their "
                   "vectors are held in memory, and those of more rows are not", kept[0].where)
    # the rows lie in the order of their keys, so the first of them are a random draw
    return Sample(tuple(kept[place] for place in chosen), 0, (part,) if full else (), len(kept),
                  coverage(vectors, chosen), coverage(vectors, list(range(len(chosen)))))
