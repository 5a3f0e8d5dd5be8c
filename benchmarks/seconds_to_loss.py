"""Seconds from a cold start to a fixed held-out loss, job A: imports, loading, tokenising and compiling included.

    python benchmarks/seconds_to_loss.py [--loss 1.0] [--steps 40] [--every 4] [--rounds 3] [--contenders …]

Each contender starts from the base's folder and the rows as text, with empty caches of its own. Held-out rows (of
GSM8K's test side) are measured every few steps outside the clock; between two measurements the crossing is a straight
line. TRL prepares and orders the rows as it does at its best; who does not get there in `--steps` steps has no figure.
"""

import argparse
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import contenders
import jobs
import launch
import measures
import results
from contenders import Contender

JOB = jobs.JOBS["A"]
TRIED = "tunesmith;TRL best;TRL best, no padding;TRL best, huge pages"


def main() -> None:
    arguments = options()
    launch.prepared()
    from tunesmith.models import bases

    place, base = launch.place_of(arguments), bases.find(jobs.BASE).folder
    there = [each for each in contenders.named(arguments.contenders) if place.lives(each.home)]
    roofs = launch.roofs(place, 0.3)
    found: dict[str, list[float]] = {each.name: [] for each in there}
    with tempfile.TemporaryDirectory() as folder:
        book = results.opened(arguments.threads, Path(folder, "smoke.csv") if arguments.smoke else arguments.table)
        for number in range(arguments.rounds):
            for each in there if number % 2 == 0 else reversed(there):
                work = Path(folder, f"{number}-{there.index(each)}")
                seconds = one(each, place, base, work, roofs, arguments)
                print(f"round {number + 1}  {each.name:34} "
                      + (f"{seconds:7.1f} s to {arguments.loss}" if seconds else "not reached"), flush=True)
                found[each.name] += [seconds] if seconds else []
        for name, seconds in found.items():
            if seconds:
                measures.median(book, "A loss", name, f"seconds to a held-out loss of {arguments.loss}", seconds)


def options() -> argparse.Namespace:
    """The command line; a smoke test is very short."""
    parser = launch.parser(__doc__)
    parser.add_argument("--contenders", default=TRIED, help="names or their beginnings, parted by `;`")
    parser.add_argument("--loss", type=float, default=1.0, help="nats for each learnt token")
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--every", type=int, default=4)
    parser.add_argument("--held-out", type=int, default=64, help="rows")
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    if arguments.smoke:
        arguments.steps, arguments.every, arguments.held_out, arguments.rounds = 4, 2, 4, 1
        arguments.batch_size, arguments.loss = 2, 1.5
    return arguments


def one(contender: Contender, place: launch.Place, base: Path, folder: Path, roofs: Mapping[str, float],
        arguments: argparse.Namespace) -> float | None:
    """Seconds of one process, from its start until the loss is reached; None where it is not."""
    folder.mkdir()
    train, held_out, encoded = folder / "train.jsonl", folder / "held_out.jsonl", folder / "held_out_rows.jsonl"
    JOB.write_rows(train, arguments.steps * arguments.batch_size)
    jobs.write_held_out(held_out, arguments.held_out)
    recipe = folder / "bench.yaml"
    recipe.write_text(JOB.recipe(train, folder, base=str(base), batch_size=arguments.batch_size, validation=held_out,
                                 every=arguments.every), encoding="utf-8")
    place.run("ours", [str(launch.HERE / "rows.py"), str(recipe), str(folder / "rows.jsonl"), str(encoded)])
    report = launch.report(place, contender.home, contender.program, {
        "recipe": str(recipe), "texts": str(train), "rows": str(folder / "rows.jsonl"), "held_out": str(encoded),
        "every": arguments.every, "model": str(base), "steps": arguments.steps, "batch_size": arguments.batch_size,
        "rank": JOB.rank, "alpha": jobs.ALPHA, "max_length": JOB.max_length, "learning_rate": JOB.learning_rate,
        "warmup_steps": 0, "options": contenders.options(contender, roofs),
    }, {**contender.environment, "TUNESMITH_CACHE": str(folder / "cache"), "HF_HOME": str(folder / "hub"),
        "TORCHINDUCTOR_CACHE_DIR": str(folder / "inductor")})
    if report is None:
        return None
    print("  step and held-out loss: " + ", ".join(f"{step} {loss:.4f}" for step, loss in report["judged"]), flush=True)
    return reached(report, arguments.loss)


def reached(report: Any, loss: float) -> float | None:
    """Seconds from the start until the held-out loss was `loss`, without those spent on measuring it."""
    before: tuple[float, float] | None = None
    for step, found in report["judged"]:
        clock = report["stamps"][step - 1] - report["spawned"] - sum(report["asides"][:step])
        if found <= loss:
            if before is None:
                return float(clock)
            share = (before[1] - loss) / (before[1] - found)
            return before[0] + share * (clock - before[0])
        before = (clock, found)
    return None


if __name__ == "__main__":
    sys.exit(main())
