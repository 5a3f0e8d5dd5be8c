"""Plain text and pairs to documents: what `completion` learns."""

from __future__ import annotations

from ..contracts import Encoded
from ..records import Document
from .codec import Codec, Piece
from .shift import document


def text_document(text: str, codec: Codec, *, example: int = 0) -> Document:
    """BOS where the tokenizer opens texts with one, the text, EOS: all supervised. Control tokens in it stay text."""
    body = codec.encode(text)
    ids, ends = _opened(codec)
    return _closed(codec, ids + body.ids, ends + body.ends, text, start=1 if ids else 0, example=example)


def pair_document(question: str, answer: str, codec: Codec, *, example: int = 0) -> Document:
    """The question, then the answer and EOS, which are supervised.

    Encoded as one text where the question's ids are then what inference will be given, else one after the other.
    """
    before = prompt(question, codec).ids
    opened = len(_opened(codec)[0])
    joined = codec.encode(question + answer)
    count = len(before) - opened
    if joined.ids[:count] == before[opened:]:
        ids, ends = joined.ids, joined.ends
    else:
        first, after = codec.encode(question), codec.encode_pieces([Piece(answer, False)], continued=bool(question))
        ids, ends = first.ids + after.ids, first.ends + [len(question) + end for end in after.ends]
    ids, ends = before[:opened] + ids, [0] * opened + ends
    return _closed(codec, ids, ends, question + answer, start=len(before), example=example)


def prompt(text: str, codec: Codec) -> Encoded:
    """What inference is given where there is no template: BOS if the tokenizer opens texts with one, then the text."""
    opened, ends = _opened(codec)
    body = codec.encode(text)
    return Encoded(opened + body.ids, ends + body.ends)


def _opened(codec: Codec) -> tuple[list[int], list[int]]:
    return ([codec.bos], [0]) if codec.wants_bos and codec.bos is not None else ([], [])


def _closed(codec: Codec, ids: list[int], ends: list[int], text: str, *, start: int, example: int) -> Document:
    if codec.eos is not None:
        ids, ends = [*ids, codec.eos], [*ends, len(text)]
    return document(ids, [(start, len(ids))], text=text, ends=ends, example=example)
