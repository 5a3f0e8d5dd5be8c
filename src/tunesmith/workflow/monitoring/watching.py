"""A run that is served, watched: the reference that it carries, and its log as its recipe wants it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...data.digest import digest
from ...data.shelf import picked
from ...data.varied import parent
from ...errors import Misuse, Refusal, raise_all
from ...evaluation import predictions
from ...recipe import read
from ...records import Example, Side
from ...runs import folder, lineage
from ...runs.folder import Run

if TYPE_CHECKING:
    from ...monitoring.log import Log
    from ...monitoring.reference import Reference
    from ...recipe.sections import Recipe
    from ..preparing.prepare import Prepared

Sides = Mapping[Side, Sequence[Example]]


def put(run: Run, recipe: Recipe, prepared: Prepared) -> None:
    """Write the reference into a run that was just trained, unless its recipe wants none."""
    from ...monitoring import reference

    if recipe.monitoring.reference:
        reference.write(_made(run, recipe, prepared.examples, prepared.sources, prepared.held), run.reference_file)


def reference_of(run: Run, recipe: Recipe) -> Reference:
    """The run's reference; made from its rows where it carries none, if they are still those that it was made from.

    Raises Misuse where its recipe wants none, Refusal where the rows have changed.
    """
    from ...monitoring import reference

    if run.reference_file.is_file():
        return reference.read(run.reference_file)
    if not recipe.monitoring.reference:
        raise Misuse("monitoring.no_reference", "the run carries no reference, and its recipe wants none",
                     f"{run.recipe_file}", "set `monitoring.reference` there to 1000")
    from ..rows.sides import read_sides

    found = read_sides(recipe)
    kept = lineage.read(run.lineage_file)["digests"]
    raise_all([
        Refusal("monitoring.data_changed", f"the run carries no reference, and the rows of `data.{side}` are not those"
                " that it was made from", f"data.{side}", "put the files back as they were, or train again")
        for side, examples in found.sides.items() if kept.get(f"data_{side}") != digest(examples)
    ])
    made = _made(run, recipe, found.sides, found.sources, found.held)
    reference.write(made, run.reference_file)
    return made


def _made(
    run: Run, recipe: Recipe, sides: Sides, sources: Mapping[str, int], validated: Mapping[str, int]
) -> Reference:
    """The reference, of the rows of the recipe's own files that were not made of others."""
    from ...monitoring import reference

    def own(side: Side, counts: Mapping[str, int]) -> Sequence[Example]:
        examples = sides[side]
        many = next(iter(counts.values())) if counts else len(examples)
        return picked(examples, [place for place in range(many)
                                 if not recipe.data.augment or not parent(examples[place].where)[1]])

    test, validation = own("test", {}), own("validation", validated)
    outputs: dict[int, Mapping[str, Any]] = {
        kept.row: kept.sides[predictions.TUNED].output for kept in predictions.read(run.predictions_file)}
    return reference.make(own("train", sources), [*test, *validation], outputs, many=recipe.monitoring.reference,
                          seed=recipe.training.seed, mask=recipe.monitoring.mask)


def log_of(path: Path, file: Path | None = None) -> Log | None:
    """The open log of a run, in its folder or in another file; None where its recipe keeps nothing.

    Raises Misuse for a file that is no log, Failure where it cannot be made.
    """
    from ...monitoring import reference
    from ...monitoring.log import open_log

    run = folder.open_run(path)
    recipe = read.read(run.recipe_file)
    if recipe.monitoring.keep == "nothing":
        return None
    known = reference.read(run.reference_file).known if run.reference_file.is_file() else None
    return open_log(file or run.seen_file, recipe.monitoring, known)
