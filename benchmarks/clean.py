"""How fast rows are cleaned, and in how much memory, from ten thousand rows to a million (job K).

    python benchmarks/clean.py [--rows 10000 100000 1000000] [--near] [--folder SCRATCH] [--smoke]

GSM8K's rows again and again, each with other words, with blanks to make plain and one copy in fifty, through the steps
unicode, html, whitespace, quality and duplicates; each size in a process of its own, and once more over its own output,
which must change nothing. Told are rows a second and the most memory. Promised: from the smallest file to the largest
no more than 16 bytes of memory for each row more; exits with 1 beyond. --near: `duplicates` finds near ones too.
"""

import argparse
import filecmp
import itertools
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import jobs
import results

STEPS = "unicode,html,whitespace,quality,duplicates"
LIMIT_BYTES = 16


def main() -> None:
    arguments = options()
    if not jobs.DATA.is_dir():
        sys.exit(f"skipped: {jobs.DATA} is not there")
    if arguments.child:
        print(json.dumps(measured(arguments.child)))
        return
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        book = results.opened(1, Path(folder, "smoke.csv") if arguments.smoke else arguments.table)
        peaks = [cleaned(rows, Path(folder, str(rows)), book, near=arguments.near) for rows in arguments.rows]
    more = (peaks[-1] - peaks[0]) / max(1, arguments.rows[-1] - arguments.rows[0])
    print(f"{more:,.1f} bytes of memory for each row more")
    sys.exit(more > LIMIT_BYTES and not arguments.smoke and not arguments.near)


def options() -> argparse.Namespace:
    """The command line; a smoke test is very short."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--near", action="store_true", help="find near copies too (a share of 0.8)")
    parser.add_argument("--folder", type=Path, help="where the files lie meanwhile; default: the system's own place")
    parser.add_argument("--table", type=Path, help="the CSV file to append to; default: results.csv beside this")
    parser.add_argument("--smoke", action="store_true", help="only whether it runs: few rows, no table")
    parser.add_argument("--child", nargs="+", metavar="WORD", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.smoke:
        arguments.rows = [300, 600]
    return arguments


def cleaned(rows: int, folder: Path, book: results.Book, *, near: bool) -> float:
    """Clean so many rows, and their output once more; tell and book it. The most memory in bytes."""
    folder.mkdir()
    before, after, again = (folder / f"{name}.jsonl" for name in ("before", "after", "again"))
    written(before, rows)
    more = ["duplicates.near=0.8"] if near else []
    first = in_process([str(before), str(after), *more])
    second = in_process([str(after), str(again), *more])
    if not filecmp.cmp(after, again, shallow=False):
        sys.exit("cleaning changed its own output")
    job = f"K {rows:,} rows{', near' if near else ''}"
    for what, value in (("rows/s", rows / first["seconds"]), ("peak GB", first["peak"] / 1e9),
                        ("rows/s of a second time over", first["out"] / second["seconds"])):
        book.add(job, "tunesmith", what, value, count=1)
        print(f"{job:24} {what:30} {value:12,.3f}", flush=True)
    shutil.rmtree(folder)
    return first["peak"]


def written(file: Path, count: int) -> None:
    """Rows of GSM8K, each time round with other words, every fiftieth a copy of an earlier one."""
    lines = (jobs.DATA / "gsm8k" / "train.jsonl").read_text(encoding="utf-8").splitlines()
    with file.open("w", encoding="utf-8") as opened:
        line = ""
        for number in itertools.islice(itertools.count(), count):
            if number % 50 != 49:
                row, again = json.loads(lines[number % len(lines)]), number // len(lines)
                words = row["question"].split(" ")
                words[::3] = [f"{word}{again}" for word in words[::3]]
                line = json.dumps({"prompt": "  ".join(words[:5]) + " " + " ".join(words[5:]),
                                   "answer": row["answer"], "n": again}) + "\n"
            opened.write(line)


def in_process(words: list[str]) -> dict[str, float]:
    """What cleaning took, in a process of its own."""
    done = subprocess.run([sys.executable, __file__, "--child", *words], check=True, text=True,
                          stdout=subprocess.PIPE, env={**os.environ, "OMP_NUM_THREADS": "1"})
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def measured(words: list[str]) -> dict[str, float]:
    """The seconds that cleaning takes, the rows that come out, and the most memory in bytes."""
    from tunesmith.cleaning.run import clean
    from tunesmith.cleaning.wish import Wish

    source, output, *more = words
    began = time.perf_counter()
    report = clean(Wish([source], STEPS.split(","), more), Path(output))
    took = time.perf_counter() - began
    return {"seconds": took, "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024.0,
            "out": report.tally.kept}


if __name__ == "__main__":
    main()
