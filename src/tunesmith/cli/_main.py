"""From the words of a command line to an exit code.

Nothing heavy is imported to print help: a verb's one-line help is the first line of its file, read as text. This is
not the package's own file because the verb `list` would hide Python's `list` there.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from .. import __version__
from ..errors import DONE, Misuse, Problem, Problems, memory_told

FACE = """usage: tunesmith VERB … [--json]

Tune a language model on your examples, and prove that it got better.

verbs:
{verbs}

`tunesmith VERB --help` tells what a verb takes; `tunesmith --version` prints {version}.
A recipe may be followed by overrides: tunesmith train orders.yaml training.epochs=1
exit codes: 0 done, 1 failed while running, 2 wrong command line or recipe, 3 refused by a proof,
            75 stopped and can go on (or held by another process), 130 stopped at once"""


def verbs() -> dict[str, str]:
    """Each verb and its one-line help, sorted; read from the files, none of which is imported."""
    return {file.stem: _help(file) for file in sorted(Path(__file__).parent.glob("*.py")) if file.stem[0] != "_"}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line (default: this process's) and return its exit code; never raises for a user's mistake."""
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        if words in ([], ["-h"], ["--help"], ["help"]):
            return _say(FACE.format(verbs=_table(), version=__version__))
        if words == ["--version"]:
            return _say(f"tunesmith {__version__}")
    except BrokenPipeError:
        return _hung_up()
    return _run(words)


def _run(words: list[str]) -> int:
    from . import _arguments, _output, _problems

    screen = _output.Screen.of("--json" in words, sys.stdout, sys.stderr)
    try:
        with screen.guarded(), screen.told(), memory_told():
            _platform()
            verb = _verb(words[0])
            arguments = _arguments.parse(verb, words[1:], screen)
            code: int = _arguments.module(verb).run(arguments)
            screen.flush()
            return code
    except SystemExit:  # argparse has shown a verb's help
        return DONE
    except BrokenPipeError:
        return _hung_up()
    except KeyboardInterrupt as stopped:
        return _problems.interrupted(stopped, screen)
    except (Problem, Problems) as problem:
        return _problems.told(problem, screen)
    except OSError as error:
        return _problems.told(_problems.of_system(error), screen)
    except Exception as error:  # noqa: BLE001 — the one place that turns a bug into a report
        return _problems.crashed(error, words, screen)


def _platform() -> None:
    if sys.platform not in ("linux", "darwin"):
        raise Misuse("platform.unknown", f"tunesmith runs on Linux and macOS, not on `{sys.platform}`", "",
                     "on Windows, use it inside WSL 2")


def _verb(word: str) -> str:
    known = verbs()
    if word in known:
        return word
    from ..catalog import nearest

    near = nearest(word, known)
    remedy = f"use `tunesmith {near}`" if near else f"use one of: {', '.join(known)}"
    raise Misuse("command.unknown_verb", f"there is no verb `{word}`", "", remedy)


def _help(file: Path) -> str:
    with file.open(encoding="utf-8") as opened:
        return opened.readline().strip().strip('"').rstrip(".")


def _table() -> str:
    return "\n".join(f"  {verb:<12}{line}" for verb, line in verbs().items())


def _say(text: str) -> int:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
    return DONE


def _hung_up() -> int:
    """Whoever read the output has gone: end quietly, and keep the interpreter's own last flush quiet too."""
    from ._output import hang_up

    return hang_up()
