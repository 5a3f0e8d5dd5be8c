"""A save can be stopped at any call, by any fault: the newest good checkpoint loads, and nothing torn is left."""

from __future__ import annotations

import errno
import os
import random
import re
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors import numpy as tensors

from disk import DIED, Fault, Recorder, damage, in_child
from tunesmith.errors import Failure
from tunesmith.runs import checkpoints, durable
from tunesmith.runs.checkpoints import Checkpoint
from tunesmith.runs.folder import Run

ERRORS = (errno.EIO, errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES)
MOST_CALLS = 200


def weights(step: int) -> bytes:
    return tensors.save({"a": np.full(64, step, np.float32)})


def writer(step: int) -> Callable[[Path], None]:
    """Writes as safetensors does: full size first, then the bytes, then a rename; mode 0600, no fsync."""

    def write(folder: Path) -> None:
        data = weights(step)
        temporary = folder / ".tensors.tmp"
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        os.ftruncate(descriptor, len(data))
        for start in range(0, len(data), 128):
            rest = data[start: start + 128]
            while rest:
                rest = rest[os.write(descriptor, rest):]
        os.close(descriptor)
        os.rename(temporary, folder / "adapter.safetensors")
        durable.write_json(folder / "state.json", {"step": step})

    return write


def save(run: Run, step: int, keep: int = 5) -> Checkpoint:
    return checkpoints.save(run, step, writer(step), facts={"records_bytes": step * 10}, keep=keep, best=None)


def holds(found: Checkpoint | None) -> int:
    """The step of a checkpoint whose content is just what was saved; fails for any other content."""
    assert found is not None
    assert (found.folder / "adapter.safetensors").read_bytes() == weights(found.step)
    assert durable.read_json(found.folder / "state.json") == {"step": found.step}
    assert found.facts == {"records_bytes": found.step * 10}
    return found.step


def leftovers(run: Run) -> list[str]:
    return [path.name for path in run.checkpoints.iterdir() if not path.name.startswith("step-")]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    found = Run(tmp_path / "run")
    found.path.mkdir()
    save(found, 1)
    return found


def fresh(run: Run, name: str) -> Run:
    return Run(Path(shutil.copytree(run.path, run.path.parent / name)))


@pytest.mark.fault("killed at the n-th call of a save")
@pytest.mark.parametrize("what", ["kill", "half kill"])
@pytest.mark.parametrize("keep", [1, 5])
def test_a_process_killed_at_any_call_of_a_save_leaves_a_checkpoint_that_loads(
    run: Run, what: str, keep: int, record_property: Any
) -> None:
    steps = set()
    for at in range(1, MOST_CALLS):
        tried = fresh(run, f"{keep}-{what}-{at}")
        fault = Fault(at, what)

        def work(tried: Run = tried, fault: Fault = fault) -> bool:
            with fault.armed():
                save(tried, 2, keep)
            return fault.met

        code, said = in_child(work)
        assert code == DIED or (code, said) in ((0, "True"), (0, "False")), said
        found, findings = checkpoints.newest(tried)
        steps.add(holds(found))
        assert findings == []
        checkpoints.clean(tried)
        assert leftovers(tried) == []
        holds(save(tried, 2, keep))
        if said == "False":
            break
    else:
        pytest.fail("the save never ran through")
    record_property("tried", at - 1)
    assert steps == {1, 2}


@pytest.mark.fault("an error at the n-th call of a save")
@pytest.mark.parametrize("error", ERRORS, ids=errno.errorcode.get)
@pytest.mark.parametrize("keep", [1, 5])
def test_any_call_of_a_save_that_fails_leaves_a_checkpoint_that_loads(
    run: Run, error: int, keep: int, record_property: Any
) -> None:
    failed = 0
    for at in range(1, MOST_CALLS):
        tried = fresh(run, f"{keep}-{error}-{at}")
        fault = Fault(at, error)
        try:
            with fault.armed():
                save(tried, 2, keep)
            expected = {2}
        except Failure as failure:
            failed += 1
            assert failure.where.startswith(str(tried.checkpoints))
            assert failure.remedy
            expected = {2} if failure.kind == durable.UNCERTAIN else {1}
        found, findings = checkpoints.newest(tried)
        assert {holds(found)} == expected, f"call {at}"
        assert findings == []
        assert fault.synced_again == 0
        checkpoints.clean(tried)
        assert leftovers(tried) == []
        if not fault.met:
            break
    else:
        pytest.fail("the save never ran through")
    record_property("tried", at - 1)
    assert failed > 10


def test_a_short_write_is_gone_on_with(run: Run) -> None:
    for at in range(1, MOST_CALLS):
        tried, fault = fresh(run, f"short-{at}"), Fault(at, "half", ("write",))
        with fault.armed():
            assert holds(save(tried, 2)) == 2
        if not fault.met:
            return
    pytest.fail("the save never ran through")


def test_a_fsync_that_fails_is_never_tried_again_on_the_same_file_and_the_save_is_written_anew(run: Run) -> None:
    fault = Fault(1, errno.EIO, ("fsync",))
    folders: list[Path] = []

    def write(folder: Path) -> None:
        folders.append(folder)
        (folder / "a").write_bytes(b"x")

    with fault.armed():
        saved = checkpoints.save(run, 2, write, facts={}, keep=5, best=None)
    assert fault.synced_again == 0
    assert len(set(folders)) == 2
    assert checkpoints.newest(run) == (saved, [])
    assert leftovers(run) == []


def test_a_disk_that_never_confirms_ends_the_save_after_a_second_try(run: Run) -> None:
    tries = []

    def write(folder: Path) -> None:
        tries.append(folder)
        (folder / "a").write_bytes(b"x")

    def refuse(descriptor: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with pytest.MonkeyPatch.context() as patch, pytest.raises(Failure) as raised:
        patch.setattr(os, "fsync", refuse)
        checkpoints.save(run, 2, write, facts={}, keep=5, best=None)
    assert raised.value.kind == "runs.fsync_failed"
    assert len(tries) == 2
    assert leftovers(run) == []
    assert holds(checkpoints.newest(run)[0]) == 1


def test_a_folder_that_is_not_confirmed_is_told_apart_from_a_save_that_failed(run: Run) -> None:
    kinds = set()
    for at in range(1, MOST_CALLS):
        fault = Fault(at, errno.EIO, ("fsync",))
        tried = fresh(run, f"fsync-{at}")
        try:
            with fault.armed():
                save(tried, 2)
        except Failure as failure:
            kinds.add(failure.kind)
            assert (holds(checkpoints.newest(tried)[0]) == 2) == (failure.kind == "runs.uncertain")
        if not fault.met:
            break
    assert "runs.uncertain" in kinds


@pytest.mark.fault("full disk, limit, read-only folder")
@pytest.mark.parametrize("share", [n / 20 for n in range(20)])
def test_a_file_size_limit_is_a_clear_error_and_nothing_torn_is_left(run: Run, share: float) -> None:
    size = 40_000

    def write(folder: Path) -> None:
        tensors.save_file({"a": np.zeros(size // 4, np.float32)}, folder / "adapter.safetensors")

    def work() -> str:
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(size * share), resource.RLIM_INFINITY))
        try:
            checkpoints.save(run, 2, write, facts={}, keep=5, best=None)
        except Failure as failure:
            return f"{failure.kind}: {failure.what}"
        return "saved"

    code, said = in_child(work)
    assert code == 0, said
    assert said.startswith("runs.no_space: ")
    assert "(os error" in said or "File too large" in said
    assert leftovers(run) == []
    assert holds(checkpoints.newest(run)[0]) == 1


@pytest.mark.fault("damaged files")
@pytest.mark.parametrize("name", ["adapter.safetensors", "state.json", "manifest.json"])
@pytest.mark.parametrize("how", ["one bit", "cut short", "half zeros", "longer", "emptied", "removed"])
def test_a_damaged_file_is_named_and_the_checkpoint_before_is_used(run: Run, name: str, how: str) -> None:
    broken = save(run, 2).folder
    damage(broken / name, how, random.Random(name + how))
    found, findings = checkpoints.newest(run)
    assert holds(found) == 1
    assert [finding.kind for finding in findings] == ["runs.damaged_checkpoint"]
    assert f"`{name}`" in findings[0].what
    assert "step 2" in findings[0].what
    aside = run.checkpoints / "damaged-step-00000002"
    assert findings[0].where == str(aside)
    assert aside.is_dir()
    assert checkpoints.newest(run) == (found, [])


@pytest.mark.fault("lost power")
@pytest.mark.parametrize("keep", [1, 5])
def test_a_power_cut_at_any_moment_leaves_no_checkpoint_that_verifies_and_differs(
    run: Run, keep: int, tmp_path: Path, record_property: Any
) -> None:
    recorder = Recorder(run.path)
    with recorder.recording():
        save(run, 2, keep)
    seen = set()
    count = 0
    for at in range(len(recorder.operations) + 1):
        for disk in recorder.states(at, seed=3):
            count += 1
            left = Run(tmp_path / "left" / str(count))
            disk.build(left.path)
            good = checkpoints.verified(left)
            assert sorted(holds(found) for found in good) == sorted(
                int(path.name[5:]) for path in left.checkpoints.glob("step-*")), "what has a checkpoint's name is one"
            newest, findings = checkpoints.newest(left)
            seen.add(step := holds(newest))
            assert findings == []
            if at == len(recorder.operations):
                assert step == 2, "the save returned, so it must last"
            checkpoints.clean(left)
            assert leftovers(left) == []
            shutil.rmtree(left.path)
    record_property("tried", count)
    assert seen == {1, 2}
    assert count > 300


@pytest.mark.fault("lost power")
def test_a_power_cut_leaves_a_file_as_it_was_or_as_it_became(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (root / "a.json").write_bytes(b"old")
    recorder = Recorder(root)
    with recorder.recording():
        durable.write_file(root / "a.json", b"new content")
    seen = []
    for at in range(len(recorder.operations) + 1):
        for number, disk in enumerate(recorder.states(at, seed=0)):
            left = tmp_path / f"left-{at}-{number}"
            disk.build(left)
            seen.append((left / "a.json").read_bytes())
            if at == len(recorder.operations):
                assert seen[-1] == b"new content"
    assert set(seen) == {b"old", b"new content"}


CHILD = """
import sys
from pathlib import Path
import numpy as np
from safetensors.numpy import save_file
from tunesmith.runs import checkpoints, durable
from tunesmith.runs.folder import Run
def write(folder):
    save_file({"a": np.full(64, 2, np.float32)}, folder / "adapter.safetensors")
    durable.write_json(folder / "state.json", {"step": 2})
checkpoints.save(Run(Path(sys.argv[1])), 2, write, facts={"records_bytes": 20}, keep=5, best=None)
"""
SYSTEM_CALLS = ("write", "ftruncate", "fsync", "rename", "renameat", "mkdir", "chmod", "unlink", "unlinkat", "rmdir")


@pytest.mark.fault("an error at the n-th call of a save")
@pytest.mark.long
@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
@pytest.mark.parametrize("fault", ["signal=SIGKILL", "error=EIO", "error=ENOSPC"])
@pytest.mark.parametrize("call", SYSTEM_CALLS)
def test_every_system_call_of_a_save_may_fail_inside_safetensors_too(run: Run, call: str, fault: str) -> None:
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"}
    for at in range(1, 60):
        tried = fresh(run, f"{call}-{fault}-{at}")
        log = tried.path.parent / "strace.log"
        command = ["strace", "-f", "-o", str(log), "-e", f"trace={call}", "-e", f"inject={call}:{fault}:when={at}",
                   sys.executable, "-c", CHILD, str(tried.path)]
        ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
        if "Operation not permitted" in ended.stderr and "ptrace" in ended.stderr:
            pytest.skip("this machine does not allow ptrace")
        found, findings = checkpoints.newest(tried)
        assert holds(found) in (1, 2)
        assert findings == []
        checkpoints.clean(tried)
        assert leftovers(tried) == []
        if "INJECTED" not in log.read_text() and ended.returncode == 0:
            assert holds(found) == 2
            return
    pytest.fail("the save never ran through")


FULL = """
import sys
from pathlib import Path
import numpy as np
from safetensors.numpy import save_file
from tunesmith.errors import Failure
from tunesmith.runs import checkpoints
from tunesmith.runs.folder import Run
run = Run(Path(sys.argv[1]))
def write(size):
    return lambda folder: save_file({"a": np.ones(size // 4, np.float32)}, folder / "adapter.safetensors")
good = checkpoints.save(run, 1, write(20_000), facts={}, keep=5, best=None)
try:
    checkpoints.save(run, 2, write(int(sys.argv[2])), facts={}, keep=5, best=None)
except Failure as failure:
    assert checkpoints.newest(run) == (good, []), checkpoints.newest(run)
    assert [path.name for path in run.checkpoints.iterdir()] == ["step-00000001"]
    print(failure.kind, failure.what)
"""


@pytest.mark.fault("full disk, limit, read-only folder")
@pytest.mark.skipif(shutil.which("unshare") is None, reason="unshare is not installed")
@pytest.mark.parametrize("size", [180_000, 195_000, 400_000])
def test_a_disk_that_fills_up_in_a_save_is_named_with_what_is_missing(tmp_path: Path, size: int) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = 'mount -t tmpfs -o size=200k tmpfs "$1" || exit 99; exec "$2" -c "$3" "$1" "$4"'
    done = subprocess.run(["unshare", "-rm", "sh", "-c", mounted, "sh", str(disk), sys.executable, FULL, str(size)],
                          capture_output=True, text=True, timeout=60, check=False)
    if done.returncode == 99 or "unshare" in done.stderr:
        pytest.skip("no small disk can be mounted here")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("runs.no_space no space for `step-00000002`: "), done.stdout
    assert re.search(r"[0-9,]+ bytes are free", done.stdout)
