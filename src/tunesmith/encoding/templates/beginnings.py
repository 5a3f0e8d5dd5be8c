"""All beginnings of a conversation from one render, where the template wrote each message knowing no later one.

A chat template is a program, and what it writes for a turn may depend on what follows: whether it is the last one,
how many there are, what the last question was. So the render is watched. The messages are handed out one by one by an
object that notes each look at a later one, and how much text stood when each was asked for; `loop.last` and its kin
count as such a look. What follows the loop must be the same whatever was said: it may name the generation prompt and
the special tokens only. If nothing was looked at too early, the text of a beginning is what stood when the next message
was asked for, and then what follows the loop. Else nothing is claimed, and each beginning is rendered by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any

from jinja2 import nodes
from jinja2.runtime import LoopContext

from . import sandbox

BEHIND = frozenset({"index", "index0", "first", "previtem", "depth", "depth0", "cycle"})
GIVEN = "add_generation_prompt"


class Beginnings:
    """A template that can be rendered for all beginnings of a conversation at once, if it lets itself.

    special: the tokenizer's named tokens; date: what `strftime_now` says.
    """

    def __init__(self, source: str, special: Mapping[str, str], date: datetime) -> None:
        self._special, self._date = special, date
        self._sandbox = _Watching({GIVEN, *special})
        self._template = self._sandbox.from_string(source)
        self._tails: dict[bool, str] = {}

    def render(
        self, messages: Sequence[Mapping[str, Any]], counts: Mapping[bool, Sequence[int]],
        given: Mapping[str, Any] = MappingProxyType({}),
    ) -> dict[tuple[int, bool], str]:
        """The texts of the first messages, by how many and whether with the generation prompt, that are certain.

        counts: which are wanted, without and with it; given: as in `sandbox.run`.
        """
        found: dict[tuple[int, bool], str] = {}
        for asked, wanted in counts.items():
            if not wanted or all((count, asked) in found for count in wanted):
                continue
            watch = self._watched(messages[: max(wanted)], asked, given)
            begun, tail = watch.beginnings() if watch else ({}, "")
            if begun:
                self._tails[asked] = tail
            # where only what follows the loop reads the generation prompt, one render tells both kinds
            kinds = self._tails if self._sandbox.prompt_last else {asked: tail}
            found |= {
                (count, kind): begun[count] + after
                for kind, after in kinds.items() for count in counts[kind] if count in begun
            }
        return found

    def _watched(
        self, messages: Sequence[Mapping[str, Any]], generation_prompt: bool, given: Mapping[str, Any]
    ) -> _Watch | None:
        parts: list[str] = []
        watch = self._sandbox.watch = _Watch([dict(message) for message in messages], parts)
        try:
            for part in sandbox.generate(
                self._template, _Messages(watch, 0), self._special, generation_prompt=generation_prompt,
                date=self._date, characters=sandbox.characters(messages, given), given=given,
            ):
                parts.append(part)
        except sandbox.RENDER_ERRORS:  # a shorter beginning may well be taken
            return None
        return watch


class _Watch:
    """What one render has looked at. stood: how many parts of the text stood when each message was asked for."""

    def __init__(self, messages: Sequence[Mapping[str, Any]], parts: list[str]) -> None:
        self.messages = messages
        self.parts = parts
        self.ahead = False
        self.least = 1
        self.first = 0
        self.handed: int | None = None
        self.stood: list[int] = []
        self.ended = False

    def walk(self, first: int) -> Iterator[Mapping[str, Any]]:
        """The messages from `first` on, each noted as it is asked for. Only one walk can be told apart."""
        self.ahead |= self.handed is not None
        self.first = self.handed = first
        for place in range(first, len(self.messages)):
            self.stood.append(len(self.parts))
            self.handed = place + 1
            yield self.messages[place]
        self.stood.append(len(self.parts))
        self.ended = True

    def look(self, place: int) -> Mapping[str, Any]:
        """The message at a place; before the walk that is part of what every text begins with."""
        if self.handed is None:
            self.least = max(self.least, place + 1)
        elif place >= max(self.handed, self.least):
            self.ahead = True
        return self.messages[place]

    def beginnings(self) -> tuple[Mapping[int, str], str]:
        """What stands before each message, by their number, and what follows them all; nothing where that is unsure."""
        if self.ahead or not self.ended:
            return {}, ""
        found: dict[int, str] = {}
        text, written = "", 0
        for count, stood in enumerate(self.stood, self.first):
            text, written = text + "".join(self.parts[written:stood]), stood
            if count >= self.least:
                found[count] = text
        return found, "".join(self.parts[written:])


class _Messages:
    """The messages from a place on, as a template sees them: every use that is not a walk or a known place is noted."""

    def __init__(self, watch: _Watch, first: int) -> None:
        self._watch, self._first = watch, first

    def _all(self) -> list[Mapping[str, Any]]:
        self._watch.ahead = True
        return list(self._watch.messages[self._first :])

    def __getitem__(self, place: Any) -> Any:
        if type(place) is int and 0 <= place < len(self._watch.messages) - self._first:
            return self._watch.look(self._first + place)
        if isinstance(place, slice) and type(place.start) is int and place.start >= 0 and (
            place.stop is None and place.step is None
        ):
            return _Messages(self._watch, self._first + place.start)
        return self._all()[place]

    def __len__(self) -> int:
        return len(self._all())

    def __bool__(self) -> bool:
        return bool(self._first < len(self._watch.messages) and self._watch.look(self._first)) or bool(self._all())

    def __iter__(self) -> Iterator[Mapping[str, Any]]:
        return iter(self._all())

    def __eq__(self, other: object) -> bool:
        return self._all() == other

    __hash__ = None  # type: ignore[assignment]

    def __str__(self) -> str:
        return str(self._all())

    __repr__ = __str__

    def walk(self) -> Iterator[Mapping[str, Any]]:
        """One message after another."""
        return self._watch.walk(self._first)


class _Watching(sandbox.Sandbox):
    """The sandbox, with a watch on looks ahead. names: what stays the same in all beginnings.

    prompt_last: whether the generation prompt is read only after the messages.
    """

    def __init__(self, names: Iterable[str]) -> None:
        super().__init__()
        self.watch = _Watch((), [])
        self._same = frozenset(names)
        self.prompt_last = False
        self.filters["_walk"] = self._walk

    def _parse(self, source: str, name: str | None, filename: str | None) -> Any:
        tree = super()._parse(source, name, filename)
        stored = {found.name for found in tree.find_all(nodes.Name) if found.ctx != "load"}
        if stored & self._same or _loop_by_itself(tree):
            return tree
        for place, loop in enumerate(tree.body):
            tail = nodes.Template(tree.body[place + 1 :])
            loaded = {found.name for found in tail.find_all(nodes.Name) if found.ctx == "load"}
            plain = isinstance(loop, nodes.For) and not loop.recursive and not loop.else_
            if plain and loaded <= self._same:
                loop.iter.name = "_walk"  # in place of the filter that only charges
                before = nodes.Template(tree.body[: place + 1]).find_all(nodes.Name)
                self.prompt_last = GIVEN not in {found.name for found in before}
        return tree

    def _walk(self, values: Any) -> Any:
        return self._counted(values.walk()) if isinstance(values, _Messages) else self._turns(values)

    def getattr(self, obj: Any, attribute: str) -> Any:
        """As in the sandbox."""
        self._note(obj, attribute)
        return super().getattr(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        """As in the sandbox."""
        self._note(obj, argument)
        return super().getitem(obj, argument)

    def call(self, context: Any, function: Any, /, *arguments: Any, **values: Any) -> Any:
        """As in the sandbox."""
        for value in (function, *arguments, *values.values()):
            self._note(value, None)
        return super().call(context, function, *arguments, **values)

    def _note(self, value: Any, attribute: Any) -> None:
        """A loop tells what follows, unless asked for what is behind; the messages have no attributes."""
        told = isinstance(value, LoopContext) and attribute not in BEHIND
        if told or (isinstance(value, _Messages) and isinstance(attribute, str)):
            self.watch.ahead = True


def _loop_by_itself(tree: nodes.Template) -> bool:
    """Whether `loop` stands anywhere but before a dot: as a text or a value it tells its length unasked."""
    asked = [found.node for found in tree.find_all(nodes.Getattr) if isinstance(found.node, nodes.Name)]
    named = [found.name for found in tree.find_all(nodes.Name)]
    return named.count("loop") > [found.name for found in asked].count("loop")
