"""A run's model card: what its files say, gathered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ...recipe import write
from ...runs import card, durable, lineage
from ...runs.card import Facts, Use
from ...runs.folder import Run

if TYPE_CHECKING:
    from ...models.pretrained import Base
    from ...recipe.sections import Recipe

NOT_THE_ORIGINAL = ("The base was read from the GGUF file `{file}`, whose numbers are not those of the model that it "
                    "was made from.")


def put(run: Run, recipe: Recipe, base: Base) -> None:
    """Write the card into the run's own folder."""
    said = f"tunesmith chat {run.name}" if recipe.task.module.generates else f"tunesmith predict {run.name} rows.jsonl"
    uses = [Use("tunesmith", "sh", said),
            Use("other programs", "sh", f"tunesmith export {run.name} merged")]
    durable.write_file(run.card_file, render(run, recipe, base, "tunesmith", uses).encode())


def render(
    run: Run, recipe: Recipe, base: Base, library: str, uses: Sequence[Use], *, parity: Mapping[str, Any] | None = None
) -> str:
    """The card of a folder that `library` opens; parity: what was found when it was opened again."""
    from ...models.about import about, reference

    known = about(base)
    return card.render(Facts(
        name=run.name, library=library, base=known.reference, licence=known.licence, languages=known.languages,
        data=list(dict.fromkeys(map(reference, recipe.data.train))), recipe=write.values(recipe),
        lineage=lineage.read(run.lineage_file),
        verdict=durable.read_json(run.verdict_file) if run.verdict_file.is_file() else None,
        uses=uses, notes=[NOT_THE_ORIGINAL.format(file=known.gguf)] if known.gguf else [], parity=parity,
        check=durable.read_json(run.check_file) if run.check_file.is_file() else None,
    ))
