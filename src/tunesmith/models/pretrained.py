"""What is known of a base before it is opened."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..encoding.tokens.vocabulary import Pieces
from ..recipe.sections import SpecialTokens


@dataclass(frozen=True, slots=True)
class Base:
    """A pretrained model on this machine, in the Hub's layout with safetensors.

    digest: of its content; context: the longest document in tokens. An earlier run as base has `under`, the base that
    it started from and whose `folder` it shares, and `checkpoint`, where what it learnt stands. added: the pieces and
    tokens that were set or added to what stands in the folder, the earliest first.
    """

    name: str
    folder: Path
    digest: str
    architecture: str
    context: int
    run: Path | None = None
    checkpoint: Path | None = None
    under: Base | None = None
    added: tuple[SpecialTokens | Pieces, ...] = ()
