"""How long the command line takes to say its help, beside the interpreter alone: alternating, whole processes.

    python benchmarks/start_up.py [--runs 30]

Promised: at most 4 times `python -c pass`. Exits with 1 where the median ratio is above that.
"""

import argparse
import statistics
import subprocess
import sys
import time
from pathlib import Path

LIMIT = 4.0
PLAIN = [sys.executable, "-c", "pass"]
HELP = [str(Path(sys.executable).with_name("tunesmith")), "--help"]


def seconds(command):
    """Wall time of one process."""
    began = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=30)
    runs = parser.parse_args().runs
    seconds(PLAIN), seconds(HELP)
    pairs = [(seconds(PLAIN), seconds(HELP)) for _ in range(runs)]
    ratios = sorted(told / plain for plain, told in pairs)
    low, middle, high = statistics.quantiles(ratios, n=4)
    print(f"python -c pass {statistics.median(plain for plain, _ in pairs) * 1000:.1f} ms, tunesmith --help "
          f"{statistics.median(told for _, told in pairs) * 1000:.1f} ms: {middle:.2f} times "
          f"(quartiles {low:.2f} to {high:.2f}, {runs} pairs)")
    sys.exit(middle > LIMIT)


if __name__ == "__main__":
    main()
