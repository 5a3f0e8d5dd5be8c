"""Tagged rows, and what becomes of them."""

from __future__ import annotations

from typing import Any

import torch

from tiny import tiny_pieces
from tunesmith.encoding.proofs.tagged import proof
from tunesmith.encoding.tokens import codec as codecs
from tunesmith.models import bases, load
from tunesmith.records import Document, Head, Tagged
from tunesmith.tasks import tag


def cut(text: str) -> list[str]:
    return text.split()


SAID = cut("The order of two red shirtmakers goes to Anna Baku in Paris")
TAGS = cut("O O O O O O O O B-PER I-PER O B-LOC")
UNREAD = "\u200b"  # a blank of no width: the tokenizer has nothing for it


def row(words: list[str] = SAID, tags: list[str] | None = TAGS, where: str = "rows.conll:1") -> Tagged:
    return Tagged(tuple(words), None if tags is None else tuple(tags), where, where)


ROWS = [row(), row(cut("Natalia sold clips in May"), cut("B-PER O O O O"), "rows.conll:14"),
        row(cut("Anna , Baku and Paris"), cut("B-PER O B-LOC O B-LOC"), "rows.conll:20"),
        row(cut("What is half ?"), cut("O O O O"), "rows.conll:26")]


def codec(longest: int = 0) -> Any:
    return codecs.build(tiny_pieces(), longest=longest)


def settings(**chosen: Any) -> tag.Settings:
    return tag.Settings(**chosen)


def made(rows: list[Tagged], longest: int = 0, **chosen: Any) -> tuple[list[list[Document]], list[Any], Head]:
    head = tag.head(ROWS + [one for one in rows if one.tags], settings(**chosen))
    found = list(tag.encode(rows, codec(longest), settings(**chosen), head))
    return [list(documents) for documents, _ in found], [finding for _, some in found for finding in some], head


def proved(documents: list[Document], example: Tagged, head: Head, **chosen: Any) -> list[str]:
    return [finding.what for finding in proof(codec(), head, settings(**chosen)).prove(documents, example)]


def network(base: bases.Base, head: Head, dtype: torch.dtype = torch.float64) -> Any:
    return load.network(base, dtype=dtype, device=torch.device("cpu"), head=head, seed=3)


def long_row(words: int = 200) -> Tagged:
    return row((SAID * 20)[:words], (TAGS * 20)[:words])
