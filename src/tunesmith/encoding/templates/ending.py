"""How a template ends an assistant's turn, found by rendering one."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from ...errors import Refusal
from ...records import Message
from . import sandbox, views
from .template import Template

SENTINEL = "Sentinel"
QUESTION = Message("user", "Question")
ANSWER = Message("assistant", SENTINEL)
ASKED = Message("assistant", "", calls=(views.CALL,))
FOUND = Message("tool", "Found", name=views.CALL.name, call=views.CALL.id)


@dataclass(frozen=True, slots=True)
class Ending:
    """What a template writes after an assistant's last turn: up to and with the token that ends it, and then.

    unwritten: the template writes `closing` only once another turn follows; `trailing` stands in its place.
    """

    token: str
    closing: str
    trailing: str
    unwritten: bool = False

    def close(self, full: str) -> str | None:
        """A render that ends with a turn, up to and with the end token; None where it does not end so."""
        written = self.trailing if self.unwritten else self.closing + self.trailing
        if not full.endswith(written):
            return None
        body = full[: len(full) - len(self.trailing)]
        return body + self.closing if self.unwritten else body


def pattern(texts: Iterable[str]) -> re.Pattern[str]:
    """Matches any of the texts, the longest first; nothing where there are none."""
    return re.compile("|".join(map(re.escape, sorted(texts, key=len, reverse=True))) or "(?!)")


def find(template: Template, control: Mapping[str, int], known: Collection[int]) -> Ending | None:
    """How a render ends after an assistant's last turn, and which token of that ends the turn.

    That is a control token which generation stops on already, else the first. One that only a conversation's last
    turn is followed by (an EOS where a generation prompt could stand) comes second: the answer is also rendered with a
    user's turn after it, where the template takes that. Where the template ends a turn only once the next one begins,
    it is the token found there, unless that opens the next turn and generation does not stop on it.
    """
    tail, longer = _tails(template, (QUESTION, ANSWER), QUESTION, SENTINEL)
    if tail is None:
        return None
    tokens = pattern(control)
    always = tail if longer is None else _shared(tail, longer)
    found = list(tokens.finditer(always)) or [
        match for match in tokens.finditer(tail) if not tail[: match.start()].strip()]
    chosen = next((match for match in found if control[match[0]] in known), found[0] if found else None)
    if chosen:
        return Ending(chosen[0], tail[: chosen.end()], tail[chosen.end() :])
    next_token = tokens.search(longer or "")
    if next_token is None or longer is None:
        return None
    opened = _rendered(template, (QUESTION,)) or ""
    if control[next_token[0]] in known or next_token[0] not in opened.partition(QUESTION.content)[0]:
        return Ending(next_token[0], longer[: next_token.end()], tail, unwritten=True)
    return None


def find_of_calls(
    template: Template, control: Mapping[str, int], known: Collection[int], usual: Ending | None
) -> Ending | None:
    """The same of a turn that calls a tool, which some templates end with another token; None where none is sure.

    usual: of a turn that says something.
    """
    tail, longer = _tails(template, (QUESTION, ASKED), FOUND, views.ARGUMENT)
    if tail is None:
        return None
    always = tail if longer is None else _shared(tail, longer)  # what follows may be instructions, not this turn's
    found = list(pattern(control).finditer(always))
    chosen = next((match for match in found if control[match[0]] in known), None) or next(
        (match for match in found if usual is not None and match[0] == usual.token), None)
    if chosen is None and longer is not None and longer.startswith(tail):
        first = pattern(control).search(longer, len(tail))
        if first is not None and control[first[0]] in known:
            return Ending(first[0], longer[len(tail) : first.end()], "", unwritten=True)
    return Ending(chosen[0], chosen[0], tail[chosen.end() :]) if chosen else None


def _tails(
    template: Template, turns: Sequence[Message], after: Message, sentinel: str
) -> tuple[str | None, str | None]:
    """What follows the sentinel where these turns are all, and where one more comes after them."""
    alone = _rendered(template, turns)
    if alone is None or sentinel not in alone:
        return None, None
    more = _rendered(template, (*turns, after))
    return alone.rpartition(sentinel)[2], more.rpartition(sentinel)[2] if more and sentinel in more else None


def _rendered(template: Template, turns: Sequence[Message]) -> str | None:
    """The turns as the template writes them, with a tool offered where it needs one or one is called."""
    for tools in (sandbox.TOOLS,) if any(turn.calls for turn in turns) else ((), sandbox.TOOLS):
        try:
            return template.render(turns, generation_prompt=False, tools=tools)
        except Refusal:
            continue
    return None


def _shared(left: str, right: str) -> str:
    same = 0
    while same < min(len(left), len(right)) and left[same] == right[same]:
        same += 1
    return left[:same]
