"""The pages of docs/reference, made from the docstrings and the places that raise: `python tests/reference.py`.

The texts are those that `tunesmith explain` and `--help` print.
"""

from __future__ import annotations

import argparse
import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FunctionType

import tunesmith
from tunesmith import catalog, cli, kinds
from tunesmith.cli import _arguments
from tunesmith.recipe import explain
from tunesmith.recipe.options import every

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "reference"
MADE = "<!-- made by `python tests/reference.py` from the code: change that, not this -->\n"
WIDE = 100


def pages() -> dict[str, str]:
    """Each page's file name and text."""
    return {
        "options.md": "\n".join(options()),
        "commands.md": "\n".join(commands()),
        "python.md": "\n".join(python()),
        "problems.md": "\n".join(problems()),
    }


def options() -> Iterator[str]:
    yield f"# Options of a recipe\n\n{MADE}"
    yield "`tunesmith explain OPTION` prints the same. `key=value` on the command line replaces any of them.\n"
    for path in every({}, files=False):
        name = ".".join(map(str, path))
        head, _, text = explain.option(name).partition("\n")
        yield f"{'#' * min(len(path) + 1, 3)} {name}\n\n{fenced(head, name)}{listed(text)}"
    for kind in catalog.KINDS:
        yield f"## Options of each {kind}\n"
        yield from chosen(kind)


def chosen(kind: str) -> Iterator[str]:
    """What the files of one open folder have as options of their own."""
    import importlib

    for name in catalog.names(kind):
        module = importlib.import_module(f"tunesmith.{catalog.KINDS[kind]}.{name}")
        fields = module.Settings.model_fields
        yield f"### {kind}: {name}\n\n{listed(inspect.cleandoc(module.__doc__ or ''))}"
        for field, info in fields.items():
            yield f"- `{field}` (default `{info.get_default(call_default_factory=True)}`): " \
                f"{' '.join((info.description or '').split())}"
        if fields:
            yield ""


def commands() -> Iterator[str]:
    yield f"# Commands\n\n{MADE}"
    yield "`tunesmith VERB --help` prints the same. Exit codes: 0 done, 1 failed while running, 2 wrong command\n" \
        "line or recipe, 3 refused by a proof, 75 stopped and can go on, 130 stopped at once.\n"
    for verb, line in cli.verbs().items():
        parser = argparse.ArgumentParser(prog=f"tunesmith {verb}", formatter_class=lambda prog: argparse.HelpFormatter(
            prog, width=WIDE, max_help_position=32))
        _arguments.filled(parser, verb)
        more = inspect.cleandoc(_arguments.module(verb).__doc__ or "").partition("\n")[2].strip()
        yield f"## {verb}\n\n{line}.\n" + (f"\n{listed(more)}" if more else "")
        yield f"```text\n{parser.format_help()}```\n"


def python() -> Iterator[str]:
    yield f"# Python\n\n{MADE}"
    _, code, *text = re.split(r"\n\n(?=\S|    import)", inspect.cleandoc(tunesmith.__doc__))
    yield f"```text\n{inspect.cleandoc(code)}\n```\n"
    yield "\n\n".join(text) + "\n"
    for name in tunesmith.__all__:
        thing = vars(tunesmith).get(name) or tunesmith.__getattr__(name)
        yield f"## {name}\n\n{signature(name, thing)}{listed(inspect.getdoc(thing) or '')}"
        if inspect.isclass(thing):
            yield from members(thing)


def members(thing: type) -> Iterator[str]:
    """The public methods and properties of a class."""
    for name, member in vars(thing).items():
        text = inspect.getdoc(member.fget if isinstance(member, property) else member)
        if name.startswith("_") or not text or not isinstance(inspect.getattr_static(thing, name), Documented):
            continue
        shown = str(inspect.signature(member)).replace("self, ", "").replace("(self)", "()") if callable(member) else ""
        yield f"- `.{name}{tidy(shown)}`: {' '.join(text.split())}"
    yield ""


def problems() -> Iterator[str]:
    yield f"# Problems and findings\n\n{MADE}"
    yield "`tunesmith explain KIND` prints the same. A kind stands in `errors` and `findings` of `--json`; `…` is\n" \
        "what varies.\n"
    for family in dict.fromkeys(kind.split(".")[0] for kind in kinds.names()):
        yield f"## {family}\n"
        for kind in kinds.names():
            if kind.split(".")[0] == family:
                yield f"### {kind}\n\n*{kinds.weight(kind)}*\n"
                for label, texts in (("What", kinds.whats(kind)), ("Why", [kinds.why(kind)]),
                                     ("To do", kinds.remedies(kind))):
                    yield from (f"- **{label}**: {' '.join(text.split())}" for text in texts)
                yield ""


def fenced(head: str, name: str) -> str:
    return f"*{head.removeprefix(name).lstrip(': ')}*\n"


def listed(text: str) -> str:
    """A docstring as Markdown: its indented lines, which name choices, become a list."""
    lines = [re.sub(r"^  +(\w[\w.-]*):? +", r"- `\1`: ", line) if line.startswith("  ") else line
             for line in text.splitlines()]
    return "\n".join(lines).strip("\n") + "\n"


def signature(name: str, thing: object) -> str:
    if not callable(thing) or (inspect.isclass(thing) and issubclass(thing, Exception)):
        return ""
    return f"```text\n{name}{tidy(str(inspect.signature(thing)))}\n```\n\n"


def tidy(text: str) -> str:
    """A signature without the quotes and addresses that only a machine needs."""
    text = re.sub(r"<function (\w+) at 0x[0-9a-f]+>", r"\1", text)
    return re.sub(r"<factory>", "…", text.replace("'", ""))


Documented = (FunctionType, property)

if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    for file, text in pages().items():
        (FOLDER / file).write_text(text.rstrip("\n") + "\n", encoding="utf-8")
    sys.stdout.write(f"{len(pages())} pages are in {FOLDER}\n")
