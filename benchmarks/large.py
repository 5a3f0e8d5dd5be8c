"""How much memory it takes to prepare files of growing size, and to start a second time (job L).

    python benchmarks/large.py [--gigabytes 0.1 0.4] [--folder SCRATCH] [--smoke]

GSM8K's rows again and again, each with other numbers, as one JSONL file. A process of its own reads, splits, checks,
encodes, proves and keeps them; then another one starts again. Told are the most memory that no file backs, and rows a
second. Promised: from the smallest file to the largest, less than 100 bytes more for each row more; exits with 1
beyond. A gigabyte takes about three on the disk.
"""

import argparse
import itertools
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import jobs
import results

LIMIT_BYTES = 100
EACH = 0.02  # seconds between two looks at the memory


def main() -> None:
    arguments = options()
    if not jobs.DATA.is_dir():
        sys.exit(f"skipped: {jobs.DATA} is not there")
    if arguments.child:
        print(json.dumps(measured(*arguments.child)))
        return
    from tunesmith.models import bases

    base = bases.find(jobs.BASE).folder
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        book = results.opened(1, Path(folder, "smoke.csv") if arguments.smoke else arguments.table)
        found = [grown(size, base, Path(folder), book) for size in arguments.gigabytes]
    first, last = found[0], found[-1]
    more = (last["peak"] - first["peak"]) / max(1, last["rows"] - first["rows"])
    print(f"{more:,.1f} bytes more for each row more, of {last['bytes'] / last['rows']:,.0f} in the file")
    sys.exit(more > LIMIT_BYTES and not arguments.smoke)


def options() -> argparse.Namespace:
    """The command line; a smoke test is very short."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gigabytes", type=float, nargs="+", default=[0.1, 0.4])
    parser.add_argument("--folder", type=Path, help="where the files lie meanwhile; default: the system's own place")
    parser.add_argument("--table", type=Path, help="the CSV file to append to; default: results.csv beside this")
    parser.add_argument("--smoke", action="store_true", help="only whether it runs: small files, no table")
    parser.add_argument("--child", nargs=2, metavar=("BASE", "ROWS"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.smoke:
        arguments.gigabytes = [1e-4, 2e-4]
    return arguments


def grown(gigabytes: float, base: Path, folder: Path, book: results.Book) -> dict[str, float]:
    """Write a file of that size, prepare it, tell and book what that took."""
    file = folder / "rows.jsonl"
    rows = written(file, int(gigabytes * 1e9))
    environment = {**os.environ, "TUNESMITH_CACHE": str(folder / "cache"), "OMP_NUM_THREADS": "1",
                   "TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1"}
    starts = []
    for _ in range(2):
        done = subprocess.run([sys.executable, __file__, "--child", str(base), str(file)], check=True, text=True,
                              stdout=subprocess.PIPE, env=environment)
        starts.append(json.loads(done.stdout.splitlines()[-1]))
    first, again = starts
    job = f"L {gigabytes:g} GB"
    for what, value in (("peak GB without files", first["peak"] / 1e9), ("rows/s", rows / first["seconds"]),
                        ("seconds of a second start", again["seconds"]),
                        ("peak GB of a second start", again["peak"] / 1e9)):
        book.add(job, "tunesmith", what, value, count=1)
        print(f"{job:12} {rows:10,} rows  {what:28} {value:12,.3f}", flush=True)
    return {"rows": rows, "bytes": file.stat().st_size, "peak": first["peak"]}


def written(file: Path, size: int) -> int:
    """Rows of GSM8K up to so many bytes, each time round with other numbers in them; how many."""
    lines = (jobs.DATA / "gsm8k" / "train.jsonl").read_text(encoding="utf-8").splitlines()
    total = 0
    with file.open("w", encoding="utf-8") as opened:
        for number in itertools.count():
            row, again = json.loads(lines[number % len(lines)]), number // len(lines)
            words = row["question"].split()
            if again:  # another word in every fourth place, so that no two rows are nearly the same
                words[::4] = [f"{word}{again}" for word in words[::4]]
            total += opened.write(json.dumps({"prompt": " ".join(words), "answer": row["answer"]}) + "\n")
            if total >= size:
                return number + 1
    raise AssertionError


def measured(base: str, rows: str) -> dict[str, float]:
    """The seconds that preparing takes, and the most memory meanwhile that no file backs, in bytes."""
    from tunesmith.recipe.read import parse
    from tunesmith.workflow.preparing.prepare import prepare, refuse

    looked = Looked()
    looked.start()
    began = time.perf_counter()
    prepared = prepare(parse({
        "base": base, "task": "chat", "data": {"train": rows, "validation": 0.01, "test": 0.01, "too_long": "drop"},
        "training": {"max_length": 2048},
    }, source="benchmark"))
    took = time.perf_counter() - began
    refuse(prepared.findings)
    return {"seconds": took, "peak": looked.peak}


class Looked(threading.Thread):
    """Looks again and again at how much memory this process has that no file backs."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.peak = 0

    def run(self) -> None:
        while True:
            told: Any = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
            self.peak = max(self.peak, int(told["RssAnon"].split()[0]) * 1024)
            time.sleep(EACH)


if __name__ == "__main__":
    main()
