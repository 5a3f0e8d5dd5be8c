"""From a recipe to documents that are proved: base, codec, examples, sides, encoding, lengths, proof."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from ...data.digest import digest
from ...data.ledger import from_problem
from ...data.remembered import Keeping
from ...errors import Misuse, Problem, Problems, Refusal, raise_all
from ...records import SIDES, Conversation, Document, Example, Finding, Head, Side
from ..rows import audit as auditing
from ..rows.sides import Read, read_sides
from . import order, tokens
from .encode import encode
from .others import Other, encode_other, of_type, task_of
from .pins import pinned
from .vocabulary import Learnt, learn

if TYPE_CHECKING:
    from ...encoding.tokens.codec import Codec
    from ...models.pretrained import Base
    from ...recipe.sections import Recipe


@dataclass(frozen=True)
class Prepared:
    """Everything a run needs before the first weight is loaded, and what was noticed on the way.

    examples: read when they are first asked for, where the documents were kept from an earlier start; supervised: of
    the training side, as `proofs.chat.Supervision` tells it; date: what templates were told today is, in ISO form.
    sources: how many training examples each source gave, the training file's own first; none where nothing is mixed
    in; held: the same of the validation side. also: the rows of `evaluation.also`; head: what stands on the network,
    whose labels are the training side's; learnt: the new pieces of the base's vocabulary, where it gets any; audit:
    what the checks of the rows found, as `check --json` has it; keeping, split: as `Read` has them.
    """

    base: Base
    open_codec: Callable[[], Codec]
    examples: Mapping[Side, Sequence[Example]]
    documents: Mapping[Side, Sequence[Document]]
    findings: Sequence[Finding]
    supervised: Mapping[str, Any]
    digests: Mapping[str, str]
    date: str
    head: Head
    sources: Mapping[str, int] = field(default_factory=dict)
    held: Mapping[str, int] = field(default_factory=dict)
    also: Mapping[str, Other] = field(default_factory=dict)
    learnt: Learnt | None = None
    audit: Mapping[str, Any] = field(default_factory=dict)
    keeping: Keeping | None = None
    split: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def codec(self) -> Codec:
        """Tokenizer and template, opened when first asked for."""
        return self.open_codec()

    @property
    def ok(self) -> bool:
        """Whether nothing refuses the run."""
        return not any(finding.severity == "error" for finding in self.findings)


def prepare(recipe: Recipe, *, date: str | None = None) -> Prepared:
    """Read, split, encode and prove everything that the recipe names, or find it as it was proved before.

    Mistakes in rows are findings; mistakes in the recipe, and files that cannot be read, are raised. date: what
    templates are told today is; a run that goes on hands in the day it began.
    """
    from ...models import bases

    recipe, _ = pinned(recipe)
    today = date or datetime.now().astimezone().date().isoformat()
    base = bases.of_recipe(recipe, "base.name")
    refuse_impossible(recipe, base)
    under = tokens.key(recipe, base, today)
    kept = tokens.read(under)
    if kept is None:
        return _anew(recipe, base, today, under)
    if kept.learnt is not None:
        base = bases.with_pieces(base, kept.learnt.pieces)
    later = _Later(recipe, kept)
    others = {
        name: Other(of_type(recipe, name, one.task), one.encoded.documents, partial(later.also, name), one.digest,
                    one.left)
        for name, one in kept.also.items()
    }
    return _prepared(recipe, base, kept, others, (today, partial(_codec, recipe, base, today), later))


Opened = tuple[str, Callable[[], "Codec"], Mapping[Side, Sequence[Example]]]  # the date, the codec, the examples


def _prepared(
    recipe: Recipe, base: Base, kept: tokens.Kept, also: Mapping[str, Other], opened: Opened
) -> Prepared:
    """What was prepared, with what only the whole recipe tells of it."""
    today, open_codec, examples = opened
    documents = {side: encoded.documents for side, encoded in kept.sides.items()}
    planned = order.order(recipe, documents["train"], kept.sources)
    unkept = kept.keeping.told() if kept.keeping else []
    findings = merged([*kept.findings, *unkept, *order.findings(planned, documents["train"])])
    return Prepared(
        base, open_codec, examples, documents, findings, kept.sides["train"].supervised,
        {**kept.digests, "base": base.digest}, today, kept.head, kept.sources, kept.held, also, kept.learnt,
        kept.audit, kept.keeping, kept.split,
    )


def _anew(recipe: Recipe, base: Base, today: str, under: str | None) -> Prepared:
    """Prepared from the files, and kept for the next start unless a file changed meanwhile."""
    from ...models import bases

    codec, own = _codec(recipe, base, today), base
    found = read_sides(recipe)
    learnt, told = learn(recipe, base, found.sides)
    if learnt is not None:
        base = bases.with_pieces(base, learnt.pieces)
        codec = _codec(recipe, base, today)
    head, headless = head_of(recipe, base, found.sides["train"])
    sides = {side: encode(recipe, codec, head, () if headless else each, side=side)
             for side, each in found.sides.items()}
    tasks = {name: task_of(recipe, name, each) for name, each in found.also.items()}
    also = {
        name: tokens.KeptOther(tasks[name].type, digest(each), found.left[name],
                               encode_other(recipe, codec, head, name, tasks[name], examples=() if headless else each))
        for name, each in found.also.items()
    }
    audited = auditing.audit(recipe, codec, found.sides, found.alike, also=found.also,
                             head=None if headless else head)
    findings = [*found.findings, *told, *headless, *auditing.findings(audited),
                *(finding for encoded in sides.values() for finding in encoded.findings),
                *(finding for other in also.values() for finding in other.encoded.findings),
                *new_tokens(base, codec)]
    if not sides["train"].documents and not any(finding.severity == "error" for finding in findings):
        findings.append(Finding("error", "data.empty", "no row is left to train on", "data.train", "give more rows"))
    digests = {**{f"data_{side}": digest(each) for side, each in found.sides.items()}, **codec.digests()}
    kept = tokens.Kept(sides, also, found.sources, digests, merged(findings), head, found.held, learnt,
                       auditing.as_json(audited), found.keeping, found.split)
    if under is not None and under == tokens.key(recipe, own, today):
        tokens.write(under, kept)
    others = {
        name: Other(tasks[name], one.encoded.documents, partial(found.also.__getitem__, name), one.digest, one.left)
        for name, one in also.items()
    }
    return _prepared(recipe, base, kept, others, (today, lambda: codec, found.sides))


def head_of(recipe: Recipe, base: Base, examples: Sequence[Example]) -> tuple[Head, list[Finding]]:
    """The head that the training rows ask for, and as errors why they ask for none, or the base cannot have it."""
    from ...models import layouts

    if not examples:
        return Head(), []
    try:
        head = recipe.task.module.head(examples, recipe.task.settings)
        layouts.of_base(base, head)
        return head, []
    except (Problem, Problems) as error:
        return Head(), list(from_problem(error))


def new_tokens(base: Base, codec: Codec) -> list[Finding]:
    """That the base gets tokens with a meaning of their own which it does not have, if it does."""
    from ...models import load

    added = [f"`{codec.token(index)}`" for index, replaced in load.new_ids(base).items() if not replaced]
    if not added:
        return []
    return [Finding(
        "note", "base.new_tokens", f"new to the base, each beginning as the mean of all tokens: {', '.join(added)}",
        "base.special_tokens", "to serve the result with vLLM, merge it: it takes no adapter with new tokens",
    )]


def _codec(recipe: Recipe, base: Base, today: str) -> Codec:
    from ...models import load

    return load.codec(
        base, recipe.data.template, datetime.fromisoformat(today),
        tools=recipe.data.tools, thinking=recipe.data.thinking, longest=recipe.training.max_length)


class _Later(Mapping[Side, Sequence[Example]]):
    """The examples of each side, read when one is first asked for, and held against what was proved."""

    def __init__(self, recipe: Recipe, kept: tokens.Kept) -> None:
        self._recipe, self._kept = recipe, kept

    @cached_property
    def _read(self) -> Read:
        read = read_sides(self._recipe)
        found = {f"data.{side}": (digest(examples), self._kept.digests[f"data_{side}"])
                 for side, examples in read.sides.items()}
        found |= {f"evaluation.also.{name}": (digest(examples), self._kept.also[name].digest)
                  for name, examples in read.also.items()}
        raise_all([
            Refusal("data.changed", f"the rows of `{option}` are not those that this run began with", option,
                    "put the files back as they were, or start a new run")
            for option, (now, then) in found.items() if now != then
        ])
        return read

    def also(self, name: str) -> Sequence[Example]:
        """The rows of an entry of `evaluation.also`."""
        return self._read.also[name]

    def __getitem__(self, side: Side) -> Sequence[Example]:
        return self._read.sides[side]

    def __iter__(self) -> Iterator[Side]:
        return iter(SIDES)

    def __len__(self) -> int:
        return len(SIDES)


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
