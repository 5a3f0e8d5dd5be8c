"""Conversations to documents: what an assistant is trained to say, after exactly what it will be asked with.

For an assistant's turn i that is trained, P is the prompt that inference would be given (the turns before it, with the
generation prompt), and A is what the template writes after P once the turn is there, up to and with its end-of-turn
token; where P ends with the beginning of a thought that the template then writes otherwise, A completes it
(`thinking.py`). The ids of P, then those of A, make a document in which A is supervised. It goes on with the next turn
where the next prompt begins with these very ids; where the template has rewritten history (thinking stripped, text
trimmed), a new document of the same example begins. So whatever a template does, no token is learnt after anything but
what inference will show.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from ...contracts import Encoded
from ...errors import Refusal
from ...records import Conversation, Document, Finding, Message
from ..templates.template import Template, Tool
from ..templates.thinking import completed, opening, thought
from ..tokens import typed
from ..tokens.codec import Codec
from . import shift

REASONING = "set `data.thinking` to `think`, or to `no_think` to learn the answers alone"


@dataclass(frozen=True, slots=True)
class _Turn:
    """An assistant's turn, rendered: the prompt and the answer with marks, and their ids."""

    prompt: Encoded
    answer: Encoded
    prompt_text: str
    answer_text: str

    def ends(self) -> list[int]:
        """Where each id ends in the prompt's and the answer's text together."""
        before = len(self.prompt_text)
        return self.prompt.ends + [before + end for end in self.answer.ends]


def prompt(messages: Sequence[Message], codec: Codec, tools: Sequence[Tool] = ()) -> Encoded:
    """The ids that inference is given: the conversation with the generation prompt, typed control tokens as text.

    `ends` count characters of the rendered text. Raises Refusal in the template's words where it cannot render this.
    """
    return prompt_and_text(messages, codec, tools)[0]


def prompt_and_text(messages: Sequence[Message], codec: Codec, tools: Sequence[Tool] = ()) -> tuple[Encoded, str]:
    """As `prompt`, and the rendered text."""
    template = codec.require_template()
    rendered = template.render(
        typed.mark(messages, codec), generation_prompt=True, tools=_offered(tools, codec, template))
    return codec.encode_pieces(typed.pieces(rendered, codec)), typed.clean(rendered)


def with_system(messages: Sequence[Message], system: str | None) -> tuple[Message, ...]:
    """The messages, with a default system prompt in front where they bring none."""
    if system is None or any(message.role in ("system", "developer") for message in messages):
        return tuple(messages)
    return (Message("system", system), *messages)


def documents(
    conversation: Conversation, codec: Codec, *, system: str | None = None, example: int = 0
) -> tuple[list[Document], list[Finding]]:
    """The documents of a conversation, and what was noticed.

    system: put in front where the conversation has no system prompt; example: the index that the documents carry.
    Assistant turns with `train=False` are context only. A turn that cannot be encoded exactly is an error finding, and
    the conversation then has no documents. Raises Refusal where no conversation could be encoded with this template.
    """
    template = codec.require_template()
    messages = with_system(conversation.messages, system)
    marked, tools = typed.mark(messages, codec), _offered(conversation.tools, codec, template)
    made: list[Document] = []
    growing: _Growing | None = None
    findings: list[Finding] = []
    for index, message in enumerate(messages):
        if message.role != "assistant" or not message.train:
            continue
        try:
            turn = _turn(marked[: index + 1], codec, template, tools)
        except Refusal as refusal:
            return [], [_finding(refusal, conversation.where)]
        findings += _noticed(message, turn, conversation.where)
        if growing is None or turn.prompt.ids[: len(growing.ids)] != growing.ids:
            made += [growing.document(example)] if growing else []
            growing = _Growing(turn, [])
        else:
            growing = _Growing(turn, growing.spans)
    made += [growing.document(example)] if growing else []
    if any(finding.severity == "error" for finding in findings):
        return [], findings
    return made, findings


def foresee(conversations: Iterable[Conversation], codec: Codec) -> None:
    """Render and encode together what `documents` will ask for of these conversations, one turn after another.

    Nothing depends on it: what the last turn does not show, and what cannot be rendered, is left to `documents`.
    """
    template = codec.require_template()
    texts: list[str] = []
    for conversation in conversations:
        marked, tools = typed.mark(conversation.messages, codec), _offered(conversation.tools, codec, template)
        turns = [index for index, turn in enumerate(marked) if turn.role == "assistant" and turn.train]
        template.foresee(marked, asked=turns, whole=[index + 1 for index in turns], tools=tools)
        with suppress(Refusal):
            texts += [template.render(marked[:index], generation_prompt=True, tools=tools) for index in turns[-1:]]
            texts += [template.render(marked[: index + 1], generation_prompt=False, tools=tools)
                      for index in turns[-1:]]
    codec.foresee(typed.pieces(text, codec) for text in texts)


def answer(messages: Sequence[Message], codec: Codec, tools: Sequence[Tool] = ()) -> str:
    """What the assistant writes in the last of these messages, without its end token: what a perfect model would say.

    The content as it stands, unless the template makes more of it: a thought, calls of tools, a channel.
    """
    template, last = codec.require_template(), messages[-1]
    turn = _turn(typed.mark(messages, codec), codec, template, _offered(tools, codec, template))
    ending = codec.ending_of(last)
    written = turn.answer_text.removesuffix(ending.token if ending else "")
    return last.content if written.strip() == last.content.strip() else written


def _offered(tools: Sequence[Tool], codec: Codec, template: Template) -> Sequence[Tool]:
    """The tools of a conversation, else those of all; control tokens in their texts stay text."""
    return typed.mark_tools(tools or template.tools, codec) if tools or template.tools else ()


class _Growing:
    """A document that later turns may still continue."""

    def __init__(self, turn: _Turn, spans: Sequence[tuple[int, int]]) -> None:
        start = len(turn.prompt.ids)
        self.turn = turn
        self.ids = turn.prompt.ids + turn.answer.ids
        self.spans = [*spans, (start, len(self.ids))]

    def document(self, example: int) -> Document:
        text = self.turn.prompt_text + self.turn.answer_text
        return shift.document(self.ids, self.spans, text=text, ends=self.turn.ends, example=example)


def _turn(marked: Sequence[Message], codec: Codec, template: Template, tools: Sequence[Tool]) -> _Turn:
    """The last of these messages, an assistant's, after those before it."""
    asked = template.render(marked[:-1], generation_prompt=True, tools=tools)
    full = _up_to_end(template.render(marked, generation_prompt=False, tools=tools), marked[-1], codec, template)
    answer = completed(asked, full, marked[-1])
    if answer is None and thought(marked[-1]) and (begun := opening(asked)) and begun.closed:
        raise Refusal("row.reasoning", "the prompt says that nothing is thought, and the assistant thinks: "
                      f"{thought(marked[-1])[:40]!r}", template.name, REASONING)
    if answer is None:
        answer = _answer_elsewhere(marked, full, codec, template, tools=tools)
    before = codec.encode_pieces(typed.pieces(asked, codec))
    whole = codec.encode_pieces(typed.pieces(asked + answer, codec))
    prompt_text, answer_text = typed.clean(asked), typed.clean(answer)
    if whole.ids[: len(before.ids)] == before.ids:
        count = len(before.ids)
        after = Encoded(whole.ids[count:], lambda: [max(end - len(prompt_text), 0) for end in whole.ends[count:]])
    else:
        after = _apart(before, answer, codec)
    return _Turn(before, after, prompt_text, answer_text)


def _up_to_end(full: str, message: Message, codec: Codec, template: Template) -> str:
    """A render that ends with an assistant's turn, up to and with the token that ends the turn."""
    ending = codec.ending_of(message)
    if ending is None:
        raise Refusal("template.calls", "the template does not write a call of a tool and an end after it",
                      template.name, "set `data.template` to `chatml-tools`, or to a Jinja file that does, or take the "
                      "rows with calls out")
    closed = ending.close(full)
    if closed is None:
        raise Refusal("template.no_end", f"after this answer the template does not write {ending.token!r} as it does "
                      f"after others: {full[-40:]!r}", template.name, "choose another `data.template`")
    return closed


def _answer_elsewhere(
    marked: Sequence[Message], full: str, codec: Codec, template: Template, *, tools: Sequence[Tool]
) -> str:
    """The answer as it is written after the last question alone, where an answer changes how its history is written.

    Some templates put the system prompt into the last user's turn only while no answer follows it: accepted only if
    the whole conversation's render ends with the very same text. Others write instructions after everything that was
    said: there the answer is what stands behind the last of what the generation prompt writes.
    """
    short = marked[-2:]
    asked = template.render(short[:-1], generation_prompt=True, tools=tools)
    rendered = template.render(short, generation_prompt=False, tools=tools)
    alone = _up_to_end(rendered, marked[-1], codec, template)
    answer = alone[len(asked) :]
    if alone.startswith(asked) and full.endswith(answer):
        return answer
    header = _header(marked[:-1], template, tools)
    _, found, answer = full.rpartition(header)
    said = typed.clean(marked[-1].content.strip())
    if found and any(token in header for token in codec.control) and said in typed.clean(answer):
        return answer
    raise Refusal(
        "template.prefix",
        f"what the template writes before an answer ({asked[-40:]!r}, the generation prompt) is not what it writes "
        "once the answer is there, so training would not see what inference gives", template.name,
        "write the answers as the generation prompt expects them, or choose another `data.template`",
    )


def _header(marked: Sequence[Message], template: Template, tools: Sequence[Tool]) -> str:
    """What the generation prompt adds to these messages."""
    asked, said = (template.render(marked, generation_prompt=each, tools=tools) for each in (True, False))
    return asked.removeprefix(said) if asked.startswith(said) and asked != said else "\0"


def _apart(before: Encoded, answer: str, codec: Codec) -> Encoded:
    """The answer's ids by themselves, where a token would span the border between prompt and answer."""
    parts = typed.pieces(answer, codec)
    after = codec.encode_pieces(parts, continued=True)
    spelt = codec.decode(before.ids + after.ids)[len(codec.decode(before.ids)) :]
    # A tokenizer that normalises (NFC) changes some texts however they are cut: that is no fault of the border.
    if spelt not in (typed.clean(answer), codec.decode(codec.encode_pieces(parts).ids)):
        raise Refusal(
            "tokenizer.border", f"the tokenizer cannot spell the answer apart from its prompt: {spelt[:40]!r}", "",
            "trim white space at the start of the answer")
    return after


def _noticed(message: Message, turn: _Turn, where: str) -> Iterator[Finding]:
    if not message.content.strip() and not message.calls:
        yield Finding("error", "row.empty_answer", "an assistant's turn is empty", where,
                      "give it a text, set `train: false` on it, or remove the row")
    own = thought(message)
    if own and own not in turn.answer_text:
        yield Finding("error", "row.reasoning", f"the template leaves out what the assistant thinks: {own[:40]!r}",
                      where, REASONING)


def _finding(refusal: Refusal, where: str) -> Finding:
    what = f"{refusal.what} (template {refusal.where})" if refusal.where else refusal.what
    return Finding("error", refusal.kind, what, where, refusal.remedy)
