"""Documents that are longer than wanted: refused, cut, dropped or split, and always counted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from ..records import Conversation, Document, Example, Finding, Message, Text
from . import chat
from .codec import Codec
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


def fit(
    documents: Sequence[Document], examples: Sequence[Example], codec: Codec, *, max_length: int, too_long: TooLong
) -> tuple[list[Document], list[Finding]]:
    """The documents of a side with at most `max_length` tokens each, and what that took.

    `Document.example` is the index in `examples`. refuse: errors that name the longest row; cut: each document loses
    its tail, and a row whose answers are gone with it is dropped; drop: the row is dropped; split: a text goes on in
    windows, a conversation in windows of whole turns, its system prompt kept in each. One finding tells the counts,
    and up to 20 more the rows. Prove documents before this: a cut answer has lost its end.
    """
    limit = min(max_length, codec.context) if codec.context else max_length
    of_example: dict[int, list[Document]] = {}
    for document in documents:
        of_example.setdefault(document.example, []).append(document)
    kept: list[Document] = []
    outcomes: dict[int, _Outcome] = {}
    for index, made in of_example.items():
        if max(map(len, made)) <= limit:
            kept += made
            continue
        outcomes[index] = _outcome(made, examples[index], codec, limit, too_long)
        kept += outcomes[index].documents
    return kept, list(_told(outcomes, examples, len(of_example), limit, too_long))


def _outcome(
    made: list[Document], example: Example, codec: Codec, limit: int, too_long: TooLong
) -> _Outcome:
    longest, tokens = max(map(len, made)), sum(map(len, made))
    if too_long == "refuse":
        return _Outcome([], longest, finding=Finding(
            "error", "row.too_long", f"{longest} tokens, the limit is {limit}", example.where,
            _raise_limit(longest, codec)))
    if too_long == "drop":
        return _Outcome([], longest, tokens)
    if too_long == "cut":
        short = [piece for piece in (_head(document, limit) for document in made) if piece.weights.any()]
        return _Outcome(short, longest, tokens - sum(map(len, short)))
    return _split(made, example, codec, limit, longest)


def _split(made: list[Document], example: Example, codec: Codec, limit: int, longest: int) -> _Outcome:
    if isinstance(example, Text):
        return _Outcome([window for document in made for window in _windows(document, limit)], longest)
    if isinstance(example, Conversation):
        return _split_turns(example, made[0].example, codec, limit, longest)
    return _Outcome([], longest, finding=Finding(
        "error", "row.too_long", f"{longest} tokens, the limit is {limit}, and a prompt is not parted from its answer",
        example.where, _raise_limit(longest, codec)))


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
                conversation.where, _raise_limit(tokens, codec)))
        window = [turn for turns in rounds[start:stop] for turn in turns]
        if not fitting and any(turn.role == "assistant" and turn.train for turn in window):
            return _Outcome([], longest, finding=Finding(
                "error", "row.too_long", f"{longest} tokens, the limit is {limit}, and the template does not take a "
                "part of this conversation by itself", conversation.where, _raise_limit(longest, codec)))
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


def _head(document: Document, tokens: int) -> Document:
    return _part(document, 0, min(tokens, len(document)))


def _windows(document: Document, tokens: int) -> Iterator[Document]:
    """Windows that share one token, so that each token but the first is learnt exactly once."""
    for start in range(0, max(len(document) - 1, 1), tokens - 1):
        window = _part(document, start, min(start + tokens, len(document)))
        if window.weights.any():
            yield window


def _part(document: Document, start: int, stop: int) -> Document:
    targets, weights = document.targets[start:stop].copy(), document.weights[start:stop].copy()
    targets[-1:], weights[-1:] = NO_TARGET, 0.0
    first = int(document.ends[start - 1]) if start else 0
    columns = {name: column[start:stop] for name, column in document.token_columns.items()}
    last = int(document.ends[stop - 1])
    return replace(document, ids=document.ids[start:stop], targets=targets, weights=weights, token_columns=columns,
                   text=document.text[first:last], ends=document.ends[start:stop] - first)


def _raise_limit(tokens: int, codec: Codec) -> str:
    if codec.context and tokens > codec.context:
        return f"shorten the row: the base reads at most {codec.context} tokens; or set `data.too_long`"
    return f"set `training.max_length` to {tokens} or more, or `data.too_long` to `cut`, `drop` or `split`"


def _told(
    outcomes: dict[int, _Outcome], examples: Sequence[Example], rows: int, limit: int, too_long: TooLong
) -> Iterator[Finding]:
    if not outcomes:
        return
    longest = max(outcomes, key=lambda index: outcomes[index].longest)
    errors = [outcome.finding for outcome in outcomes.values() if outcome.finding]
    lost = sum(outcome.lost for outcome in outcomes.values())
    gone = sum(not outcome.documents for outcome in outcomes.values())
    longer = f"{len(outcomes)} of {rows} rows have more than {limit} tokens"
    deeds = {
        "refuse": "", "drop": f": they are dropped with {lost} tokens",
        "cut": f": {lost} tokens are cut off, and {gone} rows whose answers were cut off whole are dropped",
        "split": ": they are split",
    }
    tokens = outcomes[longest].longest
    yield Finding("error" if errors else "warning", "data.too_long",
                  f"{longer}{deeds[too_long]}; the longest has {tokens}", examples[longest].where,
                  f"set `training.max_length` to {tokens} to keep every row whole, or choose another `data.too_long`")
    yield from errors[:SHOWN]
    if too_long in ("cut", "drop"):
        for index, outcome in list(outcomes.items())[:SHOWN]:
            deed = "cut to" if outcome.documents else "dropped, longer than"
            yield Finding("note", "row.too_long", f"{outcome.longest} tokens, {deed} {limit}", examples[index].where)
