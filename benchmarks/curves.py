"""Whether the fast path learns as the naive path does: the losses of 200 steps in bfloat16, beside each other.

    python benchmarks/curves.py [--steps 200] [--batch-size 8] [--limit 1e-3]

All train on job A's rows from the same start; the naive path has every idea of the engine left out. It is run in
bfloat16 and in float32, which is the judge of both: where the two bfloat16 paths differ, it shows whose rounding did
it. Told are the largest and the median relative difference of a step's loss, and the largest of the means of 20 steps,
which is what is held to the limit: single steps of two roundings drift apart as those of two machines do. Exits with 1
where the fast path is above it against the naive path in both formats.
"""

import statistics
import sys
import tempfile
from collections.abc import Mapping
from itertools import combinations
from pathlib import Path

import contenders
import jobs
import launch
import results

JOB = jobs.JOBS["A"]
WINDOW = 20
HELD = f"largest of a mean of {WINDOW} steps"
FAST, NAIVE, JUDGE = "fast bfloat16", "naive bfloat16", "naive float32"


def main() -> None:
    parser = launch.parser(__doc__)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--limit", type=float, default=1e-3)
    parser.add_argument("--keep", type=Path, help="a CSV file for the curves")
    arguments = parser.parse_args()
    if arguments.smoke:
        arguments.steps, arguments.batch_size = 3, 1
    launch.prepared()
    from tunesmith.models import bases

    place, base = launch.place_of(arguments), bases.find(jobs.BASE).folder
    with tempfile.TemporaryDirectory() as folder:
        train = Path(folder, "train.jsonl")
        JOB.write_rows(train, arguments.steps * arguments.batch_size)
        curves = {}
        for name in (FAST, NAIVE, JUDGE):
            recipe = Path(folder, "curves.yaml")
            recipe.write_text(JOB.recipe(train, Path(folder), base=str(base), batch_size=arguments.batch_size,
                                         dtype=name.split()[1]), encoding="utf-8")
            curves[name] = losses(place, recipe, () if name == FAST else contenders.IDEAS)
        book = results.opened(arguments.threads, Path(folder, "smoke.csv") if arguments.smoke else arguments.table)
        worst = tell(book, curves)
    if arguments.keep:
        lines = [",".join(("step", *curves)), *(f"{step},{','.join(map(str, each))}" for step, each in
                                                enumerate(zip(*curves.values(), strict=True), 1))]
        arguments.keep.write_text("\n".join(lines) + "\n", encoding="utf-8")
    sys.exit(not arguments.smoke and worst > arguments.limit)


def losses(place: launch.Place, recipe: Path, without: tuple[str, ...]) -> list[float]:
    """The loss of each step, without some of the engine's ideas. Exits with 1 where the training failed."""
    variables = {"TUNESMITH_WITHOUT": ",".join(without)}
    report = launch.report(place, "ours", "ours.py", {"recipe": str(recipe)}, variables)
    if report is None:
        sys.exit(1)
    found: list[float] = report["losses"]
    return found


def tell(book: results.Book, curves: Mapping[str, list[float]]) -> float:
    """Every pair of curves into the book; returns how far the fast one is from the nearer of the naive ones."""
    held = {}
    for one, other in combinations(curves, 2):
        found = compared(curves[one], curves[other])
        held[one, other] = found[HELD]
        for name, value in found.items():
            book.add("A curves", f"{one} against {other}", name, value, count=len(curves[one]))
            print(f"{one} against {other}, {name}: {value:.2e}", flush=True)
    return min(held[FAST, NAIVE], held[FAST, JUDGE])


def compared(left: list[float], right: list[float]) -> dict[str, float]:
    """Relative differences: of single steps, and of means over windows of steps."""
    apart = [abs(a - b) / b for a, b in zip(left, right, strict=True)]
    wide = min(WINDOW, len(left))
    means = [abs(statistics.fmean(left[at:at + wide]) / statistics.fmean(right[at:at + wide]) - 1)
             for at in range(len(left) - wide + 1)]
    return {"largest of a step": max(apart), "median of a step": statistics.median(apart), HELD: max(means)}


if __name__ == "__main__":
    main()
