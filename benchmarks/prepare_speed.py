"""How fast rows become tokens that are proved (job F), beside the tokenizer alone on the very same texts.

    python benchmarks/prepare_speed.py [--rows 50000] [--rounds 3] [--core N] [--smoke]

GSM8K's rows again and again with a word changed, and all chat sets of the shared folder once. In each round a process
on one core prepares all rows (opens the tokenizer, reads, clusters, splits, looks them over by every check, renders,
encodes, proves, keeps them for the next start), then encodes the same texts with the bare tokenizer, one by one; then
it starts a second time. Tokens a second of processor time, so that others on the machine count little. Promised:
300,000 on one core, or 0.45 of what the bare tokenizer does in the same rounds; exits with 1 below both, as it does
since rows are looked over by twelve checks.
"""

import argparse
import itertools
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import jobs
import results

SPEED_LIMIT, SHARE_LIMIT = 300_000, 0.45
CHATS = ("alpaca/*.json", "chat_oasst/*.jsonl", "chat_sgd/*n.jsonl", "chat_sgd/test.jsonl", "gsm8k/*.jsonl")

def main() -> None:
    arguments = options()
    if not jobs.DATA.is_dir():
        sys.exit(f"skipped: {jobs.DATA} is not there")
    if arguments.child:
        print(json.dumps(measured(*arguments.child, arguments.rounds)))
        return
    from tunesmith.kernels.allocator import prepare_environment
    from tunesmith.models import bases

    prepare_environment()
    base = bases.find(jobs.BASE).folder
    with tempfile.TemporaryDirectory() as folder:
        book = results.opened(1, Path(folder, "smoke.csv") if arguments.smoke else arguments.table)
        everything = itertools.islice(chats(), arguments.rows) if arguments.smoke else chats()
        sets = {"F": list(repeated(arguments.rows)), "F all chat sets": list(everything)}
        slow = [job for job, rows in sets.items() if below(job, rows, base, Path(folder), arguments, book)]
    sys.exit(bool(slow) and not arguments.smoke)


def options() -> argparse.Namespace:
    """The command line; a smoke test is very short."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--core", type=int, help="which core to use; default: the last of those that are allowed")
    parser.add_argument("--table", type=Path, help="the CSV file to append to; default: results.csv beside this")
    parser.add_argument("--smoke", action="store_true", help="only whether it runs: few rows, no table")
    parser.add_argument("--child", nargs=2, metavar=("BASE", "ROWS"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.smoke:
        arguments.rows, arguments.rounds = 60, 2
    return arguments


def repeated(count: int) -> Iterator[dict[str, str]]:
    """Rows of GSM8K; each time that all are used up, with another word in the question."""
    lines = (jobs.DATA / "gsm8k" / "train.jsonl").read_text(encoding="utf-8").splitlines()
    for number in range(count):
        row, again = json.loads(lines[number % len(lines)]), number // len(lines)
        first, _, rest = row["question"].partition(" ")
        yield {"prompt": f"{first}{again or ''} {rest}", "answer": row["answer"]}


def chats() -> Iterator[dict[str, Any]]:
    """Every row of every chat set, as conversations."""
    from tunesmith.data.load import load
    from tunesmith.tasks.chat import conversation

    for pattern in CHATS:
        for file in sorted(jobs.DATA.glob(pattern)):
            for example in load(str(file)).examples:
                yield {"messages": [{"role": turn.role, "content": turn.content}
                                    for turn in conversation(example).messages]}


def below(
    job: str, rows: Sequence[dict[str, Any]], base: Path, folder: Path, arguments: argparse.Namespace,
    book: results.Book,
) -> bool:
    """Measure a job, tell and book it; whether it is slower than promised."""
    file = folder / f"{job}.jsonl".replace(" ", "-")
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    rounds = in_process(file, base, folder, arguments)
    ours = [each["tokens"] / each["prepared"] for each in rounds]
    bare = [each["tokens"] / each["bare"] for each in rounds]
    shares = [one / other for one, other in zip(ours, bare, strict=True)]
    rate = [each["rows"] / each["prepared"] for each in rounds]
    again = [each["again"] for each in rounds]
    for who, what, values in (
        ("tunesmith", "tokens/s a core", ours), ("tunesmith", "rows/s a core", rate),
        ("the bare tokenizer", "tokens/s a core", bare), ("tunesmith", "share of the bare tokenizer", shares),
        ("tunesmith", "seconds of a second start", again),
    ):
        low, middle, high = statistics.quantiles(values, n=4)
        book.add(job, who, what, middle, low=low, high=high, count=len(values))
        print(f"{job:16} {who:20} {what:28} {middle:12,.2f} ({low:,.2f} to {high:,.2f})", flush=True)
    return statistics.median(ours) < SPEED_LIMIT and statistics.median(shares) < SHARE_LIMIT


def in_process(rows: Path, base: Path, folder: Path, arguments: argparse.Namespace) -> list[dict[str, float]]:
    """What a process of its own measures in each round, on one core, with a cache of its own."""
    core = arguments.core if arguments.core is not None else max(os.sched_getaffinity(0))
    environment = {**os.environ, "TUNESMITH_CACHE": str(folder / "cache"), "OMP_NUM_THREADS": "1",
                   "TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, __file__, "--rounds", str(arguments.rounds), "--child", str(base), str(rows)], check=True,
        text=True, stdout=subprocess.PIPE, env=environment, preexec_fn=lambda: os.sched_setaffinity(0, {core}),
    )
    found: list[dict[str, float]] = json.loads(done.stdout.splitlines()[-1])
    return found


def measured(base: str, rows: str, rounds: int) -> list[dict[str, float]]:
    """Of each round: rows, tokens, processor seconds of preparing and of the bare tokenizer, seconds of a new start."""
    from tunesmith.cache import cache_folder
    from tunesmith.recipe.read import parse
    from tunesmith.workflow.preparing.prepare import prepare, refuse

    def recipe(name: str) -> Any:
        return parse({
            "base": base, "task": "chat", "data": {"train": name, "validation": 0, "test": 0, "too_long": "drop"},
            "training": {"max_length": 2048},
        }, source="benchmark")

    few = Path(rows).with_suffix(".few.jsonl")
    few.write_text("".join(Path(rows).read_text().splitlines(keepends=True)[:8]))
    prepare(recipe(str(few)))  # imports
    found = []
    for _ in range(rounds):
        shutil.rmtree(cache_folder() / "tokens")
        began = time.process_time()
        prepared = prepare(recipe(rows))
        took = time.process_time() - began
        refuse(prepared.findings)
        documents = prepared.documents["train"]
        texts = [prepared.codec.decode(document.ids.tolist()) for document in documents]
        bare = alone(base, texts)
        began = time.perf_counter()
        prepare(recipe(rows))
        found.append({"rows": len(prepared.examples["train"]), "tokens": sum(map(len, documents)), "prepared": took,
                      "bare": bare, "again": time.perf_counter() - began})
    return found


def alone(base: str, texts: Sequence[str]) -> float:
    """Processor seconds of the tokenizer alone, from texts to lists of ids."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(Path(base, "tokenizer.json")))
    tokenizer.encode(texts[0], add_special_tokens=False)
    began = time.process_time()
    for text in texts:
        assert tokenizer.encode(text, add_special_tokens=False).ids
    return time.process_time() - began


if __name__ == "__main__":
    main()
