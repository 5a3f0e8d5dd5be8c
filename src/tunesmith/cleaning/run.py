"""Cleaning: rows go through the chosen steps, one after the other and never all in memory, into a new file of rows.

Which texts of a row are cleaned is said by its format (`texts`), because only that knows which column is a label, a
role or a tool's call; or by the names of columns. Whatever was changed or dropped stands in a ledger beside the file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any

from ..data.ledger import Ledger
from ..data.load import way
from ..data.recognise import recognise_files
from ..errors import Refusal, raise_all
from ..reading.files import find
from ..reading.read import Way, aligned, rows
from ..recipe import Section, choices
from ..records import Finding, Row
from ..runs.streamed import streamed
from .ledger import Tally, write
from .plan import planned
from .settling import NOTHING, Outcome, Plan, Settler, unusable, viewed
from .spool import Spool
from .wish import Wish, refuse_places, sections

SAMPLE = 1000


@dataclass(frozen=True, slots=True)
class Report:
    """What cleaning did.

    steps: in the order in which they ran; chosen: whether somebody named them; cleaned, kept: columns whose texts
    the steps saw, and those that stay as they are.
    """

    tally: Tally
    steps: tuple[str, ...]
    chosen: bool
    format: str
    findings: tuple[Finding, ...]
    cleaned: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    output: str = ""
    ledger: str = ""

    def as_json(self) -> dict[str, Any]:
        """The report under the names that `clean --json` promises."""
        tally = self.tally
        return {"rows": {"in": tally.came, "made": tally.made, "out": tally.kept, "dropped": tally.dropped.total(),
                         "changed": tally.touched},
                "dropped": dict(tally.dropped), "changed": dict(tally.changed), "steps": list(self.steps),
                "chosen": self.chosen, "format": self.format,
                "columns": {"cleaned": list(self.cleaned), "kept": list(self.kept)}, "output": self.output,
                "ledger": self.ledger,
                "findings": [finding.as_json() for finding in self.findings]}


def clean(wish: Wish, output: Path, *, overwrite: bool = False, settle: Settle | None = None) -> Report:
    """Write the clean rows to `output` and the ledger beside it; both stand whole at the end, or neither does.

    settle: what takes rows through the steps that see a row, where it is not this process. Raises Misuse, with all
    mistakes, for a wish that cannot be, and Refusal where rows may not be cleaned so, or none is left.
    """
    ledger = output.with_suffix(".ledger.jsonl")
    refuse_places(wish, output, ledger, overwrite=overwrite)
    opened = Opened(wish)
    tally = Tally()
    with streamed(ledger) as told, streamed(output) as kept:
        for outcome in opened.outcomes(output.parent, settle or here):
            write(outcome, tally, kept, told)
        _refuse_nothing(tally, opened)
    return opened.report(tally, output=str(output), ledger=str(ledger))


class Opened:
    """Files that are to be cleaned, as far as reading their first rows tells how."""

    def __init__(self, wish: Wish) -> None:
        steps = sections(wish)
        self.base_folder = wish.base_folder
        self.files, aside = find(list(wish.files), wish.base_folder)
        self._found = Ledger()
        self._found.add(*aside)
        given = choices.section("format", wish.format) if wish.format else None
        format = given or recognise_files(self.files, wish.base_folder)
        self.way = way(format, wish.header)
        stream = found(self.files, wish.base_folder, self.way)
        self._sample = list(islice(stream, SAMPLE))
        self._rest = stream
        seen = [one for one in self._sample if isinstance(one, Row)]
        if self._sample and not seen:
            raise_all([Refusal(one.kind, one.what, one.where, one.remedy) for one in self._sample
                       if isinstance(one, Finding) and one.severity == "error"])
        self.chosen = bool(wish.steps)
        self.first = seen[0].where if seen else ""
        self._planned = planned(wish, steps, format, seen)
        self.plan = self._planned.plan
        self._found.add(*self._planned.findings)

    def outcomes(self, folder: Path | None, settle: Settle) -> Iterator[Outcome]:
        """What becomes of each row, in order. folder: where rows lie meanwhile, if all have to be seen."""
        settled = self._noted(settle(self))
        for section in self.plan.last:
            settled = _judged(settled, section, self.plan, folder)
        yield from settled

    def found(self) -> Iterator[Row | Finding]:
        """All rows, once, and what could not be read."""
        return chain(self._sample, self._rest)

    def report(self, tally: Tally, *, output: str = "", ledger: str = "") -> Report:
        """What was done, once it is done."""
        steps = tuple(one.type for one in (*self.plan.steps, *self.plan.last))
        return Report(tally, steps, self.chosen, self.plan.format.type if self.plan.format else "",
                      self._found.findings(), self._planned.cleaned, self._planned.kept, output, ledger)

    def errors(self) -> list[Refusal]:
        """What could not be used, as the refusal of all rows."""
        return [Refusal(one.kind, one.what, one.where, one.remedy) for one in self._found.findings()
                if one.severity == "error"]

    def _noted(self, outcomes: Iterable[Outcome]) -> Iterator[Outcome]:
        """The outcomes, their findings kept; notes about a file are no rows and pass."""
        for outcome in outcomes:
            if outcome.finding:
                self._found.add(outcome.finding)
            if outcome.finding is None or (outcome.finding.severity == "error" and
                                           outcome.finding.kind != "data.empty"):
                yield outcome


Settle = Callable[[Opened], Iterator[Outcome]]


def here(opened: Opened) -> Iterator[Outcome]:
    """The outcomes of rows, in this process."""
    settler = Settler(opened.plan, NOTHING)
    for one in opened.found():
        yield from settler.settle(one) if isinstance(one, Row) else [unusable(one)]


def _judged(settled: Iterator[Outcome], section: Section, plan: Plan, folder: Path | None) -> Iterator[Outcome]:
    """The outcomes after a step that sees all rows, which lie on disk meanwhile."""
    with closing(Spool(plan, folder)) as spool:
        for outcome in settled:
            spool.add(outcome)
        cleaner = section.module.cleaner(section.settings, spool)
        for outcome in spool.outcomes():
            if outcome.values is None:
                yield outcome
                continue
            cleaned = cleaner(viewed(Row(outcome.values, outcome.where), plan).came.texts)
            if not cleaned.dropped:
                yield outcome
                continue
            yield Outcome(outcome.where, None, (*outcome.told, (section.type, cleaned.why)), outcome.piece,
                          outcome.pieces)


def found(files: Sequence[str], base_folder: Path, way: Way) -> Iterator[Row | Finding]:
    """The rows of files, and what could not be read."""
    if way.by == "aligned":
        return aligned(files, base_folder)
    return chain.from_iterable(rows(file, base_folder=base_folder, way=way) for file in files)


def _refuse_nothing(tally: Tally, opened: Opened) -> None:
    if not tally.adds_up:
        raise AssertionError(f"the ledger does not add up: {tally}")
    if tally.kept:
        return
    if not tally.came:
        raise Refusal("clean.no_rows", "there are no rows to clean", opened.first, "name a file that holds rows")
    raise_all(opened.errors())
    why = ", ".join(f"{count} by `{step}`" for step, count in tally.dropped.most_common())
    raise Refusal("clean.nothing_left", f"no row is left of {tally.came}: {why}", opened.first,
                  "try `--dry-run`, which shows some of them, and change the options of these steps")
