"""A kept file is believed only whole, and missed by nobody."""

from __future__ import annotations

import builtins
import errno
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from tunesmith.encoding.batches import cache
from tunesmith.encoding.batches.flat import Flat, Flattening, examples_of
from tunesmith.encoding.documents.shift import document
from tunesmith.records import Document

ARRAYS = {"ids": np.arange(40, dtype=np.int32), "borders": np.array([0, 3]), "table": np.ones((2, 3), np.float32),
          "none": np.zeros(0, np.uint8)}
NOTES = {"findings": [{"what": "ə"}], "count": 3}


def written(folder: Path, key: str = "k") -> Path:
    cache.write(folder, key, NOTES, ARRAYS)
    return folder / f"{key}{cache.SUFFIX}"


def test_what_was_written_is_read(tmp_path):
    written(tmp_path)
    notes, arrays = cache.read(tmp_path, "k")
    assert notes == NOTES
    assert arrays.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert arrays[name].dtype == array.dtype
        assert np.array_equal(arrays[name], array)
        assert not arrays[name].flags.writeable
    assert [file.name for file in tmp_path.iterdir()] == ["k.tokens"]


def test_a_file_that_is_torn_anywhere_is_none(tmp_path):
    content = written(tmp_path).read_bytes()
    for length in {*range(0, len(content), 7), cache.HEADER, len(content) - 1}:
        (tmp_path / "k.tokens").write_bytes(content[:length])
        assert cache.read(tmp_path, "k") is None, length


def test_a_file_with_any_byte_flipped_is_none(tmp_path):
    content = bytearray(written(tmp_path).read_bytes())
    for place in range(len(content)):
        content[place] ^= 4
        (tmp_path / "k.tokens").write_bytes(content)
        assert cache.read(tmp_path, "k") is None, place
        content[place] ^= 4


def test_a_file_of_another_key_or_no_file_is_none(tmp_path):
    written(tmp_path).rename(tmp_path / "other.tokens")
    assert cache.read(tmp_path, "other") is None
    assert cache.read(tmp_path / "nowhere", "k") is None


def test_a_folder_that_cannot_be_written_is_no_error(tmp_path):
    (tmp_path / "file").write_text("")
    cache.write(tmp_path / "file", "k", NOTES, ARRAYS)
    assert cache.read(tmp_path / "file", "k") is None


def test_a_full_disk_is_no_error_and_leaves_nothing(tmp_path, monkeypatch):
    def full(file, *_):
        file.write(b"a part of it")
        raise OSError(errno.ENOSPC, "no space left on device")

    monkeypatch.setattr(cache, "_put", full)
    written(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_several_may_write_and_read_at_once(tmp_path):
    def both(number: int) -> bool:
        cache.write(tmp_path, "k", {"number": number}, {"ids": np.full(20_000, number, np.int32)})
        notes, arrays = cache.read(tmp_path, "k")
        return bool((arrays["ids"] == notes["number"]).all())

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(both, range(64)))
    assert [file.name for file in tmp_path.iterdir()] == ["k.tokens"]


def test_arrays_that_are_in_use_outlive_their_file(tmp_path):
    path = written(tmp_path)
    _, arrays = cache.read(tmp_path, "k")
    cache.write(tmp_path, "k", {}, {"ids": np.zeros(3, np.int32)})
    path.unlink()
    assert np.array_equal(arrays["ids"], ARRAYS["ids"])


def test_what_was_used_longest_ago_makes_room(tmp_path, monkeypatch):
    for age, key in enumerate("abc"):
        os.utime(written(tmp_path, key), (1000 - age, 1000 - age))
    size = (tmp_path / "a.tokens").stat().st_size
    cache.read(tmp_path, "c")
    monkeypatch.setattr(cache, "KEPT_BYTES", 2 * size)
    written(tmp_path, "d")
    assert sorted(file.stem for file in tmp_path.iterdir()) == ["c", "d"]


def test_many_small_files_make_room_too(tmp_path, monkeypatch):
    monkeypatch.setattr(cache, "KEPT_FILES", 3)
    for age, key in enumerate("abcde"):
        os.utime(written(tmp_path, key), (1000 + age, 1000 + age))
    assert sorted(file.stem for file in tmp_path.iterdir()) == ["c", "d", "e"]


def test_arrays_of_objects_are_refused(tmp_path):
    with pytest.raises(TypeError):
        cache.write(tmp_path, "k", {}, {"ids": np.array([object()])})


def test_nothing_is_opened_for_writing_while_reading(tmp_path, monkeypatch):
    written(tmp_path)
    monkeypatch.setattr(builtins, "open", None)
    (tmp_path / "k.tokens").chmod(0o444)
    assert cache.read(tmp_path, "k") is not None


def made() -> list[list[Document]]:
    odd = document([5, 6, 7], [(1, 3)], text="", ends=())
    told = Document(odd.ids, odd.targets, odd.weights, 0, token_columns={"old": np.arange(3.0)},
                    document_columns={"label": np.array([1, 2])})
    return [[told], [], [told, told]]


def flat(rows: list[list[Document]]) -> Flat:
    taken = Flattening()
    for example, documents in enumerate(rows):
        taken.take(documents, example)
    return taken.flat()


def test_flat_documents_are_the_documents():
    found = flat(made())
    assert len(found) == 3
    assert examples_of(found).tolist() == examples_of(list(found)).tolist() == [0, 2, 2]
    for one in found:
        told = made()[0][0]
        assert (one.ids.tolist(), one.targets.tolist(), one.weights.tolist()) == (
            told.ids.tolist(), told.targets.tolist(), told.weights.tolist())
        assert (one.ids.dtype, one.targets.dtype, one.weights.dtype) == (np.int64, np.int64, np.float32)
        assert (one.token_columns["old"].tolist(), one.document_columns["label"].tolist()) == ([0, 1, 2], [1, 2])
    assert "targets" not in found.arrays
    assert [one.example for one in found[-2:]] == [2, 2]
    with pytest.raises(IndexError):
        found[3]


def test_targets_and_weights_of_another_kind_are_kept_as_they_are():
    strange = Document(np.array([1, 2]), np.array([9, -100]), np.array([0.5, 0], np.float32), 0)
    one = flat([[strange]])[0]
    assert (one.targets.tolist(), one.weights.tolist()) == ([9, -100], [0.5, 0])


def test_no_documents_are_flat_too():
    assert list(flat([])) == []
