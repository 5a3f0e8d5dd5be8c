"""Checkpoints: folders that exist whole or not at all.

    checkpoints/.staging-00000120-3fa2c1d0/   being written; worthless until it is renamed
    checkpoints/step-00000120/                exists: its manifest was written last, then the folder was renamed
    checkpoints/step-00000120.2/              the same step saved again with other content; it counts, the older goes
    checkpoints/damaged-step-00000120/        set aside: it did not verify
    checkpoints/.removed-step-00000100-…      on its way out

A reader believes a checkpoint only if every hash of its manifest verifies. The order is that of steps, never of time.
"""

from __future__ import annotations

import contextlib
import re
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from ..errors import Failure, Misuse, Refusal
from ..records import Finding
from . import durable, manifest
from .folder import Run

FOLDER = re.compile(r"step-(\d{8,})(?:\.(\d+))?")
STAGING = ".staging-"
REMOVED = ".removed-"
DAMAGED = "damaged-"
ATTEMPTS = 2


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """One that verified. `facts`: what the run noted with it (position, `records_bytes`, digests)."""

    step: int
    folder: Path
    facts: Mapping[str, Any]


def save(
    run: Run,
    step: int,
    write: Callable[[Path], None],
    *,
    facts: Mapping[str, Any],
    keep: int,
    best: int | None,
    space: int = 0,
) -> Checkpoint:
    """The checkpoint of `step`, on the disk; older ones beyond the newest `keep` are removed, but for `best`.

    write: puts the files into the folder it is given. space: bytes that they will need, 0 where unknown. A step that
    was saved before is saved again only where its content differs. The caller holds the run's lock.

    Raises Failure. Unless its kind is `runs.uncertain`, nothing was committed, nothing torn is left, and the older
    checkpoints stand.
    """
    durable.make_folder(run.checkpoints)
    target = run.checkpoints / f"step-{step:08d}"
    free = durable.free_bytes(run.checkpoints)
    if space > free:
        raise durable.no_space(target, space, "the disk is too full for the next checkpoint")
    for attempt in range(1, ATTEMPTS + 1):
        try:
            folder, content = _placed(run, step, write, facts, space)
            break
        except Failure as failure:
            # A file whose fsync failed is never synced again: all of it is written anew, once, under another name.
            if failure.kind != durable.FSYNC_FAILED or attempt == ATTEMPTS:
                raise
    durable.confirm(folder)
    _retain(run, keep, {step} if best is None else {step, best}, folder)
    return Checkpoint(step, folder, content["facts"])


def newest(run: Run, *, set_aside: bool = True) -> tuple[Checkpoint | None, list[Finding]]:
    """The newest checkpoint that verifies (None: there is none), and a finding for each newer one that does not.

    A damaged one is renamed to `damaged-…`, never deleted. set_aside: False leaves it where it is, for those who do
    not hold the run's lock.
    """
    findings: list[Finding] = []
    for step, folder in _folders(run):
        try:
            return _checked(step, folder), findings
        except manifest.Damaged as fault:
            shown = _set_aside(folder) if set_aside else folder
            findings.append(Finding("warning", "runs.damaged_checkpoint", f"the checkpoint of step {step} is damaged: "
                                    f"{fault}; it is not used", str(shown),
                                    "look at the disk's health; the damaged one is kept until you delete it"))
        except FileNotFoundError:
            continue  # removed by the run's owner while we looked
        except OSError as error:
            findings.append(Finding("warning", "runs.unreadable_checkpoint", f"the checkpoint of step {step} cannot be "
                                    f"read: {error.strerror}", str(folder), "make it readable, then try again"))
    return None, findings


def verified(run: Run) -> tuple[Checkpoint, ...]:
    """All checkpoints that verify, the newest first; nothing is renamed."""
    found: dict[int, Checkpoint] = {}
    for step, folder in _folders(run):
        with contextlib.suppress(manifest.Damaged, OSError):
            if step not in found:
                found[step] = _checked(step, folder)
    return tuple(found.values())


def load(run: Run, step: int) -> Checkpoint:
    """The checkpoint of one step. Raises Misuse where there is none, Refusal where it does not verify."""
    folders = _of_step(run, step)
    if not folders:
        known = ", ".join(str(number) for number, _ in _folders(run)) or "none"
        raise Misuse("runs.no_checkpoint", f"there is no checkpoint of step {step}", str(run.checkpoints),
                     f"use one of these steps: {known}")
    try:
        return _checked(step, folders[0])
    except (manifest.Damaged, OSError) as fault:
        raise Refusal("runs.damaged_checkpoint", f"the checkpoint of step {step} is damaged: {fault}",
                      str(folders[0]), "use another step, or restore the folder from a copy") from fault


def clean(run: Run) -> list[Finding]:
    """Remove what a process that was killed left half-written, and say what; the caller holds the run's lock."""
    left = [path for path in _listed(run.checkpoints) if path.name.startswith((STAGING, REMOVED))]
    left += [path for path in _listed(run.path) if path.name.startswith(".") and path.suffix == durable.TEMPORARY]
    for path in left:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    return [Finding("note", "runs.leftover", f"`{path.name}`, half-written when its process ended, was removed",
                    str(path)) for path in left]


def _placed(
    run: Run, step: int, write: Callable[[Path], None], facts: Mapping[str, Any], space: int
) -> tuple[Path, dict[str, Any]]:
    """The folder that now stands under the step's name, whole, and its manifest's content."""
    staging = run.checkpoints / f"{STAGING}{step:08d}-{secrets.token_hex(4)}"
    target = run.checkpoints / f"step-{step:08d}"
    try:
        staging.mkdir()
        write(staging)
        content = manifest.seal(staging, step, facts)
        if same := _present(run, step, content):
            target = same
        else:
            target = _free_name(run, step)
            staging.rename(target)
    except Failure as failure:
        if failure.kind == durable.UNCERTAIN:  # of a file in here; the checkpoint itself was not committed
            raise Failure(durable.FSYNC_FAILED, failure.what, str(target), failure.remedy) from failure
        raise
    except (OSError, SafetensorError) as error:
        needed = max(space, _bytes(staging), *(_bytes(folder) for _, folder in _folders(run)))
        shutil.rmtree(staging, ignore_errors=True)  # before the free space is looked at
        raise durable.of_writing(error, target, needed) from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return target, content


def _present(run: Run, step: int, content: Mapping[str, Any]) -> Path | None:
    """The folder of the step that stands already with just this content; damaged ones of it are set aside."""
    for folder in _of_step(run, step):
        try:
            found = manifest.verified(folder, step)
        except manifest.Damaged:
            _set_aside(folder)
            continue
        if found == content:
            return folder
    return None


def _free_name(run: Run, step: int) -> Path:
    """A name that no folder has. The old one of the same step must stand until the new one does."""
    taken = len(_of_step(run, step))
    name = f"step-{step:08d}"
    while taken and (run.checkpoints / f"{name}.{taken + 1}").exists():
        taken += 1
    return run.checkpoints / (f"{name}.{taken + 1}" if taken else name)


def _retain(run: Run, keep: int, wanted: set[int], saved: Path) -> None:
    """Remove what is beyond the newest `keep` steps and not wanted, and older saves of the step just saved."""
    folders = list(_folders(run))
    steps = sorted({step for step, _ in folders}, reverse=True)
    wanted = wanted | set(steps[: max(keep, 1)])
    step_saved = next(step for step, folder in folders if folder == saved)
    for step, folder in folders:
        if step not in wanted or (step == step_saved and folder != saved):
            # What cannot be removed now is tried again after the next save; the checkpoint just made stands anyway.
            with contextlib.suppress(OSError, Failure):
                leaving = folder.with_name(f"{REMOVED}{folder.name}-{secrets.token_hex(4)}")
                folder.rename(leaving)
                durable.sync_folder(run.checkpoints)  # else a power cut could leave it half there by its name
                shutil.rmtree(leaving)


def _set_aside(folder: Path) -> Path:
    """Rename a damaged checkpoint out of the way; its new name, or the old one where it cannot be renamed."""
    aside = folder.with_name(DAMAGED + folder.name)
    while aside.exists():
        aside = folder.with_name(f"{DAMAGED}{folder.name}-{secrets.token_hex(2)}")
    try:
        return folder.rename(aside)
    except OSError:
        return folder


def _checked(step: int, folder: Path) -> Checkpoint:
    return Checkpoint(step, folder, manifest.verified(folder, step)["facts"])


def _folders(run: Run) -> Iterator[tuple[int, Path]]:
    """(step, folder) of what is named as a checkpoint, the newest step first, its newest save first."""
    named = [(found, path) for path in _listed(run.checkpoints) if (found := FOLDER.fullmatch(path.name))]
    ranked = sorted(named, key=lambda pair: (int(pair[0][1]), int(pair[0][2] or 1)), reverse=True)
    return ((int(found[1]), path) for found, path in ranked)


def _of_step(run: Run, step: int) -> list[Path]:
    """The folders of one step, the newest save first."""
    return [folder for number, folder in _folders(run) if number == step]


def _listed(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _bytes(folder: Path) -> int:
    return sum(path.lstat().st_size for path in folder.rglob("*")) if folder.is_dir() else 0
