"""Chat templates: rendered in one bounded sandbox, and vetted once in a child process.

A template comes with a model and may be a stranger's, so it is data that is run: `sandbox.py` bounds what it can do,
and `vet` tries it first where the system bounds time and memory.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any

import jinja2
from jinja2.exceptions import SecurityError

from ... import errors
from ...cache import cache_folder
from ...records import Message
from . import sandbox, views
from .beginnings import Beginnings
from .shipped import NAMED
from .views import Ways

Tool = Mapping[str, Any]

KEPT_CHARACTERS = 1 << 22
MISSES = 8  # conversations whose beginnings could not be told, after which a template is not tried again
CHANGING = re.compile("random|lipsum")  # what Jinja draws lots with
CPU_SECONDS = 5
MEMORY_BYTES = 1 << 30
CHILD = "import sys, runpy; sys.path.append(sys.argv[1]); runpy.run_path(sys.argv[2], run_name='__main__')"
VETTED_BY = hashlib.sha256(Path(sandbox.__file__).read_bytes()).hexdigest()


class Template:
    """A chat template ready to render.

    source: Jinja text; name: shown in complaints; special: the tokenizer's named tokens (`bos_token`, …) that the
    source may use; date: what `strftime_now` says, by default now; tools: definitions for conversations that bring
    none; switches: more that the source may ask for, such as `enable_thinking`.
    """

    def __init__(
        self, source: str, name: str, special: Mapping[str, str], *, date: datetime | None = None,
        tools: Sequence[Tool] = (), switches: Mapping[str, bool] = MappingProxyType({}),
    ) -> None:
        self.source = source
        self.name = name
        self.special = dict(special)
        self.date = date
        self.tools = tuple(tools)
        self.switches = dict(switches)
        self._kept: dict[tuple[tuple[Message, ...], bool, str], str] = {}
        self._characters = 0
        self._same = date is not None and not CHANGING.search(source)
        self._beginnings: Beginnings | None = None
        self._misses = 0
        self.digest = _digest_of(source, self.tools, self.switches)
        try:
            self._compiled = sandbox.Sandbox().from_string(source)
        except sandbox.RENDER_ERRORS as error:
            raise _refusal("template.syntax", str(error), name, sandbox.line_of(error)) from error
        if date is not None and self._same:
            self._beginnings = Beginnings(source, self.special, date)

    def render(self, messages: Sequence[Message], *, generation_prompt: bool, tools: Sequence[Tool] = ()) -> str:
        """The conversation as one text, equal to transformers' `apply_chat_template(tokenize=False)`.

        tools: the definitions that the conversation brings. What was rendered lately is not rendered again, where the
        date is given and nothing in the template draws lots: the same messages give the same text. Raises Refusal with
        the template's own words and line where it cannot render these messages.
        """
        if not self._same:
            return self._render(messages, generation_prompt, tools)
        key = (tuple(messages), generation_prompt, json.dumps(tools) if tools else "")
        found = self._kept.get(key)
        if found is None:
            found = self._render(messages, generation_prompt, tools)
            self._keep(key, found)
        return found

    def told(
        self, messages: Sequence[Message], tools: Sequence[Tool] = ()
    ) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        """What this template is handed of a conversation: the turns as it wants them, and what is told beside them."""
        return self._turns(messages), self._given(tools)

    def foresee(
        self, messages: Sequence[Message], *, asked: Sequence[int], whole: Sequence[int], tools: Sequence[Tool] = ()
    ) -> None:
        """Render at once, where the template lets itself, what `render` will be asked for: the first messages.

        asked, whole: of how many, with the generation prompt and without.
        """
        if self._beginnings is None:
            return
        found = self._beginnings.render(
            self._turns(messages), {False: whole, True: asked}, self._given(tools))
        self._misses = 0 if found else self._misses + 1
        if self._misses == MISSES:
            self._beginnings = None
        under = json.dumps(tools) if tools else ""
        for (count, generation_prompt), text in found.items():
            self._keep((tuple(messages[:count]), generation_prompt, under), text)

    @cached_property
    def ways(self) -> Ways:
        """How this template wants reasoning and calls to be handed to it, found by trying."""
        return views.find(self._tried)

    @property
    def literal_text(self) -> str:
        """All text that the template itself can write, its strings joined by null characters."""
        tree = self._compiled.environment.parse(self.source)
        texts = {node.data for node in tree.find_all(jinja2.nodes.TemplateData)}
        texts |= {node.value for node in tree.find_all(jinja2.nodes.Const) if isinstance(node.value, str)}
        return "\0".join(sorted(texts))

    def _keep(self, key: tuple[tuple[Message, ...], bool, str], text: str) -> None:
        if self._characters > KEPT_CHARACTERS:
            self._kept, self._characters = {}, 0
        self._kept[key] = text
        self._characters += len(text)

    def _render(self, messages: Sequence[Message], generation_prompt: bool, tools: Sequence[Tool]) -> str:
        try:
            return sandbox.run(
                self._compiled, self._turns(messages), self.special, generation_prompt=generation_prompt,
                date=self.date, given=self._given(tools))
        except (SecurityError, RecursionError, MemoryError) as error:
            what = str(error) or type(error).__name__
            raise _refusal("template.unsafe", what, self.name, sandbox.line_of(error)) from error
        except sandbox.RENDER_ERRORS as error:
            raise _refusal("template.refused", str(error), self.name, sandbox.line_of(error)) from error

    def _tried(self, turns: Sequence[Mapping[str, Any]]) -> str:
        """A text of turns as they are, with a tool offered; nothing where the template does not take them."""
        try:
            return sandbox.run(self._compiled, turns, self.special, generation_prompt=False, date=self.date,
                               given={**self.switches, **sandbox.with_tools(sandbox.TOOLS)})
        except sandbox.RENDER_ERRORS:
            return ""

    def _given(self, tools: Sequence[Tool]) -> dict[str, Any]:
        """What the template is told beside the messages."""
        offered = tools or self.tools
        return {**self.switches, **sandbox.with_tools(offered)} if offered or self.switches else {}

    def _turns(self, messages: Sequence[Message]) -> list[dict[str, Any]]:
        return [{"role": message.role, "content": message.content}
                if not (message.reasoning or message.calls or message.role == "tool")
                else views.turn(message, self.ways) for message in messages]


def _digest_of(source: str, tools: Sequence[Tool], switches: Mapping[str, bool]) -> str:
    told = hashlib.sha256(source.encode())
    if tools or switches:
        told.update(json.dumps([list(tools), sorted(switches.items())], sort_keys=True).encode())
    return told.hexdigest()


def named(name: str) -> str:
    """The source of a template that comes with tunesmith; raises Misuse with the nearest name."""
    if name not in NAMED:
        raise errors.Misuse("template.unknown", f"there is no template `{name}`", "data.template",
                            f"use one of: {', '.join(sorted(NAMED))}, or the path of a Jinja file")
    return NAMED[name]


def vet(source: str, name: str = "the template", special: Mapping[str, str] | None = None) -> None:
    """Try a template in a child process with bounded time and memory, once for each source.

    Raises Refusal with the template's line where it is broken, unsafe or runs too long.
    """
    kept = cache_folder() / "templates" / f"{_digest(source, special or {})}.json"
    found = _kept(kept)
    if found is None:
        found = _try(source, special or {})
        _keep(kept, found)
    if found["kind"]:
        line = found["line"]
        raise _refusal(str(found["kind"]), str(found["what"]), name, line if isinstance(line, int) else None)


def _digest(source: str, special: Mapping[str, str]) -> str:
    return hashlib.sha256(json.dumps([VETTED_BY, source, sorted(special.items())]).encode()).hexdigest()


def _try(source: str, special: Mapping[str, str]) -> dict[str, str | int | None]:
    home = str(Path(jinja2.__file__).parents[1])
    asked = json.dumps({"source": source, "special": dict(special), "cpu_seconds": CPU_SECONDS,
                        "memory_bytes": MEMORY_BYTES})
    too_much: dict[str, str | int | None] = {"kind": "template.unsafe", "line": None,
                "what": f"the template needs more than {CPU_SECONDS} s or {MEMORY_BYTES >> 20} MiB"}
    try:
        answer = subprocess.run(  # noqa: S603
            [sys.executable, "-I", "-c", CHILD, home, sandbox.__file__], input=asked, capture_output=True, text=True,
            timeout=6 * CPU_SECONDS, check=False,
        )
    except subprocess.TimeoutExpired:
        return too_much
    if answer.returncode < 0:
        return too_much
    if answer.returncode:
        raise errors.Failure("template.vetting", f"the child that tries templates failed: {answer.stderr[-500:]}",
                             "", "report this with the template")
    found: dict[str, str | int | None] = json.loads(answer.stdout)
    return found


def _kept(path: Path) -> dict[str, str | int | None] | None:
    try:
        found: dict[str, str | int | None] = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and set(found) == {"kind", "what", "line"} else None


def _keep(path: Path, found: Mapping[str, str | int | None]) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_suffix(f".{os.getpid()}")
        draft.write_text(json.dumps(found))
        draft.replace(path)
    except OSError:
        return  # a cache that cannot be written costs the next start a fifth of a second


def _refusal(kind: str, what: str, name: str, line: int | None) -> errors.Refusal:
    where = f"{name}:{line}" if line else name
    remedies = {
        "template.refused": "change the row so that the template takes it, or choose another `data.template`",
        "template.unsafe": "use a template from a source that you trust, for example `data.template: chatml`",
    }
    remedy = remedies.get(kind, "correct the template, or choose another `data.template`")
    return errors.Refusal(kind, what, where, remedy)
