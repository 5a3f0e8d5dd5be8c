"""The rows of `evaluation.also`, made ready to be measured: which task measures them, and their documents."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ... import catalog
from ...errors import Misuse
from ...recipe import Section
from ...recipe.starred import default
from ...records import Document, Example, Finding, Head, Text
from .encode import Encoded, encode

if TYPE_CHECKING:
    from ...encoding.tokens.codec import Codec
    from ...recipe.sections import Recipe


@dataclass(frozen=True)
class Other:
    """An entry of `evaluation.also`. task: what measures it; digest: of the examples; left: rows not measured."""

    task: Section
    documents: Sequence[Document]
    open_examples: Callable[[], Sequence[Example]]
    digest: str
    left: int

    @property
    def examples(self) -> Sequence[Example]:
        """The rows, read when first asked for."""
        return self.open_examples()


def task_of(recipe: Recipe, name: str, examples: Sequence[Example]) -> Section:
    """The task that an entry names; else the run's, or the first that takes its rows. Raises Misuse where none does."""
    named = recipe.evaluation.also[name].task
    others = (default("task", each) for each in catalog.names("task"))
    choices = [named] if named else [
        recipe.task, *(each for each in others if each.module.head is recipe.task.module.head)]  # one head serves these
    for choice in choices:
        if all(isinstance(example, choice.module.takes) for example in examples):
            return choice
    strange = next(example for example in examples if not isinstance(example, choices[0].module.takes))
    raise Misuse("task.examples", f"task `{choices[0].type}` does not take the {type(strange).__name__.lower()}s of "
                 f"`evaluation.also.{name}`", strange.where, f"leave `evaluation.also.{name}.task` out")


def of_type(recipe: Recipe, name: str, kind: str) -> Section:
    """The task of that type with the settings that measure an entry."""
    named = recipe.evaluation.also[name].task
    return next((choice for choice in (named, recipe.task) if choice and choice.type == kind), None) \
        or default("task", kind)


def encode_other(
    recipe: Recipe, codec: Codec, head: Head, name: str, task: Section, *, examples: Sequence[Example]
) -> Encoded:
    """The documents of an entry. Too long texts are measured in windows, other rows that are too long not at all.

    They are not trained on, so `data.too_long` has nothing to say of them.
    """
    plain = any(isinstance(example, Text) for example in examples)
    encoded = encode(recipe, codec, head, examples, task=task, too_long="split" if plain else "drop")
    return replace(encoded, findings=[_of_entry(finding, name) for finding in encoded.findings])


def _of_entry(finding: Finding, name: str) -> Finding:
    """What was noticed of a row's length, as it concerns rows that are only measured."""
    if not finding.kind.endswith(".too_long"):
        return finding
    return replace(finding, what=f"of `evaluation.also.{name}`, which is only measured: {finding.what}",
                   remedy="raise `training.max_length` to measure them whole" if finding.remedy else "")
