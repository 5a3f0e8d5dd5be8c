"""Bad rows and bad files as the command line meets them: named by file and line, exit 2 or 3, no traceback."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bad_rows import BAD_CELLS, BAD_FILES, BAD_LINES, GOOD, ROWS, file_with
from stage import Stage
from story import Story, clear

NO_FILES: dict[str, Callable[[Path], object]] = {
    "a pipe": os.mkfifo,
    "a loop of links": lambda path: path.symlink_to(path.name),
    "a link to nowhere": lambda path: path.symlink_to("nowhere"),
    "a link to a device": lambda path: path.symlink_to("/dev/zero"),
    "a folder in a file's place": lambda path: path.mkdir(),
    "a folder that holds itself": lambda path: [path.mkdir(), (path / "again").symlink_to(path)],
    "not there": lambda path: None,
}


def refused(stage: Stage, story: Story, path: Path, *exits: int) -> str:
    """What `check` says of a data file that it must refuse, as JSON."""
    task = "completion" if path.suffix == ".txt" else "chat"
    ended = stage.do(words=["check", story.recipe, f"data.train={path}", f"task={task}", "--json"], seconds=60)
    clear(ended)
    assert ended.code in exits, ended
    assert json.loads(ended.out)
    return ended.out


def cells_with(bad: bytes) -> bytes:
    return b"\n".join([b"prompt,answer", *(b"question %d,answer" % number for number in range(ROWS)), bad]) + b"\n"


@pytest.mark.fault("bad rows")
@pytest.mark.parametrize("apart", [20, pytest.param(1, marks=pytest.mark.long)], ids=["some", "all"])
def test_check_names_the_line_of_a_bad_row(
    stage: Stage, story: Story, apart: int, tmp_path: Path, record_property: Any
) -> None:
    cases = [(f"{at}.jsonl", file_with(bad, ROWS // 2), ROWS // 2 + 1, kind)
             for at, (bad, kind) in enumerate(BAD_LINES.values())]
    cases += [(f"{at}.csv", cells_with(bad), ROWS + 2, kind) for at, (bad, kind) in enumerate(BAD_CELLS.values())]
    cases += [(name, data, line, kind) for name, (data, kind, line) in BAD_FILES.items()]
    for name, data, line, kind in cases[::apart]:
        (tmp_path / name).write_bytes(data)
        said = refused(stage, story, tmp_path / name, 3)
        assert f'"{kind}"' in said and f"{name}:{line or ''}" in said, (name, said)
        (tmp_path / name).unlink()
    record_property("tried", len(cases[::apart]))


@pytest.mark.fault("bad rows")
@pytest.mark.parametrize("name", [name if number < 2 else pytest.param(name, marks=pytest.mark.long)
                                  for number, name in enumerate(NO_FILES)])
def test_what_is_no_file_is_named_and_never_waited_for(stage: Stage, story: Story, name: str, tmp_path: Path) -> None:
    NO_FILES[name](tmp_path / "rows.jsonl")
    assert "rows.jsonl" in refused(stage, story, tmp_path / "rows.jsonl", 2, 3)


@pytest.mark.long
@pytest.mark.fault("bad rows")
def test_five_hundred_bad_rows_are_told_soon_twenty_in_full_and_the_rest_counted(
    stage: Stage, story: Story, tmp_path: Path, record_property: Any
) -> None:
    (tmp_path / "many.jsonl").write_bytes(b"\n".join([GOOD % 1, *[b"oops"] * 500]))
    begun = time.monotonic()
    ended = stage.do(words=["check", story.recipe, f"data.train={tmp_path / 'many.jsonl'}"])
    assert time.monotonic() - begun < 10
    clear(ended)
    assert ended.code == 3
    said = ended.out + ended.err
    assert all(f"many.jsonl:{line}\n" in said for line in range(2, 22))
    assert "and 480 more of this kind" in said
    record_property("tried", 500)
