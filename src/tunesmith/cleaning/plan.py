"""How rows are cleaned, as the first of them tell: by which format, in which columns, by which steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..data.recognise import Recognised, not_recognised, recognise
from ..errors import Problem, Problems, Refusal
from ..recipe import Section
from ..records import Finding, Row
from .settling import Plan, View, viewed
from .wish import Wish, refuse_columns, without_rewriting


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan, the columns whose texts it cleans, those that stay as they are, and what was guessed."""

    plan: Plan
    cleaned: tuple[str, ...]
    kept: tuple[str, ...]
    findings: tuple[Finding, ...]


def planned(wish: Wish, steps: Sequence[Section], format: Section | None, sample: Sequence[Row]) -> Planned:
    """The plan of a wish. format: where somebody named one, or the files tell by themselves.

    Raises Misuse for columns that no row has, and Refusal where no format is recognised and no columns are named, and
    where steps would write texts anew into which tags or answers point.
    """
    columns = list(dict.fromkeys(name for row in sample for name in row.values))
    refuse_columns(wish.columns, columns, sample)
    found = Recognised(format) if format else recognise(sample, {}, wish.base_folder)
    if found is None and sample and not wish.columns:
        unknown = not_recognised(sample, columns)
        raise Refusal(unknown.kind, unknown.what, unknown.where,
                      "name the columns whose texts are to be cleaned: `--columns A,B`, or the format: `--format`")
    by_format = Plan((), (), found.section, (), found.columns, named=wish.format is not None) if found else None
    seen = [(row, view) for row in sample for view in [_seen(row, by_format)] if view] if by_format else []
    fixed = next((row for row, view in seen if view.fixed and _is_asked(row, found, wish.columns)), None)
    if fixed is not None:
        steps = without_rewriting(steps, fixed, chosen=bool(wish.steps))
    cleaned = wish.columns or list(dict.fromkeys(str(place[0]) for _, view in seen for place in view.places))
    plan = replace(by_format or Plan(()), columns=tuple(wish.columns),
                   steps=tuple(one for one in steps if one.module.sees == "a row"),
                   last=tuple(one for one in steps if one.module.sees == "all rows"))
    guessed = found.findings if found and not wish.columns else ()
    return Planned(plan, tuple(cleaned), tuple(name for name in columns if name not in cleaned),
                   tuple(one for one in guessed if one.kind == "data.guessed"))


def _seen(row: Row, plan: Plan) -> View | None:
    """What steps see of a row; None of one that cannot be used, which is told when its turn comes."""
    try:
        return viewed(row, plan)
    except (Problem, Problems):
        return None


def _is_asked(row: Row, found: Recognised | None, columns: Sequence[str]) -> bool:
    """Whether the columns that were named, if any, are some that the format reads."""
    if not columns or found is None:
        return not columns
    return bool(set(columns) & set(found.section.module.columns(row.values, found.section.settings)))
