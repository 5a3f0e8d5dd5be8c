"""Where a step of ours goes: the milliseconds of every kernel, beside what the products would take at the roof.

    python benchmarks/by_part.py [--jobs A,B,C,E] [--steps 6]

The clock sits around the public functions of `tunesmith.kernels`; time inside a timed function that another one calls
is the inner one's. What is left is the network's glue, autograd, the optimiser and the loop.
"""

import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

import flops
import jobs
import launch
import results
import rows


def main() -> None:
    parser = launch.parser(__doc__)
    parser.add_argument("--jobs", default="A,B,C,E")
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--batch-size", type=int, default=8)
    arguments = parser.parse_args()
    if arguments.smoke:
        arguments.steps, arguments.batch_size = 2, 1
    launch.prepared()
    from tunesmith.models import bases

    place, base = launch.place_of(arguments), bases.find(jobs.BASE).folder
    roof = max(launch.roofs(place, 0.05 if arguments.smoke else 1.0).values()) * 1e9
    with tempfile.TemporaryDirectory() as folder:
        book = results.opened(arguments.threads, Path(folder, "smoke.csv") if arguments.smoke else arguments.table)
        for name in arguments.jobs.split(","):
            one(book, jobs.JOBS[name], place, base, Path(folder), arguments.steps, arguments.batch_size, roof)


def one(book: results.Book, job: jobs.Job, place: launch.Place, base: Path, folder: Path, steps: int, batch_size: int,
        roof: float) -> None:
    """A job's parts into the book, and printed, the largest first."""
    train, recipe, encoded = (folder / f"{job.name}{end}" for end in (".jsonl", ".yaml", "-rows.jsonl"))
    job.write_rows(train, steps * batch_size)
    recipe.write_text(job.recipe(train, folder, base=str(base), batch_size=batch_size), encoding="utf-8")
    place.run("ours", [str(launch.HERE / "rows.py"), str(recipe), str(encoded)])
    report = launch.report(place, "ours", "ours.py", {"recipe": str(recipe), "by_part": True}, {})
    if report is None:
        sys.exit(1)
    counted = range(1, len(report["stamps"]))
    seconds = sum(report["stamps"][at] - report["stamps"][at - 1] - report["asides"][at] for at in counted)
    timed = sum(total for _, total in report["parts"].values())
    parts = {**{name: total for name, (_, total) in report["parts"].items()}, "outside the kernels": seconds - timed}
    ideal = at_roof(job, base, rows.sizes(rows.read(encoded)), roof)
    print(f"== {job.name}: {1000 * seconds / len(counted):.0f} ms a step, {1000 * sum(ideal.values()):.0f} at the roof")
    for name, total in sorted(parts.items(), key=lambda part: -part[1]):
        if total > 0.001 * seconds:
            book.add(f"{job.name} parts", name, "ms a step", 1000 * total / len(counted), count=len(counted))
            print(f"{name:40} {1000 * total / len(counted):8.1f} ms  {total / seconds:6.1%}")
    for name, total in ideal.items():
        book.add(f"{job.name} parts", f"at the roof: {name}", "ms a step", 1000 * total, count=len(counted))
        print(f"at the roof: {name:27} {1000 * total:8.1f} ms")


def at_roof(job: jobs.Job, base: Path, sizes: list[list[tuple[int, int, int]]], roof: float) -> dict[str, float]:
    """Seconds of a step, by part, if every operation ran at the roof; the first step does not count."""
    shape = flops.Shape.of(json.loads((base / "config.json").read_text(encoding="utf-8")))
    found: dict[str, float] = {}
    for documents in sizes[1:]:
        for name, operations in asdict(flops.step(shape, [each[1:] for each in documents], job.rank)).items():
            found[name] = found.get(name, 0.0) + operations / roof / len(sizes[1:])
    return {name.replace("_", " "): seconds for name, seconds in found.items() if seconds}


if __name__ == "__main__":
    main()
