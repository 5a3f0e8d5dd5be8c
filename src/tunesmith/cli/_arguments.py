"""Words of a command line to arguments: unknown ones are errors with the nearest known one."""

from __future__ import annotations

import argparse
import importlib
import re
from collections.abc import Sequence
from types import ModuleType
from typing import NoReturn

from ..catalog import nearest
from ..errors import Misuse, raise_all
from ._output import Screen


class Parser(argparse.ArgumentParser):
    """argparse, with mistakes raised as Misuse and nothing abbreviated."""

    def error(self, message: str) -> NoReturn:
        """Raise Misuse in place of argparse's own exit."""
        raise Misuse("command.arguments", message, f"`{self.prog}`", f"`{self.prog} --help` tells what it takes")


def module(verb: str) -> ModuleType:
    """The verb's file, imported. torch reads its allocator's settings when it is first imported: they come before."""
    from ..kernels.allocator import prepare_environment

    prepare_environment()
    return importlib.import_module(f".{verb}", __package__)


def parse(verb: str, words: Sequence[str], screen: Screen) -> argparse.Namespace:
    """What the words say; also `.screen`. Raises Misuse for words that the verb does not know."""
    parser = Parser(prog=f"tunesmith {verb}", description=module(verb).__doc__, allow_abbrev=False,
                    formatter_class=argparse.RawDescriptionHelpFormatter)
    filled(parser, verb)
    _flags(words, parser)
    arguments = parser.parse_intermixed_args(list(words))
    arguments.screen = screen
    return arguments


def filled(parser: argparse.ArgumentParser, verb: str) -> None:
    """Let the parser take what the verb takes."""
    module(verb).add(parser)
    parser.add_argument("--json", action="store_true", help="one JSON value on stdout, all else on stderr")


def recipe(parser: argparse.ArgumentParser, *, optional: bool = False) -> None:
    """Let a verb take a recipe and its overrides."""
    if optional:
        parser.add_argument("recipe", metavar="RECIPE", nargs="?", help="a recipe file (YAML)")
    else:
        parser.add_argument("recipe", metavar="RECIPE", help="a recipe file (YAML)")
    overrides(parser)


def overrides(parser: argparse.ArgumentParser) -> None:
    """Let a verb take `key=value`."""
    parser.add_argument("overrides", metavar="key=value", nargs="*", default=[],
                        help="options that replace the recipe's")


def count(word: str) -> int:
    """A number of things, 0 or more, for argparse's `type`."""
    if not word.isascii() or not word.isdecimal():
        raise argparse.ArgumentTypeError(f"`{word}` is no count")
    return int(word)


def column(word: str) -> tuple[str, str]:
    """A field and the column that holds it, for argparse's `type`."""
    field, equals, name = word.partition("=")
    if not field or not equals:
        raise argparse.ArgumentTypeError(f"`{word}` is not of the form FIELD=NAME")
    return field, name


def _flags(words: Sequence[str], parser: argparse.ArgumentParser) -> None:
    """Raise Misuse for all unknown flags, before anything else that may be wrong."""
    known = {"-h", "--help", *re.findall(r"--[a-z][a-z-]*", parser.format_usage())}
    given = words[: words.index("--")] if "--" in words else words
    flags = [word.split("=", 1)[0] for word in given if re.match(r"--?[A-Za-z]", word)]
    raise_all([_unknown(flag, known, parser.prog) for flag in flags if flag not in known])


def _unknown(flag: str, known: set[str], prog: str) -> Misuse:
    near = nearest(flag, known)
    remedy = f"use `{near}`" if near else f"`{prog} --help` tells what it takes"
    return Misuse("command.unknown_flag", f"`{prog}` does not know `{flag}`", "", remedy)
