"""What a run was made from and on: digests, versions, machine, and what was chosen for it; told apart on resume."""

from __future__ import annotations

import hashlib
import os
import platform
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from ..errors import Misuse, Refusal, raise_all
from ..records import Finding
from . import durable
from .redact import redacted

PACKAGES = ("tunesmith", "torch", "transformers", "tokenizers", "safetensors", "peft", "numpy")
REFUSING = "digests"


@dataclass(frozen=True, slots=True)
class Difference:
    """One field in which two lineages differ (`digests.data.train`), with both values; None: it is not there.

    `refuses`: a run that differs in it cannot be continued; else it is only said, and equality bit for bit is not
    promised.
    """

    field: str
    old: Any
    new: Any

    @property
    def refuses(self) -> bool:
        """Whether the content differs (recipe, data, tokenizer, template, base), not only what computes it."""
        return self.field.split(".")[0] == REFUSING


def collect(*, digests: Mapping[str, Any], chosen: Mapping[str, Any]) -> dict[str, Any]:
    """The lineage of a run that starts now.

    digests: of recipe, data (by side), tokenizer, template and base: a resume must find the same. chosen: what a
    resume reads instead of choosing again: dtype, kernels, cut, threads, the date given to templates.
    """
    return {"digests": dict(digests), "chosen": dict(chosen), "versions": versions(), "machine": machine()}


def write(path: Path, lineage: Mapping[str, Any]) -> None:
    """Put the lineage at `path`, durably, with secrets blotted out."""
    durable.write_json(path, redacted(lineage))


def read(path: Path) -> dict[str, Any]:
    """The lineage at `path`. Raises Misuse where there is none, Refusal where it is damaged."""
    value = durable.read_json(path)
    if not isinstance(value, dict):
        raise Refusal("runs.broken_json", f"`{path.name}` is damaged: no JSON object", str(path),
                      "restore the file from a copy, or start a new run")
    return value


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Difference]:
    """Every field that differs, nested ones by their dotted name, sorted."""
    before, after = dict(_fields(old)), dict(_fields(new))
    names = sorted(before.keys() | after.keys())
    return [Difference(name, before.get(name), after.get(name)) for name in names
            if before.get(name) != after.get(name)]


def demand_same(old: Mapping[str, Any], new: Mapping[str, Any], where: str) -> list[Finding]:
    """What differs without changing what is learnt, as warnings (versions, machine, threads).

    Raises a Refusal for each digest that differs, all at once, with both values.
    """
    found = differences(old, new)
    raise_all([
        Refusal("runs.differs", f"`{_option(difference.field)}` is not what the run was made "
                f"with: {_shown(difference.old)} then, {_shown(difference.new)} now", where,
                "put back what the run was made with, or start a new run")
        for difference in found if difference.refuses
    ])
    return [
        Finding("warning", "runs.differs", f"`{difference.field}` was {_shown(difference.old)}, is now "
                f"{_shown(difference.new)}: the continuation may not be equal bit for bit", where)
        for difference in found
    ]


def digest_file(path: Path) -> str:
    """SHA-256 of a file in hexadecimal, read in pieces. Raises Misuse where it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise Misuse("runs.unreadable", f"`{path}` cannot be read: {error.strerror}", str(path),
                     "name a file that exists and that you may read") from error


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that compute, without importing them; what is absent is left out."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def machine() -> dict[str, Any]:
    """The machine in words and numbers: system, processor, cores that this process may use, memory in bytes."""
    return {
        "system": platform.platform(),
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if platform.system() == "Linux" else os.cpu_count(),
        "memory_bytes": os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
    }


def _processor() -> str:
    facts = Path("/proc/cpuinfo")
    if facts.is_file():
        for line in facts.read_text(encoding="utf-8", errors="replace").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()


def _fields(lineage: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in lineage.items():
        if isinstance(value, Mapping):
            yield from _fields(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def _option(field: str) -> str:
    """The digest's name as the recipe spells it: `data.train` of `digests.data_train`."""
    return re.sub("^data_", "data.", field.removeprefix(REFUSING + "."))


def _shown(value: Any) -> str:
    return "absent" if value is None else f"`{value}`"
