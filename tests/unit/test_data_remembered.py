"""The file of sides: whole or absent, without any text, never rewritten where it is right, believed only whole."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tunesmith.data.remembered import Keeping, read
from tunesmith.errors import Busy, Misuse, Refusal

FACTS = {"seed": 3, "validation": 0.1, "test": 0.1}


def keeping(path: Path, sides: dict[int, int], known=(), *, begun=False, **facts) -> Keeping:
    return Keeping(path, {**FACTS, **facts}, np.array(list(sides), np.uint64), np.array(list(sides.values()), np.int8),
                   np.array([group in known for group in sides], np.bool_), begun)


def test_new_groups_are_added_at_the_end_and_nothing_else_changes(tmp_path):
    path = tmp_path / "deep" / "sides.jsonl"
    keeping(path, {2**64 - 1: 0, 5: 2}).write()
    before = path.read_text()
    assert read(path).sides == {2**64 - 1: 0, 5: 2} and read(path).facts == FACTS
    keeping(path, {7: 3, 5: 2}, {5}, begun=True, test=0.5).write()
    assert path.read_text() == before + '{"group": "0000000000000007", "side": "aside"}\n'
    stamp = path.stat().st_mtime_ns
    keeping(path, {7: 3, 5: 2}, {5, 7}, begun=True).write()
    assert path.stat().st_mtime_ns == stamp
    assert [entry.name for entry in path.parent.iterdir()] == ["sides.jsonl"]


def test_another_run_that_placed_the_same_rows_elsewhere_meanwhile_wins(tmp_path):
    path = tmp_path / "sides.jsonl"
    mine, theirs = keeping(path, {5: 2}), keeping(path, {5: 0})
    theirs.write()
    with pytest.raises(Busy, match="meanwhile"):
        mine.write()
    assert read(path).sides == {5: 0}


def test_what_was_prepared_holds_for_a_file_that_grew_and_not_for_one_that_lost_or_changed_a_group(tmp_path):
    path = tmp_path / "sides.jsonl"
    first = keeping(path, {5: 2, 6: 0})
    assert first.agrees(read(path))
    first.write()
    keeping(path, {9: 1}, begun=True).write()
    assert first.agrees(read(path))
    again = keeping(path, {5: 2, 6: 0}, {5, 6}, begun=True)
    assert again.agrees(read(path)) and not again.told()
    path.write_text("".join(line for line in path.read_text().splitlines(keepends=True) if "0005" not in line))
    assert not again.agrees(read(path)) and first.agrees(read(path))
    path.unlink()
    assert not again.agrees(read(path))
    assert "2 of 2 groups are new" in again.told()[0].what


def test_dates_that_followed_from_shares_are_never_changed(tmp_path):
    path = tmp_path / "sides.jsonl"
    keeping(path, {5: 2}, test_from="2026-01-01").write()
    later = keeping(path, {6: 0}, begun=True, test_from="2026-02-01")
    assert not later.agrees(read(path))


@pytest.mark.parametrize(("content", "line"), [
    ("no json\n", 1), ("[]\n", 1), ('{"seed": 0}\n', 1), ('{"sides": 2, "seed": 0}\n', 1), ('{"sides": 1}\n', 1),
    ('{"sides": 1, "seed": 0, "test": "much"}\n', 1), ('{"sides": 1, "seed": 0}\n{"group": 7, "side": "test"}\n', 2),
    ('{"sides": 1, "seed": 0}\n{"group": "07", "side": "nowhere"}\n', 2),
    ('{"sides": 1, "seed": 0}\n{"group": "07"', 2),
    ('{"sides": 1, "seed": 0}\n{"group": "07", "side": "test"}\n{"group": "07", "side": "train"}\n', 3),
    ("\xff\n", 1), ("\n", 1)])
def test_a_damaged_file_is_refused_with_its_line(tmp_path, content, line):
    path = tmp_path / "sides.jsonl"
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(Refusal, match="damaged") as refused:
        read(path)
    assert refused.value.where == f"{path}:{line}"


def test_a_folder_in_the_place_of_the_file_is_a_mistake(tmp_path):
    with pytest.raises(Misuse, match="cannot be read"):
        read(tmp_path)


def test_no_text_of_the_rows_stands_in_it(tmp_path):
    path = tmp_path / "sides.jsonl"
    keeping(path, {5: 2}).write()
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert lines == [{"sides": 1, **FACTS}, {"group": "0000000000000005", "side": "test"}]
