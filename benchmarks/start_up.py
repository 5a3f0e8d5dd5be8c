"""How long the command line takes to say its help and to begin a training, each beside what cannot be spared.

    python benchmarks/start_up.py [--runs 30] [--trainings 7] [--threads 2]

The help stands beside `python -c pass`; at most 4 times that is promised. A training on prepared data is timed from
`tunesmith train` until its first step begins, beside a process that only imports torch and transformers and loads the
weights in the same format; at most twice that is promised. Whole processes, alternating. Exits with 1 where a median
ratio is above what is promised; appends to `results.csv`.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import results

HELP_LIMIT, TRAIN_LIMIT = 4.0, 2.0
POLL = 0.002
PLAIN = [sys.executable, "-c", "pass"]
VERB = str(Path(sys.executable).with_name("tunesmith"))
BARE = """\
import sys, time, torch, transformers
transformers.AutoModelForCausalLM.from_pretrained(
    sys.argv[1], dtype=getattr(torch, sys.argv[2]), local_files_only=True, use_safetensors=True)
print("loaded", flush=True)
time.sleep(60)
"""
BASE = "smollm2-135m-instruct"
ROWS = 2000
RECIPE = """\
base: {base}
task: chat
data: {{train: rows.jsonl, validation: 0, test: 0, too_long: drop}}
adapter: {{type: lora, rank: 16, alpha: 32}}
training: {{learning_rate: 2e-4, steps: 1, epochs: 1, batch_size: 8, max_length: 512, save_every: 0}}
evaluation: {{generate: 0}}
run: {{folder: runs, name: bench}}
"""


def seconds(command):
    """Wall time of one process."""
    began = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def bare(folder, dtype, environment):
    """Seconds until a process has imported torch and transformers and holds the weights."""
    began = time.perf_counter()
    with subprocess.Popen([sys.executable, "-c", BARE, folder, dtype], stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, env=environment) as process:
        if not process.stdout.readline():
            sys.exit("the bare process failed")
        took = time.perf_counter() - began
        process.kill()
    return took


def training(recipe, environment):
    """Seconds until the first step of a training begins, and until it is done; by the run's own timings."""
    began = time.time()
    with subprocess.Popen([VERB, "train", str(recipe), "--json"], stdout=subprocess.DEVNULL,
                          stderr=subprocess.PIPE, env=environment, cwd=recipe.parent) as process:
        while process.poll() is None:
            written = [line for file in recipe.parent.glob("runs/*/timings.jsonl") if file.stat().st_mtime > began
                       for line in file.read_text().splitlines(keepends=True) if line.endswith("\n")]
            if written:
                done = time.time() - began
                process.kill()
                return done - json.loads(written[0])["seconds"], done
            time.sleep(POLL)
        sys.exit(process.stderr.read().decode())


def told(book, job, what, ratios, extra=""):
    """Print and book the median ratio with its quartiles; returns it."""
    low, middle, high = statistics.quantiles(ratios, n=4)
    book.add("start-up", "tunesmith", job, middle, low=low, high=high, count=len(ratios))
    print(f"{what}: {middle:.2f} times (quartiles {low:.2f} to {high:.2f}, {len(ratios)} pairs){extra}", flush=True)
    return middle


def milliseconds(values):
    return f"{statistics.median(values) * 1000:.0f} ms"


def helping(book, runs):
    seconds(PLAIN), seconds([VERB, "--help"])
    pairs = [(seconds(PLAIN), seconds([VERB, "--help"])) for _ in range(runs)]
    plain, helps = zip(*pairs, strict=True)
    return told(book, "help / bare interpreter",
                f"python -c pass {milliseconds(plain)}, tunesmith --help {milliseconds(helps)}",
                [ours / theirs for theirs, ours in pairs])


def beginning(book, runs, threads):
    data = Path(__file__).resolve().parents[2] / "shared" / "data" / "gsm8k" / "train.jsonl"
    if not data.exists():
        print(f"no training is timed: {data} is not there")
        return 0.0
    from tunesmith.kernels.allocator import prepare_environment
    from tunesmith.models import bases, precision

    prepare_environment()
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "HF_HUB_OFFLINE": "1"}
    dtype = str(precision.choose("auto", precision.device("cpu"))[0]).removeprefix("torch.")
    folder = str(bases.find(BASE).folder)
    with tempfile.TemporaryDirectory() as place:
        recipe = Path(place, "bench.yaml")
        recipe.write_text(RECIPE.format(base=BASE))
        rows = data.read_text(encoding="utf-8").splitlines(keepends=True)[:ROWS]
        Path(place, "rows.jsonl").write_text("".join(rows), encoding="utf-8")
        first = training(recipe, environment)[0]
        bare(folder, dtype, environment)
        pairs = [(bare(folder, dtype, environment), *training(recipe, environment)) for _ in range(runs)]
    loads, begins, dones = zip(*pairs, strict=True)
    book.add("start-up", "tunesmith", "seconds until step 1", statistics.median(begins), count=runs)
    return told(book, "until step 1 / imports and weights alone",
                f"imports and weights alone {milliseconds(loads)}, tunesmith train until step 1 {milliseconds(begins)}",
                [ours / theirs for theirs, ours, _ in pairs],
                f"; step 1 done after {milliseconds(dones)}; the first start, which prepares {ROWS} rows, took "
                f"{first:.1f} s")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=30)
    parser.add_argument("--trainings", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--table", type=Path, help="the CSV file to append to; default: results.csv beside this")
    arguments = parser.parse_args()
    book = results.opened(arguments.threads, arguments.table)
    slow = bool(arguments.runs) and helping(book, arguments.runs) > HELP_LIMIT
    slow |= bool(arguments.trainings) and beginning(book, arguments.trainings, arguments.threads) > TRAIN_LIMIT
    sys.exit(slow)


if __name__ == "__main__":
    main()
