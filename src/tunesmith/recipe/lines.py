"""YAML 1.2 to plain values, with the place of every key. Nothing but text, numbers, true/false, null, lists, mappings.

The nodes are read rather than ruamel's own objects: they know the line of each key, doubled keys can all be told, and
a tag or a date can make no object.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from os import PathLike, fspath
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError

from ..errors import Misuse, Problem

Steps = tuple[str | int, ...]
DEEPEST = 40


@dataclass
class Document:
    """The values as written, and for the path of each key where it stands (`orders.yaml:7`)."""

    values: Any
    places: dict[Steps, str] = field(default_factory=dict)
    mistakes: list[Problem] = field(default_factory=list)

    def place(self, path: Steps) -> str:
        """Where the option, or else the nearest section around it, stands."""
        while path and path not in self.places:
            path = path[:-1]
        return self.places.get(path, "")


def spell(path: Steps) -> str:
    """`training.epochs`, `data.train[1]`."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return text.removeprefix(".")


def text_of(path: Path) -> str:
    """The text of a recipe file; Misuse for whatever is no text."""
    where = str(path)
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        if "=" in where:
            raise Misuse("recipe.missing", f"`{path}` replaces an option, and no recipe stands before it", where,
                         "name the recipe first; a run keeps its own as `RUN/recipe.yaml`") from None
        raise Misuse("recipe.missing", f"there is no recipe `{path}`", where,
                     "check the path, or write a recipe with `tunesmith init DATA --output RECIPE`") from None
    except (OSError, ValueError) as error:
        raise Misuse("recipe.unreadable", f"the recipe cannot be read: {error}", where,
                     "name a YAML file that you may read") from error
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise Misuse("recipe.encoding", "the recipe is UTF-16", f"{where}:1", "save it as UTF-8")
    nul = raw.find(b"\0")
    if nul >= 0:
        line = raw.count(b"\n", 0, nul) + 1
        raise Misuse("recipe.nul", "the recipe holds a NUL byte", f"{where}:{line}", "delete it, or name a text file")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise Misuse("recipe.encoding", "the recipe is not UTF-8", f"{where}:{line}", "save it as UTF-8") from error


def read_yaml(text: str, where: Callable[[int], str]) -> Document:
    """The values of a YAML text; `where(line)` words the place of a line, counted from 1.

    Raises Misuse for broken YAML; doubled keys, tags and the like are collected in `mistakes`.
    """
    try:
        node = YAML(typ="rt", pure=True).compose(text)
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        what = " ".join(f"{error.context or ''} {error.problem or ''}".split())
        raise Misuse("recipe.yaml", f"this is no YAML: {what}", where(line),
                     "correct the line or the one above it; text with `: ` or `#` needs quotes") from error
    except ReaderError as error:
        raise Misuse("recipe.yaml", f"this is no YAML: the character U+{error.character:04X} is not allowed",
                     where(text.count("\n", 0, error.position) + 1), "delete it; it may be invisible") from error
    except (YAMLError, ValueError, RecursionError) as error:
        raise Misuse("recipe.yaml", f"this is no YAML: {str(error).partition('.')[0][:200]}", where(1),
                     "write it with less nesting, and plain keys and values") from error
    found = Document(None)
    found.places[()] = where(1)
    found.values = None if node is None else _Reader(found, where).value(node, (), ())
    return found


@dataclass(frozen=True)
class _Reader:
    found: Document
    where: Callable[[int], str]

    def value(self, node: Any, path: Steps, above: tuple[int, ...]) -> Any:
        if id(node) in above or len(above) > DEEPEST:
            self.mistake(node, "recipe.nesting", "this is nested in itself, or too deeply", "write it out flat")
            return None
        above = (*above, id(node))
        if isinstance(node, ScalarNode):
            return self.scalar(node)
        if str(node.tag) not in ("tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"):
            self.mistake(node, "recipe.tag", f"the tag `{node.tag}` is not read", "delete the tag")
        if isinstance(node, SequenceNode):
            return [self.item(item, (*path, index), above) for index, item in enumerate(node.value)]
        return self.mapping(node, path, above)

    def item(self, node: Any, path: Steps, above: tuple[int, ...]) -> Any:
        self.found.places[path] = self.where(node.start_mark.line + 1)
        return self.value(node, path, above)

    def mapping(self, node: MappingNode, path: Steps, above: tuple[int, ...]) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for key, value in node.value:
            if not isinstance(key, ScalarNode):
                self.mistake(key, "recipe.key", "this key is no name", "write `name: value`")
                continue
            name = str(key.value)
            here = (*path, name)
            if name in values:
                self.mistake(key, "recipe.doubled", f"`{spell(here)}` stands here again, after "
                             f"{self.found.places[here]}", "delete one of the two")
                continue
            self.found.places[here] = self.where(key.start_mark.line + 1)
            values[name] = self.value(value, here, above)
        return values

    def scalar(self, node: ScalarNode) -> Any:
        text, kind = str(node.value), str(node.tag).removeprefix("tag:yaml.org,2002:")
        if _broken(text):
            self.mistake(node, "recipe.encoding", "this text holds NUL or half a character", "delete what is no text")
            return None
        if kind == "null":
            return None
        if kind == "bool":
            return text.lower() == "true"
        if kind in ("int", "float"):
            return _number(text)
        if kind not in ("str", "timestamp"):  # a date stays the text that it is
            self.mistake(node, "recipe.tag", f"the tag `{node.tag}` is not read", "delete the tag")
        return text

    def mistake(self, node: Any, kind: str, what: str, remedy: str) -> None:
        self.found.mistakes.append(Misuse(kind, what, self.where(node.start_mark.line + 1), remedy))


def _broken(text: str) -> bool:
    return "\0" in text or any("\ud800" <= character <= "\udfff" for character in text)


def _number(text: str) -> int | float | str:
    plain = text.replace("_", "").lower().replace(".inf", "inf").replace(".nan", "nan")
    for make in (int, lambda digits: int(digits, 0), float):
        try:
            return make(plain)
        except ValueError:  # the next one, or text after all
            continue
    return text


def plain(values: Any, source: str, path: Steps = ()) -> Document:
    """Values that a program made, as if they had been read: mappings, lists, text, numbers; paths become text."""
    found = Document(None, {(): source})
    found.values = _plain(values, path, found, source)
    return found


def _plain(value: Any, path: Steps, found: Document, source: str) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item, (*path, str(key)), found, source) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item, (*path, index), found, source) for index, item in enumerate(value)]
    if isinstance(value, PathLike):
        return str(fspath(value))
    if isinstance(value, str) and _broken(value):
        found.mistakes.append(Misuse("recipe.encoding", f"`{spell(path)}` holds NUL or half a character", source,
                                     "delete what is no text"))
        return None
    if value is not None and not isinstance(value, str | int | float):
        kind = type(value).__name__
        found.mistakes.append(Misuse("recipe.type", f"`{spell(path)}` is a {kind}, which YAML does not hold", source,
                                     "give text, numbers, true/false, null, lists or mappings"))
        return None
    return value
