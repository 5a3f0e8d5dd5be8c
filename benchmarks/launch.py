"""Programs run in processes of their own: which Python, which cores, which variables; and the options for that."""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOMS = HERE.parent / ".bench"  # environments of the peers, made by `make bench`
HOMES = ("trl", "llama_factory", "ms_swift")
TELL = 1500  # characters of what a failed program said last


@dataclass(frozen=True, slots=True)
class Place:
    """Where programs run: threads of each, the cores they may use (none: all), and the Python of each home."""

    threads: int
    cores: tuple[int, ...]
    pythons: Mapping[str, str]

    def lives(self, home: str) -> bool:
        """Whether there is an environment of that name."""
        return home in self.pythons

    def run(self, home: str, command: Sequence[str], variables: Mapping[str, str] | None = None) -> str:
        """What a program prints. Raises CalledProcessError."""
        environment = {**os.environ, "OMP_NUM_THREADS": str(self.threads), "MKL_NUM_THREADS": str(self.threads),
                       "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false", **(variables or {})}
        environment = {name: value for name, value in environment.items() if value != ""}
        done = subprocess.run(
            [self.pythons[home], *command], check=True, capture_output=True, text=True, env=environment,
            preexec_fn=self.pin if self.cores else None,
        )
        return done.stdout

    def pin(self) -> None:
        """Keep the process that calls this on the cores."""
        os.sched_setaffinity(0, self.cores)


def report(place: Place, home: str, program: str, wanted: Mapping[str, Any], variables: Mapping[str, str]) -> Any:
    """What a program of `peers/` reports, with `spawned`, the time at which it was started; None where it failed."""
    with tempfile.NamedTemporaryFile("w", suffix=".json", encoding="utf-8") as file:
        json.dump(wanted, file)
        file.flush()
        spawned = time.time()
        try:
            told = place.run(home, [str(HERE / "peers" / program), file.name], variables)
        except subprocess.CalledProcessError as error:
            print(f"{program} failed with {error.returncode}: {error.stderr[-TELL:]}", file=sys.stderr, flush=True)
            return None
    return {**json.loads(told.splitlines()[-1]), "spawned": spawned}


def roofs(place: Place, seconds: float) -> dict[str, float]:
    """The matrix roofs by kind, in GFLOP/s, measured now: `seconds` for each shape."""
    found: dict[str, float] = json.loads(place.run("ours", [str(HERE / "roof.py"), str(seconds)]))
    return found


def parser(description: str) -> argparse.ArgumentParser:
    """The options that all benchmarks share."""
    made = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--threads", type=int, default=2)
    made.add_argument("--pin", help="cores to keep every program on, such as 2,3")
    made.add_argument("--peer-python", action="append", default=[], metavar="[HOME=]PYTHON",
                      help="the Python of trl (the default), llama_factory or ms_swift, where not under .bench/")
    made.add_argument("--table", type=Path, help="the CSV file to append to; default: results.csv beside this program")
    made.add_argument("--smoke", action="store_true", help="only whether it runs: very few, short rows, no table")
    return made


def place_of(arguments: argparse.Namespace) -> Place:
    """Where the programs of a command line run."""
    made = {home: ROOMS / home / "bin" / "python" for home in HOMES}
    pythons = {"ours": sys.executable, **{home: str(python) for home, python in made.items() if python.exists()}}
    for given in arguments.peer_python:
        home, _, python = given.rpartition("=")
        pythons[home or "trl"] = python
    cores = tuple(int(core) for core in arguments.pin.split(",")) if arguments.pin else ()
    return Place(arguments.threads, cores, pythons)


def prepared() -> None:
    """Set what torch needs to run at all on this processor, for every program started from here."""
    from tunesmith.kernels.allocator import prepare_environment

    prepare_environment()  # a processor whose tiles cannot be used would end the peers' processes too
    os.environ.pop("THP_MEM_ALLOC_ENABLE", None)  # huge pages only for those that ask for them
