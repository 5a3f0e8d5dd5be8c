"""How fast near-duplicates are found among short rows, beside datasketch's MinHashLSH in the same run (job N).

    python benchmarks/near.py [--rows 1000000] [--peer-rows 100000] [--pin 0,1] [--smoke]

Rows of 6 to 20 words drawn as often as words are (by Zipf's law) from the texts of the shared folder. One in fifty is
an earlier row with words changed, left out or put in, as many as its exact Jaccard index of 0.8 allows. Each contender
is a process of its own that reads the rows from a file; told are seconds, rows a second, the most memory, how many of
the planted rows were joined to theirs, and how many of the rows told are near no other (compared exactly afterwards,
outside the timing). datasketch runs as its makers say (MinHash.generator, then query and insert row by row), with its
own bands for 0.8 and with ours. Promised: 1M rows in 5 minutes and 4 GB, 99% of what is planted; exits with 1 beyond.
"""

import argparse
import json
import os
import random
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jobs
import results

THRESHOLD = 0.8
SECONDS, GIGABYTES, FOUND = 300, 4, 0.99
TEXTS = ("text_en/wiki_demo_400k.txt", "banking77/train.csv", "gsm8k/train.jsonl")


def main() -> None:
    arguments = options()
    if not jobs.DATA.is_dir():
        sys.exit(f"skipped: {jobs.DATA} is not there")
    if arguments.child:
        print(json.dumps(measured(*arguments.child)))
        return
    with tempfile.TemporaryDirectory() as folder:
        book = results.opened(1, Path(folder, "smoke.csv") if arguments.smoke else arguments.table)
        few, many = Path(folder, "few.txt"), Path(folder, "many.txt")
        sizes = {few: arguments.peer_rows, many: arguments.rows}
        planted = {file: written(file, rows) for file, rows in sizes.items()}
        slow = False
        for file, who in ((few, "tunesmith"), (few, "datasketch"), (few, "datasketch, our bands"), (many, "tunesmith")):
            found = in_process(who, file, arguments)
            told = {"seconds": found["seconds"], "rows/s": sizes[file] / found["seconds"], "peak GB": found["peak"],
                    "share of planted rows found": shared(found["first"], planted[file]),
                    "rows told that are near no other": wrong(file, found["pairs"])}
            for what, value in told.items():
                book.add(f"N {sizes[file]:,} rows", who, what, value, versions=versions(who))
                print(f"{sizes[file]:10,} rows  {who:22} {what:34} {value:14,.3f}", flush=True)
            if who == "tunesmith":
                slow |= told["seconds"] > SECONDS or told["peak GB"] > GIGABYTES or \
                    told["share of planted rows found"] < FOUND
    sys.exit(slow and not arguments.smoke)


def options() -> argparse.Namespace:
    """The command line; a smoke test is very short."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--peer-rows", type=int, default=100_000, help="how many rows both are measured on")
    parser.add_argument("--pin", help="cores to keep every process on, such as 0,1")
    parser.add_argument("--table", type=Path, help="the CSV file to append to; default: results.csv beside this")
    parser.add_argument("--smoke", action="store_true", help="only whether it runs: few rows, no table")
    parser.add_argument("--child", nargs=2, metavar=("WHO", "ROWS"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.smoke:
        arguments.rows, arguments.peer_rows = 2000, 1000
    return arguments


def written(file: Path, count: int) -> dict[int, int]:
    """Write rows, one a line; for each planted row the one that it was made of."""
    drawn = random.Random(count)
    words = sorted({word for name in TEXTS for word in re.findall(r"\w+", (jobs.DATA / name).read_text().lower())})
    drawn.shuffle(words)
    weights = [1 / place for place in range(1, len(words) + 1)]
    rows, planted = [], {}
    stream = iter(())
    while len(rows) < count:
        if rows and drawn.random() < 0.02:
            place = drawn.randrange(len(rows))
            made = edited(rows[place].split(), drawn)
            if made:
                planted[len(rows)] = planted.get(place, place)
                rows.append(" ".join(made))
                continue
        size = drawn.randrange(6, 21)
        chosen = []
        while len(chosen) < size:
            word = next(stream, None)
            if word is None:
                stream = iter(drawn.choices(words, weights, k=100_000))
            else:
                chosen.append(word)
        rows.append(" ".join(chosen))
    file.write_text("\n".join(rows), encoding="utf-8")
    return planted


def edited(row: list[str], drawn: random.Random) -> list[str] | None:
    """The row with as many words changed as it may have and still be near; None where that is not one."""
    made, kept = row, None
    while True:
        place, new = drawn.choice((0, len(made) - 1, drawn.randrange(len(made)))), f"new{drawn.randrange(10**6)}"
        made = drawn.choice(([*made[:place], new, *made[place + 1:]], [*made[:place], *made[place + 1:]],
                             [*made[:place], new, *made[place:]], [*made, new]))
        if len(made) < 3 or jaccard(row, made) < THRESHOLD:
            return kept
        kept = made


def shingles(row: list[str]) -> set[tuple[str, ...]]:
    """Every three words in a row."""
    return set(zip(row, row[1:], row[2:], strict=False))


def jaccard(one: list[str], other: list[str]) -> float:
    """The share of the shingles that both have."""
    first, second = shingles(one), shingles(other)
    return len(first & second) / len(first | second)


def shared(first: list[int], planted: dict[int, int]) -> float:
    """The share of planted rows that are joined to the one that they were made of."""
    return sum(first[row] == first[parent] for row, parent in planted.items()) / len(planted)


def wrong(file: Path, pairs: list[list[int]]) -> int:
    """How many rows were told of which none of those they were told with is near."""
    rows = file.read_text(encoding="utf-8").split("\n")
    near: dict[int, bool] = {}
    for one, other in pairs:
        near[one] = near.get(one, False) or jaccard(rows[one].split(), rows[other].split()) >= THRESHOLD
    return sum(not each for each in near.values())


def in_process(who: str, file: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """What a contender found, in a process of its own."""
    cores = {int(core) for core in arguments.pin.split(",")} if arguments.pin else os.sched_getaffinity(0)
    environment = {**os.environ, "TUNESMITH_CACHE": str(file.parent), "OMP_NUM_THREADS": "2"}
    done = subprocess.run([sys.executable, __file__, "--child", who, str(file)], check=True, text=True,
                          stdout=subprocess.PIPE, env=environment, preexec_fn=lambda: os.sched_setaffinity(0, cores))
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def measured(who: str, file: str) -> dict[str, Any]:
    """Seconds and the most memory in GB; the first row of the cluster of each row; pairs of rows that were told."""
    find = ours if who == "tunesmith" else theirs
    find(iter(("some words to import by",)), bands=None)
    began = time.perf_counter()
    first, pairs = find(lines(file), bands=(18, 6) if who.endswith("our bands") else None)
    took = time.perf_counter() - began
    return {"seconds": took, "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9, "first": first,
            "pairs": pairs or [list(pair) for pair in alone(file)]}


def lines(file: str) -> Iterator[str]:
    with open(file, encoding="utf-8") as opened:
        for line in opened:
            yield line.rstrip("\n")


def ours(rows: Iterator[str], *, bands: tuple[int, int] | None) -> tuple[list[int], list[list[int]]]:
    from tunesmith.text.near import clusters

    return clusters(rows, threshold=THRESHOLD).tolist(), []


def alone(file: str) -> list[list[int]]:
    """The pairs that we tell, asked for outside the timing."""
    from tunesmith.text.near import alike

    found: list[list[int]] = alike(lines(file), threshold=THRESHOLD)[0].tolist()
    return found


def theirs(rows: Iterator[str], *, bands: tuple[int, int] | None) -> tuple[list[int], list[list[int]]]:
    """datasketch: each row is asked for and then put in; of what is told, the first is what the row is joined to."""
    from datasketch import MinHash, MinHashLSH

    count = bands[0] * bands[1] if bands else 128
    index = MinHashLSH(threshold=THRESHOLD, num_perm=count, params=bands)
    said = ([" ".join(each).encode() for each in shingles(row.split())] for row in rows)
    first, pairs = [], []
    for number, made in enumerate(MinHash.generator(said, num_perm=count)):
        others = index.query(made)
        first.append(min((first[other] for other in others), default=number))
        pairs += [[number, other] for other in others]
        index.insert(number, made)
    return first, pairs


def versions(who: str) -> str:
    """The contender's packages."""
    peer = results.spelt({"datasketch": results.installed("datasketch")})
    return results.own_versions() if who == "tunesmith" else peer


if __name__ == "__main__":
    main()
