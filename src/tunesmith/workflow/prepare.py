"""From a recipe to documents that are proved: base, codec, examples, sides, encoding, lengths, proof."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from ..data import split
from ..data.digest import digest
from ..data.load import load as load_rows
from ..data.system import with_system
from ..errors import Misuse, Refusal, raise_all
from ..records import SIDES, Conversation, Document, Example, Finding, Side

if TYPE_CHECKING:
    from ..encoding.codec import Codec
    from ..models.bases import Base
    from ..recipe.sections import Recipe


@dataclass(frozen=True)
class Prepared:
    """Everything a run needs before the first weight is loaded, and what was noticed on the way.

    date: what templates were told today is, in ISO form.
    """

    base: Base
    codec: Codec
    examples: Mapping[Side, Sequence[Example]]
    documents: Mapping[Side, Sequence[Document]]
    findings: Sequence[Finding]
    digests: Mapping[str, str]
    date: str

    @property
    def ok(self) -> bool:
        """Whether nothing refuses the run."""
        return not any(finding.severity == "error" for finding in self.findings)


def prepare(recipe: Recipe, *, date: str | None = None) -> Prepared:
    """Read, split, encode and prove everything that the recipe names.

    Mistakes in rows are findings; mistakes in the recipe, and files that cannot be read, are raised. date: what
    templates are told today is; a run that goes on hands in the day it began.
    """
    from ..models import bases, load

    today = date or datetime.now().astimezone().date().isoformat()
    base = bases.find(recipe.base.name, "base.name")
    codec = load.codec(base, recipe.data.template, datetime.fromisoformat(today))
    refuse_impossible(recipe, base)
    sides, findings = read_sides(recipe)
    documents: dict[Side, Sequence[Document]] = {}
    for side, examples in sides.items():
        documents[side], found = encode(recipe, codec, examples)
        findings += found
    if not documents["train"] and not any(finding.severity == "error" for finding in findings):
        findings.append(Finding("error", "data.empty", "no row is left to train on", "data.train", "give more rows"))
    digests = {f"data_{side}": digest(examples) for side, examples in sides.items()}
    digests |= {"base": base.digest, **codec.digests()}
    return Prepared(base, codec, sides, documents, merged(findings), digests, today)


def refuse_impossible(recipe: Recipe, base: Base) -> None:
    """Raise Misuse for what the recipe alone could not show: more tokens than the base reads, a prompt for no turns."""
    wrong = []
    if recipe.training.max_length > base.context:
        wrong.append(Misuse(
            "training.max_length", f"`training.max_length` is {recipe.training.max_length}, and the base reads no more"
            f" than {base.context} tokens", "training.max_length", f"set it to {base.context} or less",
        ))
    if recipe.data.system is not None and Conversation not in recipe.task.module.takes:
        wrong.append(Misuse(
            "data.system", f"task `{recipe.task.type}` has no turns that a system prompt could stand before",
            "data.system", "leave `data.system` out, or use `task: chat`",
        ))
    raise_all(wrong)


def read_sides(recipe: Recipe) -> tuple[dict[Side, Sequence[Example]], list[Finding]]:
    """Examples of each side as the recipe wants them, and what was noticed."""
    findings: list[Finding] = []
    named = {"train": recipe.data.train, "validation": recipe.data.validation, "test": recipe.data.test}
    files: dict[str, list[Example]] = {side: [] for side in SIDES}
    for side, wanted in named.items():
        if isinstance(wanted, float):
            continue
        loaded = load_rows(
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


def encode(
    recipe: Recipe, codec: Codec, examples: Sequence[Example]
) -> tuple[Sequence[Document], list[Finding]]:
    """Documents that are proved and fit; `Document.example` is the index in `examples`."""
    from ..encoding.lengths import fit
    from ..encoding.proof import prove

    task, settings = recipe.task.module, recipe.task.settings
    findings: list[Finding] = []
    documents: list[Document] = []
    refused: set[int] = set()
    for index, example in enumerate(examples):
        encoded, found = task.encode(example, codec, settings)
        findings += found
        documents += [replace(document, example=index) for document in encoded]
        if any(finding.severity == "error" for finding in found):
            refused.add(index)
    findings += prove(documents, examples, codec, refused=refused)
    fitting, found = fit(
        documents, examples, codec, max_length=recipe.training.max_length, too_long=recipe.data.too_long
    )
    return fitting, findings + found


def merged(findings: Iterable[Finding]) -> list[Finding]:
    """Findings, the gravest first, the same one told once."""
    grave = {"error": 0, "warning": 1, "note": 2}
    return sorted(dict.fromkeys(findings), key=lambda finding: grave[finding.severity])


def refuse(findings: Iterable[Finding]) -> None:
    """Raise every finding that is an error, together, as Refusals."""
    raise_all([
        Refusal(finding.kind, finding.what, finding.where, finding.remedy)
        for finding in findings if finding.severity == "error"
    ])
