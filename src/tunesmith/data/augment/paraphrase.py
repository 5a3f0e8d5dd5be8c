"""Copies of rows in other words, as a model that you name says them.

Nobody checks that a model keeps what a text says: a label, or an answer, stays true only where it does. Small models
drop negations and add what they know; look at some rows first (`tunesmith preview`), and let `tunesmith compare` tell
whether it paid. Answers that are empty, cut short, the same word for word, going in circles, or far longer or shorter
than the text are not taken, and counted. Of a pair, a conversation or a question only what the model is given is said
again.

The likeliest token is taken each time, so a row has one paraphrase at most, and the same one again.
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
from ._answers import taken, wanted
from ._texts import given

takes: Final = (Labelled, Pair, Conversation, Question)
learnt: Final = itself
WORDS: Final = "Say this in other words and in the same language. Answer with the new text alone.\n\n{text}"


class Settings(BaseModel):
    """Which model is asked, about how many rows, and which of its answers are taken."""

    model_config = STRICT

    model: Annotated[str, MODEL] = Field(min_length=1)
    """The model that is asked: a run, a starter, a folder, a GGUF file or a name on the Hub, as in `base`.

    A base for chat, or a run of `chat`; a base or a run of `seq2seq` is given the text alone, unless `prompt` says
    otherwise. Its licence may say what its answers may be used for.
    """

    share: float = Field(default=0.2, gt=0, le=1)
    """The share of the training rows that are asked about, above 0 to 1."""

    prompt: str | None = Field(default=None, pattern=r"\{text\}")
    """How it is asked, with `{text}` for the text; null: in English, for the same in other words."""

    tokens: int = Field(default=256, ge=1, le=8192)
    """The most tokens of an answer; one that is longer is not taken."""

    apart: float = Field(default=2.0, gt=1, le=100)
    """How many times as long as the text, or as short, an answer may be, in characters. Above 1; try 1.5 to 3."""


def vary(
    examples: Sequence[Example], settings: Settings, *, seed: int, ask: Ask
) -> Iterator[tuple[int, Example | str]]:
    """The drawn rows in other words."""
    rows = wanted(examples, settings.share, seed=seed)
    texts = [text for _, example in rows for text in given(example)]
    asking = Asking(settings.prompt or WORDS, settings.prompt or "{text}", settings.tokens)
    yield from taken(rows, ask(texts, settings.model, asking), settings.apart)
