"""A source and its target as an encoder-decoder is given them: one document, in two parts.

Each part is framed as the tokenizer's own post-processor writes it. Tokenizers of translation models (mBART, NLLB) put
the language of a text into that frame, as one control token: it is exchanged for the language wanted. What the decoder
reads is the target moved on by one place, which the network does by its own convention; a document has the target as it
is learnt.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ...catalog import nearest
from ...errors import Misuse
from ...records import OF_TARGET, Document
from ..tokens.codec import Codec
from ..tokens.framing import Framed
from .shift import NO_TARGET

SOURCE: Final = 0
TARGET: Final = 1
BETWEEN: Final = "\n"


@dataclass(frozen=True, slots=True)
class Texts:
    """What stands on both sides of a document, as text, and in which languages: "" is the tokenizer's own choice."""

    source: str
    target: str
    source_language: str = ""
    target_language: str = ""


def documents(rows: Sequence[Texts], codec: Codec) -> list[Document]:
    """Of each row one document."""
    sources = codec.frames.texts([row.source for row in rows])
    targets = codec.frames.texts([row.target for row in rows])
    return [_document(row, source, target, codec)
            for row, source, target in zip(rows, sources, targets, strict=True)]


def asked(rows: Sequence[Texts], codec: Codec) -> list[list[int]]:
    """Of each row the ids that the encoder is given, however many."""
    framed = codec.frames.texts([row.source for row in rows])
    return [in_language(each, row.source_language, codec).tolist() for row, each in zip(rows, framed, strict=True)]


def fitted(ids: list[int], longest: int) -> list[int]:
    """At most so many ids, the last one kept."""
    return ids if len(ids) <= longest else [*ids[: longest - 1], ids[-1]]


def opening(language: str, codec: Codec) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """What the tokenizer writes before a target in that language, and what after it."""
    [empty] = codec.frames.texts([""])
    [one] = codec.frames.texts(["a"])
    before = int(np.argmax(one.text_of >= 0))
    ids = in_language(empty, language, codec).tolist()
    return tuple(ids[:before]), tuple(ids[before:])


def in_language(framed: Framed, language: str, codec: Codec) -> NDArray[np.int64]:
    """The ids of a framed text with the language wanted in their frame; as they are for ""."""
    if not language:
        return framed.ids
    ids = framed.ids.copy()
    ids[_places(framed, codec)] = codec.control[language]
    return ids


def token_of(language: str, codec: Codec, where: str) -> int:
    """The id of a language's control token. Raises Misuse where there is none, with the nearest one."""
    if language in codec.control:
        return codec.control[language]
    near = nearest(language, codec.control)
    raise Misuse("task.language", f"there is no control token `{language}` in the tokenizer", where,
                 f"use `{near}`" if near else "use its own name for the language, such as `eng_Latn` or `en_XX`")


def marks_languages(codec: Codec) -> bool:
    """Whether the tokenizer's frame has one place that can only be a language's."""
    return len(_places(codec.frames.texts([""])[0], codec)) == 1


def _places(framed: Framed, codec: Codec) -> NDArray[np.int64]:
    """Where in a frame neither the BOS stands nor what ends a text."""
    own = (framed.text_of < 0) & ~np.isin(framed.ids, [*codec.stop, *([] if codec.bos is None else [codec.bos])])
    return np.flatnonzero(own)


def _document(row: Texts, source: Framed, target: Framed, codec: Codec) -> Document:
    read = in_language(source, row.source_language, codec)
    learnt = in_language(target, row.target_language, codec)
    weights = np.zeros(len(read) + len(learnt), np.float32)
    weights[len(read) :] = 1.0
    return Document(
        np.concatenate([read, learnt]), np.concatenate([np.full(len(read), NO_TARGET), learnt]), weights, 0,
        row.source + BETWEEN + row.target, lambda: _ends(row, source, target),
        token_columns={OF_TARGET: np.repeat(np.asarray([SOURCE, TARGET]), [len(read), len(learnt)])}, both_ways=True)


def _ends(row: Texts, source: Framed, target: Framed) -> NDArray[np.int64]:
    """Where each token ends in both texts, the line feed between them with the source's last."""
    first, second = (np.maximum.accumulate(each.spans[:, 1]) for each in (source, target))
    first[-1:], second[-1:] = len(row.source) + len(BETWEEN), len(row.target)
    return np.concatenate([first, second + len(row.source) + len(BETWEEN)])
