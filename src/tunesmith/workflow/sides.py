"""The examples of each side: read as the recipe says, split, and held against what the task takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..data import split
from ..data.load import load
from ..data.system import with_system
from ..errors import Misuse
from ..records import SIDES, Example, Finding, Side

if TYPE_CHECKING:
    from ..recipe.sections import Recipe


def read_sides(recipe: Recipe) -> tuple[dict[Side, Sequence[Example]], list[Finding]]:
    """Examples of each side as the recipe wants them, and what was noticed."""
    findings: list[Finding] = []
    named = {"train": recipe.data.train, "validation": recipe.data.validation, "test": recipe.data.test}
    files: dict[str, list[Example]] = {side: [] for side in SIDES}
    for side, wanted in named.items():
        if isinstance(wanted, float):
            continue
        loaded = load(
            wanted, format=recipe.data.format, columns=recipe.data.columns, group=recipe.data.group,
        )
        findings += loaded.findings
        if loaded.format and recipe.data.format is None:
            findings.append(Finding("note", "data.format", f"`data.{side}` holds {len(loaded.examples)} rows, read as"
                                    f" `{loaded.format}`", f"data.{side}"))
        files[side] = [with_system(example, recipe.data.system) for example in taken(recipe, loaded.examples)]
    shares = {side: wanted if isinstance(wanted, float) else 0.0 for side, wanted in named.items()}
    parts = split.split(files["train"], shares["validation"], shares["test"], seed=recipe.training.seed)
    findings += split.empty_sides(parts, shares["validation"], shares["test"]) if files["train"] else []
    sides: dict[Side, Sequence[Example]] = {
        side: parts[side] if side == "train" else (*parts[side], *files[side]) for side in SIDES
    }
    return sides, findings + split.leaks(sides)


def taken(recipe: Recipe, examples: Sequence[Example]) -> Sequence[Example]:
    """The examples, if the task takes their kind; raises Misuse otherwise."""
    takes = recipe.task.module.takes
    strange = next((example for example in examples if not isinstance(example, takes)), None)
    if strange is None:
        return examples
    kinds = " or ".join(f"{kind.__name__.lower()}s" for kind in takes)
    raise Misuse(
        "task.examples", f"task `{recipe.task.type}` takes {kinds}, and the data holds"
        f" {type(strange).__name__.lower()}s", strange.where,
        "use another `task`, or say in `data.format` and `data.columns` how the rows are to be read",
    )
