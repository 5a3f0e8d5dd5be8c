"""Report on the machine: processor, memory, libraries, starter models.

Exit code 2 where something that tunesmith needs is missing. Paste it into a report of a fault.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import os
import platform
import re
import site
import sys
from pathlib import Path
from typing import Any

from .. import __version__
from ..errors import DONE, MISUSED
from ._output import BOLD, RED, Screen, sized

DISTRIBUTION = "tunesmith"
DEVELOPING = ("bench", "dev")  # extras that no user wants


def add(parser: argparse.ArgumentParser) -> None:
    """Take nothing."""


def run(arguments: argparse.Namespace) -> int:
    """Show the machine; say what is missing."""
    screen: Screen = arguments.screen
    facts = report()
    if screen.as_json:
        screen.answer(facts)
    for name, value in facts.items():
        if isinstance(value, dict):
            screen.say(name, BOLD)
            for each, said in value.items():
                lacking = f"missing: pip install '{DISTRIBUTION}[{each}]'" if name == "extras" else "missing"
                screen.say(f"  {each:<24}{said if said is not None else lacking}")
        elif name != "missing":
            screen.say(f"{name:<26}{sized(value) if name.endswith('_bytes') else _shown(value)}")
    for name in facts["missing"]:
        screen.tell(f"error: `{name}` is missing\n  fix: pip install '{name}'", RED)
    return MISUSED if facts["missing"] else DONE


def report() -> dict[str, Any]:
    """The machine and what is installed on it, as JSON."""
    needed = _needed()
    libraries = {name: _version(name) for name in needed}
    missing = [name for name in needed if libraries[name] is None]
    return {
        "tunesmith": __version__,
        "python": platform.python_version(),
        "system": platform.platform(),
        "cores": len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "precision": None if "torch" in missing else _precision(),
        "kernels": None if "torch" in missing else _kernels(),
        "libraries": libraries,
        "extras": _extras(),
        "starters": _starters(),
        "hub": _hub(),
        "startup_files": _startup_files(),
        "missing": missing,
    }


def _needed() -> list[str]:
    """What the installed package says it needs, extras left out."""
    required = importlib.metadata.requires(DISTRIBUTION) or []
    return [_name(line) for line in required if "extra ==" not in line]


def _extras() -> dict[str, str | None]:
    """Each extra with what of it is installed, or None where one of its packages is not."""
    found = {}
    lines = importlib.metadata.requires(DISTRIBUTION) or []
    for extra in importlib.metadata.metadata(DISTRIBUTION).get_all("Provides-Extra") or []:
        names = [_name(line) for line in lines if re.search(rf"""extra == ['"]{re.escape(extra)}['"]""", line)]
        versions = [_version(name) for name in names]
        if extra not in DEVELOPING:
            found[extra] = None if None in versions else ", ".join(
                f"{name} {version}" for name, version in zip(names, versions, strict=True))
    return found


def _name(requirement: str) -> str:
    return re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0]


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _precision() -> str:
    import torch

    from ..models.precision import choose

    return choose("auto", torch.device("cpu"))[1]


def _kernels() -> str:
    """Whether our kernels in C++ are in use, and why or why not."""
    from ..kernels import build

    return build.reason()


def _starters() -> dict[str, str | None]:
    """Each starter's name and where its weights lie, or None."""
    from ..models.bases import STARTERS

    found = {name: importlib.util.find_spec(starter.module) for name, starter in STARTERS.items()}
    return {name: str(Path(spec.origin).parent) if spec and spec.origin else None for name, spec in found.items()}


def _hub() -> dict[str, str | None]:
    """Whom a name on the Hub is asked of, and what of it lies here already."""
    from ..hub import library

    cache = library.cache()
    held = {f"cached {kind}s": sorted(path.name.removeprefix(f"{kind}s--").replace("--", "/")
                                      for path in cache.glob(f"{kind}s--*")) for kind in ("model", "dataset")}
    return {"endpoint": "nobody: HF_HUB_OFFLINE is set" if library.offline() else library.endpoint(),
            "cache": str(cache), **{name: ", ".join(names) or "none" for name, names in held.items()}}


def _startup_files() -> list[str]:
    """`.pth` files whose lines Python runs at every start: where an unwanted package would hide."""
    folders = [Path(folder) for folder in site.getsitepackages() if Path(folder).is_dir()]
    files = sorted(file for folder in folders for file in folder.glob("*.pth"))
    return [str(file) for file in files
            if any(line.startswith(("import ", "import\t")) for line in file.read_text(errors="replace").splitlines())]


def _shown(value: Any) -> str:
    return ("\n" + " " * 26).join(value) if isinstance(value, list) else str(value)
