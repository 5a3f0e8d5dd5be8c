"""The mask proof: every document is read back and held against the template, by other means than it was made with.

What encoding takes from ids and borders is found here by rendering each turn once more, decoding the supervised ids
and comparing texts. It looks at documents as they are encoded, before any is cut to a length.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

import numpy as np

from ..errors import Refusal
from ..records import Conversation, Document, Example, Finding, Message, Pair
from . import chat, plain
from .codec import Codec
from .ending import pattern
from .shift import spans

REPORT = "report this with the template and the row: the run is refused so that nothing wrong is learnt"
BREAK = "\u200b"


@dataclass(frozen=True, slots=True)
class _Told:
    """Notes that many rows share, told once each: what was noticed, the first row, and how many."""

    first: dict[tuple[str, str], str] = field(default_factory=dict)
    count: Counter[tuple[str, str]] = field(default_factory=Counter)

    def note(self, kind: str, what: str, where: str) -> None:
        """Remember that a row shows this."""
        self.first.setdefault((kind, what), where)
        self.count[kind, what] += 1

    def findings(self) -> Iterator[Finding]:
        """One note for each kind, with its count."""
        for (kind, what), where in self.first.items():
            yield Finding("note", kind, f"{what} (turns: {self.count[kind, what]})", where)


class Proof:
    """Proves examples one after another, and remembers what many of them share."""

    def __init__(self, codec: Codec) -> None:
        self._codec = codec
        self._told = _Told()

    def prove(self, made: Sequence[Document], example: Example) -> list[Finding]:
        """Every violation of what the mask promises in all documents of an example, as an error at its row."""
        return list(_prove_example(made, example, self._codec, self._told))

    def notes(self) -> list[Finding]:
        """What the template changed in the examples so far."""
        return list(self._told.findings())


def prove(
    documents: Sequence[Document], examples: Sequence[Example], codec: Codec, *, refused: Collection[int] = ()
) -> list[Finding]:
    """As `Proof`, of all documents of a side; `Document.example` is the index in `examples`.

    refused: examples that encoding has refused already.
    """
    of_example: dict[int, list[Document]] = {index: [] for index in range(len(examples))}
    for document in documents:
        of_example[document.example].append(document)
    proof = Proof(codec)
    findings = [finding for index, made in of_example.items() if index not in refused
                for finding in proof.prove(made, examples[index])]
    return findings + proof.notes()


class Supervision:
    """Counts of supervised tokens: how many of how many, and whose text they are."""

    def __init__(self) -> None:
        self._by_role: Counter[str] = Counter()
        self._whole = 0

    def count(self, document: Document, example: Example) -> None:
        """Take a document of an example into account."""
        self._by_role[_role(document, example)] += int(np.count_nonzero(document.weights[:-1] > 0))
        self._whole += len(document)

    def as_json(self) -> dict[str, Any]:
        """{"tokens", "share", "by_role"}; the share is of all tokens, 0 to 1."""
        tokens = sum(self._by_role.values())
        return {"tokens": tokens, "share": tokens / self._whole if self._whole else 0.0,
                "by_role": dict(self._by_role)}


def supervision(documents: Sequence[Document], examples: Sequence[Example]) -> dict[str, Any]:
    """As `Supervision`, of all documents of a side."""
    counts = Supervision()
    for document in documents:
        counts.count(document, examples[document.example])
    return counts.as_json()


def _role(document: Document, example: Example) -> str:
    if isinstance(example, Conversation):
        return "assistant"
    if isinstance(example, Pair):
        return "answer" if _is_plain(document, example) else "assistant"
    return "text"


def _is_plain(document: Document, example: Pair) -> bool:
    return document.text == example.prompt + example.answer


def _prove_example(made: Sequence[Document], example: Example, codec: Codec, told: _Told) -> Iterator[Finding]:
    if not any(document.weights.any() for document in made):
        yield Finding("error", "row.unsupervised", "no token of this row is supervised, so nothing is learnt from it",
                      example.where, "give it an assistant's turn that is not `train: false`, or remove it")
        return
    for document in made:
        yield from _prove_bos(document, example, codec, told)
    if isinstance(example, Conversation):
        yield from _prove_turns(made, example, codec, told)
    elif isinstance(example, Pair) and not _is_plain(made[0], example):
        turns = (Message("user", example.prompt), Message("assistant", example.answer))
        yield from _prove_turns(made, Conversation(turns, example.where, example.group), codec, told)
    else:
        yield from _prove_plain(made, example, codec, told)


def _prove_bos(document: Document, example: Example, codec: Codec, told: _Told) -> Iterator[Finding]:
    opening = document.ids[:2].tolist()
    if codec.bos is not None and opening == [codec.bos, codec.bos]:
        yield Finding("error", "template.double_bos", f"the text opens with two BOS tokens ({codec.token(codec.bos)})",
                      example.where, "let either the template or the row write the BOS, not both")
    elif codec.wants_bos and opening[:1] != [codec.bos]:
        told.note("template.no_bos", "the tokenizer opens texts with a BOS, and the template writes none: neither "
                  "training nor inference has one", example.where)


def _prove_turns(
    made: Sequence[Document], conversation: Conversation, codec: Codec, told: _Told
) -> Iterator[Finding]:
    where, messages = conversation.where, conversation.messages
    turns = [index for index, message in enumerate(messages) if message.role == "assistant" and message.train]
    found = [(ids, *span) for document in made for ids in [document.ids.tolist()] for span in spans(document)]
    if len(turns) != len(found):
        yield Finding("error", "mask.turns", f"{len(found)} stretches are supervised, and {len(turns)} of the "
                      "assistant's turns are to be learnt", where, REPORT)
        return
    typed = any(text.search(message.content) for message, text in zip(messages, _typed(messages, codec), strict=True))
    for turn, span in zip(turns, found, strict=True):
        try:
            yield from _prove_turn(messages, turn, span, codec, where=where, told=told)
            if typed:
                yield from _prove_typed(messages[: turn + 1], span[0][: span[2]], codec, where)
        except Refusal as refusal:
            yield Finding("error", refusal.kind, refusal.what, where, refusal.remedy)


def _prove_turn(
    messages: Sequence[Message], turn: int, span: tuple[list[int], int, int], codec: Codec, *, where: str, told: _Told
) -> Iterator[Finding]:
    ids, start, end = span
    if ids[:start] != chat.prompt(messages[:turn], codec).ids:
        yield Finding("error", "mask.prompt", "the ids before a supervised turn are not those that inference is given",
                      where, REPORT)
    yield from _prove_end(ids[start:end], codec, where)
    asked, answer = _expected(messages, turn, codec)
    spelt = _spelt(ids, start, end, codec)
    if asked is None:
        if not answer.endswith(spelt):
            yield _wrong(spelt, answer[-len(spelt) - 20 :], where)
        return
    if spelt != answer and not _same_but_for_tokenizer(spelt, asked, answer, codec):
        yield _wrong(spelt, answer, where)
    elif spelt != answer:
        told.note("tokenizer.rewrote", "the tokenizer does not spell the text exactly: blanks or characters change",
                  where)
    _note_changes(messages[turn].content, answer, codec, where, told)


def _prove_end(answer: list[int], codec: Codec, where: str) -> Iterator[Finding]:
    if answer[-1] not in codec.stop:
        stops = ", ".join(codec.token(index) for index in sorted(codec.stop)) or "nothing"
        yield Finding(
            "error", "mask.end", f"a supervised turn ends with {codec.token(answer[-1])!r}, and generation stops on "
            f"{stops}: the model would not learn to stop", where, "let the template end a turn with one of them")
    if not codec.stop.isdisjoint(answer[:-1]):
        early = next(codec.token(index) for index in answer if index in codec.stop)
        yield Finding(
            "error", "mask.early_stop", f"generation would stop at {early!r}, before the end of the answer", where,
            "remove that token from the answer, or choose another `data.template`")


def _prove_typed(messages: Sequence[Message], ids: list[int], codec: Codec, where: str) -> Iterator[Finding]:
    """Control ids are counted against a render whose typed control tokens were broken in two."""
    broken = [
        replace(message, content=text.sub(lambda found: found[0][:1] + BREAK + found[0][1:], message.content))
        for message, text in zip(messages, _typed(messages, codec), strict=True)
    ]
    if [message.content for message in broken] == [message.content for message in messages]:
        return
    template, ending = codec.require_template(), codec.ending
    asked = template.render(broken[:-1], generation_prompt=True)
    full = template.render(broken, generation_prompt=False)
    full = full[: len(full) - len(ending.trailing)] if ending else full
    everybody, _ = _patterns(frozenset(codec.control), frozenset(codec.special), codec.end_of_turn)
    written = Counter(everybody.findall(asked)) | Counter(everybody.findall(full))
    if ending and not full.startswith(asked):
        written += Counter(everybody.findall(ending.closing))
    names = {index: text for text, index in codec.control.items()}
    present = Counter(names[index] for index in ids if index in names)
    extra = present - written
    if extra:
        yield Finding(
            "error", "mask.typed_control", f"{next(iter(extra))!r}, typed in a message, became a control token", where,
            "remove it from the message")


def _typed(messages: Sequence[Message], codec: Codec) -> list[re.Pattern[str]]:
    """For each message what finds the control tokens that must stay text in it."""
    everybody, own = _patterns(frozenset(codec.control), frozenset(codec.special), codec.end_of_turn)
    return [own if message.role == "assistant" else everybody for message in messages]


@lru_cache(maxsize=16)
def _patterns(
    control: frozenset[str], special: frozenset[str], end_of_turn: str | None
) -> tuple[re.Pattern[str], re.Pattern[str]]:
    return pattern(control), pattern(special | ({end_of_turn} if end_of_turn else set()))


def _expected(messages: Sequence[Message], turn: int, codec: Codec) -> tuple[str | None, str]:
    """The prompt and the answer as the template writes them; no prompt where the answer changes its history."""
    template = codec.require_template()
    asked = template.render(messages[:turn], generation_prompt=True)
    full = template.render(messages[: turn + 1], generation_prompt=False)
    end = codec.end_of_turn or ""
    if codec.ending and codec.ending.trailing.count(end):
        full = full[: len(full) - len(codec.ending.trailing)]
    full = full[: full.rfind(end) + len(end)]
    return (asked, full[len(asked) :]) if full.startswith(asked) else (None, full)


def _spelt(ids: list[int], start: int, end: int, codec: Codec) -> str:
    """The text of ids[start:end] where it stands: some decoders drop the blank of a first token."""
    before = max(start - 4, 0)
    return codec.decode(ids[before:end])[len(codec.decode(ids[before:start])) :]


def _same_but_for_tokenizer(spelt: str, asked: str, answer: str, codec: Codec) -> bool:
    """Whether only a tokenizer that cannot spell this text exactly (blanks, normal forms) makes the difference."""
    if codec.decode(codec.encode(asked + answer, control=True).ids) == asked + answer:
        return False
    again = codec.decode(codec.encode(answer, control=True).ids)
    return "".join(spelt.split()) == "".join(again.split())


def _wrong(spelt: str, answer: str, where: str) -> Finding:
    return Finding("error", "mask.answer", f"the supervised tokens spell {_short(spelt)}, and the template writes "
                   f"{_short(answer)}", where, REPORT)


def _short(text: str) -> str:
    return repr(text) if len(text) <= 80 else f"{text[:38]!r} … {text[-38:]!r}"


def _note_changes(content: str, answer: str, codec: Codec, where: str, told: _Told) -> None:
    closing = codec.ending.closing if codec.ending else ""
    body = answer.removesuffix(closing)
    if content == body:
        return
    before, found, after = body.partition(content)
    if found and content:
        told.note("template.inserted", f"the template writes {_short(before)} before an answer"
                  + (f" and {_short(after)} after it" if after else "") + ": it is learnt too", where)
    elif body == content.strip() or body.lstrip() == content.lstrip() or body.rstrip() == content.rstrip():
        told.note("template.rewrote", "the template trims white space around an answer", where)
    else:
        told.note("template.rewrote", "the template changes the text of an answer; see it with `tunesmith preview`",
                  where)


def _prove_plain(made: Sequence[Document], example: Example, codec: Codec, told: _Told) -> Iterator[Finding]:
    where = example.where
    text = example.prompt + example.answer if isinstance(example, Pair) else _text(example)
    if len(made) != 1 or made[0].text != text or len(spans(made[0])) != 1:
        yield Finding("error", "mask.turns", "a text is one document with one supervised stretch", where, REPORT)
        return
    ids, (start, end) = made[0].ids.tolist(), spans(made[0])[0]
    if codec.eos is None:
        told.note("tokenizer.no_eos", "the tokenizer has no EOS: the model does not learn where a text ends", where)
    elif ids[end - 1] != codec.eos or end != len(ids):
        yield Finding("error", "mask.end", "the supervised text does not end with the EOS that generation stops on",
                      where, REPORT)
    opened, closed = len(plain.prompt("", codec).ids), codec.eos is not None
    control = set(codec.control.values()).intersection(ids[opened : len(ids) - closed])
    if control:
        yield Finding("error", "mask.typed_control", f"{codec.token(min(control))!r} in the text became a control"
                      " token", where, "remove it from the text")
    if isinstance(example, Pair) and start > max(opened, 1) and ids[:start] != plain.prompt(example.prompt, codec).ids:
        yield Finding("error", "mask.prompt", "the ids before the answer are not those that inference is given", where,
                      REPORT)
    ending = codec.token(codec.eos) if codec.eos is not None else ""
    if codec.decode(ids[opened:]) == text + ending and start <= max(opened, 1):
        return  # all of it is learnt, and spelt as it stands
    learnt = text[int(made[0].ends[start - 1]) :]
    spelt = _spelt(ids, start, end, codec)
    if spelt == learnt + ending:
        return
    again = codec.decode(codec.encode(learnt).ids) + ending
    if "".join(spelt.split()) != "".join(again.split()):
        yield _wrong(spelt, learnt + ending, where)


def _text(example: Any) -> str:
    return str(example.text)
