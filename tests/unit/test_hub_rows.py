"""Data sets on the Hub: which of their files are read, and what is said of the others."""

from __future__ import annotations

import pytest

from hub import Hub, allowed
from hub_rows import PAIRS, problem, prompts
from tunesmith.data.load import load
from tunesmith.hub import local
from tunesmith.records import Finding

pytestmark = allowed


@pytest.fixture
def hub(monkeypatch, tmp_path):
    with Hub() as server:
        server.environment(monkeypatch, tmp_path)
        yield server


def test_rows_keep_the_file_and_line_of_the_data_set(hub):
    commit = hub.put("dataset", "owner/rows", {"data/train.jsonl": PAIRS + b"{broken\n", "README.md": b"# rows"})
    found = load("owner/rows")
    address = f"hf://datasets/owner/rows@{commit}/data/train.jsonl"
    assert found.examples[1].where == f"{address}:2" and local(address).read_bytes().startswith(PAIRS)
    broken = [one for one in found.findings if one.severity == "error"]
    assert [(one.kind, one.where) for one in broken] == [("data.json", f"{address}:6")]
    assert len(load(address).examples) == 5


CARD = b"""---
license: mit
configs:
- config_name: main
  default: true
  data_files:
  - {split: train, path: main/part-*}
  - {split: test, path: main/held.jsonl}
- config_name: socratic
  data_files: socratic/*.jsonl
---
# rows
"""


def one(name):
    return b'{"prompt": "%s", "answer": "a"}\n' % name.encode()


@pytest.mark.parametrize(("names", "asked", "read"), [
    (["train.jsonl", "test.jsonl"], "", ["train.jsonl"]),
    (["train.jsonl", "test.jsonl"], ":test", ["test.jsonl"]),
    (["train.jsonl", "valid.jsonl"], ":validation", ["valid.jsonl"]),
    (["data/train-00000-of-00002.jsonl", "data/train-00001-of-00002.jsonl", "data/test-00000.jsonl"], "",
     ["data/train-00000-of-00002.jsonl", "data/train-00001-of-00002.jsonl"]),
    (["a.jsonl", "b.jsonl"], "", ["a.jsonl", "b.jsonl"]),
    (["train/a.jsonl", "test/b.jsonl"], ":test", ["test/b.jsonl"]),
    (["en/train.jsonl", "de/train.jsonl"], ":de/train", ["de/train.jsonl"]),
    (["en/train.jsonl", "de/train.jsonl"], ":de", ["de/train.jsonl"]),
    (["en/train.jsonl", "de/train.jsonl"], ":*", ["de/train.jsonl", "en/train.jsonl"]),
    (["a.jsonl", "b.jsonl"], ":b.jsonl", ["b.jsonl"]),
    (["rows.jsonl", "NOTES.md", "HOW.md", "about.txt"], "", ["rows.jsonl"]),
    (["rows-of-the-data-set.jsonl", "x.json"], "", ["rows-of-the-data-set.jsonl"]),
    (["train.jsonl", "training_notes.csv", "train-2.jsonl"], "", ["train-2.jsonl", "train.jsonl"]),
    (["README.md", "main/part-1.jsonl", "main/part-2.jsonl", "main/held.jsonl", "socratic/a.jsonl"], "",
     ["main/part-1.jsonl", "main/part-2.jsonl"]),
    (["README.md", "main/part-1.jsonl", "main/held.jsonl", "socratic/a.jsonl"], ":test", ["main/held.jsonl"]),
    (["README.md", "main/part-1.jsonl", "main/held.jsonl", "socratic/a.jsonl"], ":socratic", ["socratic/a.jsonl"]),
])
def test_configurations_splits_and_patterns_name_files(hub, names, asked, read):
    hub.put("dataset", "owner/rows", {name: CARD if name == "README.md" else one(name) for name in names})
    assert prompts(load(f"owner/rows{asked}")) == read
    assert {name for name in hub.contents() if name != "README.md"} == set(read)


@pytest.mark.parametrize(("names", "asked", "kind", "remedy"), [
    (["train.jsonl"], ":test", "hub.no_split", "`owner/rows:train`"),
    (["en/train.jsonl", "de/train.jsonl"], "", "hub.which_configuration", "`owner/rows:de/train`"),
    (["train.jsonl"], ":fr/train", "hub.which_configuration", "`owner/rows:train`"),
    (["a.jsonl"], ":b*.jsonl", "hub.no_file", "`a.jsonl`"),
    (["rows.py"], "", "hub.script", "`owner/rows@refs/convert/parquet`"),
    (["rows.zip"], "", "hub.no_data", "`rows.zip`"),
])
def test_what_a_data_set_has_not_is_named_with_what_it_has(hub, names, asked, kind, remedy):
    hub.put("dataset", "owner/rows", {name: b"x" for name in names})
    found = problem(load, f"owner/rows{asked}")
    assert (found.kind, found.exit_code) == (kind, 2) and remedy in found.remedy and not hub.contents()


def test_a_configuration_that_is_named_alone_is_not_said_to_be_left_out(hub):
    names = ("README.md", "main/part-1.jsonl", "main/held.jsonl", "socratic/a.jsonl")
    hub.put("dataset", "owner/rows", {name: CARD if name == "README.md" else one(name) for name in names})
    told = [finding.what for finding in load("owner/rows:main").findings if finding.kind == "data.hub"]
    assert told and told[0].endswith("it has also `test`")


def test_what_else_a_data_set_holds_is_said(hub):
    hub.put("dataset", "owner/rows", {name: one(name) for name in ("train.jsonl", "test.jsonl", "extra.jsonl")})
    told = {finding.kind: finding.what for finding in load("owner/rows").findings if isinstance(finding, Finding)}
    assert "`test`" in told["data.hub"] and "`extra.jsonl`" in told["data.files_aside"]


def test_parquet_of_the_hubs_own_conversion_is_read(hub, tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"prompt": ["p1", "p2"], "answer": ["a", "b"]}), tmp_path / "0000.parquet")
    parquet = (tmp_path / "0000.parquet").read_bytes()
    hub.put("dataset", "owner/rows", {"rows.py": b"1/0"})
    hub.put("dataset", "owner/rows", {"default/train/0000.parquet": parquet, "default/test/0000.parquet": parquet},
            revision="refs/convert/parquet")
    assert prompts(load("owner/rows@refs/convert/parquet")) == ["p1", "p2"]
    assert prompts(load("owner/rows@refs/convert/parquet:default/test")) == ["p1", "p2"]
