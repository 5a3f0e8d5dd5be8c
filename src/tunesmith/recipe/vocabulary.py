"""New pieces for a base's vocabulary, so that a language that it hardly knows takes fewer tokens."""

from __future__ import annotations

from pydantic import BaseModel, Field

from .kinds import STRICT, Files


class Vocabulary(BaseModel):
    """New pieces, learnt from texts and put after those that the base has. They learn with any adapter.

    Each begins as the mean of the pieces that it replaces. What the base knew keeps its ids.
    """

    model_config = STRICT

    tokens: int = Field(default=0, ge=0, le=1_000_000)
    """The most pieces that are added; 0: the base's own vocabulary stays as it is.

    0 to 1,000,000. `tunesmith check` tells the tokens a word before and after. Try 2000 for a megabyte of text in a new
    language, 8000 to 32000 for a hundred; each is a row that has to be learnt from the places where it stands.
    """

    texts: Files | None = None
    """What the pieces are learnt from: files as in `data.train`; null: the training rows.

    A relative path counts from the folder of the recipe. Name a larger corpus of the language where there is one.
    """

    at_least: int = Field(default=10, ge=2, le=1_000_000)
    """How often a piece must stand in the texts to be added.

    2 to 1,000,000. A piece that is seldom seen is hardly learnt; lower it for very little text.
    """
