"""Files of a repository, fetched into the cache of the Hub's own tools: from where a download stopped, and checked.

The layout of the cache is the Hub's: contents under `blobs/` by their digest, names as links under `snapshots/`. Its
own downloader begins anew after an interruption; here a partial content stays and is gone on with.
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ..errors import Failure, Misuse
from ..recipe.hub_id import HubId
from ..runs.durable import free_bytes
from . import faults
from .library import endpoint, offline, online, token
from .listings import Listing

log = logging.getLogger(__name__)

PIECE_BYTES = 1 << 20
WORTH_A_LINE_BYTES = 10 << 20


def fetch(listed: Listing, names: Iterable[str], where: str) -> Path:
    """The folder in which the named files stand, once they are all there.

    What is missing is fetched; how much, and the room that there is, is said before. Raises Misuse where it may not
    be fetched, Failure where there is no room or the Hub stops; then the next call goes on.
    """
    missing = [name for name in names if not (listed.snapshot / name).is_file()]
    for name in [name for name in missing if _blob(listed, name).is_file()]:  # of another revision, or another name
        _link(listed, name)
        missing.remove(name)
    if not missing:
        return listed.snapshot
    if offline():
        raise _incomplete(listed, missing, where)
    _demand_room(listed, missing, where)
    with online(where) as hub:
        for name in sorted(missing, key=lambda name: listed.files[name].size):
            _file(hub, listed, name, where)
            _link(listed, name)
    return listed.snapshot


def _demand_room(listed: Listing, missing: list[str], where: str) -> None:
    """Say how much will come, and refuse where there is less room."""
    needed = sum(listed.files[name].size - _there(_partial(listed, name)) for name in missing)
    folder = listed.repository.folder
    free = free_bytes(folder)
    log.info("fetching %s file(s) of `%s`, %s, into %s, where %s are free", len(missing), listed.repository.name,
             sized(needed), folder, sized(free))
    if needed > free:
        raise Failure("hub.no_space", f"the files of `{listed.repository.name}` need {needed:,} bytes, and {free:,} are"
                      f" free", str(folder), f"free {needed - free:,} bytes, or set `HF_HUB_CACHE` to a folder on "
                      "another disk")


def _file(hub: Any, listed: Listing, name: str, where: str) -> None:
    """Bring one content into the cache, from where an earlier try stopped."""
    import httpx2
    from huggingface_hub.file_download import hf_hub_url, http_get
    from huggingface_hub.utils import build_hf_headers

    entry, partial, repository = listed.files[name], _partial(listed, name), listed.repository
    url = hf_hub_url(repository.name, name, repo_type=repository.kind, revision=listed.commit, endpoint=endpoint())
    try:
        partial.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX)  # whoever comes second finds the content whole
            if _blob(listed, name).is_file():
                return
            if file.tell() > entry.size:
                file.truncate(0)
            begun = file.tell()
            if begun or entry.size >= WORTH_A_LINE_BYTES:
                said = f", from byte {begun:,} on" if begun else ""
                log.info("fetching `%s` of `%s`, %s%s", name, repository.name, sized(entry.size), said)
            http_get(url, file, resume_size=begun, headers=build_hf_headers(token=token()), expected_size=entry.size,
                     displayed_filename=name)
            file.flush()
            os.fsync(file.fileno())
            _demand_same(partial, listed, name)
            partial.replace(_blob(listed, name))
    except hub.errors.HfHubHTTPError as error:
        raise faults.answered(error, repository.name, repository.kind, listed.commit, where) from error
    except (httpx2.TransportError, OSError, ValueError) as error:
        raise _stopped(listed, name, error) from error
    finally:
        if partial.is_file() and not _there(partial):
            partial.unlink(missing_ok=True)


def _demand_same(partial: Path, listed: Listing, name: str) -> None:
    """Raise Failure, and throw the content away, where it is not the one that the listing names."""
    wanted = listed.files[name].content
    total = hashlib.sha256() if len(wanted) == 64 else hashlib.sha1(usedforsecurity=False)
    if len(wanted) == 40:
        total.update(f"blob {partial.stat().st_size}\0".encode())
    with partial.open("rb") as file:
        while piece := file.read(PIECE_BYTES):
            total.update(piece)
    if total.hexdigest() != wanted:
        partial.unlink()
        raise Failure("hub.damaged", f"`{name}` did not come as it is on the Hub (its digest is {total.hexdigest()}, "
                      f"not {wanted})", listed.repository.page, "do the same again; if it happens twice, use another "
                      "network")


def _link(listed: Listing, name: str) -> None:
    """Name a content in the snapshot, as the Hub's tools do: by a relative link."""
    place = listed.snapshot / name
    draft = place.with_name(f".{place.name}.{secrets.token_hex(4)}")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        draft.symlink_to(os.path.relpath(_blob(listed, name), place.parent))
        draft.replace(place)
    except OSError as error:
        raise _stopped(listed, name, error) from error


def _blob(listed: Listing, name: str) -> Path:
    return listed.repository.folder / "blobs" / (listed.files[name].content or "unknown")


def _partial(listed: Listing, name: str) -> Path:
    return _blob(listed, name).with_name(f"{listed.files[name].content}.tunesmith.incomplete")


def _there(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _stopped(listed: Listing, name: str, error: Exception) -> Failure:
    there, size = _there(_partial(listed, name)), listed.files[name].size
    return Failure("hub.stopped", f"fetching `{name}` of `{listed.repository.name}` stopped at {there:,} of {size:,} "
                   f"bytes: {faults.short(error)}", str(listed.repository.folder),
                   "do the same again: it goes on where it stopped")


def _incomplete(listed: Listing, missing: list[str], where: str) -> Misuse:
    asked = HubId(listed.repository.name, listed.commit)
    names = ", ".join(f"`{name}`" for name in missing[:3]) + (f" and {len(missing) - 3} more" if missing[3:] else "")
    return Misuse("hub.not_cached", f"of `{listed.repository.name}`, {names} are not in the cache "
                  f"{listed.repository.folder}, and `HF_HUB_OFFLINE` is set", where, "take `HF_HUB_OFFLINE` away, or "
                  f"fetch them where there is a network: `{faults.command(asked, listed.repository.kind)}`")


def sized(count: float) -> str:
    """Bytes for a person: 12.3 MB."""
    for unit in ("bytes", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"
