"""Print a script that lets a shell complete verbs, options and recipe keys.

bash: `tunesmith completion bash > ~/.local/share/bash-completion/completions/tunesmith`
zsh:  `tunesmith completion zsh > ~/.zfunc/_tunesmith`, with `fpath+=~/.zfunc` before `compinit` in ~/.zshrc
fish: `tunesmith completion fish > ~/.config/fish/completions/tunesmith.fish`
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from ..errors import DONE, Misuse
from . import _arguments, _main

SHELLS = ("bash", "fish", "zsh")
FILE, FOLDER = {"bash": "_shtab_compgen_files", "zsh": "_files", "fish": "(__fish_complete_path (commandline -ct))"}, {
    "bash": "_shtab_compgen_dirs", "zsh": "_files -/", "fish": "(__fish_complete_directories)"}
# a key is no whole word: its value follows, so no blank is set after it
NO_BLANK = """
_tunesmith() {
  _shtab_tunesmith "$@"
  [[ ${#COMPREPLY[@]} -ne 1 || ${COMPREPLY[0]} != *= ]] || compopt -o nospace
}
complete -o bashdefault -F _tunesmith tunesmith
"""


def add(parser: argparse.ArgumentParser) -> None:
    """Take a shell."""
    parser.add_argument("shell", metavar="SHELL", choices=SHELLS, help="bash, zsh or fish")


def run(arguments: argparse.Namespace) -> int:
    """Print the script. What recipes can hold is written into it: make it anew after an update."""
    try:
        import shtab
    except ImportError as error:
        raise Misuse("command.no_completion", "completion scripts are written by the package `shtab`", "",
                     "pip install 'tunesmith[completion]'") from error
    script = shtab.complete(tree(), arguments.shell) + (NO_BLANK if arguments.shell == "bash" else "")
    if arguments.screen.as_json:
        arguments.screen.answer({"shell": arguments.shell, "script": script})
    arguments.screen.say(script)
    return DONE


def tree() -> argparse.ArgumentParser:
    """All verbs as one parser, each argument with what may stand for it."""
    from .. import catalog, kinds
    from ..recipe.explain import names

    keys = [f"{name}=" for name in names()]
    wanted = {"key=value": words("keys", keys), "OPTION|KIND|RECIPE": words("names", [*names(), *kinds.names()]),
              "FORMAT": words("formats", catalog.names("export")),
              "RECIPE": FILE, "DATA": FILE, "B": FILE, "RUN": FOLDER, "FOLDER": FOLDER}
    parser = argparse.ArgumentParser(prog="tunesmith")
    verbs = parser.add_subparsers()
    for verb, line in _main.verbs().items():
        one = verbs.add_parser(verb, help=line, description=line)
        _arguments.filled(one, verb)
        for action in one._actions:
            if str(action.metavar) in wanted and action.dest != "options":  # those of a format are few, and its own
                action.complete = wanted[str(action.metavar)]  # type: ignore[attr-defined]
            if action.nargs == "?":
                action.nargs = None  # shtab never goes on from an argument that may be missing
    return parser


def words(name: str, choices: Sequence[str]) -> dict[str, Any]:
    """One of a few words, as each shell has it."""
    listed, function = " ".join(choices), f"_tunesmith_{name}"
    return {"bash": function, "zsh": function, "fish": listed, "preamble": {
        "bash": f'{function}() {{ compgen -W "{listed}" -- "$1"; }}',
        "zsh": f"{function}() {{ local all=({' '.join(map(_zsh, choices))}); compadd -S '' -a all; }}",
    }}


def _zsh(word: str) -> str:
    return f"'{word}'"
