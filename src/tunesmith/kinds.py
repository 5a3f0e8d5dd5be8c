"""Every kind of problem and finding there is, read from where each is made: nothing to keep in step.

A kind (`template.prefix`) stands in `errors` and `findings` of `--json`, and `tunesmith explain template.prefix` tells
what it says, why it matters, and what to do. The package's own sources are read as text; nothing is imported.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from . import catalog
from .whys import FAMILIES, REMEDIES, WHATS, WHYS

KIND = re.compile(r"[a-z]+\.[a-z_]+")
CLASSES: Mapping[str, str] = {"Problem": "failure", "Failure": "failure", "Misuse": "misuse", "Refusal": "refusal",
                              "Busy": "busy"}
# functions that hand a kind on, named for what they make of it; those of recipes are collected and raised together
PASSING: Mapping[str, str] = {"note": "note", "_warning": "warning", "_refusal": "refusal", "problem": "misuse",
                              "mistake": "misuse"}
WEIGHTS = {"refusal": "refused, exit code 3", "misuse": "wrong command line or recipe, exit code 2",
           "failure": "failed while running, exit code 1", "busy": "try again, exit code 75",
           "error": "an error of `check`, which refuses the run", "warning": "a warning: told, and gone on",
           "note": "a note: told, and gone on",
           "audit": "as grave as `data.audit` says: a note, a warning, or an error, which refuses the run"}
HELPERS = {"what", "kind"}  # a function with these two parameters passes them on
DIGESTS = ("run.template", "run.tokenizer")  # `run.…`: what a run is held against when it is opened
MANY = 6
Scope = Mapping[str, ast.expr]


@dataclass(frozen=True)
class Site:
    """One place that makes a kind. weight: one of WEIGHTS; what, remedy: their texts, with `…` for what varies."""

    kind: str
    weight: str
    what: str
    remedy: str
    file: str


@cache
def sites() -> tuple[Site, ...]:
    """Every place in the package that makes a problem or a finding of a kind."""
    root = Path(__file__).parent
    trees = {file.relative_to(root).as_posix(): ast.parse(file.read_text(encoding="utf-8"))
             for file in sorted(root.rglob("*.py"))}
    helpers = {name: places for tree in trees.values() for name, places in _helpers(tree)}
    shared = {name: value for tree in trees.values() for name, value in _assigned(tree).items() if name.isupper()}
    return tuple(site for name, tree in trees.items() for site in _of_file(name, tree, shared, helpers))


def names() -> list[str]:
    """Every kind, sorted."""
    return sorted({site.kind for site in sites()})


def why(kind: str) -> str:
    """Why a kind matters: its own reason, or its family's."""
    return WHYS.get(kind) or FAMILIES.get(kind.split(".")[0], "")


def whats(kind: str) -> list[str]:
    """What the kind says, a text for each place that makes it, `…` for what varies."""
    return _told([WHATS.get(kind, ""), *(site.what for site in sites() if site.kind == kind)])


def remedies(kind: str) -> list[str]:
    """What to do about it."""
    return _told([REMEDIES.get(kind, ""), *(site.remedy for site in sites() if site.kind == kind)])


def weight(kind: str) -> str:
    """What a kind does to a command or a run, in words."""
    return "; or ".join(dict.fromkeys(WEIGHTS[site.weight] for site in sites() if site.kind == kind))


def explain(kind: str) -> str:
    """What a kind says, why, and what to do, as text."""
    lines = [f"{kind}: {weight(kind)}", ""]
    for label, texts in (("what", whats(kind)), ("why", [why(kind)]), ("to do", remedies(kind))):
        lines += [f"{'' if number else label:7}{text}" for number, text in enumerate(texts)]
    return "\n".join(lines)


def _told(texts: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(text for text in texts if text.strip("… `:")))[:MANY]


def _helpers(tree: ast.Module) -> Iterator[tuple[str, dict[str, int]]]:
    """Functions that hand a kind and its text on, and at which place each of their arguments stands."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            arguments = [argument.arg for argument in node.args.args if argument.arg != "self"]
            if set(arguments) >= HELPERS and node.name != "__init__":
                yield node.name, {name: place for place, name in enumerate(arguments)}


def _of_file(
    name: str, tree: ast.Module, shared: Scope, helpers: Mapping[str, Mapping[str, int]]
) -> Iterator[Site]:
    for node, scope in _scoped(tree, {**shared, **_assigned(tree)}):
        if isinstance(node, ast.Call):
            yield from _of_call(name, node, scope, helpers)
        elif isinstance(node, ast.Dict):
            parts = {str(key.value): value for key, value in zip(node.keys, node.values, strict=True)
                     if isinstance(key, ast.Constant)}
            if parts.keys() >= HELPERS:
                yield from _site(name, "refusal", scope, parts)
        elif isinstance(node, ast.Tuple) and len(node.elts) == 3 and all(map(_is_text, node.elts)) \
                and " " in _text(node.elts[1], scope):  # a kind, a sentence and a remedy, not three names
            yield from _site(name, "error", scope, dict(zip(("kind", "what", "remedy"), node.elts, strict=True)))


def _scoped(node: ast.AST, scope: Scope) -> Iterator[tuple[ast.AST, Scope]]:
    """Every node, and what the names around it were assigned."""
    for child in ast.iter_child_nodes(node):
        inner = {**scope, **_assigned(child)} if isinstance(child, ast.FunctionDef) else scope
        yield child, inner
        yield from _scoped(child, inner)


def _assigned(node: ast.Module | ast.FunctionDef) -> Scope:
    """What names are assigned at a module's top, or anywhere in a function."""
    found = node.body if isinstance(node, ast.Module) else ast.walk(node)
    return {target.id: each.value for each in found if isinstance(each, ast.Assign)
            for target in each.targets if isinstance(target, ast.Name)}


def _of_call(name: str, call: ast.Call, scope: Scope, helpers: Mapping[str, Mapping[str, int]]) -> Iterator[Site]:
    called = _named(call.func)
    places: Mapping[str, int] = helpers.get(called, {})
    if called == "Finding":
        places = {"severity": 0, "kind": 1, "what": 2, "where": 3, "remedy": 4}
    elif called in CLASSES:
        places = {"kind": 0, "what": 1, "where": 2, "remedy": 3}
    told = {part: call.args[place] for part, place in places.items() if place < len(call.args)}
    told |= {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg and keyword.arg in places}
    if "kind" in told:
        given = CLASSES.get(called) or PASSING.get(called) or _text(told.get("severity"), scope)
        yield from _site(name, given, scope, told)


def _site(name: str, weight: str, scope: Scope, told: Scope) -> Iterator[Site]:
    spelt = _text(told["kind"], scope)
    folders = [kind + spelt[1:] for kind in catalog.KINDS]  # of each open folder: `task.unknown`, `metric.unknown`
    for kind in folders if spelt.startswith("….") else DIGESTS if spelt == "run.…" else (spelt,):
        if kind == "bug" or KIND.fullmatch(kind):
            grave = "audit" if kind.startswith("audit.") else weight if weight in WEIGHTS else "error"
            yield Site(kind, grave, _text(told.get("what"), scope),
                       _text(told.get("remedy"), scope), name)


def _named(node: ast.expr | None) -> str:
    """The last name of `this` or `some.of.this`."""
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))


def _text(node: ast.expr | None, scope: Scope) -> str:
    """The text that an expression makes, with `…` for what varies."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else "…"
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(part, {}) for part in node.values)
    if isinstance(node, ast.BinOp):
        return _text(node.left, scope) + _text(node.right, scope)
    if isinstance(node, ast.IfExp):
        return _text(node.body if _is_text(node.body) else node.orelse, scope)
    name = _named(node)
    return "" if node is None else _text(scope[name], {}) if name in scope else "…"
