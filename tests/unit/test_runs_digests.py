"""Digests of large files are remembered, and never those of another content."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path

import pytest

from tunesmith.errors import Misuse
from tunesmith.runs import digests, lineage
from tunesmith.runs.digests import digest_file


@pytest.fixture
def reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Every file that was read for real, in a world where every file is large and long settled."""
    done: list[Path] = []
    own = lineage.digest_file
    monkeypatch.setenv("TUNESMITH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(digests, "LARGE_BYTES", 1)
    monkeypatch.setattr(digests, "SETTLED_NANOSECONDS", 0)
    monkeypatch.setattr(lineage, "digest_file", lambda path: done.append(path) or own(path))
    return done


def made(folder: Path, content: bytes = b"weights") -> Path:
    path = folder / "model.safetensors"
    path.write_bytes(content)
    time.sleep(0.02)  # the times of the file system tick
    return path


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_a_file_is_read_once(tmp_path: Path, reads: list[Path]) -> None:
    path = made(tmp_path)
    assert [digest_file(path) for _ in range(3)] == [sha(b"weights")] * 3
    assert len(reads) == 1


def test_another_content_of_the_same_size_and_time_is_seen(tmp_path: Path, reads: list[Path]) -> None:
    path = made(tmp_path)
    before = path.stat()
    digest_file(path)
    time.sleep(0.02)
    path.write_bytes(b"WEIGHTS")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert digest_file(path) == sha(b"WEIGHTS")
    assert len(reads) == 2


def test_another_file_put_in_its_place_is_seen(tmp_path: Path, reads: list[Path]) -> None:
    path = made(tmp_path)
    digest_file(path)
    (tmp_path / "other").write_bytes(b"WEIGHTS")
    (tmp_path / "other").rename(path)
    assert digest_file(path) == sha(b"WEIGHTS")


def test_a_file_that_was_just_written_is_not_remembered(
    tmp_path: Path, reads: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(digests, "SETTLED_NANOSECONDS", 2_000_000_000)
    path = made(tmp_path)
    assert digest_file(path) == digest_file(path) == sha(b"weights")
    assert len(reads) == 2


@pytest.mark.parametrize("content", ["", "{", "[]", '{"facts": {}, "sha256": "0"}'])
def test_a_damaged_memory_is_not_believed(tmp_path: Path, reads: list[Path], content: str) -> None:
    path = made(tmp_path)
    digest_file(path)
    [kept] = (tmp_path / "cache" / "digests").iterdir()
    kept.write_text(content)
    assert digest_file(path) == sha(b"weights")
    assert len(reads) == 2


def test_a_cache_that_cannot_be_written_costs_the_reading(tmp_path: Path, reads: list[Path]) -> None:
    (tmp_path / "cache").write_text("no folder")
    path = made(tmp_path)
    assert digest_file(path) == digest_file(path) == sha(b"weights")
    assert len(reads) == 2


def test_small_files_are_always_read_and_missing_ones_refused(tmp_path: Path, reads: list[Path], monkeypatch) -> None:
    monkeypatch.setattr(digests, "LARGE_BYTES", 1000)
    path = made(tmp_path)
    assert digest_file(path) == digest_file(path)
    assert len(reads) == 2
    with pytest.raises(Misuse):
        digest_file(tmp_path / "missing")
