"""Let a run predict: a label, tags, an answer, a text or a vector for each row of a file.

The rows come out as JSON lines in their order, each with `where` it stood; one that cannot be used says why in its
place, and the exit code is then 1.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from ..errors import DONE, FAILED, Misuse
from ._arguments import count
from ._output import Screen
from ._progress import watching

DRAFT = ".draft"


def add(parser: argparse.ArgumentParser) -> None:
    """Take a run, a file of rows, and where to write."""
    parser.add_argument("run", metavar="RUN", help="a run's folder")
    parser.add_argument("rows", metavar="FILE", help="rows as the run was trained on, or without what is to be "
                        "predicted; `-` reads from stdin")
    parser.add_argument("--output", metavar="FILE", help="where to write; by default to stdout")
    parser.add_argument("--part", metavar="NAME", default="train", help="of a run of several tasks, the part to ask")
    parser.add_argument("--max-new-tokens", metavar="N", type=count, help="the longest answer, where text is generated")
    parser.add_argument("--batch-size", metavar="N", type=count, help="how many rows are answered at once")


def run(arguments: argparse.Namespace) -> int:
    """Predict row by row."""
    from ..workflow.predict import predict

    screen: Screen = arguments.screen
    output = Path(arguments.output) if arguments.output else None
    if screen.as_json and output is None:
        raise Misuse("predict.no_output", "`--json` prints one summary, so the rows need a file", "--json",
                     "name one with `--output`, or leave `--json` out")
    if output is not None and output.exists():
        raise Misuse("predict.exists", "the file exists already", str(output), "name another one with `--output`")
    with watching(screen) as observe, _opened(output, screen) as out:
        rows, wrong = _write(out, predict(
            Path(arguments.run), arguments.rows, part=arguments.part, max_new_tokens=arguments.max_new_tokens or None,
            batch_size=arguments.batch_size or None, observe=observe))
    screen.tell(f"{rows} rows, {wrong} of them could not be predicted")
    if screen.as_json:
        screen.answer({"rows": rows, "wrong": wrong, "output": str(output)})
    return FAILED if wrong else DONE


@contextmanager
def _opened(output: Path | None, screen: Screen) -> Iterator[TextIO]:
    """Where lines go; a file takes its name only once it is whole."""
    if output is None:
        yield screen.out
        return
    output.parent.mkdir(parents=True, exist_ok=True)
    draft = output.with_name(output.name + DRAFT)
    with draft.open("w", encoding="utf-8") as file:
        yield file
    draft.replace(output)


def _write(out: TextIO, told: Iterable[dict[str, Any]]) -> tuple[int, int]:
    """Write every row as a line; returns how many there were, and how many of them could not be predicted."""
    rows = wrong = 0
    for row in told:
        out.write(json.dumps(row, ensure_ascii=False) + "\n")
        rows += 1
        wrong += "error" in row
    return rows, wrong
