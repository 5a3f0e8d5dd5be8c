"""Which files a recipe means by a path, a folder or a glob: sorted, and named as the user wrote them."""

from __future__ import annotations

import glob
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from ..catalog import nearest
from ..errors import Misuse, Problem, raise_all
from ..hub import local
from ..recipe.hub_id import parse
from ..records import Finding
from . import repository
from .kinds import PLAIN, RECORDS, suffix
from .quoting import listed, quoted


def locate(written: str, base_folder: Path) -> Path:
    """Where the file lies that the user calls `written`; a relative path counts from `base_folder`."""
    return local(written) or base_folder / Path(written).expanduser()


def find(paths: str | Sequence[str], base_folder: Path) -> tuple[tuple[str, ...], list[Finding]]:
    """The files that are meant, as written and in order, and what was left aside.

    A folder stands for the data files below it (text files only where it holds no records), a glob for what it
    matches, and `owner/rows` that is no path for a data set on the Hub, which is fetched. Raises Misuse, for all paths
    at once, for what is missing or is no readable file.
    """
    files: list[str] = []
    findings: list[Finding] = []
    problems: list[Problem] = []
    wanted = [paths] if isinstance(paths, str) else paths
    if not wanted:
        raise Misuse("data.missing", "no data file is named", "data.train", "name a file, a folder or a glob")
    for written in wanted:
        try:
            found = _expand(written, base_folder, findings)
        except OSError as error:
            problems.append(_unreadable(written, base_folder, error))
            continue
        if not found:
            problems.append(Misuse("data.missing", f"there are no data files at `{written}`", written,
                                   f"name a file, or a folder that holds {', '.join((*RECORDS, *PLAIN))} files"))
        for one in found:
            problem = _refused(one, base_folder)
            if problem:
                problems.append(problem)
            else:
                files.append(one)
    raise_all(problems)
    return tuple(dict.fromkeys(files)), findings


def _expand(written: str, base_folder: Path, findings: list[Finding]) -> list[str]:
    """The files below a folder or matched by a glob; a plain path is itself, there or not."""
    path = locate(written, base_folder)
    asked = parse(written)
    if asked is not None and not os.path.lexists(path):
        return repository.files(asked, findings)
    if path.is_dir():
        below = [os.path.join(written, Path(found).relative_to(path)) for found in _walk(path)]  # noqa: PTH118
        return _of_one_sort(written, below, findings)
    if glob.has_magic(written) and not os.path.lexists(path):
        matched = sorted(glob.glob(str(Path(written).expanduser()), root_dir=base_folder, recursive=True))  # noqa: PTH207
        return [one for one in matched if not locate(one, base_folder).is_dir()]
    return [written]


def _walk(folder: Path) -> Iterator[Path]:
    """All visible files below a folder, sorted; links to folders are not followed, so no loop can catch us."""
    for root, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(root) / name for name in sorted(names) if not name.startswith("."))


def _of_one_sort(written: str, below: list[str], findings: list[Finding]) -> list[str]:
    """The record files, or where there are none the text files; what else there is becomes a note."""
    locks = {one for one in below if Path(one).name.startswith("~$")}  # that Office leaves beside an open workbook
    records = [one for one in below if suffix(one) in RECORDS and one not in locks]
    taken = records or [one for one in below if suffix(one) in PLAIN]
    aside = [one for one in below if one not in set(taken)]
    if aside and taken:
        findings.append(Finding("note", "data.files_aside",
                                f"{len(aside)} files of this folder are not read: {listed(aside, 5)}",
                                written, "name them in the recipe if they belong to the data"))
    return taken


def _refused(written: str, base_folder: Path) -> Misuse | None:
    path = locate(written, base_folder)
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            return Misuse("data.no_file", f"`{written}` is not a regular file", written,
                          "write its content into a file and name that")
        if suffix(written) not in (*RECORDS, *PLAIN):
            return Misuse("data.unknown_kind", f"`{written}` is of no kind that can be read", written,
                          f"name it by its kind: one of {', '.join((*RECORDS, *PLAIN))}; text also with .gz")
        with path.open("rb"):
            return None
    except OSError as error:
        return _unreadable(written, base_folder, error)


def _unreadable(written: str, base_folder: Path, error: OSError) -> Misuse:
    if isinstance(error, FileNotFoundError):
        near = _neighbour(written, base_folder)
        return Misuse("data.missing", f"there is no file `{written}`", written,
                      f"use {quoted(near)}" if near else "correct the path in the recipe's `data`")
    return Misuse("data.unreadable", f"`{written}` cannot be opened: {error.strerror or error}", written,
                  "make the file readable, or name another one")


def _neighbour(written: str, base_folder: Path) -> str | None:
    """The file of rows in the same folder whose name is nearest, as the user would write it."""
    path = locate(written, base_folder)
    try:
        near = nearest(path.name, [one.name for one in path.parent.iterdir() if suffix(one.name) in (*RECORDS, *PLAIN)])
    except OSError:
        return None
    return str(Path(written).parent / near) if near else None
