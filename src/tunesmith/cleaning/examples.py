"""A rehearsal of cleaning: what would become of the rows, a few of them before and after, and nothing written."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace

from ..records import Row
from ..text.personal import masked
from .ledger import Tally, what
from .run import Opened, Report
from .settling import NOTHING, Outcome, Plan, Settler, unusable, viewed
from .wish import Wish

EACH, MOST = 2, 10  # examples of one step, and of all
BEFORE, LONGEST = 20, 160  # characters shown before the first difference, and altogether


@dataclass(frozen=True, slots=True)
class Shown:
    """A row before and after, from a little before the first difference on; personal data in it is masked."""

    where: str
    what: str
    steps: tuple[str, ...]
    why: str
    before: str
    after: str

    def as_json(self) -> dict[str, object]:
        """The example under the names that `clean --dry-run --json` promises."""
        return {"where": self.where, "what": self.what, "steps": list(self.steps), "why": self.why,
                "before": self.before, "after": self.after}


def rehearse(wish: Wish) -> tuple[Report, list[Shown]]:
    """What `clean` would report, and examples: two of each step, ten at most. Raises as `clean` does for the wish."""
    opened, tally = Opened(wish), Tally()
    shown: list[Shown] = []
    of = Counter[str]()

    def settle(opened: Opened) -> Iterator[Outcome]:
        settler = Settler(opened.plan, NOTHING)
        for one in opened.found():
            if not isinstance(one, Row):
                yield unusable(one)
                continue
            for outcome in settler.settle(one):
                steps = [name for name, _ in outcome.told]
                if outcome.finding is None and any(of[name] < EACH for name in steps) and len(shown) < MOST:
                    of.update(steps)
                    shown.append(_example(one, outcome, opened.plan))
                yield outcome

    for outcome in opened.outcomes(None, settle):
        tally.add(outcome)
    return opened.report(tally), shown


def _example(row: Row, outcome: Outcome, plan: Plan) -> Shown:
    before = viewed(row, plan).came.texts
    after = viewed(replace(row, values=outcome.values), plan).came.texts if outcome.values is not None else before
    pair = next(((old, new) for old, new in zip(before, after, strict=False) if old != new), (" / ".join(before), ""))
    old, new = map(masked, pair)
    start = max(0, _alike(old, new) - BEFORE) if old != new and after != before else 0
    return Shown(row.where, what(outcome), tuple(name for name, _ in outcome.told),
                 outcome.told[-1][1], _short(old, start), _short(new, start))


def _alike(one: str, other: str) -> int:
    """How many characters two texts begin with alike."""
    return next((at for at, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1]),
                min(len(one), len(other)))


def _short(text: str, start: int) -> str:
    """Part of a text as it is written in JSON, so that blanks of every kind are seen."""
    part = json.dumps(text[start:start + LONGEST], ensure_ascii=False)[1:-1]
    return ("…" if start else "") + part + ("…" if len(text) > start + LONGEST else "")
