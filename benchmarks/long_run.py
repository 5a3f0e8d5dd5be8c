"""Whether a long run stays flat: memory over 500 steps, and the cost of a token from a thousand rows to many.

    python benchmarks/long_run.py [--steps 500] [--rows 1000,100000] [--size-steps 30] [--rounds 3]

Memory: the peak after the last step against that after step 20, job A; promised are 5%. Cost: seconds for each token
of steps on rows of nearly one length, the median of alternating runs; promised are 3%. Exits with 1 above either.
"""

import argparse
import json
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

import jobs
import launch
import results

JOB = jobs.JOBS["A"]
SETTLED = 20  # steps after which memory may not grow
MEMORY_LIMIT, COST_LIMIT = 1.05, 1.03
NARROW = (550, 650)  # characters of the rows for the comparison of sizes, so that all steps cost nearly the same


def main() -> None:
    arguments = options()
    launch.prepared()
    from tunesmith.models import bases

    place, base = launch.place_of(arguments), bases.find(jobs.BASE).folder
    with tempfile.TemporaryDirectory() as folder:
        book = results.opened(arguments.threads, Path(folder, "smoke.csv") if arguments.smoke else arguments.table)
        growth = memory(place, base, Path(folder), arguments)
        book.add("A long", "tunesmith", f"peak after {arguments.steps} steps / after {SETTLED}", growth)
        print(f"peak memory after {arguments.steps} steps is {growth:.3f} times that after {SETTLED}", flush=True)
        costs = cost_by_size(place, base, Path(folder), arguments)
        for size, cost in costs.items():
            book.add("A long", "tunesmith", f"microseconds a token with {size} rows", cost * 1e6,
                     count=arguments.rounds * (arguments.size_steps - 1))
        dearer = max(costs.values()) / min(costs.values()) if costs else 1.0
        print(f"cost of a token by rows: {costs}, dearest / cheapest {dearer:.3f}", flush=True)
    sys.exit(not arguments.smoke and (growth > MEMORY_LIMIT or dearer > COST_LIMIT))


def options() -> argparse.Namespace:
    """The command line; a smoke test is very short."""
    parser = launch.parser(__doc__)
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--rows", default="1000,100000")
    parser.add_argument("--size-steps", type=int, default=30)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    if arguments.smoke:
        arguments.steps, arguments.size_steps, arguments.batch_size, arguments.rounds = SETTLED + 2, 3, 1, 1
        arguments.rows = "10,20"
    return arguments


def memory(place: launch.Place, base: Path, folder: Path, arguments: argparse.Namespace) -> float:
    """How much the peak of memory grew after the steps in which it settles."""
    file = folder / "long.jsonl"
    JOB.write_rows(file, arguments.steps * arguments.batch_size)
    peaks = trained(place, base, file, folder, arguments.steps, arguments.batch_size)["peaks"]
    return float(peaks[-1] / peaks[SETTLED - 1])


def cost_by_size(place: launch.Place, base: Path, folder: Path, arguments: argparse.Namespace) -> dict[int, float]:
    """Seconds for each token by the number of rows that there are to train on."""
    found: dict[int, list[float]] = {int(size): [] for size in arguments.rows.split(",") if size}
    for number in range(arguments.rounds):
        for size in found if number % 2 == 0 else reversed(found):
            file = folder / f"{size}.jsonl"
            if not file.exists():
                file.write_text("".join(numbered(size)), encoding="utf-8")
            found[size] += costs(place, base, file, folder, arguments)
    return {size: statistics.median(each) for size, each in found.items()}


def numbered(count: int) -> list[str]:
    """Rows of nearly one length, each of them different: problems of GSM8K with a number before them."""
    file = jobs.DATA / JOB.source / "train.jsonl"
    near = [row for row in map(json.loads, file.read_text(encoding="utf-8").splitlines())
            if NARROW[0] <= jobs.characters(row) <= NARROW[1]]
    return [json.dumps({**row, "question": f"Problem {number:06}. {row['question']}"}) + "\n"
            for number, row in enumerate(jobs.again(near, count, 0))]


def costs(place: launch.Place, base: Path, file: Path, folder: Path, arguments: argparse.Namespace) -> list[float]:
    """Seconds for each token, of each step but the first."""
    report = trained(place, base, file, folder, arguments.size_steps, arguments.batch_size)
    ended, tokens = report["stamps"], report["tokens"]
    return [(ended[place] - ended[place - 1] - report["asides"][place]) / tokens[place]
            for place in range(1, len(ended))]


def trained(place: launch.Place, base: Path, file: Path, folder: Path, steps: int, batch_size: int) -> Any:
    """The report of a training. Exits with 1 where it failed."""
    recipe = file.with_suffix(".yaml")
    recipe.write_text(JOB.recipe(file, folder, base=str(base), batch_size=batch_size, steps=steps), encoding="utf-8")
    report = launch.report(place, "ours", "ours.py", {"recipe": str(recipe)}, {})
    if report is None:
        sys.exit(1)
    return report


if __name__ == "__main__":
    main()
