"""A warm process that does jobs in children of its own, each a command line with a fault planted in it.

Torch and transformers are loaded once; a job is a line of JSON on stdin, what became of it a line on stdout. Tests use
`Stage`; this file run as a program is the process itself.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest

KINDS = {"kill": 1, "half a write and kill": 2, "no space": 3, "EIO on write": 4, "EIO on fsync": 5, "EIO on rename": 6}
CODE = (".py", ".so", ".pyc", ".bin", ".pt", ".pth", ".ckpt", ".pkl", ".npy", ".pickle")
SECONDS = 240  # after which a child that hangs is ended
PHASES = {  # the function that a phase begins with, by the module that calls it
    "encode": ("tunesmith.workflow.preparing.prepare", "encode"),
    "load": ("tunesmith.models.load", "network"),
    "step": ("tunesmith.training.engine", "gradients"),
    "evaluation": ("tunesmith.workflow.tuning.loop", "score"),
    "save": ("tunesmith.runs.manifest", "seal"),
    "judge": ("tunesmith.workflow.verdict.judge", "measure"),
}


@dataclass(frozen=True)
class Ended:
    """How a job ended: its exit code, or minus the signal that ended it, what it said, and what it told besides."""

    code: int
    out: str
    err: str
    told: dict[str, Any]


class Stage:
    """The process, for a test. shim: stands before the system's calls; mounts: may mount disks of its own."""

    def __init__(self, *, shim: Path | None = None, mounts: bool = False) -> None:
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false", "NO_COLOR": "1"}
        environment.pop("HF_HUB_OFFLINE", None)  # that nothing is fetched must not need it
        if shim:
            environment["LD_PRELOAD"] = str(shim)
        command = [*(["unshare", "-rm"] if mounts else []), sys.executable, __file__]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        env=environment)

    def do(self, **job: Any) -> Ended:
        """Do a job (see `child` for what it may hold) and wait for its end."""
        self.process.stdin.write(json.dumps(job, default=str) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        assert answer, f"the stage broke down over {job}"
        return Ended(**json.loads(answer))

    def __enter__(self) -> Stage:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
                 ) -> None:
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


def shim(folder: Path) -> Path:
    """The shim, compiled; skips the test where there is no compiler or the system is not Linux."""
    compiler = next(filter(shutil.which, ("gcc", "cc", "clang")), None)
    if compiler is None or sys.platform != "linux":
        pytest.skip("no C compiler, or no Linux")
    made = folder / "shim.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-w", "-o", made, Path(__file__).with_name("shim.c"), "-ldl"],
                   check=True)
    return made


def can_mount() -> bool:
    """Whether a small disk can be mounted here."""
    return shutil.which("unshare") is not None and subprocess.run(
        ["unshare", "-rm", "mount", "-t", "tmpfs", "tmpfs", "/mnt"], capture_output=True, check=False).returncode == 0


def warm() -> None:
    """Everything that a command line loads, loaded. Nothing is sent backward: torch's threads do not survive a fork."""
    sys.path.insert(0, str(Path(__file__).parents[1]))
    from tiny import tiny_base
    from tunesmith.kernels import build

    build.library()
    with tempfile.TemporaryDirectory() as folder:
        tiny_base(Path(folder) / "base")
        assert opened(str(Path(folder) / "base")) == 0


SESSIONS: dict[str, Any] = {}


def one_step_on(run: str) -> tuple[Any, Any]:
    """A session of the run at `run`, one step on from its newest checkpoint, and that step."""
    from tunesmith.recipe.read import read
    from tunesmith.runs import checkpoints, lineage
    from tunesmith.runs.folder import open_run
    from tunesmith.workflow.preparing import prepare
    from tunesmith.workflow.tuning import loop, session, train

    if run not in SESSIONS:
        opened = open_run(Path(run))
        recipe = read(opened.recipe_file)
        chosen = lineage.read(opened.lineage_file)["chosen"]
        prepared = prepare.prepare(recipe, date=chosen["date"])
        made = session.open_session(opened, recipe, prepared, chosen, train.digests(recipe, prepared))
        session.lay_in(made, checkpoints.newest(opened)[0])
        SESSIONS[run] = made, next(loop.steps(made, made.loss))
    return SESSIONS[run]


def saved(job: dict[str, Any]) -> int:
    """Save, in a copy of a run, the step after its newest checkpoint; what the shim counts begins with the save."""
    import time

    from tunesmith.errors import Problem
    from tunesmith.runs.folder import Run
    from tunesmith.runs.records import Journal
    from tunesmith.workflow.tuning import loop

    made, step = one_step_on(job["save"])
    copy = Run(Path(job["into"]))
    made = replace(made, run=copy)
    with Journal(copy.records_file) as records, Journal(copy.timings_file) as timings:
        loop.record(made, step, records, timings, loop.Progress(time.monotonic()))
        arm(job)
        try:
            loop.save(made, records)
        except Problem as problem:
            sys.stderr.write(f"{problem.kind}: {problem}")
            return problem.exit_code
        finally:
            TOLD.update(counted())
            ctypes.CDLL(None).shim_arm(0, 0, b"")
    return 0


TOLD: dict[str, Any] = {}


def arm(job: dict[str, Any]) -> None:
    """Let the shim strike at the job's n-th call."""
    if "at" in job:
        ctypes.CDLL(None).shim_arm(job["at"], KINDS[job["kind"]], str(job["below"]).encode())


def opened(name: str) -> int:
    """Find a base, open its tokenizer and its network, and ask it for a token."""
    import datetime

    import torch

    from tunesmith.cli import _output, _problems
    from tunesmith.errors import Problem, Problems, memory_told
    from tunesmith.models import bases, layouts, load

    screen = _output.Screen.of(False, sys.stdout, sys.stderr)
    try:
        with memory_told():
            base = bases.find(name, where="base.name")
            layouts.of_base(base)
            load.codec(base, None, datetime.datetime.now())
            network = load.network(base, dtype=torch.float32, device=torch.device("cpu"))
            network(input_ids=torch.zeros(1, 3, dtype=torch.long))
    except (Problem, Problems) as problem:
        return _problems.told(problem, screen)
    except Exception as error:  # noqa: BLE001 - as the command line does
        return _problems.crashed(error, [name], screen)
    return 0


def counted() -> dict[str, int]:
    """What the shim has seen; nothing where it does not stand."""
    library = ctypes.CDLL(None)
    with contextlib.suppress(AttributeError):
        return {"count": library.shim_count(), "synced_again": library.shim_synced_again()}
    return {}


def memory(name: str) -> int:
    """`VmSize` or `VmPeak` of this process, in bytes."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) << 10


def child(job: dict[str, Any], marks: tuple[int, int]) -> int:
    """Do a job. It may hold

    words (a command line) and cache (a folder for it), or open (a base), or save and into (folders of a run and its
    copy); at, kind, below (for the shim); clock (seconds ahead, and more at each look); file_size, address_space
    (limits in bytes, the second above what is taken already); phase, nth and send (signals that come when the phase
    begins that time); watch (a stranger's folder: what of it is opened as code, and every way out of the process, is
    told as `seen`); seconds, after which it is ended.
    """
    signal.alarm(job.get("seconds", SECONDS))
    if "cache" in job:
        os.environ["TUNESMITH_CACHE"] = job["cache"]
    if "clock" in job:
        ctypes.CDLL(None).shim_clock(*job["clock"])
    if "watch" in job:
        watch(job["watch"])
    if "file_size" in job:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (job["file_size"], job["file_size"]))
    if "phase" in job:
        os.setpgid(0, 0)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        interrupted(job, marks)
    TOLD["before"] = memory("VmSize")
    if "address_space" in job:
        most = TOLD["before"] + job["address_space"]
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
    if "save" in job:
        return saved(job)
    if "open" in job:
        return opened(job["open"])
    from tunesmith.cli import main

    arm(job)
    code = main(job["words"])
    TOLD.update(counted(), peak=memory("VmPeak"))
    return code


def watch(folder: str) -> None:
    """Note what a stranger's file could win by: code of its folder, pickles, programs, sockets."""
    seen = TOLD.setdefault("seen", [])

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        first = str(arguments[0]) if arguments else ""
        if (
            (event.startswith("socket.") and event not in ("socket.__new__", "socket.gethostname"))
            or event in ("pickle.find_class", "os.system", "os.exec", "os.posix_spawn")
            or (event == "subprocess.Popen" and not any(ours in str(arguments[1]) for ours in ("sandbox.py", "uname")))
            or (event == "open" and first.startswith(folder) and first.endswith(CODE))
            or (event in ("exec", "ctypes.dlopen") and folder in first)
            or (event == "import" and str(arguments[1]).startswith(folder))
        ):
            seen.append(f"{event} {arguments[:2]}")

    sys.addaudithook(hook)


def interrupted(job: dict[str, Any], marks: tuple[int, int]) -> None:
    """Let the n-th beginning of a phase wait until each signal has come."""
    import importlib

    name, function = PHASES[job["phase"]]
    module = importlib.import_module(name)
    plain, begun = getattr(module, function), 0

    def waits(*arguments: Any, **named: Any) -> Any:
        nonlocal begun
        begun += 1
        if begun == job.get("nth", 1):
            for _ in job["send"]:
                os.write(marks[1], b"?")
                os.read(marks[0], 1)
        return plain(*arguments, **named)

    setattr(module, function, waits)


def strike(process: int, job: dict[str, Any], marks: tuple[int, int]) -> None:
    """Send a child its signals, each once it waits for one."""
    for name in job.get("send", ()):
        if not os.read(marks[0], 1):
            return
        os.kill(process, signal.Signals[name])
        if name == "SIGTSTP":
            _, status = os.waitpid(process, os.WUNTRACED)
            assert os.WIFSTOPPED(status), status
            os.kill(process, signal.SIGCONT)
        with contextlib.suppress(BrokenPipeError):
            os.write(marks[1], b"!")


def done(job: dict[str, Any]) -> Ended:
    """A job done in a child."""
    from_child, to_parent = os.pipe()
    from_parent, to_child = os.pipe()
    with tempfile.TemporaryDirectory() as folder:
        out, err, told = (Path(folder) / name for name in ("out", "err", "told"))
        if "save" in job:
            one_step_on(job["save"])
        process = os.fork()
        if process == 0:
            os.close(from_child)
            os.close(to_child)
            code = 1
            try:
                for number, file in ((1, out), (2, err)):
                    os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT, 0o600), number)
                code = child(job, (from_parent, to_parent))
                told.write_text(json.dumps(TOLD))
            except BaseException as error:  # noqa: BLE001 - a child of a fork must never return into its parent's code
                os.write(2, f"\nnot caught: {type(error).__name__}: {error}".encode())
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(code)
        os.close(to_parent)
        os.close(from_parent)
        strike(process, job, (from_child, to_child))
        os.close(to_child)
        os.close(from_child)
        _, status = os.waitpid(process, 0)
        return Ended(os.waitstatus_to_exitcode(status), out.read_text(errors="replace"),
                     err.read_text(errors="replace"), json.loads(told.read_text()) if told.exists() else {})


def main() -> None:
    """Do jobs until there are no more; a job with `shell` is a command for mounting."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    warm()
    for line in sys.stdin:
        job = json.loads(line)
        if "shell" in job:
            ran = subprocess.run(job["shell"], capture_output=True, text=True, check=False)
            ended = Ended(ran.returncode, ran.stdout, ran.stderr, {})
        else:
            ended = done(job)
        answers.write(json.dumps({"code": ended.code, "out": ended.out, "err": ended.err, "told": ended.told}) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
