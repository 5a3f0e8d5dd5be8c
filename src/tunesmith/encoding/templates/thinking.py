"""Where a generation prompt writes the beginning of a thought, or a whole empty one: what the answer then goes on with.

A thinking model is asked with `<think>` already written, or, where it is not to think, with `<think></think>`. Many
templates do not write the same once the answer stands there. Inference gives the prompt, so the prompt is kept as it
is, and the answer is what completes it: the thought and its end, or only the end, or only what is said.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ...records import Conversation, Message

MARKS = (
    ("<think>", "</think>"),
    ("[THINK]", "[/THINK]"),
    ("<think:opensource>", "</think:opensource>"),
    ("<seed:think>", "</seed:think>"),
    ("<mm:think>", "</mm:think>"),
    ("<|START_THINKING|>", "<|END_THINKING|>"),
    ("<|channel>thought", "<channel|>"),
    ("Here are my reasoning steps:", "[BEGIN FINAL RESPONSE]"),
)
TAIL = 100  # characters of a prompt's end in which a thought that is begun or empty has room
FIRST = tuple({mark[0] for mark, _ in MARKS})
TOKENS = frozenset(mark for pair in MARKS for mark in pair)


@dataclass(frozen=True, slots=True)
class Opening:
    """The thought that a prompt ends with: what stands before it, its marks, and whether it is closed already."""

    before: str
    mark: str
    close: str
    closed: bool
    blank: str

    def closing(self) -> str:
        """What ends a thought and comes before the answer, in the way that this opening has its line feeds."""
        return f"\n{self.close}\n\n" if "\n" in self.blank else self.close


def opening(asked: str) -> Opening | None:
    """The thought, just begun or empty, that a prompt ends with."""
    begins = max(0, len(asked) - TAIL)
    for mark, close in MARKS:
        place = asked.rfind(mark, begins)
        if place < 0:
            continue
        inside = asked[place + len(mark) :]
        thought, closed, rest = inside.partition(close)
        if not thought.strip() and not rest.strip():
            return Opening(asked[:place], mark, close, bool(closed), inside)
    return None


def split(content: str) -> tuple[str, str]:
    """The thought that a text begins with, marks and all, and the rest; no thought where it begins with none."""
    begun = content.lstrip()
    if not begun.startswith(FIRST):  # nearly all there are
        return "", content
    for mark, close in MARKS:
        if begun.startswith(mark) and close in begun:
            thought, _, rest = begun.partition(close)
            return thought + close, rest
    return "", content


def thought(message: Message) -> str:
    """What an assistant's turn thinks, without marks and white space around it."""
    if message.reasoning:
        return message.reasoning.strip()
    whole = split(message.content)[0]
    return "" if not whole else next((whole.removeprefix(mark).removesuffix(close).strip() for mark, close in MARKS
                 if whole.startswith(mark)), "")


def without_thoughts(conversation: Conversation) -> Conversation:
    """The conversation with what its assistant says and calls, and nothing of what it thinks."""
    turns = tuple(
        replace(turn, reasoning="", content=split(turn.content)[1].lstrip() if split(turn.content)[0] else turn.content)
        if turn.role == "assistant" and (turn.reasoning or split(turn.content)[0]) else turn
        for turn in conversation.messages)
    return replace(conversation, messages=turns)


def completed(asked: str, full: str, message: Message) -> str | None:
    """What the answer is after this prompt; None where the render does not fit to it.

    asked: the prompt with the generation prompt; full: the render up to the answer's end token; message: the answer.
    """
    begun = opening(asked)
    if full.startswith(asked):
        rest = full[len(asked) :]
        if begun is None or begun.closed:
            return rest
        if begun.close in rest:
            own = _own(message, begun)
            left_out = rest.lstrip().startswith(begun.close) and own.strip() not in rest
            return own + rest if left_out else rest
        return begun.closing() + rest.lstrip()  # a template that writes the answer where the thought should stand
    if begun is None:
        return _past(asked, full)
    after = full.removeprefix(begun.before) if full.startswith(begun.before) else _past(begun.before, full)
    return None if after is None else _closed(begun, after.lstrip(), message)


def _closed(begun: Opening, written: str, message: Message) -> str | None:
    """What completes a thought that the prompt has begun, from what the template writes in its place."""
    inner = written.removeprefix(begun.mark) if written.startswith(begun.mark) else None
    if begun.closed:
        if inner is not None:
            before, closed, after = inner.partition(begun.close)
            return after.lstrip() if closed and not before.strip() else None
        return written.removeprefix(begun.close).lstrip() if written.startswith(begun.close) else written
    if inner is not None and begun.close in inner:
        return inner.lstrip("\n") if "\n" in begun.blank else inner
    own = _own(message, begun)
    if written.startswith(begun.close):
        return own + written
    if own.strip() and own.strip() in written.partition(begun.close)[0]:
        return written
    return (f"{own}{begun.closing()}" if own else begun.closing()) + written


def _own(message: Message, begun: Opening) -> str:
    """The thought of a turn that its template leaves out."""
    if message.reasoning:
        return message.reasoning.strip("\n")
    whole, _ = split(message.content)
    return whole.removeprefix(begun.mark).removesuffix(begun.close).strip("\n")


def _past(asked: str, full: str) -> str | None:
    """What a render goes on with after a prompt that it begins with but for white space."""
    start = _shared(asked, full)
    rest = "".join(asked[start:].split())
    place = start
    for letter in rest:
        while place < len(full) and full[place].isspace():
            place += 1
        if place == len(full) or full[place] != letter:
            return None
        place += 1
    return full[place:].lstrip() if asked[-1:].isspace() else full[place:]


def _shared(left: str, right: str) -> int:
    return next((place for place, (one, other) in enumerate(zip(left, right, strict=False)) if one != other),
                min(len(left), len(right)))
