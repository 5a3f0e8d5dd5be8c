"""What a run was made from is written down, and what differs on resume is named."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest

from tunesmith.errors import Misuse, Problems, Refusal
from tunesmith.runs import lineage

OLD = {
    "digests": {
        "recipe": "aa", "data": {"train": "bb", "test": "cc"}, "tokenizer": "dd", "template": "ee", "base": "ff",
    },
    "chosen": {"threads": 2, "dtype": "bfloat16"},
    "versions": {"torch": "2.13.0"},
    "machine": {"cores": 2},
}


def changed(section: str, **values: object) -> dict[str, object]:
    return {**OLD, section: {**OLD[section], **values}}


def test_a_lineage_reads_back(tmp_path: Path) -> None:
    collected = lineage.collect(digests=OLD["digests"], chosen=OLD["chosen"])
    lineage.write(tmp_path / "lineage.json", collected)
    assert lineage.read(tmp_path / "lineage.json") == collected
    assert lineage.differences(collected, lineage.read(tmp_path / "lineage.json")) == []


def test_it_names_versions_and_machine() -> None:
    collected = lineage.collect(digests={}, chosen={})
    assert collected["versions"]["python"] == sys.version.split()[0]
    assert {"torch", "transformers", "numpy", "tunesmith"} <= collected["versions"].keys()
    assert collected["machine"]["cores"] >= 1
    assert collected["machine"]["memory_bytes"] > 10**8


def test_versions_are_told_without_importing_what_they_are_of() -> None:
    code = ("import sys; from tunesmith.runs import checkpoints, folder, lineage, lock, records, signals; "
            "lineage.versions(); print(sorted({'torch', 'transformers', 'peft'} & sys.modules.keys()))")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_the_same_lineage_has_no_differences() -> None:
    assert lineage.demand_same(OLD, OLD, "run") == []


@pytest.mark.parametrize(("new", "field"), [
    (changed("digests", recipe="00"), "recipe"),
    (changed("digests", data={"train": "00", "test": "cc"}), "data.train"),
    (changed("digests", tokenizer="00"), "tokenizer"),
    (changed("digests", template="00"), "template"),
    (changed("digests", base="00"), "base"),
])
def test_other_content_is_refused_by_the_name_of_its_field_with_both_digests(
    new: dict[str, object], field: str
) -> None:
    with pytest.raises(Refusal) as raised:
        lineage.demand_same(OLD, new, "runs/a")
    assert f"`{field}`" in raised.value.what
    assert "`00` now" in raised.value.what
    assert raised.value.where == "runs/a"


def test_all_content_that_differs_is_named_at_once() -> None:
    with pytest.raises(Problems) as raised:
        lineage.demand_same(OLD, changed("digests", base="0", template="1"), "runs/a")
    assert [problem.what.split("`")[1] for problem in raised.value.problems] == ["base", "template"]


def test_a_digest_that_only_one_side_has_is_refused() -> None:
    with pytest.raises(Refusal, match=r"`adapter` .*: absent then, `x` now"):
        lineage.demand_same(OLD, changed("digests", adapter="x"), "runs/a")


@pytest.mark.parametrize(("new", "field"), [
    (changed("versions", torch="2.14.0"), "versions.torch"),
    (changed("machine", cores=8), "machine.cores"),
    (changed("chosen", threads=4), "chosen.threads"),
])
def test_another_machine_or_version_is_said_and_gone_on_with(new: dict[str, object], field: str) -> None:
    findings = lineage.demand_same(OLD, new, "runs/a")
    assert [(finding.severity, finding.what.split("`")[1]) for finding in findings] == [("warning", field)]


def test_a_digest_is_the_sha256_of_the_files_bytes(tmp_path: Path) -> None:
    data = bytes(range(256)) * 10_000
    (tmp_path / "a").write_bytes(data)
    assert lineage.digest_file(tmp_path / "a") == hashlib.sha256(data).hexdigest()
    with pytest.raises(Misuse, match="cannot be read"):
        lineage.digest_file(tmp_path / "b")


def test_a_damaged_lineage_is_refused(tmp_path: Path) -> None:
    (tmp_path / "lineage.json").write_text("[]")
    with pytest.raises(Refusal, match="damaged"):
        lineage.read(tmp_path / "lineage.json")
