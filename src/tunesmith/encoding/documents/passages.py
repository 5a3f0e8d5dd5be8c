"""A question about a context to windows: each holds the whole question and a part of the context.

As transformers' own recipe has it (`run_qa.py`: `truncation="only_second"`, `stride`), which is that of BERT (Devlin et
al. 2019): a window that holds the whole answer learns its first and its last token, any other its own first token,
which stands for "no answer here". Letters: T tokens of the whole pair, W tokens of a window.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ...records import SEGMENT, Answer, Document, Finding, Question
from ..tokens.codec import Codec
from ..tokens.framing import Framed
from .shift import NO_TARGET

QUESTION, CONTEXT = 0, 1
# document columns: the first and the last row of the answer, both 0 where there is none; and the token of the context
# that a window begins with
START, END, FIRST = "start", "end", "first"
NOWHERE: Final = (0, 0)

Places = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Passage:
    """A question and its context, encoded.

    framed: both, whole; context: its tokens [first, after the last) there; windows: of each, the places of its tokens
    in `framed`. There are no windows where the question leaves no room for any of the context, or there is none.
    """

    example: Question
    framed: Framed
    context: tuple[int, int]
    windows: tuple[Places, ...]

    def characters(self, first: int, last: int) -> tuple[int, int]:
        """The characters [start, end) of the context that tokens of it cover, without blank space at their ends."""
        start, end = int(self.framed.spans[first, 0]), int(self.framed.spans[last, 1])
        text = self.example.context[start:end]
        return start + len(text) - len(text.lstrip()), end - len(text) + len(text.rstrip())

    def tokens(self, answer: Answer) -> tuple[int, int] | None:
        """The first and the last token that hold a character of the answer; None where no token does."""
        start, end = _stripped(answer)
        first, after = self.context
        spans = self.framed.spans[first:after]
        inside = first + np.flatnonzero((spans[:, 0] < end) & (spans[:, 1] > start) & (spans[:, 0] < spans[:, 1]))
        return (int(inside[0]), int(inside[-1])) if len(inside) else None


def encode(examples: Sequence[Question], codec: Codec, stride: int) -> Iterator[Passage]:
    """Each question with its context, in order, in windows of at most `codec.longest` tokens.

    stride: how many tokens of the context two neighbours share, at most half of what the question leaves.
    """
    pairs: list[str | tuple[str, str]] = [(example.question, example.context) for example in examples]
    for example, framed in zip(examples, codec.frames.texts(pairs) if pairs else (), strict=True):
        of_context = np.flatnonzero(framed.text_of == CONTEXT)
        context = (int(of_context[0]), int(of_context[-1]) + 1) if len(of_context) else (len(framed), len(framed))
        yield Passage(example, framed, context, tuple(_windows(framed, context, codec.longest, stride)))


def _windows(framed: Framed, context: tuple[int, int], longest: int, stride: int) -> Iterator[Places]:
    first, after = context
    room = longest - (len(framed) - (after - first))
    if room < 1:
        return
    step = room - overlap(room, stride)
    before, behind = np.arange(first), np.arange(after, len(framed))
    for start in range(first, after, step):
        yield np.concatenate([before, np.arange(start, min(start + room, after)), behind])
        if start + room >= after:
            return


def overlap(room: int, stride: int) -> int:
    """How many tokens neighbours share where `room` tokens of a context fit into a window."""
    return min(stride, room // 2)


def learnt(example: Question) -> Answer | None:
    """The answer that is trained on: the most frequent, of equals the first; None where there is none."""
    counted = Counter(example.answers or ())
    return counted.most_common(1)[0][0] if counted else None


def documents(passage: Passage, codec: Codec) -> list[Document]:
    """The windows, each with the answer's place in it; the whole pair where there is no window."""
    answer = learnt(passage.example)
    span = passage.tokens(answer) if answer else None
    whole = np.arange(len(passage.framed))
    return [_document(passage, places, _within(places, span), codec) for places in passage.windows or (whole,)]


def _within(places: Places, span: tuple[int, int] | None) -> tuple[int, int]:
    """The rows of a window that are the span; `NOWHERE` where it does not hold the whole of it."""
    if span is None:
        return NOWHERE
    rows = np.flatnonzero((places >= span[0]) & (places <= span[1]))
    return (int(rows[0]), int(rows[-1])) if len(rows) == span[1] - span[0] + 1 else NOWHERE


def _document(passage: Passage, places: Places, rows: tuple[int, int], codec: Codec) -> Document:
    framed, (start, end) = passage.framed, rows
    weights = np.zeros(len(places), np.float32)
    if passage.example.answers is not None:
        weights[start : end + 1] = 1 / (end - start + 1)  # a window weighs 1, however long its answer is
    parts = _parts(passage, places, codec)
    first = int(places[passage.context[0]]) - passage.context[0] if passage.context[0] < len(places) else 0
    return Document(
        framed.ids[places], np.full(len(places), NO_TARGET, np.int64), weights, 0, "".join(parts),
        partial(_ends, parts), token_columns={SEGMENT: framed.segments[places]},
        document_columns={name: np.asarray(place, np.int64)
                          for name, place in ((START, start), (END, end), (FIRST, first))},
        both_ways=True,
    )


def _parts(passage: Passage, places: Places, codec: Codec) -> list[str]:
    """The text of each token of a window, with the blanks before it; a mark of the tokenizer's is its own name."""
    framed, texts = passage.framed, (passage.example.question, passage.example.context)
    parts: list[str] = []
    done: dict[int, int] = {}
    for place in places.tolist():
        of, (start, end) = int(framed.text_of[place]), framed.spans[place].tolist()
        if of < 0:
            parts.append(codec.token(int(framed.ids[place])))
            continue
        since = done.get(of, 0 if of == QUESTION else start)
        parts.append(texts[of][since:end])
        done[of] = max(since, end)
    return parts


def _ends(parts: Sequence[str]) -> NDArray[np.int64]:
    return np.cumsum([len(part) for part in parts], dtype=np.int64)


def findings(passage: Passage) -> list[Finding]:
    """Why a question cannot be learnt: nothing of its context or of its answer is a token, or no window has room."""
    first, after = passage.context
    where, answer = passage.example.where, learnt(passage.example)
    if first == after:
        return [Finding("error", "row.no_context", "nothing of the context is a token that the base knows", where,
                        "give a context, or take the row out")]
    span = passage.tokens(answer) if answer else None
    if answer and span is None:
        return [Finding("error", "row.answer_unknown", f"nothing of the answer {answer.text!r} is a token that the base"
                        " knows", where, "correct the answer, or take the row out")]
    if span and passage.windows and all(_within(places, span) == NOWHERE for places in passage.windows):
        tokens = span[1] - span[0] + 1
        return [Finding("error", "row.answer_parted", f"the answer has {tokens} tokens, and no window holds all", where,
                        f"raise `training.max_length`, or set `task.stride` to {tokens} or more")]
    return []


def _stripped(answer: Answer) -> tuple[int, int]:
    """The characters of the answer without blank space at its ends."""
    text = answer.text
    start = answer.start + len(text) - len(text.lstrip())
    return start, start + len(text.strip())
