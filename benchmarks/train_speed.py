"""Training speed beside TRL's SFTTrainer: LoRA on GSM8K, 8 conversations a step, the same rows, alternating.

    python benchmarks/train_speed.py [--rounds 3] [--steps 11] [--threads 2] [--peer-python PATH]

Each round trains each contender on the same rows in a fresh process; the first step of each is not counted. Tokens
are real ones: nobody's padding counts. Without `--peer-python` (an environment with trl and peft) only ours is
measured. Rows are appended to `benchmarks/train_speed.csv`.
"""

import argparse
import csv
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from datetime import date
from importlib.metadata import version
from pathlib import Path

HERE = Path(__file__).resolve().parent
DATA = HERE.parents[1] / "shared" / "data" / "gsm8k" / "train.jsonl"
COLUMNS = ("date", "contender", "tokens_per_second", "slowest_round", "fastest_round", "peak_gb", "steps", "threads",
           "processor", "platform", "torch", "transformers", "tunesmith")
RECIPE = """base: smollm2-135m-instruct
task: chat
data: {{train: {rows}, validation: 0, test: 0}}
adapter: {{type: lora, rank: 16, alpha: 32}}
training: {{learning_rate: 2e-4, steps: {steps}, epochs: 100, batch_size: 8, max_length: 512, save_every: 0}}
evaluation: {{generate: 0}}
run: {{folder: {folder}, name: bench}}
"""


def ours(rows, steps, environment):
    """One training by tunesmith, timed by its own records."""
    with tempfile.TemporaryDirectory() as folder:
        recipe = Path(folder, "bench.yaml")
        recipe.write_text(RECIPE.format(rows=rows, steps=steps, folder=folder))
        done = subprocess.run([sys.executable, "-m", "tunesmith", "train", str(recipe), "--json"], check=True,
                              capture_output=True, text=True, env=environment)
        run = Path(json.loads(done.stdout)["run"])
        lines = [json.loads(line) for line in (run / "timings.jsonl").read_text().splitlines()][1:]
    return {"tokens": sum(line["tokens"] for line in lines), "seconds": sum(line["seconds"] for line in lines),
            "steps": len(lines), "memory_bytes": max(line["memory_bytes"] for line in lines)}


def peer(setting, python, base, rows, steps, dtype, environment):
    """One training by TRL in its own environment; huge pages only where the setting says so."""
    pages = {"THP_MEM_ALLOC_ENABLE": "1" if setting == "best, huge pages" else "0"}
    done = subprocess.run(
        [python, str(HERE / "peers" / "trl_sft.py"), base, rows, str(steps), setting.split(",")[0], dtype], check=True,
        capture_output=True, text=True, env={**environment, **pages},
    )
    return json.loads(done.stdout.splitlines()[-1])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=11)
    parser.add_argument("--default-steps", type=int, default=11, help="steps of TRL at its defaults, which are slow")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--peer-python", default=os.environ.get("PEER_PYTHON"))
    arguments = parser.parse_args()
    if not DATA.exists():
        sys.exit(f"skipped: {DATA} is not there")
    from tunesmith.kernels.allocator import prepare_environment
    from tunesmith.models import bases, precision

    prepare_environment()  # a processor whose tiles cannot be used would end the peers' processes too
    dtype = str(precision.choose("auto", precision.device("cpu"))[0]).removeprefix("torch.")
    base = str(bases.find("smollm2-135m-instruct").folder)
    environment = {**os.environ, "OMP_NUM_THREADS": str(arguments.threads), "HF_HUB_OFFLINE": "1"}
    contenders = {"tunesmith": lambda rows: ours(rows, arguments.steps, environment)}
    if arguments.peer_python:
        for setting in ("default", "best", "best, huge pages"):
            steps = arguments.default_steps if setting == "default" else arguments.steps
            contenders[f"TRL {setting}"] = lambda rows, setting=setting, steps=steps: peer(
                setting, arguments.peer_python, base, rows, steps, dtype, environment)
    lines = DATA.read_text(encoding="utf-8").splitlines(keepends=True)
    found = {name: [] for name in contenders}
    for number in range(arguments.rounds):
        with tempfile.NamedTemporaryFile("w", suffix=".jsonl", encoding="utf-8") as rows:
            size = 8 * arguments.steps
            rows.writelines(lines[number * size:(number + 1) * size])
            rows.flush()
            for name, run in contenders.items():
                result = run(rows.name)
                found[name].append(result)
                print(f"round {number + 1}  {name:24} {result['tokens'] / result['seconds']:7.0f} tokens/s  "
                      f"{result['memory_bytes'] / 1e9:5.2f} GB", flush=True)
    tell(found, arguments.threads)


def tell(found, threads):
    """Print medians with their range, and append them to the table."""
    best = statistics.median(result["tokens"] / result["seconds"] for result in found["tunesmith"])
    rows = HERE / "train_speed.csv"
    fresh = not rows.exists()
    with rows.open("a", newline="") as file:
        table = csv.writer(file)
        if fresh:
            table.writerow(COLUMNS)
        for name, results in found.items():
            speeds = sorted(result["tokens"] / result["seconds"] for result in results)
            middle = statistics.median(speeds)
            memory = statistics.median(result["memory_bytes"] for result in results)
            steps = sum(result["steps"] for result in results)
            print(f"{name:24} median {middle:7.0f} tokens/s ({speeds[0]:.0f} to {speeds[-1]:.0f}), "
                  f"{memory / 1e9:.2f} GB, {steps} steps, ours is {best / middle:.2f} times")
            table.writerow([date.today(), name, f"{middle:.0f}", f"{speeds[0]:.0f}", f"{speeds[-1]:.0f}",
                            f"{memory / 1e9:.2f}", steps, threads, processor(), platform.platform(),
                            version("torch"), version("transformers"), version("tunesmith")])


def processor():
    """The processor's name."""
    facts = Path("/proc/cpuinfo")
    lines = facts.read_text().splitlines() if facts.exists() else []
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine())


if __name__ == "__main__":
    main()
