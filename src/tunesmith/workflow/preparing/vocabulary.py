"""New pieces of the base's vocabulary, learnt before anything is encoded, and what they save."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...data.load import load
from ...data.texts import texts
from ...encoding.tokens import vocabulary
from ...encoding.tokens.vocabulary import Pieces
from ...errors import Refusal
from ...recipe.sources import MAIN
from ...records import Example, Finding, Side

if TYPE_CHECKING:
    from ...models.pretrained import Base
    from ...recipe.sections import Recipe

OPTION = "base.vocabulary"


@dataclass(frozen=True)
class Learnt:
    """New pieces, and how many tokens a word takes with the base's own vocabulary and with the new one."""

    pieces: Pieces
    before: float
    after: float

    @property
    def facts(self) -> dict[str, Any]:
        """For a lineage."""
        return {"pieces": len(self.pieces.replaces), "tokens_per_word": {"before": self.before, "after": self.after}}

    def __str__(self) -> str:
        return (f"{len(self.pieces.replaces)} new pieces: {self.after:.2f} tokens a word in place of {self.before:.2f} "
                f"({self.after / self.before - 1:+.0%})")

    def as_json(self) -> dict[str, Any]:
        """For a run's folder, and for the next start."""
        return {"tokens_per_word": {"before": self.before, "after": self.after}, **self.pieces.as_json()}

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Learnt:
        """What `as_json` told of."""
        counted = told["tokens_per_word"]
        return cls(Pieces.from_json(told), counted["before"], counted["after"])


def learn(
    recipe: Recipe, base: Base, sides: Mapping[Side, Sequence[Example]]
) -> tuple[Learnt | None, list[Finding]]:
    """The new pieces that the recipe asks for, None where it asks for none, and what was noticed."""
    from ...models import load as models

    wanted = recipe.base.vocabulary
    if not wanted.tokens:
        return None, []
    corpus, findings = _corpus(recipe, sides)
    state = models.tokenizer(base).backend_tokenizer.to_str()
    try:
        pieces = vocabulary.learn(state, corpus, tokens=wanted.tokens, at_least=wanted.at_least)
    except Refusal as problem:
        return None, [*findings, Finding("error", problem.kind, problem.what, OPTION, problem.remedy)]
    if not pieces.replaces:
        return None, [*findings, Finding(
            "warning", "base.vocabulary", f"no new piece stands {wanted.at_least} times in the texts: the base's "
            "vocabulary stays as it is", OPTION, "give more text, or lower `base.vocabulary.at_least`")]
    side: Side = next((side for side in ("test", "validation") if sides[side]), "train")
    measured = _texts(sides[side])
    learnt = Learnt(pieces, vocabulary.tokens_per_word(state, measured),
                    vocabulary.tokens_per_word(vocabulary.extended(state, pieces), measured))
    fewer = "" if len(pieces.replaces) == wanted.tokens else (
        f"; `base.vocabulary.tokens` {wanted.tokens} are more than stand {wanted.at_least} times in the texts")
    return learnt, [*findings, Finding(
        "note", "base.vocabulary", f"{learnt}, in the {side} rows{fewer}", OPTION,
        "to serve the result with vLLM, merge it: it takes no adapter with new tokens")]


def _corpus(recipe: Recipe, sides: Mapping[Side, Sequence[Example]]) -> tuple[list[str], list[Finding]]:
    """What the pieces are learnt from. Of the training side the rows of `data.train`, not those that are mixed in."""
    files = recipe.base.vocabulary.texts
    if files is None:
        return _texts([example for example in sides["train"] if example.source in ("", MAIN)]), []
    loaded = load(files, base_folder=Path())
    return _texts(loaded.examples), list(loaded.findings)


def _texts(examples: Sequence[Example]) -> list[str]:
    return [text for example in examples for text in texts(example)]
