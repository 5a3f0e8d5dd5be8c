"""The mask proof: every document is read back and held against the template, by other means than it was made with.

What encoding takes from ids and borders is found here by rendering each turn once more, decoding the supervised ids
and comparing texts. It looks at documents as they are encoded, before any is cut to a length.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import Any

import numpy as np

from ...errors import Refusal
from ...records import Conversation, Document, Example, Finding, Head, Labelled, Message, Pair, Question, Tagged
from ..documents import chat, plain
from ..documents.shift import spans
from ..templates import thinking
from ..templates.ending import pattern
from ..tokens import typed
from ..tokens.codec import Codec
from . import readback

REPORT = "report this with the template and the row: the run is refused so that nothing wrong is learnt"
BREAK = "\u200b"
LEARNT = {Labelled: "label", Tagged: "tag", Question: "answer"}


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


def of_text(codec: Codec, head: Head, settings: Any) -> Proof:
    """The proof of tasks whose documents are read left to right."""
    return Proof(codec)


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
        self._by_role[_role(document, example)] += int(np.count_nonzero(document.supervised))
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
    if isinstance(example, Labelled | Tagged | Question):
        return LEARNT[type(example)]
    if isinstance(example, Pair):
        return "answer" if _is_plain(document, example) else "assistant"
    return "text"


def _is_plain(document: Document, example: Pair) -> bool:
    return document.both_ways or document.text == example.prompt + example.answer


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
    typed_control = _has_typed_control(conversation, codec)
    for turn, span in zip(turns, found, strict=True):
        try:
            yield from _prove_turn(conversation, turn, span, codec, told=told)
            if typed_control:
                yield from _prove_typed(conversation, turn, span[0][: span[2]], codec)
        except Refusal as refusal:
            yield Finding("error", refusal.kind, refusal.what, where, refusal.remedy)


def _prove_turn(
    conversation: Conversation, turn: int, span: tuple[list[int], int, int], codec: Codec, *, told: _Told
) -> Iterator[Finding]:
    ids, start, end = span
    where, messages = conversation.where, conversation.messages
    if ids[:start] != chat.prompt(messages[:turn], codec, conversation.tools).ids:
        yield Finding("error", "mask.prompt", "the ids before a supervised turn are not those that inference is given",
                      where, REPORT)
    yield from _prove_end(ids[start:end], codec, where)
    asked, full = _written(conversation, turn, codec)
    spelt = _spelt(ids, start, end, codec)
    yield from _prove_said(messages[turn], spelt, where)
    answer = full[len(asked) :] if full.startswith(asked) else None
    if answer is None or (spelt != answer and not _same_but_for_tokenizer(spelt, asked, answer, codec)):
        completing = answer is None or readback.thought_left_open(asked)
        if not (completing and readback.completes(asked, full, spelt, messages[turn])):
            yield _wrong(spelt, full[-len(spelt) - 20 :] if answer is None else answer, where)
        elif readback.thought_closed(asked, spelt):
            told.note("template.inserted", "the prompt begins a thought that the rows do not have: that it ends at once"
                      " is learnt too", where)
        return
    if spelt != answer:
        told.note("tokenizer.rewrote", "the tokenizer does not spell the text exactly: blanks or characters change",
                  where)
    _note_changes(messages[turn], answer, codec, where, told)


def _prove_said(message: Message, spelt: str, where: str) -> Iterator[Finding]:
    """That the thought and the calls of a turn are learnt, which some templates leave out."""
    missing = readback.missing(message, spelt)
    if missing:
        yield Finding(
            "error", "mask.left_out", f"the template does not write {_short(missing)} of an answer", where,
            "choose a `data.template` that writes calls of tools and reasoning, or take them out of the row")


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


def _prove_typed(conversation: Conversation, turn: int, ids: list[int], codec: Codec) -> Iterator[Finding]:
    """Control ids are counted against a render whose typed control tokens were broken in two."""
    everybody, own = _patterns(codec)
    anybodys, owns = (partial(control.sub, _in_two) for control in (everybody, own))
    messages = [typed.each_text(message, owns if message.role == "assistant" else anybodys, anybodys)
                for message in conversation.messages[: turn + 1]]
    tools = [typed.inside(tool, anybodys) for tool in conversation.tools]
    template, ending = codec.require_template(), codec.ending_of(messages[-1])
    asked = template.render(messages[:-1], generation_prompt=True, tools=tools)
    full = template.render(messages, generation_prompt=False, tools=tools)
    full = (ending.close(full) if ending else None) or full
    written = Counter(everybody.findall(asked)) | Counter(everybody.findall(full))
    if ending and not full.startswith(asked):
        written += Counter(everybody.findall(ending.closing))
    if not full.startswith(asked) or readback.thought_left_open(asked):
        written += Counter(thinking.TOKENS & codec.control.keys())
    names = {index: text for text, index in codec.control.items()}
    present = Counter(names[index] for index in ids if index in names)
    extra = present - written
    if extra:
        yield Finding(
            "error", "mask.typed_control", f"{next(iter(extra))!r}, typed in a message, became a control token",
            conversation.where, "remove it from the message")


def _in_two(found: re.Match[str]) -> str:
    return found[0][:1] + BREAK + found[0][1:]


def _has_typed_control(conversation: Conversation, codec: Codec) -> bool:
    """Whether somebody wrote what would be a control token if the template had written it."""
    everybody, own = _patterns(codec)
    return any(
        control.search(text) is not None for message in conversation.messages
        for control in [everybody if message.calls or message.role != "assistant" else own]
        for text in readback.texts(message)
    ) or any(everybody.search(text) for text in readback.inside(conversation.tools))


@lru_cache(maxsize=4)
def _patterns(codec: Codec) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """What finds the control tokens that must stay text in anybody's turn, and in an assistant's."""
    return pattern(codec.control), pattern((codec.special - thinking.TOKENS) | codec.ends)


def _written(conversation: Conversation, turn: int, codec: Codec) -> tuple[str, str]:
    """The prompt, and the prompt with its answer up to the end token, as the template writes them."""
    template, messages = codec.require_template(), conversation.messages
    asked = template.render(messages[:turn], generation_prompt=True, tools=conversation.tools)
    full = template.render(messages[: turn + 1], generation_prompt=False, tools=conversation.tools)
    ending = codec.ending_of(messages[turn])
    if ending is None:
        return asked, full
    if ending.unwritten:
        return asked, full.removesuffix(ending.trailing) + ending.closing
    if ending.trailing.count(ending.token):
        full = full[: len(full) - len(ending.trailing)]
    return asked, full[: full.rfind(ending.token) + len(ending.token)]


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


def _note_changes(message: Message, answer: str, codec: Codec, where: str, told: _Told) -> None:
    ending, content = codec.ending_of(message), message.content
    body = answer.removesuffix(ending.closing if ending else "")
    if content == body or message.calls or message.reasoning:
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
    typed = codec.typed_by_anybody.search(text)
    if typed:
        told.note("row.rendered", f"the text holds {typed[0]!r}, which is learnt as plain characters: was it rendered"
                  " by a template already? task `chat` takes the conversations themselves", where)
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
