"""Train in children that are killed at a chosen moment, then go on; prints one line of JSON a trial.

    python kills.py RECIPE TRIALS SEED

Run apart from the tests: it loads torch once and forks a child for each trial. Half of the trials are aimed into a
save, the rest at any time of the training.
"""

from __future__ import annotations

import json
import os
import random
import select
import signal
import sys
import time
from pathlib import Path

from tunesmith.recipe.read import read
from tunesmith.runs import checkpoints
from tunesmith.workflow.tuning import train as story

NOTHING = lambda event: None  # noqa: E731


def marked(write_end: int) -> None:
    """Let this process tell when a save begins (S) and ends (E)."""
    plain = checkpoints.save

    def save(*arguments, **named):
        os.write(write_end, b"S")
        try:
            return plain(*arguments, **named)
        finally:
            os.write(write_end, b"E")

    checkpoints.save = save


def child(recipe, resume: Path | None, write_end: int) -> None:
    """Train to the end, or until killed."""
    try:
        marked(write_end)
        story.train(recipe, resume=resume, observe=NOTHING)
        os._exit(0)
    except BaseException as error:  # noqa: BLE001 - a child of a fork must never return into its parent's code
        os.write(2, f"{type(error).__name__}: {error}\n".encode())
        os._exit(1)


def start(recipe, resume: Path | None) -> tuple[int, int]:
    """A child that trains; its process id and the pipe of its marks."""
    read_end, write_end = os.pipe()
    process = os.fork()
    if process == 0:
        os.close(read_end)
        child(recipe, resume, write_end)
    os.close(write_end)
    return process, read_end


def kill_in_save(read_end: int, process: int, number: int, wait: float) -> bytes:
    """Kill a while after the `number`-th save has begun."""
    marks = b""
    while marks.count(b"S") < number:
        piece = os.read(read_end, 1)
        if not piece:
            return marks
        marks += piece
    time.sleep(wait)
    os.kill(process, signal.SIGKILL)
    return marks


def drain(read_end: int) -> bytes:
    """What is left in the pipe of a dead child."""
    marks = b""
    while select.select([read_end], [], [], 5)[0]:
        piece = os.read(read_end, 64)
        if not piece:
            break
        marks += piece
    os.close(read_end)
    return marks


def run_of(folder: Path) -> Path | None:
    """The one run in a folder that has got as far as being a run."""
    found = [path.parent for path in folder.glob("*/recipe.yaml")]
    return found[0] if found else None


def state(run: Path) -> dict[str, str]:
    """Everything that must be equal, bit for bit: final weights, optimiser, manifest's facts, records."""
    newest = sorted((run / "checkpoints").glob("step-*"))[-1]
    facts = json.loads((newest / "manifest.json").read_text())["facts"]
    found = {file.name: file.read_bytes().hex() for file in sorted(newest.glob("*.safetensors"))}
    return {**found, "facts": json.dumps(facts), "records": (run / "records.jsonl").read_text()}


def whole(recipe) -> tuple[Path, float]:
    """An uninterrupted run, and how long it took."""
    began = time.monotonic()
    process, read_end = start(recipe, None)
    _, status = os.waitpid(process, 0)
    os.close(read_end)
    if status:
        sys.exit(f"the uninterrupted run ended with {status}")
    return run_of(Path(recipe.run.folder)), time.monotonic() - began


def trial(recipe, expected: dict[str, str], seconds: float, chance: random.Random) -> dict[str, object]:
    """One run, killed once to three times, and gone on with each time; whether it ended as the uninterrupted one."""
    folder = Path(recipe.run.folder)
    kills, inside = 0, 0
    for _ in range(chance.randint(1, 3)):
        process, read_end = start(recipe, run_of(folder))
        if chance.random() < 0.6:
            marks = kill_in_save(read_end, process, chance.randint(1, 4), chance.uniform(0.0, 0.012))
        else:
            marks = b""
            time.sleep(chance.uniform(0.0, seconds))
            os.kill(process, signal.SIGKILL)
        _, status = os.waitpid(process, 0)
        marks += drain(read_end)
        if os.WIFSIGNALED(status):
            kills += 1
            inside += marks.endswith(b"S")
    process, read_end = start(recipe, run_of(folder))
    _, status = os.waitpid(process, 0)
    os.close(read_end)
    found = state(run_of(folder))
    wrong = [name for name in expected if found.get(name) != expected[name]]
    left = [path.name for path in (run_of(folder) / "checkpoints").iterdir() if path.name.startswith(".")]
    return {"kills": kills, "inside": inside, "status": status, "differs": wrong, "left": left}


def main() -> None:
    """Run the trials."""
    path, trials, seed = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    chance = random.Random(seed)
    first = read(path, [f"run.folder={path.parent / 'whole'}"])
    run, seconds = whole(first)
    expected = state(run)
    for number in range(trials):
        recipe = read(path, [f"run.folder={path.parent / f'trial-{number}'}"])
        print(json.dumps(trial(recipe, expected, seconds, chance)), flush=True)


if __name__ == "__main__":
    main()
