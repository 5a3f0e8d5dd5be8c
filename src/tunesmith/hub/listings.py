"""Which files a repository holds at a commit: asked once, then kept, so that a pinned one needs no network."""

from __future__ import annotations

import json
import logging
import re
import secrets
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ..cache import cache_folder
from ..errors import Failure, Refusal
from ..recipe.hub_id import COMMIT, URL, HubId, parse
from . import faults
from .library import cache, endpoint, offline, online, token

log = logging.getLogger(__name__)

MAIN = "main"
SECONDS = 30.0
CONTENT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")  # git's SHA-1 of a file, or the SHA-256 of a large one


@dataclass(frozen=True, slots=True)
class Repository:
    """A model or a data set on the Hub."""

    kind: Literal["model", "dataset"]
    name: str

    @property
    def folder(self) -> Path:
        """Where the Hub's tools keep it."""
        return cache() / f"{self.kind}s--{self.name.replace('/', '--')}"

    @property
    def page(self) -> str:
        """Its address for a browser."""
        return f"{endpoint()}/{'datasets/' if self.kind == 'dataset' else ''}{self.name}"


@dataclass(frozen=True, slots=True)
class Entry:
    """A file: its size in bytes, and the digest under which its content is kept ("": not known)."""

    size: int
    content: str


@dataclass(frozen=True, slots=True)
class Listing:
    """What a repository holds at a commit."""

    repository: Repository
    commit: str
    files: Mapping[str, Entry]

    @property
    def snapshot(self) -> Path:
        """The folder in which its files stand once they are fetched."""
        return self.repository.folder / "snapshots" / self.commit


def listing(asked: HubId, kind: Literal["model", "dataset"], where: str) -> Listing:
    """What the repository holds. A commit that was listed before is not asked for again.

    Where the Hub cannot be reached, what was fetched last is taken, and that is said. Raises Misuse for what does not
    exist, may not be read, or is not in the cache while the Hub cannot be asked; Failure where the Hub fails.
    """
    repository = Repository(kind, asked.repo)
    known = _known(repository, asked.revision) if asked.pinned else None
    if known:
        return known
    reason = "`HF_HUB_OFFLINE` is set"
    if not offline():
        with online(where) as hub:
            import httpx2

            try:
                info = hub.HfApi(endpoint=endpoint(), token=token()).repo_info(
                    asked.repo, repo_type=kind, revision=asked.revision or None, files_metadata=True, timeout=SECONDS)
                return _kept(repository, asked, info)
            except hub.errors.HfHubHTTPError as error:
                if error.response.status_code < 500 or not _cached(repository, asked.revision or MAIN):
                    raise faults.answered(error, repository.name, kind, asked.revision, where) from error
                reason = f"the Hub answers {error.response.status_code}"
            except httpx2.TransportError as error:
                reason = f"the Hub cannot be reached ({faults.short(error)})"
            except (ValueError, LookupError, TypeError, AttributeError) as error:
                raise Failure("hub.unavailable", f"at {endpoint()} answers no Hub: {faults.short(error)}", where,
                              "look at `HF_ENDPOINT` and the network (a page to log in?), then try again") from error
    found = _cached(repository, asked.revision or MAIN)
    if found is None:
        raise faults.not_cached(asked, kind, reason, cache(), where)
    log.info("%s: `%s` is taken from the cache, as it was at %s", reason, asked.repo, found.commit[:12])
    return found


def local(address: str) -> Path | None:
    """Where a file lies that is called by its `hf://` address; None for any other name."""
    asked = parse(address) if address.startswith(URL) else None
    if asked is None or not asked.pinned:
        return None
    return Repository("dataset", asked.repo).folder / "snapshots" / asked.revision / asked.part


def _kept(repository: Repository, asked: HubId, info: Any) -> Listing:
    """The listing of the Hub's answer, written down; nothing in it may lead out of the cache."""
    files = {file.rfilename: Entry(file.size or 0, file.lfs.sha256 if file.lfs else str(file.blob_id))
             for file in info.siblings or ()}
    strange = [name for name, entry in files.items() if not _plain(name) or not CONTENT.fullmatch(entry.content)]
    if strange or not COMMIT.fullmatch(str(info.sha)):
        raise Refusal("hub.strange_path", f"the listing of `{asked.repo}` names what cannot be a file of it: "
                      f"{strange[:3] or info.sha!r}", repository.page, "use another repository, and tell its owners")
    found = Listing(repository, str(info.sha), files)
    content = json.dumps({name: [entry.size, entry.content] for name, entry in files.items()})
    with suppress(OSError):  # a cache that cannot be written costs the next start a question
        _put(_note(repository, found.commit), content)
        if not asked.pinned:
            _put(repository.folder / "refs" / (asked.revision or MAIN), found.commit)
    return found


def _plain(name: str) -> bool:
    return bool(name) and "\\" not in name and "\0" not in name and all(
        part not in ("", ".", "..") for part in name.split("/"))


def _cached(repository: Repository, revision: str) -> Listing | None:
    """What is known of a revision on this machine."""
    commit = revision
    if not COMMIT.fullmatch(revision):
        try:
            commit = (repository.folder / "refs" / revision).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError):
            return None
    return _known(repository, commit) or _walked(repository, commit)


def _known(repository: Repository, commit: str) -> Listing | None:
    """The listing as it was written down."""
    try:
        found = json.loads(_note(repository, commit).read_text(encoding="utf-8"))
        files = {str(name): Entry(int(size), str(content)) for name, (size, content) in found.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return None
    return Listing(repository, commit, files) if all(map(_plain, files)) else None


def _walked(repository: Repository, commit: str) -> Listing | None:
    """What another tool fetched: the files that are there; whether they are all, nobody can tell."""
    empty = Listing(repository, commit, {})
    files = dict(_below(empty.snapshot)) if COMMIT.fullmatch(commit) else {}
    return Listing(repository, commit, files) if files else None


def _below(folder: Path) -> Iterator[tuple[str, Entry]]:
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield str(path.relative_to(folder)), Entry(path.stat().st_size, "")


def _note(repository: Repository, commit: str) -> Path:
    return cache_folder() / "hub" / repository.folder.name / f"{commit}.json"


def _put(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    draft.write_text(text, encoding="utf-8")
    draft.replace(path)
