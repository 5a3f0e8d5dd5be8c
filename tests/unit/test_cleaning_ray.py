"""Cleaning on Ray Data: two workers give what one process gives, and nobody beside this machine hears of it."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys

import pytest

from tunesmith import cli

NEEDS_RAY = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="ray is not installed: "
                               "pip install 'tunesmith[ray]' (79 MB, and pandas)")
SCRIPT = """
import json, sys
from pathlib import Path
import psutil
from tunesmith.cleaning.run import clean
from tunesmith.cleaning.ray import on_ray
from tunesmith.cleaning.wish import Wish

ends, used = set(), on_ray("local:2")
def settle(opened):
    for number, outcome in enumerate(used(opened)):
        if number == 0:
            own = psutil.Process()
            for process in (own, *own.children(recursive=True)):
                for one in process.net_connections("inet"):
                    ends.update(end.ip for end in (one.laddr, one.raddr) if end)
        yield outcome

folder = Path(sys.argv[1])
report = clean(Wish([str(folder / "a.jsonl"), str(folder / "b.jsonl")], sys.argv[2].split(",")), folder / "ray.jsonl",
               settle=settle)
print(json.dumps({"report": report.as_json(), "ends": sorted(ends)}))
"""


def a_file(path, rows, start):
    """Rows with something for every step, copies of rows of another file, and one broken line."""
    lines = [json.dumps({"prompt": f"What is  {number}?", "answer": "no no no " * 30 if number % 97 == 0 else
                         f"It is {number}.\u00a0", "id": number}) for number in range(start, start + rows)]
    lines.insert(rows // 2, '{"prompt": "cut')
    path.write_text("\n".join(lines) + "\n")


@NEEDS_RAY
def test_two_workers_write_the_same_rows_and_the_same_ledger_as_one_process(tmp_path, capsys):
    a_file(tmp_path / "a.jsonl", 1300, 0)
    a_file(tmp_path / "b.jsonl", 1300, 1000)
    steps = "whitespace,quality,duplicates"
    done = subprocess.run([sys.executable, "-c", SCRIPT, str(tmp_path), steps], capture_output=True, text=True,
                          timeout=250, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    told = json.loads(done.stdout.splitlines()[-1])
    words = [str(tmp_path / "a.jsonl"), str(tmp_path / "b.jsonl"), "--output", str(tmp_path / "here.jsonl")]
    assert cli.main(["clean", *words, "--steps", steps, "--json"]) == 1
    ours = json.loads(capsys.readouterr().out)
    assert told["report"]["rows"] == ours["rows"]
    assert ours["rows"]["dropped"] > 300
    for name in ("jsonl", "ledger.jsonl"):
        assert (tmp_path / f"ray.{name}").read_bytes() == (tmp_path / f"here.{name}").read_bytes()
    assert {end.removeprefix("::ffff:") for end in told["ends"]} <= {"127.0.0.1", "::1"}, told["ends"]


@NEEDS_RAY
@pytest.mark.parametrize("address", ["", "local:two", "local:0"])
def test_an_address_that_is_none_is_told(tmp_path, capsys, address):
    a_file(tmp_path / "a.jsonl", 3, 0)
    words = ["clean", str(tmp_path / "a.jsonl"), "--output", str(tmp_path / "b.jsonl"), "--ray", address, "--json"]
    code = cli.main(words)
    told = json.loads(capsys.readouterr().out)
    assert (code, told["errors"][0]["kind"]) == (2, "clean.ray_address")


def test_without_ray_it_is_said_how_to_get_it(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    a_file(tmp_path / "a.jsonl", 3, 0)
    words = ["clean", str(tmp_path / "a.jsonl"), "--output", str(tmp_path / "b.jsonl"), "--ray", "local", "--json"]
    assert cli.main(words) == 2
    assert json.loads(capsys.readouterr().out)["errors"][0]["remedy"] == "pip install 'tunesmith[ray]'"
    assert [path.name for path in tmp_path.iterdir()] == ["a.jsonl"]
