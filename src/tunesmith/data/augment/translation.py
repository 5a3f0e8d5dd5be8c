"""Copies of rows translated into another language and back, by models that you name.

Nobody checks that the way there and back keeps what a text says: a label, or an answer, stays true only where it does.
Look at some rows first (`tunesmith preview`), and let `tunesmith compare` tell whether it paid. Answers that are empty,
cut short, the same word for word, going in circles, or far longer or shorter than the text are not taken, and counted.
Of a pair, a conversation or a question only what the model is given is translated.

Source: Sennrich, Haddow and Birch 2016, "Improving neural machine translation models with monolingual data".
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Final

from pydantic import BaseModel, Field

from ...contracts import Ask, Asking
from ...recipe.kinds import STRICT
from ...recipe.located import MODEL
from ...records import Conversation, Example, Labelled, Pair, Question
from ..varied import itself
from ._answers import taken, tidy, wanted
from ._texts import given

takes: Final = (Labelled, Pair, Conversation, Question)
learnt: Final = itself
WORDS: Final = "Translate this from {source} into {target}. Answer with the translation alone.\n\n{text}"


class Settings(BaseModel):
    """Which models translate, between which languages, and which of their answers are taken."""

    model_config = STRICT

    model: Annotated[str, MODEL] = Field(min_length=1)
    """The model that translates: a run, a starter, a folder, a GGUF file or a name on the Hub, as in `base`.

    A base for chat or a run of `chat` is asked in words; a base or a run of `seq2seq` is given the text alone.
    """

    back: Annotated[str | None, MODEL] = None
    """The model that translates back; null: the same one. Name one where each knows one direction (Marian)."""

    language: str = "English"
    """The language of the rows, as the models call it: `Azerbaijani` where one is asked in words, `azj_Latn` (NLLB)."""

    through: str = "French"
    """The language between, likewise: `French`, `fra_Latn`. One that the models know well, and unlike the rows' own."""

    share: float = Field(default=0.2, gt=0, le=1)
    """The share of the training rows that are translated, above 0 to 1."""

    prompt: str | None = Field(default=None, pattern=r"\{text\}")
    """How a model is asked, with `{source}`, `{target}` and `{text}`; null: in English, or with the text alone.

    T5 is asked with `"translate {source} to {target}: {text}"`.
    """

    tokens: int = Field(default=256, ge=1, le=8192)
    """The most tokens of an answer; one that is longer is not taken."""

    apart: float = Field(default=2.0, gt=1, le=100)
    """How many times as long as the text, or as short, the answer may be, in characters. Above 1; try 1.5 to 3."""


def vary(
    examples: Sequence[Example], settings: Settings, *, seed: int, ask: Ask
) -> Iterator[tuple[int, Example | str]]:
    """The drawn rows after their way there and back."""
    rows = wanted(examples, settings.share, seed=seed)
    texts = [text for _, example in rows for text in given(example)]
    there = ask(texts, settings.model, _asking(settings, settings.language, settings.through))
    there = [tidy(answer, text) for answer, text in zip(there, texts, strict=True)]
    asked = [text for text in there if text]  # what has no translation cannot be translated back
    back = iter(ask(asked, settings.back or settings.model, _asking(settings, settings.through, settings.language)))
    yield from taken(rows, [next(back) if text else "" for text in there], settings.apart)


def _asking(settings: Settings, source: str, target: str) -> Asking:
    """How one direction is asked for."""
    def filled(words: str) -> str:
        return words.replace("{source}", source).replace("{target}", target)

    return Asking(filled(settings.prompt or WORDS), filled(settings.prompt or "{text}"), settings.tokens,
                  (source, target))
