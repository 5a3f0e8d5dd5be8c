"""Documents that are longer than wanted: refused, cut, dropped or split, and always counted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ...records import OF_TARGET, Conversation, Document, Example, Finding, Message, Text
from ..tokens.codec import Codec
from . import chat
from .shift import NO_TARGET

TooLong = Literal["refuse", "cut", "drop", "split"]
SHOWN = 20


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What became of one example: its documents, tokens lost, and what refuses it."""

    documents: list[Document]
    longest: int
    lost: int = 0
    finding: Finding | None = None


@dataclass(frozen=True, slots=True)
class _Deed:
    """What is told of an example that was too long, once its documents have gone on."""

    where: str
    longest: int
    lost: int
    gone: bool
    finding: Finding | None


class Lengths:
    """The documents of a side with at most `max_length` tokens each, and what that took.

    refuse: errors that name the longest row; cut: each document loses its tail, and a row whose answers are gone with
    it is dropped; drop: the row is dropped; split: a text goes on in windows, a conversation in windows of whole
    turns, its system prompt kept in each. Prove documents before this: a cut answer has lost its end.
    """

    def __init__(self, codec: Codec, *, max_length: int, too_long: TooLong) -> None:
        self._codec = codec
        self._limit = min(max_length, codec.context) if codec.context else max_length
        self._too_long: TooLong = too_long
        self._rows = 0
        self._deeds: list[_Deed] = []

    def fit(self, made: Sequence[Document], example: Example) -> Sequence[Document]:
        """What becomes of all documents of one example."""
        self._rows += bool(made)
        if max(map(_length, made), default=0) <= self._limit:
            return made
        outcome = _outcome(list(made), example, self._codec, self._limit, self._too_long)
        self._deeds.append(
            _Deed(example.where, outcome.longest, outcome.lost, not outcome.documents, outcome.finding))
        return outcome.documents

    def findings(self, side: str = "") -> list[Finding]:
        """One finding that tells the counts, those of `side` where it is named, and up to 20 that tell the rows."""
        rows = f"{self._rows} rows" + (f" of the {side} side" if side else "")
        return list(_told(self._deeds, rows, self._codec, self._limit, self._too_long))


def fit(
    documents: Sequence[Document], examples: Sequence[Example], codec: Codec, *, max_length: int, too_long: TooLong
) -> tuple[list[Document], list[Finding]]:
    """As `Lengths`, of all documents of a side; `Document.example` is the index in `examples`."""
    lengths = Lengths(codec, max_length=max_length, too_long=too_long)
    of_example: dict[int, list[Document]] = {}
    for document in documents:
        of_example.setdefault(document.example, []).append(document)
    kept = [document for index, made in of_example.items() for document in lengths.fit(made, examples[index])]
    return kept, lengths.findings()


def _outcome(
    made: list[Document], example: Example, codec: Codec, limit: int, too_long: TooLong
) -> _Outcome:
    longest, tokens = max(map(_length, made)), sum(map(len, made))
    if too_long == "refuse":
        return _Outcome([], longest, finding=Finding(
            "error", "row.too_long", f"{longest} tokens, the limit is {limit}", example.where,
            _raise_limit(longest, codec, "refuse")))
    if too_long == "drop":
        return _Outcome([], longest, tokens)
    if too_long == "cut":
        short = [piece for piece in (_head(document, limit) for document in made) if piece.weights.any()]
        return _Outcome(short, longest, tokens - sum(map(len, short)))
    return _split(made, example, codec, limit, longest)


def _split(made: list[Document], example: Example, codec: Codec, limit: int, longest: int) -> _Outcome:
    if isinstance(example, Text):
        return _Outcome([window for document in made for window in _windows(document, limit)], longest)
    if isinstance(example, Conversation) and not made[0].both_ways:
        return _split_turns(example, made[0].example, codec, limit, longest)
    return _Outcome([], longest, finding=Finding(
        "error", "row.too_long", f"{longest} tokens, the limit is {limit}, and this task does not part its rows",
        example.where, _raise_limit(longest, codec, "split")))


def _split_turns(conversation: Conversation, index: int, codec: Codec, limit: int, longest: int) -> _Outcome:
    """Windows that begin with a user's turn, each as long as fits; every answer is learnt in exactly one."""
    opening = tuple(turn for turn in conversation.messages[:1] if turn.role in ("system", "developer"))
    rounds = _rounds(conversation.messages[len(opening) :])
    made: list[Document] = []
    start = 0
    while start < len(rounds):
        fitting, stop = _longest_window(
            lambda end, start=start: _encoded(conversation, opening, rounds[start:end], codec, index),  # type: ignore[misc]
            start, len(rounds), limit)
        if stop == start:
            alone = _encoded(conversation, opening, rounds[start : start + 1], codec, index)
            tokens = max(map(len, alone), default=0)
            return _Outcome([], longest, finding=Finding(
                "error", "row.too_long", f"one turn with its question has {tokens} tokens, the limit is {limit}",
                conversation.where, _raise_limit(tokens, codec, "split")))
        window = [turn for turns in rounds[start:stop] for turn in turns]
        if not fitting and any(turn.role == "assistant" and turn.train for turn in window):
            return _Outcome([], longest, finding=Finding(
                "error", "row.too_long", f"{longest} tokens, the limit is {limit}, and the template does not take a "
                "part of this conversation by itself", conversation.where, _raise_limit(longest, codec, "split")))
        made += fitting
        start = stop
    return _Outcome(made, longest)


def _longest_window(
    encoded: Callable[[int], list[Document]], start: int, stop: int, limit: int
) -> tuple[list[Document], int]:
    """The documents of the rounds from `start` to the furthest end at which all fit, and that end."""
    best: tuple[list[Document], int] = ([], start)
    low, high = start + 1, stop
    while low <= high:
        end = (low + high) // 2
        made = encoded(end)
        if all(len(document) <= limit for document in made):
            best, low = (made, end), end + 1
        else:
            high = end - 1
    return best


def _encoded(
    conversation: Conversation, opening: tuple[Message, ...], rounds: Sequence[tuple[Message, ...]], codec: Codec,
    index: int,
) -> list[Document]:
    messages = opening + tuple(message for turns in rounds for message in turns)
    return chat.documents(replace(conversation, messages=messages), codec, example=index)[0]


def _rounds(messages: Sequence[Message]) -> list[tuple[Message, ...]]:
    """The turns, each user's with the answers to it."""
    rounds: list[tuple[Message, ...]] = []
    for message in messages:
        if rounds and (message.role != "user" or rounds[-1][-1].role == "user"):
            rounds[-1] = (*rounds[-1], message)
        else:
            rounds.append((message,))
    return rounds


def _length(document: Document) -> int:
    """The tokens that a network reads at once: of a source and its target the longer one's."""
    return max(end - start for start, end in _parts(document))


def _parts(document: Document) -> list[tuple[int, int]]:
    """Where each part of a document begins and ends; most have one."""
    columns = document.token_columns
    borders = (np.flatnonzero(np.diff(columns[OF_TARGET])) + 1).tolist() if OF_TARGET in columns else []
    return list(pairwise([0, *borders, len(document)]))


def _head(document: Document, tokens: int) -> Document:
    if document.both_ways:
        return closed(document, tokens)
    return _part(document, document.ends, 0, min(tokens, len(document)))


def fitted(document: Document, tokens: int) -> Document:
    """A document that is read both ways, with its end cut off where it is longer than so many tokens."""
    return document if len(document) <= tokens else closed(document, tokens)


def closed(document: Document, tokens: int) -> Document:
    """The beginning, and the last token, which closes what is read both ways; so of each part.

    That a target ends where it was cut is not learnt.
    """
    parts = _parts(document)
    targets, weights = document.targets.copy(), document.weights.copy()
    ended = [end - 1 for start, end in parts[1:] if end - start > tokens]
    targets[ended], weights[ended] = NO_TARGET, 0.0
    kept = np.concatenate([np.r_[start : min(start + tokens, end) - 1, end - 1] for start, end in parts])
    columns = {name: column[kept] for name, column in document.token_columns.items()}
    return replace(document, ids=document.ids[kept], targets=targets[kept], weights=weights[kept],
                   token_columns=columns, find_ends=lambda: document.ends[kept])


def _windows(document: Document, tokens: int) -> Iterator[Document]:
    """Windows that share one token, so that each token but the first is learnt exactly once."""
    ends = document.ends
    for start in range(0, max(len(document) - 1, 1), tokens - 1):
        window = _part(document, ends, start, min(start + tokens, len(document)))
        if window.weights.any():
            yield window


def _part(document: Document, ends: NDArray[np.int64], start: int, stop: int) -> Document:
    targets, weights = document.targets[start:stop].copy(), document.weights[start:stop].copy()
    targets[-1:], weights[-1:] = NO_TARGET, 0.0
    columns = {name: column[start:stop] for name, column in document.token_columns.items()}
    first, last = int(ends[start - 1]) if start else 0, int(ends[stop - 1])
    return replace(document, ids=document.ids[start:stop], targets=targets, weights=weights, token_columns=columns,
                   text=document.text[first:last], find_ends=lambda: ends[start:stop] - first)


def _raise_limit(tokens: int, codec: Codec, too_long: TooLong) -> str:
    """What to do about so many tokens; the choice of `data.too_long` that was taken is not proposed again."""
    first, *more = [f"`{other}`" for other in ("drop", "split", "cut") if other != too_long]
    others = f"{', '.join([first, *more[:-1]])} or {more[-1]}"
    if codec.context and tokens > codec.context:
        return f"shorten the row: the base reads at most {codec.context} tokens; or set `data.too_long` to {others}"
    return f"set `training.max_length` to {tokens} or more, or `data.too_long` to {others}"


def _told(
    deeds: Sequence[_Deed], rows: str, codec: Codec, limit: int, too_long: TooLong
) -> Iterator[Finding]:
    if not deeds:
        return
    longest = max(deeds, key=lambda deed: deed.longest)
    errors = [deed.finding for deed in deeds if deed.finding]
    lost, gone = sum(deed.lost for deed in deeds), sum(deed.gone for deed in deeds)
    longer = f"{len(deeds)} of {rows} have more than {limit} tokens"
    done = {
        "refuse": "", "drop": f": they are dropped with {lost} tokens",
        "cut": f": {lost} tokens are cut off" + (f", and {gone} rows lose all answers and are dropped" if gone else ""),
        "split": ": they are split",
    }
    yield Finding(
        "error" if errors else "warning", "data.too_long", f"{longer}{done[too_long]}; the longest has"
        f" {longest.longest}", longest.where, _raise_limit(longest.longest, codec, too_long))
    if too_long == "refuse" and len(deeds) == 1:
        return  # the line above has said it all
    yield from errors[:SHOWN]
    if too_long in ("cut", "drop"):
        for deed in deeds[:SHOWN]:
            yield Finding("note", "row.too_long",
                          f"{deed.longest} tokens, {'dropped, longer than' if deed.gone else 'cut to'} {limit}",
                          deed.where)
