"""Whether the fast path learns as the naive path does: the losses of 200 steps in bfloat16, beside each other.

    python benchmarks/curves.py [--steps 200] [--batch-size 8] [--limit 1e-3]

Both train on job A's rows from the same start; the naive path has every idea of the engine left out. Told are the
largest and the median relative difference of a step's loss, and the largest of the means of 20 steps, which is what is
held to the limit: single steps of two roundings drift apart as those of two machines do. Exits with 1 above it.
"""

import statistics
import sys
import tempfile
from pathlib import Path

import contenders
import jobs
import launch
import results

JOB = jobs.JOBS["A"]
WINDOW = 20


def main() -> None:
    parser = launch.parser(__doc__)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--dtype", default="bfloat16")
    parser.add_argument("--limit", type=float, default=1e-3)
    parser.add_argument("--keep", type=Path, help="a CSV file for the two curves")
    arguments = parser.parse_args()
    if arguments.smoke:
        arguments.steps, arguments.batch_size = 3, 1
    launch.prepared()
    from tunesmith.models import bases

    place, base = launch.place_of(arguments), bases.find(jobs.BASE).folder
    with tempfile.TemporaryDirectory() as folder:
        train = Path(folder, "train.jsonl")
        JOB.write_rows(train, arguments.steps * arguments.batch_size)
        recipe = Path(folder, "curves.yaml")
        recipe.write_text(JOB.recipe(train, Path(folder), base=str(base), batch_size=arguments.batch_size,
                                     dtype=arguments.dtype), encoding="utf-8")
        fast, naive = (losses(place, recipe, without) for without in ((), contenders.IDEAS))
        book = results.opened(arguments.threads, Path(folder, "smoke.csv") if arguments.smoke else arguments.table)
        found = compared(fast, naive)
        for name, value in found.items():
            book.add("A curves", f"fast against naive, {arguments.dtype}", name, value, count=len(fast))
            print(f"{name}: {value:.2e}", flush=True)
    if arguments.keep:
        pairs = zip(fast, naive, strict=True)
        lines = ["step,fast,naive", *(f"{number},{ours},{plain}" for number, (ours, plain) in enumerate(pairs, 1))]
        arguments.keep.write_text("\n".join(lines) + "\n", encoding="utf-8")
    sys.exit(not arguments.smoke and found[held(WINDOW)] > arguments.limit)


def losses(place: launch.Place, recipe: Path, without: tuple[str, ...]) -> list[float]:
    """The loss of each step, without some of the engine's ideas."""
    variables = {"TUNESMITH_WITHOUT": ",".join(without)}
    report = launch.report(place, "ours", "ours.py", {"recipe": str(recipe)}, variables)
    if report is None:
        sys.exit(1)
    found: list[float] = report["losses"]
    return found


def compared(fast: list[float], naive: list[float]) -> dict[str, float]:
    """Relative differences: of single steps, and of means over windows of steps."""
    apart = [abs(a - b) / b for a, b in zip(fast, naive, strict=True)]
    wide = min(WINDOW, len(fast))
    starts = range(0, len(fast) - wide + 1)
    means = [abs(statistics.fmean(fast[at:at + wide]) / statistics.fmean(naive[at:at + wide]) - 1) for at in starts]
    return {"largest of a step": max(apart), "median of a step": statistics.median(apart), held(WINDOW): max(means)}


def held(window: int) -> str:
    """What is held to the limit."""
    return f"largest of a mean of {window} steps"


if __name__ == "__main__":
    main()
