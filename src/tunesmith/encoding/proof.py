"""The mask proof: every document is read back and held against the template, by other means than it was made with.

What encoding takes from ids and borders is found here by rendering each turn once more, decoding the supervised ids
and comparing texts. It looks at documents as they are encoded, before any is cut to a length.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ..errors import Refusal
from ..records import Conversation, Document, Example, Finding, Message, Pair
from . import chat, plain
from .codec import Codec, pattern
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


def prove(
    documents: Sequence[Document], examples: Sequence[Example], codec: Codec, *, refused: Collection[int] = ()
) -> list[Finding]:
    """Every violation of what the mask promises, as an error at its row; then notes on what the template changed.

    `Document.example` is the index in `examples`; refused: examples that encoding has refused already.
    """
    of_example: dict[int, list[Document]] = {index: [] for index in range(len(examples))}
    for document in documents:
        of_example[document.example].append(document)
    told = _Told()
    findings: list[Finding] = []
    for index, made in of_example.items():
        if index not in refused:
            findings += _prove_example(made, examples[index], codec, told)
    return findings + list(told.findings())


def supervision(documents: Sequence[Document], examples: Sequence[Example]) -> dict[str, Any]:
    """{"tokens", "share", "by_role"}: supervised tokens, their share of all (0 to 1), and whose text they are."""
    by_role: Counter[str] = Counter()
    for document in documents:
        by_role[_role(document, examples[document.example])] += int(document.supervised.sum())
    tokens, whole = sum(by_role.values()), sum(map(len, documents))
    return {"tokens": tokens, "share": tokens / whole if whole else 0.0, "by_role": dict(by_role)}


def _role(document: Document, example: Example) -> str:
    if isinstance(example, Conversation):
        return "assistant"
    if isinstance(example, Pair):
        return "answer" if _is_plain(document, example) else "assistant"
    return "text"


def _is_plain(document: Document, example: Pair) -> bool:
    return document.text == example.prompt + example.answer


def _prove_example(made: list[Document], example: Example, codec: Codec, told: _Told) -> Iterator[Finding]:
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
    made: list[Document], conversation: Conversation, codec: Codec, told: _Told
) -> Iterator[Finding]:
    where, messages = conversation.where, conversation.messages
    turns = [index for index, message in enumerate(messages) if message.role == "assistant" and message.train]
    found = [(document, *span) for document in made for span in spans(document)]
    if len(turns) != len(found):
        yield Finding("error", "mask.turns", f"{len(found)} stretches are supervised, and {len(turns)} of the "
                      "assistant's turns are to be learnt", where, REPORT)
        return
    for turn, (document, start, end) in zip(turns, found, strict=True):
        try:
            yield from _prove_turn(messages, turn, (document, start, end), codec, where=where, told=told)
        except Refusal as refusal:
            yield Finding("error", refusal.kind, refusal.what, where, refusal.remedy)


def _prove_turn(
    messages: Sequence[Message], turn: int, span: tuple[Document, int, int], codec: Codec, *, where: str, told: _Told
) -> Iterator[Finding]:
    document, start, end = span
    ids = document.ids.tolist()
    if ids[:start] != chat.prompt(messages[:turn], codec).ids:
        yield Finding("error", "mask.prompt", "the ids before a supervised turn are not those that inference is given",
                      where, REPORT)
    yield from _prove_end(ids[start:end], codec, where)
    yield from _prove_typed(messages[: turn + 1], ids[:end], codec, where)
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
    early = [codec.token(index) for index in answer[:-1] if index in codec.stop]
    if early:
        yield Finding(
            "error", "mask.early_stop", f"generation would stop at {early[0]!r}, before the end of the answer", where,
            "remove that token from the answer, or choose another `data.template`")


def _prove_typed(messages: Sequence[Message], ids: list[int], codec: Codec, where: str) -> Iterator[Finding]:
    """Control ids are counted against a render whose typed control tokens were broken in two."""
    everybody = pattern(codec.control)
    own = pattern(codec.special | ({codec.end_of_turn} if codec.end_of_turn else set()))
    broken = [
        replace(message, content=(own if message.role == "assistant" else everybody).sub(
            lambda found: found[0][:1] + BREAK + found[0][1:], message.content))
        for message in messages
    ]
    if [message.content for message in broken] == [message.content for message in messages]:
        return
    template, ending = codec.require_template(), codec.ending
    asked = template.render(broken[:-1], generation_prompt=True)
    full = template.render(broken, generation_prompt=False)
    full = full[: len(full) - len(ending.trailing)] if ending else full
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


def _prove_plain(made: list[Document], example: Example, codec: Codec, told: _Told) -> Iterator[Finding]:
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
    opened = len(plain.prompt("", codec).ids)
    control = [index for index in ids[opened : len(ids) - (codec.eos is not None)] if index in _ids(codec.control)]
    if control:
        yield Finding("error", "mask.typed_control", f"{codec.token(control[0])!r} in the text became a control token",
                      where, "remove it from the text")
    if isinstance(example, Pair) and start > max(opened, 1) and ids[:start] != plain.prompt(example.prompt, codec).ids:
        yield Finding("error", "mask.prompt", "the ids before the answer are not those that inference is given", where,
                      REPORT)
    ending = codec.token(codec.eos) if codec.eos is not None else ""
    learnt = text[int(made[0].ends[start - 1]) :]
    again = codec.decode(codec.encode(learnt).ids) + ending
    spelt = _spelt(ids, start, end, codec)
    if "".join(spelt.split()) != "".join(again.split()):
        yield _wrong(spelt, learnt + ending, where)


def _text(example: Any) -> str:
    return str(example.text)


def _ids(control: Mapping[str, int]) -> frozenset[int]:
    return frozenset(control.values())
