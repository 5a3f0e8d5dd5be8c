"""The proof of tagged words: each document is read back word by word, by other means than it was made with.

Encoding takes from the tokenizer, for a whole row, which piece is of which word. Here every word is given to the
tokenizer by itself, and the pieces must stand in the document one word after another.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...data import schemes
from ...records import Document, Example, Finding, Head, Tagged
from ..documents.tagged import FROM
from ..tokens.codec import Codec
from . import slips

REPORT = "report this with the row: the run is refused so that nothing wrong is learnt"
SHOWN = 5
KEPT_WORDS = 1 << 18


@dataclass(slots=True)
class _Told:
    """What many rows share: a count, and the first of them."""

    mended: Counter[tuple[str, str]] = field(default_factory=Counter)
    mended_at: list[str] = field(default_factory=list)
    mended_rows: int = 0
    unread: int = 0
    unread_at: list[str] = field(default_factory=list)


class Proof:
    """Proves tagged rows one after another, and remembers what many of them share."""

    def __init__(self, codec: Codec, head: Head, *, all_pieces: bool) -> None:
        self._frames, self._head, self._all_pieces = codec.frames, head, all_pieces
        self._pieces: dict[str, list[int]] = {}
        self._told, self._tags = _Told(), slips.Tags()
        [empty] = self._frames.texts([""])
        self._frame = empty.ids.tolist()

    def prove(self, made: Sequence[Document], example: Example) -> list[Finding]:
        """An error where what is learnt of a row is not its tags, word by word."""
        assert isinstance(example, Tagged) and example.tags is not None
        wanted = schemes.mended(example.tags, self._head.scheme)
        self._remember(example, wanted)
        learnt: Counter[int] = Counter()
        for document in made:
            wrong = self._read(document, example.words, wanted, learnt)
            if wrong:
                return [Finding("error", "tags.wrong", wrong, example.where, REPORT)]
        readable = {place for place, word in enumerate(example.words) if self._of(word)}
        odd = sorted(word for word in readable | learnt.keys() if learnt[word] != (word in readable))
        if odd:
            return [Finding("error", "tags.wrong", f"word {odd[0] + 1}, `{example.words[odd[0]]}`, is learnt "
                            f"{learnt[odd[0]]} times", example.where, REPORT)]
        if len(readable) < len(example.words):
            self._told.unread += len(example.words) - len(readable)
            self._told.unread_at.append(example.where)
        return []

    def notes(self) -> list[Finding]:
        """The scheme, what was mended, tags that look misspelt, and words that give the tokenizer nothing."""
        return [*self._scheme(), *self._mended(), *slips.findings(self._tags, self._head), *self._unread()]

    def _of(self, word: str) -> list[int]:
        """The pieces of a word."""
        if word not in self._pieces:
            if len(self._pieces) >= KEPT_WORDS:
                self._pieces.clear()
            [framed] = self._frames.of_words([[word]])
            self._pieces[word] = framed.ids[framed.words >= 0].tolist()
        return self._pieces[word]

    def _read(
        self, document: Document, words: Sequence[str], wanted: Sequence[str], learnt: Counter[int]
    ) -> str:
        """Walk a document beside the words; what is wrong with it, "" where nothing is."""
        ids, labels = document.ids.tolist(), self._head.labels
        word, stood = document.document_columns[FROM].tolist()
        before = 0
        while before < len(self._frame) and ids[before] == self._frame[before]:
            before += 1
        at, end = before, len(ids) - (len(self._frame) - before)
        if ids[end:] != self._frame[before:]:
            return "a document has another frame than the tokenizer writes"
        while at < end:
            pieces = self._of(words[word]) if word < len(words) else []
            count = min(len(pieces) - stood, end - at)
            if word >= len(words) or ids[at : at + count] != pieces[stood : stood + count]:
                return f"the tokens from word {min(word, len(words) - 1) + 1} on are those of other words"
            taught = [place for place in range(at, at + count) if document.weights[place] > 0]
            if taught and (stood or taught != list(range(at, at + (count if self._all_pieces else 1)))):
                return f"word {word + 1}, `{words[word]}`, is learnt by other pieces than it should be"
            for place in taught:
                if labels[document.targets[place]] != wanted[word]:
                    return (f"word {word + 1}, `{words[word]}`, is tagged {wanted[word]}, and "
                            f"{labels[document.targets[place]]} would be learnt")
            learnt[word] += bool(taught)
            at, word, stood = at + count, word + 1, 0
        outside = np.concatenate([document.weights[:before], document.weights[end:]])
        return "a token of the frame is learnt" if outside.any() else ""

    def _remember(self, example: Tagged, wanted: Sequence[str]) -> None:
        tags = example.tags or ()
        self._tags.take(tags, example.where)
        changed = [(was, now) for was, now in zip(tags, wanted, strict=True) if was != now]
        if changed:
            self._told.mended.update(changed)
            self._told.mended_rows += 1
            self._told.mended_at.append(example.where)

    def _scheme(self) -> Iterator[Finding]:
        scheme, labels = self._head.scheme, self._head.labels
        kinds = schemes.types(labels, scheme)
        said = f"plain tags, one a word: {len(kinds)} of them" if scheme == schemes.NONE else \
            f"`{scheme}`, with {len(kinds)} types of entities: {', '.join(kinds[:20])}" + \
            (" …" if len(kinds) > 20 else "")
        yield Finding("note", "tags.scheme", f"the tags are read as {said}", "task.scheme",
                      "say in `task: {type: tag, scheme: …}` if they are meant otherwise")

    def _mended(self) -> Iterator[Finding]:
        told = self._told
        if told.mended_rows:
            common = ", ".join(f"`{was}` to `{now}` ({count})" for (was, now), count in told.mended.most_common(SHOWN))
            yield Finding(
                "warning", "tags.mended", f"{told.mended_rows} rows have tags that break the scheme "
                f"`{self._head.scheme}`; {told.mended.total()} tags are changed so that the entities stay: {common}; "
                f"rows: {_places(told.mended_at)}", told.mended_at[0],
                "look at these rows, or set `task: {type: tag, broken: refuse}` to have them all named")

    def _unread(self) -> Iterator[Finding]:
        told = self._told
        if told.unread:
            yield Finding(
                "warning", "tags.unread_words", f"{told.unread} words give the tokenizer nothing to read: they are not "
                f"learnt, and are predicted as outside of entities; rows: {_places(told.unread_at)}", told.unread_at[0],
                "take these words out, or use a base whose tokenizer knows them")


def proof(codec: Codec, head: Head, settings: Any) -> Proof:
    """The proof of a task with tags; of its settings `learn` says which pieces of a word are learnt."""
    return Proof(codec, head, all_pieces=settings.learn == "all")


def _places(where: Sequence[str]) -> str:
    more = f" and {len(where) - SHOWN} more" if len(where) > SHOWN else ""
    return ", ".join(where[:SHOWN]) + more
