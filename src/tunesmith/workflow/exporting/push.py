"""An export taken to the Hub: only what was proved, nothing secret, and first only told."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ...errors import Misuse, Problem, Refusal, raise_all
from ...recipe.hub_id import parse
from ...runs import durable, folder
from ...runs.redact import redacted
from .export import CARD_FILE, REPORT_FILE

WEIGHTS: Final = (".safetensors", ".gguf", ".onnx", ".data", ".pt2")
PIECE: Final = 1 << 20


@dataclass(frozen=True)
class Parcel:
    """What would go: the folder, its files with their sizes in bytes, and where to.

    message: of the commit; private: whether a repository that is made for it is its owner's alone.
    """

    folder: Path
    files: dict[str, int]
    repo: str
    message: str
    private: bool

    @property
    def size(self) -> int:
        """All of it, in bytes."""
        return sum(self.files.values())

    def as_json(self) -> dict[str, Any]:
        """Under the names that `push --json` promises."""
        return {"repo": self.repo, "folder": str(self.folder), "files": self.files, "bytes": self.size,
                "private": self.private}


def pack(run: Path, repo: str, *, what: str, private: bool) -> Parcel:
    """The files of a run's export as they were proved, with its card and its report.

    Raises Misuse where that export was not made or the name is none of the Hub's; Refusal, all at once, for files that
    are not those that were proved, and for secrets in them.
    """
    opened = folder.open_run(run)
    asked = parse(repo)
    if asked is None or asked.revision or repo.count("/") != 1 or ":" in repo:
        raise Misuse("push.name", f"`{repo}` is no name of a repository", "REPO", "give `owner/name`")
    place = opened.exports / what
    if not (place / REPORT_FILE).is_file():
        raise Misuse("push.not_exported", f"this run has no export `{what}`", str(place),
                     f"`tunesmith export {run} {what}` first: only what was opened again and proved is published")
    report = durable.read_json(place / REPORT_FILE)
    raise_all([*_differs(place, report["files"]), *_secrets(place)])
    names = sorted({*report["files"], CARD_FILE, REPORT_FILE})
    return Parcel(place, {name: (place / name).stat().st_size for name in names}, repo,
                  f"{opened.path.name}, step {report['step']}, as {report['kind']}", private)


def send(parcel: Parcel) -> Any:
    """Put it on the Hub, as `hub.pushing.push` does."""
    from ...hub import pushing

    return pushing.push(parcel.folder, list(parcel.files), parcel.repo, message=parcel.message,
                        private=parcel.private)


def _differs(place: Path, proved: dict[str, Any]) -> Iterator[Problem]:
    """Files that are not those of the report: others, missing, or changed since they were proved."""
    there = {path.relative_to(place).as_posix() for path in place.rglob("*") if not path.is_dir()} - {REPORT_FILE}
    remedy = "export again, and push that"
    for name in sorted(there - set(proved)):
        yield Refusal("push.foreign", f"`{name}` is none of the files that were proved", str(place / name),
                      "take it out of the folder, or " + remedy)
    for name in sorted(proved):
        path = place / name
        if name not in there or path.is_symlink():
            yield Refusal("push.missing", f"`{name}` was proved and is no file of this folder now", str(path), remedy)
        elif path.stat().st_size != proved[name]["bytes"] or _digest(path) != proved[name]["sha256"]:
            yield Refusal("push.changed", f"`{name}` was changed after it was proved", str(path), remedy)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _secrets(place: Path) -> Iterator[Problem]:
    """Tokens, keys and passwords in what would go; of weights, in the words that stand among them."""
    for path in sorted(place.rglob("*")):
        if path.is_dir() or path.is_symlink():
            continue
        for number, line in _lines(path):
            if redacted(line) != line:
                yield Refusal("push.secret", f"`{path.name}` holds what looks like a token, a key or a password",
                              f"{path}:{number}", "take it out of the recipe or the template that it comes from, make "
                              "a new one in its place, and export again")
                break


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """The lines of a file with their numbers; of weights the piece at its head, where its words stand."""
    if path.suffix in WEIGHTS:
        with path.open("rb") as file:
            yield 1, file.read(16 * PIECE).decode("ascii", errors="replace")
        return
    with path.open(encoding="utf-8", errors="replace") as text:
        yield from enumerate(text, 1)
