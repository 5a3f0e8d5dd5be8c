"""Training speed: ours and the peers on the same rows, order and optimiser steps, in turn, each in its own process.

    python benchmarks/train.py [--jobs A,B,C,D,E] [--contenders "tunesmith;TRL best"] [--rounds 2] [--steps 9]
                               [--threads 2] [--pin 2,3] [--peer-python PYTHON] [--ladder]

Each round has rows of its own; every contender trains on them, in an order that turns around from round to round. The
first step of a process is not counted, nor one in which something was compiled; `tokens/s, all steps` counts them.
Tokens are real ones: nobody's padding counts. The matrix roof is measured before each round. Rows are appended to
`results.csv`. `--ladder` measures ours without one idea after the other instead of the peers. D is two jobs, both with
transformers' Trainer as the peer.
"""

import argparse
import json
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

import contenders
import flops
import launch
import measures
import results
import rows
from contenders import Contender
from jobs import ALPHA, JOBS, Job
from results import Book

SMOKE_STEPS, SMOKE_BATCH = 2, 2
# each program once
SMOKE = "tunesmith;TRL best, same batches;transformers Trainer;LLaMA-Factory;ms-swift;Trainer best, bfloat16"


def main() -> None:
    arguments = options()
    launch.prepared()
    from tunesmith.models import bases

    place = launch.place_of(arguments)
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder, "smoke.csv") if arguments.smoke else arguments.table
        book = results.opened(arguments.threads, table)
        for name in arguments.jobs.split(","):
            for job in (job for job in JOBS.values() if job.name.partition(" ")[0] == name):
                bench = Bench(job, those_there(job, place, arguments), place, bases.find(job.base).folder,
                              Path(folder, job.name), arguments)
                bench.measure(book, ladder=arguments.ladder)


def those_there(job: Job, place: launch.Place, arguments: argparse.Namespace) -> list[Contender]:
    """The contenders of a job for which there is an environment."""
    everybody = contenders.ENCODERS if job.classes else contenders.CONTENDERS
    wanted = contenders.LADDER if arguments.ladder else contenders.named(arguments.contenders, everybody)
    for each in wanted:
        if not place.lives(each.home):
            print(f"left out: {each.name}, for which there is no environment", flush=True)
    return [each for each in wanted if place.lives(each.home)]


def options() -> argparse.Namespace:
    """The command line; a smoke test is very short."""
    parser = launch.parser(__doc__)
    parser.add_argument("--jobs", default="A,B,C,D,E")
    parser.add_argument("--contenders", help="names or their beginnings, parted by `;`")
    parser.add_argument("--ladder", action="store_true", help="ours, without one idea after the other")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--steps", type=int, default=9, help="of a process; the first is not counted")
    parser.add_argument("--batch-size", type=int, help="rows a step; default: the job's")
    parser.add_argument("--roof-seconds", type=float, default=1.0, help="for each shape of each product")
    arguments = parser.parse_args()
    if arguments.smoke:
        arguments.rounds, arguments.steps, arguments.batch_size = 1, SMOKE_STEPS, SMOKE_BATCH
        arguments.roof_seconds, arguments.contenders = 0.05, arguments.contenders or SMOKE
    return arguments


class Bench:
    """One job, measured by all contenders."""

    def __init__(self, job: Job, there: list[Contender], place: launch.Place, base: Path, folder: Path,
                 arguments: argparse.Namespace) -> None:
        self.job, self.there, self.place, self.base, self.folder = job, there, place, base, folder
        self.steps, self.rounds, self.roof_seconds = arguments.steps, arguments.rounds, arguments.roof_seconds
        self.batch_size = arguments.batch_size or job.batch_size
        self.shape = flops.Shape.of(json.loads((base / "config.json").read_text(encoding="utf-8")), job.classes)
        self.reports: dict[str, list[Any]] = {each.name: [] for each in there}
        self.found: dict[str, list[measures.Step]] = {each.name: [] for each in there}
        self.failed: set[str] = set()
        self.roofs: list[dict[str, float]] = []

    def measure(self, book: Book, *, ladder: bool) -> None:
        """All rounds, then the figures of each contender into the book."""
        print(f"== {self.job.name}: {self.job.title}", flush=True)
        for number in range(self.rounds):
            self.roofs.append(launch.roofs(self.place, self.roof_seconds))
            made = self.rows_of(f"round{number}", self.steps, number * self.steps)
            short = [each for each in self.there if not each.once]
            for each in short if number % 2 == 0 else reversed(short):
                self.one(each, *made, self.steps, f"round {number + 1}")
        if any(each.once for each in self.there):
            made = self.rows_of("all", self.steps * self.rounds, 0)
            for each in self.there:
                if each.once:
                    self.one(each, *made, self.steps * self.rounds, "all rounds at once")
        self.tell(book, f"{self.job.name} ladder" if ladder else self.job.name)

    def rows_of(self, name: str, steps: int, skip: int) -> tuple[Path, Path]:
        """A recipe for these rows, and the rows encoded in its order."""
        folder = self.folder / name
        folder.mkdir(parents=True)
        self.job.write_rows(folder / "train.jsonl", steps * self.batch_size, skip=skip * self.batch_size)
        recipe = folder / "bench.yaml"
        recipe.write_text(self.job.recipe(folder / "train.jsonl", folder, base=str(self.base),
                                          batch_size=self.batch_size), encoding="utf-8")
        self.place.run("ours", [str(launch.HERE / "rows.py"), str(recipe), str(folder / "rows.jsonl")])
        return recipe, folder / "rows.jsonl"

    def one(self, contender: Contender, recipe: Path, encoded: Path, steps: int, when: str) -> None:
        """One process of one contender."""
        if contender.name in self.failed:
            return
        report = launch.report(self.place, contender.home, contender.program, {
            "recipe": str(recipe), "rows": str(encoded), "model": str(self.base), "steps": steps,
            "batch_size": self.batch_size, "rank": self.job.rank, "alpha": ALPHA, "max_length": self.job.max_length,
            "learning_rate": self.job.learning_rate, "warmup_steps": 0, "classes": self.job.classes,
            "options": contenders.options(contender, self.roofs[-1]),
        }, contender.environment)
        if report is None:
            self.failed.add(contender.name)
            return
        sizes = rows.sizes(rows.read(encoded))
        strangers = measures.strangers(report, sizes)
        if strangers:
            print(f"{contender.name} trained on other rows: {strangers[:5]}", file=sys.stderr, flush=True)
            self.failed.add(contender.name)
            return
        found = measures.steps(report, sizes, self.shape, self.job.rank)
        self.reports[contender.name].append(report)
        self.found[contender.name] += found
        counted = [step for step in found if step.measured] or found
        speed = sum(step.tokens for step in counted) / sum(step.seconds for step in counted)
        print(f"{when}  {contender.name:34} {speed:7.0f} tokens/s  {report['peak_bytes'] / 1e9:5.2f} GB  "
              f"{len(counted)} of {len(found)} steps", flush=True)

    def tell(self, book: Book, job: str) -> None:
        """The roof, and the figures of each contender."""
        kinds = self.roofs[0]
        roofs = {kind: statistics.median(roof[kind] for roof in self.roofs) for kind in kinds}
        for kind, value in roofs.items():
            book.add(job, "roof", f"{kind} GFLOP/s", value, count=len(self.roofs))
        for name, found in self.found.items():
            if found:
                mean = measures.tell(book, job, name, found, self.reports[name], max(roofs.values()) * 1e9)
                print(f"{name:34} mean {mean:7.0f} tokens/s", flush=True)


if __name__ == "__main__":
    sys.exit(main())
