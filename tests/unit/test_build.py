"""The kernels in C++ are there, or it is said in words why not."""

from __future__ import annotations

import ctypes
import shutil
import sys
from pathlib import Path

import pytest
import torch

from tunesmith.kernels import build

PER_PROCESS = (build._built, build._declared, build._tiles_work)


@pytest.fixture
def fresh(monkeypatch, tmp_path):
    """Nothing built yet in this process, an empty cache, and one small source in place of the kernels."""
    sources = tmp_path / "cpp"
    sources.mkdir()
    (sources / "small.cpp").write_text('extern "C" int tiles_work() { return 0; }\n')
    monkeypatch.setattr(build, "SOURCES", sources)
    monkeypatch.setenv("TUNESMITH_CACHE", str(tmp_path / "cache"))
    for each in PER_PROCESS:
        each.cache_clear()
    yield tmp_path
    for each in PER_PROCESS:
        each.cache_clear()


def needs_compiler():
    if sys.platform != "linux" or not (shutil.which("g++") or shutil.which("c++")):
        pytest.skip("no compiler here")


def test_what_was_built_is_found_again_and_not_built_twice(fresh):
    needs_compiler()
    assert build.library() is not None, build.reason()
    (made,) = Path(fresh, "cache", "kernels").iterdir()
    assert [each.name for each in made.iterdir()] == ["kernels.so"]
    assert made.name == build.digest()
    written = (made / "kernels.so").stat().st_mtime_ns
    build._built.cache_clear()
    assert build.library() is not None
    assert (made / "kernels.so").stat().st_mtime_ns == written


def test_other_sources_make_another_library(fresh):
    needs_compiler()
    assert build.library() is not None
    before = build.digest()
    (fresh / "cpp" / "small.cpp").write_text('extern "C" int tiles_work() { return 0; } // changed\n')
    build._built.cache_clear()
    assert build.digest() != before


def test_without_a_compiler_there_is_no_library_and_it_is_said(fresh, monkeypatch):
    monkeypatch.setenv("PATH", str(fresh))
    monkeypatch.delenv("CXX", raising=False)
    assert build.library() is None
    assert build.digest() == "torch"
    assert not build.tiles()
    assert build.function("anything") is None
    assert not build.serves(torch.ones(2, 2))
    if sys.platform == "linux":
        assert "no C++ compiler" in build.reason()


def test_a_source_that_does_not_compile_is_said_not_raised(fresh):
    needs_compiler()
    (fresh / "cpp" / "small.cpp").write_text("this is no C++\n")
    assert build.library() is None
    assert "failed" in build.reason()
    assert not list(Path(fresh, "cache", "kernels").rglob("*.so"))


def test_a_cache_that_cannot_be_written_is_said_not_raised(fresh, monkeypatch):
    needs_compiler()
    (fresh / "file").write_text("no folder")
    monkeypatch.setenv("TUNESMITH_CACHE", str(fresh / "file"))
    assert build.library() is None
    assert "could not be written" in build.reason()


def test_the_kernels_can_be_left_out(monkeypatch):
    monkeypatch.setenv("TUNESMITH_WITHOUT", "tail,native")
    assert build.library() is None
    assert "TUNESMITH_WITHOUT" in build.reason()
    assert build.digest() == "torch"


def test_the_library_works_with_the_pool_of_threads_that_torch_has():
    if build.library() is None:
        pytest.skip(build.reason())
    runtimes = {line.split()[-1] for line in Path("/proc/self/maps").read_text().splitlines() if "gomp" in line}
    torch_has = {each for each in runtimes if str(Path(torch.__file__).parent) in each}
    assert len(torch_has) <= 1
    assert torch_has or len(runtimes) == 1
    assert not torch_has or str(build._openmp()) in torch_has


def test_a_function_is_declared_with_its_types():
    if build.library() is None:
        pytest.skip(build.reason())
    answer = build.function("tiles_work", restype=ctypes.c_int)
    assert answer is not None
    assert answer() in (0, 1)
