"""How a template ends an assistant's turn, found by rendering one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ..errors import Refusal
from ..records import Message
from .templates import Template

SENTINEL = "Sentinel"


@dataclass(frozen=True, slots=True)
class Ending:
    """What a template writes after an assistant's last turn: up to and with the token that ends it, and then."""

    token: str
    closing: str
    trailing: str


def pattern(texts: Iterable[str]) -> re.Pattern[str]:
    """Matches any of the texts, the longest first; nothing where there are none."""
    return re.compile("|".join(map(re.escape, sorted(texts, key=len, reverse=True))) or "(?!)")


def find(template: Template, control: Mapping[str, int], known: set[int]) -> Ending | None:
    """How a render ends after an assistant's last turn, and which token of that ends the turn.

    That is a control token which generation stops on already, else the first. One that only a conversation's last
    turn is followed by (an EOS where a generation prompt could stand) comes second: the answer is also rendered with a
    user's turn after it, where the template takes that.
    """
    asked = (Message("user", "Question"), Message("assistant", SENTINEL))
    try:
        tail = template.render(asked, generation_prompt=False).rpartition(SENTINEL)[2]
    except Refusal:
        return None
    try:
        longer = template.render((*asked, Message("user", "Question")), generation_prompt=False)
        always = _shared(tail, longer.rpartition(SENTINEL)[2])
    except Refusal:
        always = tail
    tokens = pattern(control)
    found = list(tokens.finditer(always)) or list(tokens.finditer(tail))
    chosen = next((match for match in found if control[match[0]] in known), found[0] if found else None)
    return Ending(chosen[0], tail[: chosen.end()], tail[chosen.end() :]) if chosen else None


def _shared(left: str, right: str) -> str:
    same = 0
    while same < min(len(left), len(right)) and left[same] == right[same]:
        same += 1
    return left[:same]
