"""Plain text and pairs to documents: what `completion` learns."""

from __future__ import annotations

from collections.abc import Iterable

from ...contracts import Encoded
from ...records import Document
from ..tokens.codec import Codec, Piece
from .shift import document


def foresee(texts: Iterable[str], codec: Codec) -> None:
    """Encode together what the functions below will ask for one after another."""
    codec.foresee([Piece(text, False)] for text in texts)


def text_document(text: str, codec: Codec, *, example: int = 0) -> Document:
    """BOS where the tokenizer opens texts with one, the text, EOS: all supervised. Control tokens in it stay text."""
    body = codec.encode(text)
    opened = _opened(body, codec)
    return _closed(codec, opened, text, start=len(opened.ids) - len(body.ids), example=example)


def pair_document(question: str, answer: str, codec: Codec, *, example: int = 0) -> Document:
    """The question, then the answer and EOS, which are supervised.

    Encoded as one text where the question's ids are then what inference will be given, else one after the other.
    """
    before = codec.encode(question)
    joined = codec.encode(question + answer)
    if joined.ids[: len(before.ids)] != before.ids:
        after = codec.encode_pieces([Piece(answer, False)], continued=bool(question))
        joined = Encoded(
            before.ids + after.ids, lambda: before.ends + [len(question) + end for end in after.ends])
    asked = _opened(before, codec)
    return _closed(codec, _opened(joined, codec), question + answer, start=len(asked.ids), example=example)


def prompt(text: str, codec: Codec) -> Encoded:
    """What inference is given where there is no template: BOS if the tokenizer opens texts with one, then the text."""
    return _opened(codec.encode(text), codec)


def _opened(body: Encoded, codec: Codec) -> Encoded:
    """With the BOS in front, if the tokenizer opens texts with one."""
    if not codec.wants_bos or codec.bos is None:
        return body
    return Encoded([codec.bos, *body.ids], lambda: [0, *body.ends])


def _closed(codec: Codec, body: Encoded, text: str, *, start: int, example: int) -> Document:
    ids = body.ids if codec.eos is None else [*body.ids, codec.eos]
    return document(
        ids, [(start, len(ids))], text=text, ends=lambda: (*body.ends, len(text))[: len(ids)], example=example)
