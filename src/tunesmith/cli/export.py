"""Take a run to other programs: PEFT, transformers, llama.cpp and Ollama, ONNX Runtime, torch, a container.

The folder is written, opened again by the program that will use it, and asked held-out prompts; it is put in its place
only if it answers as the run does. Exit code 3 where it does not.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ..catalog import names
from ..errors import DONE, Misuse
from ._output import GREEN, Screen
from ._progress import watching

if TYPE_CHECKING:
    from ..workflow.exporting.export import Exported

FEW: Final = 8  # files of a folder that are named one by one


def add(parser: argparse.ArgumentParser) -> None:
    """Take a run, a format and its options."""
    from ..workflow.exporting.export import PROMPTS

    parser.add_argument("run", metavar="RUN", help="a run's folder")
    parser.add_argument("kind", metavar="FORMAT", help=f"one of: {', '.join(names('export'))}")
    parser.add_argument("options", metavar="key=value", nargs="*", default=[], help="the format's options")
    parser.add_argument("--output", metavar="FOLDER", help="where to (default: RUN/exports/FORMAT)")
    parser.add_argument("--part", metavar="NAME", default="train", help="of a run of several tasks, the part to export")
    parser.add_argument("--prompts", metavar="N", type=int, default=PROMPTS,
                        help=f"how many held-out prompts it must answer as the run does (default: {PROMPTS})")


def run(arguments: argparse.Namespace) -> int:
    """Export, and say what was compared."""
    from ..workflow.exporting.export import export

    if arguments.prompts < 1:
        raise Misuse("command.arguments", f"`--prompts` is {arguments.prompts}", "", "give 1 or more")
    screen: Screen = arguments.screen
    with watching(screen) as observe:
        done = export(
            Path(arguments.run), arguments.kind, options=arguments.options, prompts=arguments.prompts,
            part=arguments.part,
            output=Path(arguments.output) if arguments.output else None, observe=observe,
        )
    if screen.as_json:
        screen.answer(done.as_json())
    else:
        show(done, screen)
    return DONE


def show(done: Exported, screen: Screen) -> None:
    """Where it stands, what is in it, and how near it is to the run."""
    screen.say(f"exported: {done.folder}", GREEN)
    screen.say(f"files     {', '.join(_files(done.files))}")
    screen.say(f"weights   {done.parity['weights']}, of step {done.step}")
    for line in _readings(done.parity) if "readings" in done.parity else _answers(done.parity):
        screen.say(line)
    for line in (*_cost(done.parity), *_size(done.parity)):
        screen.say(line)


def _files(names: Sequence[str]) -> Iterator[str]:
    """The files; of a folder with many only how many, as a container has some hundred of ours."""
    folders = Counter(name.split("/")[0] for name in names if "/" in name)
    yield from dict.fromkeys(
        f"{top}/ ({folders[top]} files)" if folders[top := name.split("/")[0]] > FEW else name for name in names)


def _answers(parity: Mapping[str, Any]) -> Iterator[str]:
    answers, judged = parity["answers"], parity.get("as_judged")
    yield (f"answers   {answers['equal']} of {answers['prompts']} greedy answers equal, {answers['ties']} ties; "
           f"log-probabilities of {answers['tokens']} tokens within {answers['largest_difference']:.1e} nats")
    if judged:
        yield (f"as judged {judged['equal']} of {judged['prompts']} equal, {judged['ties']} ties; within "
               f"{judged['mean_difference']:.1e} nats on average, {judged['largest_difference']:.1e} at most (the "
               f"run computed in {parity['run_computed_in']})")


def _readings(parity: Mapping[str, Any]) -> Iterator[str]:
    said, judged = parity["readings"], parity.get("as_judged")
    yield f"readings  {said['documents']} texts, what is said of them within {said['largest_difference']:.1e}"
    if judged:
        yield (f"as judged within {judged['mean_difference']:.1e} on average, {judged['largest_difference']:.1e} at "
               f"most (the run computed in {parity['run_computed_in']})")


def _cost(parity: Mapping[str, Any]) -> Iterator[str]:
    """What the format lost, where it is one that does."""
    if found := parity.get("cost"):
        one = found["metrics"][found["primary"]]
        yield (f"cost      {found['verdict']}: {found['primary']} of the run {one['against']:.4g}, of the export "
               f"{one['tuned']:.4g} {found['unit']}; 95% interval of the difference {one['low']:+.3g} to "
               f"{one['high']:+.3g} on {one['rows']} rows; {found['worst']:.3g} is allowed")


def _size(parity: Mapping[str, Any]) -> Iterator[str]:
    size, speed = parity["size"], parity["speed"]
    yield (f"size      {_megabytes(size['export_bytes'])} on the disk; the run's weights take "
           f"{_megabytes(size['run_bytes'])} as it computes")
    ours, theirs = (_rate(speed[f"{side}_tokens_per_second"]) for side in ("run", "export"))
    yield (f"speed     {theirs} tokens/s, the run {ours} on `{speed['run_device']}`; in turn, one question at a time")


def _rate(tokens: float) -> str:
    """Never 0 for what is only slow."""
    return f"{tokens:.0f}" if tokens >= 10 else f"{tokens:.2g}"


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"
