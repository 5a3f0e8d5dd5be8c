"""The proof of questions: every window is held against the tokenizer's own cutting, and every answer read back.

What encoding cuts by itself and finds by comparing characters is here cut by the tokenizer (its truncation with a
stride), found by its own map from characters to tokens, and decoded.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from tokenizers import Encoding, Tokenizer

from ...records import SEGMENT, Answer, Document, Example, Finding, Head, Question
from ..documents import passages
from ..tokens.codec import Codec

REPORT = "report this with the row: the run is refused so that nothing wrong is learnt"
Span = tuple[int, int]


class Proof:
    """Proves questions one after another, and counts the answers that tokens cannot say exactly."""

    def __init__(self, codec: Codec) -> None:
        self._codec = codec
        self._tokenizer: Tokenizer = codec.frames.tokenizer()
        self._inexact: list[tuple[str, str, str]] = []
        self._answers = 0

    def prove(self, made: Sequence[Document], example: Example) -> list[Finding]:
        """Every violation in the windows of a question, as an error at its row."""
        if not isinstance(example, Question):
            raise TypeError("this proof is of questions")
        self._tokenizer.no_truncation()
        whole = self._tokenizer.encode(example.question, example.context)
        room = self._codec.longest - len(whole) + whole.sequence_ids.count(passages.CONTEXT)
        if room < 1:  # the question leaves none: its one document is longer than may be, and is dealt with as such
            return []
        windows = [whole] if len(whole) <= self._codec.longest else self._cut(example, room, _step(made))
        return [Finding("error", kind, what, example.where, REPORT)
                for kind, what in self._wrong(made, windows, whole, example)]

    def notes(self) -> list[Finding]:
        """How many answers begin or end inside a token, and the first of them."""
        if not self._inexact:
            return []
        where, answer, said = self._inexact[0]
        return [Finding("note", "row.inexact_answer", f"{len(self._inexact)} of {self._answers} answers begin or end "
                        f"inside a token, so that the nearest is learnt: {said!r} for {answer!r} first", where)]

    def _cut(self, example: Question, room: int, step: int) -> list[Encoding]:
        """The windows as the tokenizer cuts them, each so many tokens after the one before; none where none can."""
        if not 0 < step <= room:
            return []
        self._tokenizer.enable_truncation(self._codec.longest, stride=room - step, strategy="only_second")
        first = self._tokenizer.encode(example.question, example.context)
        return [first, *first.overflowing]

    def _wrong(
        self, made: Sequence[Document], windows: Sequence[Encoding], whole: Encoding, example: Question
    ) -> Iterator[tuple[str, str]]:
        if [(each.ids.tolist(), each.token_columns[SEGMENT].tolist()) for each in made] \
                != [(each.ids, _types(whole, len(each))) for each in windows]:
            yield "mask.windows", "the windows are not those into which the tokenizer cuts the context"
            return
        answer, first = passages.learnt(example), whole.sequence_ids.index(passages.CONTEXT)
        behind = len(whole) - first - whole.sequence_ids.count(passages.CONTEXT)
        right = _span(whole, answer) if answer else None
        for number, (document, window) in enumerate(zip(made, windows, strict=True)):
            shift = number * _step(made)
            rows = (right[0] - shift, right[1] - shift) if right else passages.NOWHERE
            rows = rows if first <= rows[0] and rows[1] < len(window) - behind else passages.NOWHERE
            learnt = tuple(int(document.document_columns[name]) for name in (passages.START, passages.END))
            if learnt != rows or document.supervised.nonzero()[0].tolist() != list(range(rows[0], rows[1] + 1)):
                yield "mask.span", f"a window learns the rows {learnt}, and the answer stands in {rows}"
            elif answer and rows != passages.NOWHERE:
                yield from self._misread(window, rows, answer, example.context)
        if answer and right:
            self._answers += 1
            said = _said(whole, right, example.context)
            if said != answer.text.strip():
                self._inexact.append((example.where, answer.text, said))

    def _misread(self, window: Encoding, rows: Span, answer: Answer, context: str) -> Iterator[tuple[str, str]]:
        """Where an answer that stands between two tokens does not decode to what the tokenizer makes of it alone."""
        if _said(window, rows, context) != answer.text.strip():
            return
        self._tokenizer.no_truncation()
        alone = self._tokenizer.encode(answer.text, add_special_tokens=False).ids
        before = window.ids[rows[0] - 1 : rows[0]]  # without a token before it some decoders mark or drop something
        spelt = self._codec.decode(before + window.ids[rows[0] : rows[1] + 1])[len(self._codec.decode(before)) :]
        if "".join(spelt.split()) != "".join(self._codec.decode(alone).split()):
            yield "mask.answer", f"the rows that are learnt spell {spelt!r}, and the answer is {answer.text!r}"


def proof(codec: Codec, head: Head, settings: Any) -> Proof:
    """The proof of questions about a context."""
    return Proof(codec)


def _step(made: Sequence[Document]) -> int:
    """How many tokens of the context a window begins after the one before it; 0 where there is one only."""
    firsts = [int(document.document_columns[passages.FIRST]) for document in made[:2]]
    return firsts[-1] - firsts[0] if firsts else 0


def _types(whole: Encoding, tokens: int) -> list[int]:
    """The token types of a window, by those of the whole: in further windows some tokenizers mix them up."""
    first, count = whole.sequence_ids.index(passages.CONTEXT), whole.sequence_ids.count(passages.CONTEXT)
    found: list[int] = whole.type_ids
    return found[: first + tokens - (len(whole) - count)] + found[first + count :]


def _span(encoding: Encoding, answer: Answer) -> Span | None:
    """The tokens that hold the answer's characters, as far as they stand in the encoding; None where none does."""
    blanks = len(answer.text) - len(answer.text.lstrip())
    found = [encoding.char_to_token(answer.start + blanks + place, passages.CONTEXT)
             for place in range(len(answer.text.strip()))]
    tokens = [token for token in found if token is not None]
    if not tokens:
        return None
    last = tokens[-1]
    while last + 1 < len(encoding) and encoding.offsets[last + 1] == encoding.offsets[last]:
        last += 1  # of a character that is spelt with several tokens, all
    return tokens[0], last


def _said(encoding: Encoding, span: Span, context: str) -> str:
    """The characters that the tokens cover."""
    return context[encoding.offsets[span[0]][0] : encoding.offsets[span[1]][1]].strip()
