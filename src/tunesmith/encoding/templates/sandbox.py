"""The one Jinja environment: transformers' names and filters, in a sandbox that also bounds work and size.

Jinja's sandbox stops escapes, not exhaustion: `'a' * 10**9` or nested loops run for minutes. Here every loop turn and
every character that is made is charged to a budget before it is made. This file imports Jinja only and is also run by
its path in a child process (`python sandbox.py`), where the system bounds what the budget cannot see.
"""

from __future__ import annotations

import functools
import json
import re
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Sized
from datetime import datetime
from itertools import product
from types import BuiltinMethodType, MappingProxyType, MethodType
from typing import Any

import jinja2.ext
from jinja2 import nodes, visitor
from jinja2.exceptions import SecurityError, TemplateError, TemplateSyntaxError
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace

NAME = "<template>"
WORK_LIMIT = 2_000_000
OUTPUT_LIMIT = 20_000_000
WIDTH_LIMIT = 100_000
WORK_PER_CHARACTER = 200
BITS_LIMIT = 100_000

MARKS_ESCAPED = r"\udb80\udc0"  # how JSON in ASCII begins to write the two characters that stand around typed tokens

WIDENING = frozenset({"ljust", "rjust", "center", "zfill", "expandtabs", "indent", "batch", "slice", "wordwrap",
                      "tojson", "lipsum"})
WIDE_FIELD = re.compile(r"%[^a-zA-Z%]*(?:\d{6,}|\*)|\{[^{}]*(?:\d{6,}|\{)")
SIZED = (str, bytes, list, tuple, dict, set, frozenset, range)

TEXT_MAKING = ("string", "tojson", "join", "pprint", "format", "urlize", "escape", "e", "forceescape", "xmlattr")

# What a plain row cannot go wrong with: everything that a template may run into on its way to a text.
RENDER_ERRORS = (TemplateError, TypeError, ValueError, LookupError, AttributeError, ArithmeticError, RuntimeError,
                 MemoryError)


class Budget:
    """Units of work left for one render: a loop turn, or a character or item made, costs one."""

    def __init__(self) -> None:
        self.left = WORK_LIMIT

    def charge(self, units: int) -> None:
        """Take units off; raises SecurityError when none are left."""
        self.left -= units
        if self.left < 0:
            raise SecurityError(f"the template does more than {WORK_LIMIT:,} units of work")

    def refill(self, characters: int) -> None:
        """Allow what rendering this many characters of messages may cost."""
        self.left = WORK_LIMIT + WORK_PER_CHARACTER * characters


class _GenerationBlock(jinja2.ext.Extension):  # type: ignore[misc]
    """`{% generation %} … {% endgeneration %}` marks an assistant's text for trainers; here it renders its body."""

    tags = {"generation"}  # noqa: RUF012

    def parse(self, parser: Any) -> Any:
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return nodes.CallBlock(self.call_method("_body"), [], [], body).set_lineno(line)

    def _body(self, caller: Callable[[], str]) -> str:
        return caller()


class _Namespace(Namespace):  # type: ignore[misc]
    """Jinja's namespace without attributes that begin with an underscore."""

    def __init__(*arguments: Any, **values: Any) -> None:
        self, *rest = arguments
        for name in dict(*rest, **values):
            _refuse_underscore(name)
        Namespace.__init__(self, *rest, **values)

    def __setitem__(self, name: str, value: Any) -> None:
        _refuse_underscore(name)
        Namespace.__setitem__(self, name, value)


class _Dict:
    """`dict(…)` and `dict.fromkeys(…)` and nothing else of the type."""

    def __call__(self, *arguments: Any, **values: Any) -> dict[Any, Any]:
        return dict(*arguments, **values)

    def fromkeys(self, *arguments: Any) -> dict[Any, Any]:
        """As `dict.fromkeys`."""
        return dict.fromkeys(*arguments)


class _Charged(visitor.NodeTransformer):  # type: ignore[misc]
    """Sends the iterable of every loop, and every `~`, through a filter that charges for it."""

    def visit_For(self, node: Any) -> Any:
        self.generic_visit(node)
        node.iter = nodes.Filter(node.iter, "_turns", [], [], None, None).set_lineno(node.lineno)
        return node

    def visit_Dict(self, node: Any) -> Any:
        self.generic_visit(node)
        return nodes.Filter(node, "_made", [], [], None, None).set_lineno(node.lineno)

    visit_List = visit_Dict

    def visit_Concat(self, node: Any) -> Any:
        self.generic_visit(node)
        parts = nodes.List(node.nodes).set_lineno(node.lineno)
        return nodes.Filter(parts, "_concat", [], [], None, None).set_lineno(node.lineno)


class Sandbox(ImmutableSandboxedEnvironment):  # type: ignore[misc]
    """Jinja as transformers sets it up for chat templates, bounded."""

    intercepted_binops = frozenset({"*", "**", "%", "+"})

    def __init__(self) -> None:
        self.budget = Budget()
        super().__init__(trim_blocks=True, lstrip_blocks=True, finalize=self._made,
                         extensions=[_GenerationBlock, jinja2.ext.loopcontrols])
        self.filters["tojson"] = tojson
        for name, function in list(self.filters.items()):
            self.filters[name] = self._charged(name, function)
        self.filters["_turns"] = self._turns
        self.filters["_concat"] = self._concat
        self.filters["_made"] = self._made
        self.globals["lipsum"] = self._charged("lipsum", self.globals["lipsum"])
        self.globals.update(raise_exception=raise_exception, dict=_Dict(), namespace=_Namespace)

    def _parse(self, source: str, name: str | None, filename: str | None) -> Any:
        return _Charged().visit(super()._parse(source, name, filename))

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        """The result of an operator, once its size is paid for."""
        if operator == "+" and type(left) is str and type(right) is str:  # nearly all that templates do
            self.budget.charge(len(left) + len(right))
            return left + right
        self.budget.charge(_size_of_result(operator, left, right))
        return super().call_binop(context, operator, left, right)

    def wrap_str_format(self, value: Any) -> Callable[..., str] | None:
        """`str.format` as the sandbox allows it, for fields of a bounded width."""
        wrapped: Callable[..., str] | None = super().wrap_str_format(value)
        if wrapped is not None and WIDE_FIELD.search(str(value.__self__)):
            raise SecurityError("the template formats a field wider than the limit")
        return wrapped

    def call(self, context: Any, function: Any, /, *arguments: Any, **values: Any) -> Any:
        """The result of a call from a template, once its size is paid for."""
        owner = function.__self__ if isinstance(function, _BOUND) else None
        if isinstance(owner, (str, bytes)):
            self.budget.charge(_size_of_method(owner, function.__name__, arguments, values))
            self._made(arguments)
        result = super().call(context, function, *arguments, **values)
        if isinstance(result, SIZED):
            self.budget.charge(_weight(result, self.budget.left) if isinstance(result, dict) else len(result))
        return result

    def _charged(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def run(*arguments: Any, **values: Any) -> Any:
            self.budget.charge(1 + sum(len(value) for value in arguments if isinstance(value, SIZED)))
            if name in TEXT_MAKING:
                self._made(arguments)
            _refuse_wide(name, arguments, values)
            texts = [value for value in (*arguments, *values.values()) if isinstance(value, str)]
            if name == "indent":
                widths = [4, *(value for value in (*arguments, *values.values()) if isinstance(value, int))]
                self.budget.charge(sum(text.count("\n") for text in texts) * max(widths))
            if name == "replace" and len(texts) == 3:
                self.budget.charge(_size_of_method(texts[0], name, texts[1:], {}))
            result = function(*arguments, **values)
            if isinstance(result, SIZED):
                self.budget.charge(len(result))
            return result

        return run

    def _made(self, value: Any) -> Any:
        """The value, paid for as if written out: `{'a': x, 'b': x}`, forty times over, is small but has no end."""
        if type(value) is not str:
            self.budget.charge(_weight(value, self.budget.left))
        return value

    def _turns(self, values: Any) -> Any:
        if isinstance(values, Sized):
            self.budget.charge(len(values))
            return values
        return self._counted(values)

    def _counted(self, values: Iterable[Any]) -> Iterator[Any]:
        for value in values:
            self.budget.charge(1)
            yield value

    def _concat(self, parts: Sequence[Any]) -> str:
        texts = [str(self._made(part)) for part in parts]
        self.budget.charge(sum(map(len, texts)))
        return "".join(texts)


_BOUND = (BuiltinMethodType, MethodType)


def raise_exception(message: str) -> None:
    """What a template calls to refuse a conversation."""
    raise TemplateError(message)


def tojson(
    value: Any, ensure_ascii: bool = False, indent: int | None = None, separators: Any = None, sort_keys: bool = False
) -> str:
    """JSON without Jinja's escaping of HTML, as transformers writes it; the marks of `typed.py` stay what they are."""
    text = json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)
    if ensure_ascii and MARKS_ESCAPED in text:
        return text.replace(MARKS_ESCAPED + "0", "\U000f0000").replace(MARKS_ESCAPED + "1", "\U000f0001")
    return text


def run(
    template: Any, messages: Sequence[Mapping[str, Any]], special: Mapping[str, str], *, generation_prompt: bool,
    date: datetime | None = None, given: Mapping[str, Any] = MappingProxyType({}),
) -> str:
    """The text of a conversation, of at most `OUTPUT_LIMIT` characters (and what the messages hold).

    given: more that the template is told: the tools, and switches such as `enable_thinking`.
    """
    return "".join(generate(
        template, [dict(message) for message in messages], special, characters=characters(messages, given),
        generation_prompt=generation_prompt, date=date, given=given))


def characters(messages: Sequence[Mapping[str, Any]], given: Mapping[str, Any]) -> int:
    """How many characters a template is given to write, at least."""
    if not given and all(len(message) == 2 and "content" in message for message in messages):  # nearly always
        return sum(len(message["content"]) for message in messages)
    return sum(map(_texts, messages)) + _texts(given)


def _texts(value: Any) -> int:
    """How many characters stand in all texts of a value."""
    if isinstance(value, str):
        return len(value)
    if isinstance(value, Mapping):
        return sum(len(str(name)) + _texts(each) for name, each in value.items())
    return sum(map(_texts, value)) if isinstance(value, (list, tuple)) else 0


def generate(
    template: Any, messages: Any, special: Mapping[str, str], *, characters: int, generation_prompt: bool,
    date: datetime | None, given: Mapping[str, Any] = MappingProxyType({}),
) -> Iterator[str]:
    """The text part by part, as the template writes it. characters: how many the messages hold."""
    template.environment.budget.refill(characters)
    limit = OUTPUT_LIMIT + WORK_PER_CHARACTER * characters
    length = 0

    def strftime_now(form: str) -> str:
        return (date or datetime.now()).strftime(form)

    told = {"tools": None, "documents": None, **special, **given}
    if "functions" in given:  # Firefunction's way of asking for tools, which also wants to know the time
        told["datetime"] = strftime_now("%Y-%m-%d %H:%M:%S")
    for part in template.generate(told, messages=messages, add_generation_prompt=generation_prompt,
                                  strftime_now=strftime_now):
        length += len(part)
        if length > limit:
            raise SecurityError(f"the template writes more than {limit:,} characters")
        yield part


def line_of(error: BaseException) -> int | None:
    """The template's line at which an error arose."""
    if isinstance(error, TemplateSyntaxError):
        return int(error.lineno)
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == NAME]
    return lines[-1] if lines else None


def _weight(value: Any, most: int) -> int:
    """How many things and characters a value holds; counted no further than beyond `most`."""
    found, left = 0, [value]
    while left and found <= most:
        one = left.pop()
        found += 1 + (len(one) if isinstance(one, str) else 0)
        if isinstance(one, Namespace):
            one = object.__getattribute__(one, "_Namespace__attrs")
        if isinstance(one, (dict, list, tuple, set, frozenset)):
            left.extend((*one, *one.values()) if isinstance(one, dict) else one)
    return found


def _size_of_result(operator: str, left: Any, right: Any) -> int:
    if operator == "%":
        if isinstance(left, (str, bytes)) and WIDE_FIELD.search(str(left)):
            raise SecurityError("the template formats a field wider than the limit")
        return _weight(right, WORK_LIMIT)
    if operator == "+":
        if isinstance(left, str) and isinstance(right, str):
            return len(left) + len(right)
        return sum(len(side) for side in (left, right) if isinstance(side, SIZED)) or 1
    if isinstance(left, int) and isinstance(right, int):
        bits = left.bit_length() * abs(right) if operator == "**" else left.bit_length() + right.bit_length()
        if bits > BITS_LIMIT:
            raise SecurityError(f"the template makes a number of {bits:,} bits")
        return 1
    if operator == "*":
        for sequence, times in ((left, right), (right, left)):
            if isinstance(sequence, SIZED) and isinstance(times, int):
                return max(1, len(sequence) * times)
    return 1


def _size_of_method(owner: Any, name: str, arguments: Sequence[Any], values: Mapping[str, Any]) -> int:
    _refuse_wide(name, arguments, values)
    if name == "replace" and len(arguments) >= 2 and len(arguments[1]) > len(arguments[0]):
        return int(len(owner) + owner.count(arguments[0]) * len(arguments[1]))
    if name == "join" and arguments and isinstance(arguments[0], Sized):
        return (len(owner) + 1) * len(arguments[0])
    if name == "translate":
        raise SecurityError("the template calls `translate`, whose result has no bound")
    return 1


def _refuse_wide(name: str, arguments: Sequence[Any], values: Mapping[str, Any]) -> None:
    given = [*arguments, *values.values()]
    if name in WIDENING and any(isinstance(value, int) and abs(value) > WIDTH_LIMIT for value in given):
        raise SecurityError(f"the template asks `{name}` for a width above {WIDTH_LIMIT:,}")
    if name == "format" and any(isinstance(value, str) and WIDE_FIELD.search(value) for value in given[:1]):
        raise SecurityError("the template formats a field wider than the limit")


def _refuse_underscore(name: Any) -> None:
    if isinstance(name, str) and name.startswith("_"):
        raise SecurityError(f"the template sets `{name}` on a namespace: names may not begin with an underscore")


PROBES: tuple[tuple[tuple[str, str], ...], ...] = (
    (("user", "Hello"),),
    (("user", "Hello"), ("assistant", "Good day")),
    (("system", "Be brief"), ("user", "Hello"), ("assistant", "Good day"), ("user", "One\ntwo <three>")),
    tuple((("user", "assistant")[turn % 2], f"turn {turn}") for turn in range(40)),
)

TOOLS = ({"type": "function", "function": {
    "name": "weather", "description": "Tells the weather of a place.",
    "parameters": {"type": "object", "properties": {"place": {"type": "string", "description": "The place."}},
                   "required": ["place"]}}},)


def trial(source: str, special: Mapping[str, str]) -> dict[str, Any]:
    """What a template does with plain conversations: {"kind", "what", "line"}, with kind "" where all is well."""
    try:
        template = Sandbox().from_string(source)
    except RENDER_ERRORS as error:
        kind = "template.unsafe" if isinstance(error, (SecurityError, MemoryError)) else "template.syntax"
        return {"kind": kind, "what": str(error), "line": line_of(error)}
    complaints = []
    for probe in PROBES:
        messages = [{"role": role, "content": content} for role, content in probe]
        for generation_prompt, given in product((True, False), ({}, with_tools(TOOLS))):
            try:
                run(template, messages, special, generation_prompt=generation_prompt, given=given)
            except (SecurityError, MemoryError, RecursionError) as error:
                return {"kind": "template.unsafe", "what": str(error) or type(error).__name__, "line": line_of(error)}
            except RENDER_ERRORS as error:
                complaints.append({"kind": "template.broken", "what": str(error), "line": line_of(error)})
    return complaints[0] if len(complaints) == 4 * len(PROBES) else {"kind": "", "what": "", "line": None}


def with_tools(tools: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What a template is told of tools: as transformers does, and as the older `functions`, which is a text."""
    return {"tools": list(tools), "functions": tojson(list(tools), indent=4)} if tools else {}


def bound(cpu_seconds: int, memory_bytes: int) -> None:
    """Let the system end this process when it has used up its time or its address space."""
    import resource

    resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds))
    if sys.platform != "darwin":  # macOS reserves more address space than it uses
        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))


if __name__ == "__main__":
    asked = json.load(sys.stdin)
    bound(asked["cpu_seconds"], asked["memory_bytes"])
    json.dump(trial(asked["source"], asked["special"]), sys.stdout)
