"""An assistant's calls of tools, read out of what it wrote, in the way in which its template writes them.

What is not read to the last character stays a text: vLLM, too, tells a whole answer as text where its JSON is broken;
llama.cpp has mended JSON, and taken bare JSON for calls that nobody marked (its issue 18183), which is not done here.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ...records import Call
from .thinking import MARKS

ID = "\0"  # stands for a call's own id in what a template writes
OWN_ID = r"[A-Za-z0-9_.:-]{1,64}"
LEADS = 64  # places in an answer at which calls are looked for
BLANKS = 256  # characters of white space that a mark may be written with beside its own


@dataclass(frozen=True)
class Way:
    """How a template writes calls.

    lead, trail: what stands before the first call and after the last; middle: between two, None where only one is
    written; named: between a name and its arguments, None where a JSON object holds both under `name` and `arguments`;
    known: all of that object's keys; id: the one that holds the call's id.
    """

    lead: str
    trail: str
    middle: str | None
    named: str | None = None
    name: str = ""
    arguments: str = ""
    known: frozenset[str] = frozenset()
    id: str = ""

    def read(self, text: str, offered: Collection[str]) -> tuple[str, tuple[Call, ...]]:
        """What is said before the calls, and the calls, which end the answer.

        All of the text and no call, where what looks like one is no JSON, names a tool that is not offered, or is
        followed by anything. A call has an id where the model wrote one.
        """
        for begins, ends in self._leads(text):
            found = self._calls(text, ends, offered)
            if found:
                return text[:begins].rstrip(), found
        return text, ()

    def held(self, text: str) -> int:
        """From which character on an answer, which goes on, may turn out to be calls, white space before them too."""
        if self._bare:
            begins = 0 if self._may_begin(text) else said_from(text)
            return begins if self._may_begin(text[begins:]) else len(text)
        whole = self._mark.search(text)
        if whole is not None:
            return len(text[: whole.start()].rstrip())
        tight = "".join(self.lead.partition(ID)[0].split())
        tail = [place for place in range(max(0, len(text) - len(tight) - BLANKS), len(text))
                if not text[place].isspace()]
        for place in tail[-len(tight) :]:
            if tight.startswith("".join(text[place:].split())):
                return len(text[:place].rstrip())
        return len(text.rstrip())

    @cached_property
    def _bare(self) -> bool:
        """Whether calls are marked by nothing: then they are the whole answer."""
        return not re.search(r"\w", self.lead)

    @cached_property
    def _mark(self) -> re.Pattern[str]:
        return _loosely(self.lead.partition(ID)[0].lstrip())

    @cached_property
    def _lead(self) -> re.Pattern[str]:
        return _loosely(self.lead.lstrip())

    @cached_property
    def _ends(self) -> re.Pattern[str]:
        return _loosely(f" {self.trail} ")

    @cached_property
    def _next(self) -> re.Pattern[str] | None:
        return None if self.middle is None else _loosely(f" {self.middle} ")

    @cached_property
    def _between(self) -> re.Pattern[str]:
        return _loosely(f" {self.named} ")

    def _may_begin(self, text: str) -> bool:
        """Whether an answer without marks begins as calls do, as far as it goes."""
        first, opens = text.lstrip()[:1], self.lead.strip()[:1]
        return first == "" or (first == (opens or "{") if self.named is None or opens else True)

    def _leads(self, text: str) -> Iterator[tuple[int, int]]:
        if self._bare:
            for begins in dict.fromkeys((0, said_from(text))):
                found = self._lead.match(text, len(text) - len(text[begins:].lstrip()))
                if found is not None:
                    yield begins, found.end()
            return
        for number, found in enumerate(self._lead.finditer(text)):
            if number == LEADS:
                return
            yield found.start(), found.end()

    def _calls(self, text: str, place: int, offered: Collection[str]) -> tuple[Call, ...]:
        found: list[Call] = []
        while True:
            read = self._named_call(text, place, offered) if self.named is not None else self._call(
                text, place, offered)
            if read is None:
                return ()
            call, place = read
            found.append(call)
            if self._ends.fullmatch(text, place):
                return tuple(found)
            goes_on = self._next.match(text, place) if self._next is not None else None
            if goes_on is None:
                return ()
            place = goes_on.end()

    def _call(self, text: str, place: int, offered: Collection[str]) -> tuple[Call, int] | None:
        found, ends = json_object(text, place)
        if found is None or not found.keys() <= self.known:
            return None
        name, arguments, own = found.get(self.name), found.get(self.arguments), found.get(self.id)
        if isinstance(arguments, str):  # JSON in a text
            inner, length = json_object(arguments, 0)
            arguments = inner if length == len(arguments) else None
        if not isinstance(name, str) or name not in offered or not isinstance(arguments, Mapping):
            return None
        return Call(name, arguments, own if isinstance(own, str) and re.fullmatch(OWN_ID, own) else ""), ends

    def _named_call(self, text: str, place: int, offered: Collection[str]) -> tuple[Call, int] | None:
        for name in offered:
            between = self._between.match(text, place + len(name)) if text.startswith(name, place) else None
            arguments, ends = json_object(text, between.end()) if between is not None else (None, place)
            if arguments is not None:
                return Call(name, arguments), ends
        return None


def json_object(text: str, place: int) -> tuple[dict[str, Any] | None, int]:
    """The JSON object that begins there, and where it ends; None where there is none."""
    try:
        found, ends = _DECODER.raw_decode(text, place)
    except (ValueError, RecursionError):
        return None, place
    return (found, ends) if isinstance(found, dict) else (None, place)


def said_from(text: str) -> int:
    """Where an answer goes on after its thought."""
    return min((text.find(close) + len(close) for _, close in MARKS if close in text), default=0)


def _finite(number: str) -> float:
    value = float(number)
    if not math.isfinite(value):
        raise ValueError("no number of JSON")
    return value


_DECODER = json.JSONDecoder(parse_float=_finite, parse_constant=_finite)


def _loosely(literal: str) -> re.Pattern[str]:
    """Finds a text, with any white space where it has some, and with any id for a call's own."""
    parts = [OWN_ID.join(re.escape(piece) for piece in part.split(ID)) for part in literal.split()]
    before, after = r"\s*" if literal[:1].isspace() else "", r"\s*"
    return re.compile(before + r"\s*".join(parts) + after)
