"""Our kernels in C++: compiled once for this very machine, kept, and never required.

`cpp/*.cpp` become one library at first use, called through ctypes with addresses and strides. It works with torch's
own OpenMP runtime (libgomp), so there is one pool of threads and `torch.set_num_threads` applies. Where anything is
missing (a compiler, Linux, a folder to write to), `library()` is None, `reason()` says why, and every kernel's twin in
torch does the work.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import logging
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..cache import cache_folder
from . import ideas, processor

log = logging.getLogger(__name__)

SOURCES = Path(__file__).parent / "cpp"
# Contraction of a * b + c is exact enough; -ffast-math would let the compiler assume that nothing is infinite.
FLAGS = ("-std=c++17", "-O3", "-march=native", "-fPIC", "-fopenmp", "-ffp-contract=fast", "-fno-math-errno",
         "-fno-trapping-math", "-fvisibility-inlines-hidden", "-Wno-psabi")
LONGEST_COMPILE = 300  # seconds
POINTER, WHOLE, REAL = ctypes.c_void_p, ctypes.c_int64, ctypes.c_double
SUFFIXES = {torch.bfloat16: "bf16", torch.float32: "f32"}


@dataclass(frozen=True, slots=True)
class _Built:
    """What came of building: a library, or why there is none."""

    library: ctypes.CDLL | None
    reason: str
    digest: str = "torch"


class _NotHere(Exception):
    """Why the kernels cannot be built on this machine, in words."""


def library() -> ctypes.CDLL | None:
    """The compiled kernels, built at the first call of a process; None where they cannot be, or are left out."""
    return _built().library if ideas.on("native") else None


def reason() -> str:
    """Why there is no library, or which one there is, for a person."""
    return _built().reason if ideas.on("native") else "the kernels in C++ are left out by TUNESMITH_WITHOUT"


def digest() -> str:
    """Which kernels do the work: a digest of sources, compiler and processor, or `torch`."""
    return _built().digest if ideas.on("native") else "torch"


def tiles() -> bool:
    """Whether our own bfloat16 products on AMX tiles may be used: announced, permitted, and tried under guard."""
    return library() is not None and ideas.on("tiles") and _tiles_work()


def function(name: str, *argtypes: Any, restype: Any = None) -> Callable[..., Any] | None:
    """A function of the library with its types declared; None where there is no library.

    argtypes: POINTER (an address: `tensor.data_ptr()`), WHOLE (int64) and REAL (double).
    Raises AttributeError where the library has no such name.
    """
    return _declared(name, argtypes, restype) if library() is not None else None


def serves(*tensors: Tensor | None) -> bool:
    """Whether the library takes these: on the processor, bfloat16 or float32, the last dimension contiguous."""
    return library() is not None and all(
        each.dtype in SUFFIXES and each.device.type == "cpu" and (each.stride(-1) == 1 or each.shape[-1] <= 1)
        for each in tensors if each is not None
    )


def suffix(tensor: Tensor) -> str:
    """How the library's functions for this dtype end: `bf16` or `f32`."""
    return SUFFIXES[tensor.dtype]


def pointer(tensor: Tensor | None) -> int | None:
    """The address of a tensor's first number; None (a null pointer) for None."""
    return None if tensor is None else tensor.data_ptr()


@functools.cache
def _declared(name: str, argtypes: tuple[Any, ...], restype: Any) -> Callable[..., Any]:
    found = ctypes.CDLL.__getitem__(_loaded(), name)  # a fresh object each time, so two declarations do not collide
    found.argtypes, found.restype = list(argtypes), restype
    return found


def _loaded() -> ctypes.CDLL:
    found = _built().library
    assert found is not None
    return found


@functools.cache
def _tiles_work() -> bool:
    works = _declared("tiles_work", (), ctypes.c_int)
    return {"amx_tile", "amx_bf16"} <= processor.flags() and works() == 1


@functools.cache
def _built() -> _Built:
    try:
        runtime, compiler = _openmp(), _compiler()
        name = _digest(compiler, runtime)
        path = cache_folder() / "kernels" / name / "kernels.so"
        if not path.exists():
            _build(compiler, runtime, path)
        return _Built(ctypes.CDLL(str(path)), f"compiled by {compiler[0]} into {path.parent}", name)
    except _NotHere as error:
        return _Built(None, str(error))
    except OSError as error:
        return _Built(None, f"the compiled kernels could not be written or loaded: {error}")


def _openmp() -> Path:
    """The file of the OpenMP runtime that torch has loaded.

    A second one would be a second pool of threads that spin against the first.
    """
    if sys.platform != "linux":
        raise _NotHere(f"the kernels in C++ are built on Linux only, not on {platform.system()}")
    mapped = {line.split(maxsplit=5)[5] for line in Path("/proc/self/maps").read_text().splitlines() if "gomp" in line}
    found = sorted(Path(each) for each in mapped if Path(each).name.startswith("libgomp"))
    bundled = [each for each in found if each.parent == Path(torch.__file__).parent / "lib"]
    if not found:
        raise _NotHere("torch's OpenMP runtime is not libgomp, with which the kernels in C++ are linked")
    return (bundled or found)[0]


def _compiler() -> tuple[str, str]:
    """Path of a C++ compiler, and what it says its version is."""
    named = os.environ.get("CXX")
    found = shutil.which(named) if named else shutil.which("g++") or shutil.which("c++")
    if found is None:
        raise _NotHere(f"no C++ compiler was found (looked for {named or 'g++ and c++'})")
    return found, _run([found, "--version"]).splitlines()[0]


def _digest(compiler: Sequence[str], runtime: Path) -> str:
    total = hashlib.sha256()
    for part in (*compiler, *FLAGS, str(runtime), platform.machine(), " ".join(sorted(processor.flags()))):
        total.update(part.encode() + b"\0")
    for source in sorted(SOURCES.iterdir()):
        total.update(source.name.encode() + b"\0" + source.read_bytes())
    return total.hexdigest()[:16]


def _build(compiler: Sequence[str], runtime: Path, path: Path) -> None:
    """Compile and link beside the aim, then rename: no other process ever sees half a library."""
    log.info("compiling the kernels for this processor, once; it takes a few seconds")
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        def compiled(source: Path) -> str:
            made = str(Path(folder, source.stem + ".o"))
            _run([compiler[0], *FLAGS, "-c", str(source), "-o", made])
            return made

        with ThreadPoolExecutor(2) as pool:
            objects = list(pool.map(compiled, sorted(SOURCES.glob("*.cpp"))))
        linked = Path(folder, path.name)
        _run([compiler[0], "-shared", "-Wl,-z,defs", "-o", str(linked), *objects, str(runtime), "-lm"])
        linked.replace(path)


def _run(command: list[str]) -> str:
    """What a compiler printed. Raises _NotHere with its first error."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=LONGEST_COMPILE, check=False)  # noqa: S603
    except subprocess.TimeoutExpired as error:
        raise _NotHere(f"{command[0]} took more than {LONGEST_COMPILE} seconds") from error
    if done.returncode:
        lines = done.stderr.splitlines()
        told = next((line for line in lines if "error" in line), lines[0] if lines else "no word")
        raise _NotHere(f"{command[0]} failed: {told}")
    return done.stdout
