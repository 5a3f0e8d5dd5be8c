"""How far two people agree, for a person who reads it line by line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..workflow.labelling.agreement import Compared

SHOWN = 20
LONGEST = 100
NAMES = {"kappa": "Cohen's kappa", "mean kappa": "mean of the labels' kappas", "entity F1": "F1 of the entities",
         "share": "share of equal answers"}
WHY = {"entity F1": "kappa is not defined for entities: nobody counts the spans that both left out",
       "share": "kappa is not defined for texts and numbers: there is no chance to take off",
       "mean kappa": "each label is a yes or no of its own"}


def lines(found: Compared) -> Iterator[str]:
    """The agreement, label by label, and the rows on which they do not agree."""
    agreement, matched = found.agreement, found.matched
    yield f"rows       {agreement.rows} labelled by both; {matched.only_first} only in the first file, " \
          f"{matched.only_second} only in the second"
    if matched.twice:
        yield f"           {matched.twice} stand in a file twice: the last of them counts"
    yield f"the same   {agreement.same:.1%} of them"
    if agreement.value is None:
        yield f"agreement  {NAMES[agreement.measure]} is not defined: both said one and the same of every row"
    else:
        why = WHY.get(agreement.measure)
        yield (f"agreement  {NAMES[agreement.measure]} {agreement.value:.3f}, 95% interval {agreement.low:.3f} to "
               f"{agreement.high:.3f}" + (f" ({why})" if why else ""))
    yield from _table(found)
    yield from _apart(found)


def _table(found: Compared) -> Iterator[str]:
    labels = found.agreement.labels
    if not labels:
        return
    width = max(5, *(len(one.label) for one in labels))
    named = "F1" if found.agreement.measure == "entity F1" else "kappa"
    yield f"{'label':<{width}}  {'first':>6}  {'second':>6}  {'both':>6}  {named:>6}"
    for one in labels:
        agreed = "–" if one.agreement is None else f"{one.agreement:.3f}"
        yield f"{one.label:<{width}}  {one.first:>6}  {one.second:>6}  {one.both:>6}  {agreed:>6}"


def _apart(found: Compared) -> Iterator[str]:
    if not found.disagreements:
        return
    yield f"{len(found.disagreements)} rows on which they do not agree:"
    for row in found.disagreements[:SHOWN]:
        text = row["text"]
        yield f"{row['where_first']} {_answer(row['said_first'])}   {row['where_second']} {_answer(row['said_second'])}"
        yield f"    {text[:LONGEST]}{'…' if len(text) > LONGEST else ''}"
    if len(found.disagreements) > SHOWN:
        yield f"… and {len(found.disagreements) - SHOWN} more"


def _answer(answer: Any) -> str:
    return (", ".join(answer) or "none") if isinstance(answer, list) else f"`{answer}`"
