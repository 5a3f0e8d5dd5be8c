"""How long the texts are that plain text is learnt in, and where long ones are cut."""

from __future__ import annotations

from pydantic import BaseModel, Field

from .kinds import STRICT


class Documents(BaseModel):
    """Rows of plain text made into texts of like length: short ones joined, long ones cut between sentences."""

    model_config = STRICT

    characters: int = Field(default=0, ge=0, le=10_000_000)
    """About how long a text becomes; 0: each row stands for itself.

    0 to 10,000,000. Rows that follow each other in a file are joined, line by line, until there are so many; a longer
    row is a text by itself. Where `data.group` names a column, only rows of one group are joined. It decides before
    rows are held out, so that neighbours are not on two sides. Join the lines of subtitles or of a scanned page: a
    model learns little from a line without the one before. Four characters are about a token.
    """

    sentences: str | None = Field(default=None, pattern=r"^[a-z]{2,3}$", examples=["az", "en"])
    """The language, as a code such as `az` or `en`, by whose sentences long rows are cut to `characters`; null: not.

    Needs the extra `sentences`. Every text then begins with a whole sentence; `data.too_long: split` cuts wherever
    the tokens are full, which costs little where the next token is learnt, and `masked` its context on one side.
    """
