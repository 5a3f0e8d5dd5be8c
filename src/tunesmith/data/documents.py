"""Rows of plain text as texts of like length: neighbours joined, long ones cut between sentences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from ..errors import Misuse
from ..examples import Example, Text
from ..recipe.documents import Documents
from .fields import normalised


@dataclass(frozen=True, slots=True)
class _Part:
    """A stretch of text that is not cut. of: what it may be joined with; between: what stands before it there."""

    text: str
    row: Text
    of: str
    between: str


def shaped(examples: Sequence[Example], wanted: Documents, *, by_group: bool) -> Sequence[Example]:
    """The texts that the rows make. by_group: rows of different groups are never joined.

    Raises Misuse for rows that are no plain texts, and where sentences are wanted and their library is missing.
    """
    if not wanted.characters:
        return examples
    parts: list[_Part] = []
    for example in examples:
        if not isinstance(example, Text):
            raise Misuse("data.documents", "`data.documents` joins plain texts, and the row is none", example.where,
                         "leave `data.documents` out")
        parts += _parts(example, wanted, by_group=by_group)
    return [_text(together, by_group=by_group) for together in _together(parts, wanted.characters)]


def _parts(row: Text, wanted: Documents, *, by_group: bool) -> Iterator[_Part]:
    """The row, or its sentences where it is too long for one text."""
    file = row.where.rpartition(":")[0]
    if len(row.text) <= wanted.characters:
        yield _Part(row.text, row, f"{file}\0{row.group}" if by_group else file, "\n")
        return
    for sentence in _sentences(row.text, wanted.sentences) if wanted.sentences else [row.text]:
        yield _Part(sentence, row, row.where, "")


def _sentences(text: str, language: str) -> list[str]:
    """The sentences of a text, with the blanks after each: together they are the text. Source: sentencex, Wikimedia."""
    try:
        import sentencex
    except ImportError as error:
        raise Misuse("data.sentences", "`data.documents.sentences` needs the library `sentencex`",
                     "data.documents.sentences", 'pip install "tunesmith[sentences]"') from error
    return list(sentencex.segment(language, text))


def _together(parts: Sequence[_Part], characters: int) -> Iterator[list[_Part]]:
    held: list[_Part] = []
    size = 0
    for part in parts:
        if held and (part.of != held[0].of or size + len(part.text) > characters):
            yield held
            held, size = [], 0
        held.append(part)
        size += len(part.between) + len(part.text)
    if held:
        yield held


def _text(parts: Sequence[_Part], *, by_group: bool) -> Text:
    first = parts[0]
    words = first.text + "".join(part.between + part.text for part in parts[1:])
    if not first.between:  # sentences of one row, which stay on one side
        return replace(first.row, text=words.strip())
    keeps = by_group or len(parts) == 1
    return replace(first.row, text=words, group=first.row.group if keeps else normalised(words))
