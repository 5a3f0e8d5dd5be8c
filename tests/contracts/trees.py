"""The package's sources as syntax trees, for the tests that hold the house's rules."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2] / "src" / "tunesmith"


@dataclass(frozen=True)
class File:
    """A source file; `name` is its path in the package."""

    path: Path
    text: str
    tree: ast.Module

    @property
    def name(self) -> str:
        return self.path.relative_to(SOURCE).as_posix()

    @property
    def room(self) -> str:
        return self.name.split("/")[0].removesuffix(".py")

    def at(self, node: ast.AST) -> str:
        return f"{self.name}:{node.lineno}"

    def calls(self) -> Iterator[ast.Call]:
        return (node for node in ast.walk(self.tree) if isinstance(node, ast.Call))

    def functions(self) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
        return (node for node in ast.walk(self.tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))

    def imports(self, *, at_import: bool) -> Iterator[tuple[ast.AST, str]]:
        """Names of imported modules outside the package; with `at_import` only what importing the file imports."""
        for node in (_run_at_import(self.tree) if at_import else ast.walk(self.tree)):
            if isinstance(node, ast.Import):
                yield from ((node, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and not node.level:
                yield node, node.module or ""


@cache
def files() -> tuple[File, ...]:
    """Every file of the package."""
    paths = sorted(SOURCE.rglob("*.py"))
    assert paths, f"no sources were found in {SOURCE}"
    texts = [path.read_text(encoding="utf-8") for path in paths]
    return tuple(File(path, text, ast.parse(text)) for path, text in zip(paths, texts, strict=True))


def thousand_lines() -> float:
    """How many thousand lines of source there are."""
    return sum(len(file.text.splitlines()) for file in files()) / 1000


def spelt(node: ast.AST) -> str:
    """What is called: `torch.load`, `print`."""
    return ast.unparse(node.func) if isinstance(node, ast.Call) else ast.unparse(node)


def _run_at_import(node: ast.AST) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        yield child
        yield from _run_at_import(child)
