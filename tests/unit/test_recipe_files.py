"""Recipe files that are broken: each is a Misuse that names the line."""

from __future__ import annotations

import pytest

from tunesmith.errors import Misuse, Problems
from tunesmith.recipe.read import read

GOOD = "base: x\ntask: chat\ndata: {train: a.jsonl}\n"


def refused(path) -> Misuse:
    with pytest.raises(Misuse) as caught:
        read(path)
    return caught.value


@pytest.mark.parametrize(("content", "kind", "line", "what"), [
    (b"", "recipe.empty", None, "empty"),
    (b"# only a comment\n", "recipe.empty", None, "empty"),
    (b"- base\n- task\n", "recipe.value", 1, "no mapping"),
    (b"just text\n", "recipe.value", 1, "no mapping"),
    (b"base: x\ntask: [chat\ndata: 1\n", "recipe.yaml", 3, "no YAML"),
    (b"base: x\n\ttask: chat\n", "recipe.yaml", 2, "no YAML"),
    (b"base: x\n---\ntask: chat\n", "recipe.yaml", 2, "no YAML"),
    (b"base: x\ntask: ch\0at\n", "recipe.nul", 2, "NUL"),
    (b"base: x\ntask: ch\xffat\n", "recipe.encoding", 2, "not UTF-8"),
    ("base: x\n".encode("utf-16"), "recipe.encoding", 1, "UTF-16"),
    (b"base: x\ntask: ch\x07at\n", "recipe.yaml", 2, "U+0007"),
    (GOOD.encode() + b"task: completion\n", "recipe.doubled", 4, "`task` stands here again"),
    (GOOD.encode() + b"adapter: !!python/object:os.system {}\n", "recipe.tag", 4, "tag"),
    (GOOD.encode() + b"run: &again {name: *again}\n", "recipe.nesting", 4, "nested in itself"),
    (GOOD.encode() + b'run: {name: "\\ud800"}\n', "recipe.encoding", 4, "half a character"),
    (GOOD.encode() + b'run: {folder: "a\\0b"}\n', "recipe.encoding", 4, "NUL"),
    (GOOD.encode() + b"? [1, 2]\n: 3\n", "recipe.key", 4, "no name"),
    (GOOD.encode() + b"run: " + b"[" * 60 + b"]" * 60 + b"\n", "recipe.nesting", 4, "too deeply"),
])
def test_a_broken_file_is_refused_at_its_line(tmp_path, content, kind, line, what):
    path = tmp_path / "orders.yaml"
    path.write_bytes(content)
    try:
        found = [refused(path)]
    except Problems as several:
        found = list(several.problems)
    assert found[0].kind == kind
    assert found[0].where == (f"{path}:{line}" if line else str(path))
    assert what in found[0].what
    assert found[0].remedy


def test_nesting_without_end_is_refused(tmp_path):
    path = tmp_path / "orders.yaml"
    path.write_text("base: " + "[" * 800)
    assert refused(path).kind == "recipe.yaml"


def test_a_missing_file_says_how_to_make_one(tmp_path):
    found = refused(tmp_path / "gone.yaml")
    assert found.kind == "recipe.missing"
    assert "tunesmith init" in found.remedy


def test_a_folder_is_no_recipe(tmp_path):
    assert refused(tmp_path).kind == "recipe.unreadable"


def test_a_byte_order_mark_and_windows_line_ends_do_no_harm(tmp_path):
    path = tmp_path / "orders.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode() + b"training: {epohcs: 1}\r\n")
    found = refused(path)
    assert (found.what, found.where) == ("there is no option `training.epohcs`", f"{path}:4")


def test_every_doubled_key_is_told(tmp_path):
    path = tmp_path / "orders.yaml"
    path.write_text(GOOD + "training:\n  seed: 1\n  seed: 2\ntask: chat\n")
    with pytest.raises(Problems) as caught:
        read(path)
    assert [problem.where for problem in caught.value.problems] == [f"{path}:6", f"{path}:7"]


def test_an_anchor_may_be_used_again(tmp_path):
    path = tmp_path / "orders.yaml"
    path.write_text("base: x\ntask: chat\ndata: {train: a, validation: &share 0.2, test: *share}\n")
    assert read(path).data.test == 0.2
