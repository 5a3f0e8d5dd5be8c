"""Whether a recipe may be trained: the data, the template and the mask, before anything is computed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...encoding.batches.flat import examples_of, lengths_of, supervised_of
from ...records import SIDES, Document, Finding, Looked
from .. import observers
from ..preparing import order
from ..preparing.prepare import Prepared, prepare
from ..verdict import elsewhere

if TYPE_CHECKING:
    from ...models.layouts import Layout
    from ...recipe.sections import Recipe


@dataclass(frozen=True)
class CheckReport:
    """What a check found.

    supervised: tokens of the training side, their share of all, and how many by role; layout: how the base's network
    is likely to be given its documents, from its configuration alone; sources: share, rows and rows taken of each,
    where any are mixed in; also: how many rows of each entry of `evaluation.also` are measured; audit: of each check of
    the rows what it looks for, what it found, its rows, and figures to draw; amounts: of each side its documents, their
    tokens, how many of those are supervised, and the longest document; facts: base, task, how long rows may be, and
    the checks that the recipe leaves out; split: groups of each side, the rows of the largest group, and how many rows
    are on no side.
    """

    ok: bool
    findings: Sequence[Finding]
    supervised: Mapping[str, Any]
    rows: Mapping[str, int]
    layout: Layout
    sources: Mapping[str, Mapping[str, Any]]
    also: Mapping[str, int]
    audit: Mapping[str, Any]
    amounts: Mapping[str, Mapping[str, int]]
    facts: Mapping[str, Any]
    split: Mapping[str, Any]

    @property
    def looked(self) -> dict[str, Looked]:
        """What each check found, as records."""
        return {name: Looked.from_json(each) for name, each in self.audit.items()}

    def as_json(self) -> dict[str, Any]:
        """The report under the names that `check --json` promises."""
        return {
            "ok": self.ok,
            "findings": [finding.as_json() for finding in self.findings],
            "supervised": dict(self.supervised),
            "rows": dict(self.rows),
            "layout": {"kind": self.layout.kind, "why": self.layout.why},
            "sources": dict(self.sources),
            "also": dict(self.also),
            "audit": dict(self.audit),
            "amounts": dict(self.amounts),
            "facts": dict(self.facts),
            "split": dict(self.split),
        }


def check(recipe: Recipe) -> CheckReport:
    """Read, encode and prove everything that the recipe names, and train nothing."""
    observers.refuse_missing(recipe)
    elsewhere.refuse_missing(recipe)
    return report(recipe, prepare(recipe))


def report(recipe: Recipe, prepared: Prepared) -> CheckReport:
    """What was found while preparing."""
    from ...models import layouts

    train = prepared.documents["train"]
    return CheckReport(
        ok=prepared.ok,
        findings=prepared.findings,
        supervised=prepared.supervised,
        rows={side: len(set(examples_of(prepared.documents[side]).tolist())) for side in SIDES},
        # rows that ask for no head are told above; that the base does not write text would only hide why
        layout=layouts.of_base(prepared.base, prepared.head) if prepared.ok or recipe.task.module.generates
        else layouts.UNKNOWN,
        sources=order.as_json(order.order(recipe, train, prepared.sources), train),
        also={name: len(set(examples_of(other.documents).tolist())) for name, other in prepared.also.items()},
        audit={section.type: {"looks_for": _first_sentence(section.module), **prepared.audit[section.type]}
               for section in recipe.data.audit if section.type in prepared.audit},
        amounts={side: _amounts(prepared.documents[side]) for side in SIDES},
        facts={"base": recipe.base.name, "task": recipe.task.type, "max_length": recipe.training.max_length,
               "too_long": recipe.data.too_long,
               "left_out": [section.type for section in recipe.data.audit if section.settings.severity == "off"]},
        split=prepared.split,
    )


def _first_sentence(module: Any) -> str:
    return " ".join((module.__doc__ or "").split()).partition(". ")[0].rstrip(".") + "."


def _amounts(documents: Sequence[Document]) -> dict[str, int]:
    lengths = lengths_of(documents)
    return {"documents": len(lengths), "tokens": int(lengths.sum()), "supervised": int(supervised_of(documents).sum()),
            "longest": int(lengths.max(initial=0))}
