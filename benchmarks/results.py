"""The table that every measurement is appended to: one quantity a row, with the machine and the versions.

`results.csv` is what `draw.py` draws `RESULTS.md` from. Rows of one call of a benchmark share `run`.
"""

import csv
import json
import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

HERE = Path(__file__).resolve().parent
TABLE = HERE / "results.csv"
PACKAGES = ("tunesmith", "torch", "transformers")


@dataclass(frozen=True, slots=True)
class Row:
    """One measured quantity.

    run: when the benchmark began; job, contender: of what and by whom; value with its lower and upper quartile, where
    there are several samples; count: how many samples; machine and versions in words.
    """

    run: str
    job: str
    contender: str
    quantity: str
    value: float
    low: float | None
    high: float | None
    count: int
    machine: str
    versions: str


@dataclass(frozen=True, slots=True)
class Book:
    """Where one call of a benchmark writes its rows."""

    run: str
    machine: str
    table: Path = TABLE

    def add(self, job: str, contender: str, quantity: str, value: float, *, low: float | None = None,
            high: float | None = None, count: int = 1, versions: str = "") -> None:
        """Append one quantity, rounded to what a reader can use."""
        row = Row(self.run, job, contender, quantity, short(value), short(low), short(high), count, self.machine,
                  versions or own_versions())
        fresh = not self.table.exists()
        with self.table.open("a", newline="", encoding="utf-8") as file:
            lines = csv.writer(file, lineterminator="\n")
            if fresh:
                lines.writerow(names())
            lines.writerow(asdict(row).values())


def opened(threads: int, table: Path | None = None) -> Book:
    """A book for a benchmark that begins now."""
    return Book(datetime.now().astimezone().isoformat(timespec="seconds"), machine(threads), table or TABLE)


def read(table: Path = TABLE) -> list[Row]:
    """All rows, in the order in which they were written."""
    with table.open(newline="", encoding="utf-8") as file:
        return [
            Row(**{**line, **{name: number(line[name]) for name in ("value", "low", "high")},
                   "count": int(line["count"])})
            for line in csv.DictReader(file)
        ]


def names() -> Sequence[str]:
    """The columns."""
    return [field.name for field in fields(Row)]


def number(text: str) -> float | None:
    """A number of the table, or nothing."""
    return float(text) if text else None


def short(value: float | None) -> float | None:
    """Four digits that count."""
    return None if value is None else float(f"{value:.4g}")


def machine(threads: int) -> str:
    """Processor, cores, threads used, memory, system, and how huge pages are given."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (f"{processor()}, {threads} threads on {cores} cores, {memory:.0f} GiB, {platform.system()} "
            f"{platform.release()}, huge pages: {huge_pages()}")


def processor() -> str:
    """The processor's name."""
    lines = text_of("/proc/cpuinfo").splitlines()
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def huge_pages() -> str:
    """What the kernel gives without being asked: always, madvise or never."""
    found = text_of("/sys/kernel/mm/transparent_hugepage/enabled")
    return found[found.find("[") + 1:found.find("]")] if "[" in found else "unknown"


def text_of(path: str) -> str:
    """What stands in a file; nothing where there is none."""
    return Path(path).read_text(encoding="utf-8", errors="replace") if Path(path).exists() else ""


def own_versions() -> str:
    """This environment's packages, and the commit."""
    return spelt({name: installed(name) for name in PACKAGES} | {"commit": commit()})


def spelt(versions: dict[str, str]) -> str:
    """Versions in words."""
    return ", ".join(f"{name} {each}" for name, each in versions.items() if each)


def installed(name: str) -> str:
    """The version of a package; nothing where it is not installed."""
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def commit() -> str:
    """The commit that is measured, with a mark where files differ from it."""
    try:
        done = subprocess.run(["git", "describe", "--always", "--dirty", "--exclude=*"], cwd=HERE, check=True,
                              capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return done.stdout.strip()


if __name__ == "__main__":
    json.dump({"machine": machine(os.cpu_count() or 1), "versions": own_versions()}, sys.stdout)
