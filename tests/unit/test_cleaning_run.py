"""The driver of cleaning: memory, faults, and steps that work against each other."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tracemalloc

import pytest

from tunesmith.cleaning.run import clean
from tunesmith.cleaning.settling import NOTHING, Plan, Settler, viewed
from tunesmith.cleaning.wish import Wish
from tunesmith.contracts import Cleaned
from tunesmith.errors import Busy, Refusal
from tunesmith.recipe import choices
from tunesmith.recipe.starred import Section
from tunesmith.records import Row


def rows(path, count):
    with path.open("w") as file:
        file.writelines(json.dumps({"text": f"row  {number} of many"}) + "\n" for number in range(count))
    return Wish([str(path)], ["whitespace", "duplicates"])


def peak(folder, count):
    wish = rows(folder / f"{count}.jsonl", count)
    tracemalloc.start()
    try:
        clean(wish, folder / f"{count}.clean.jsonl")
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_row_more_costs_no_more_than_sixteen_bytes_of_memory(tmp_path):
    peak(tmp_path, 10)  # what is imported is not counted
    few, many = peak(tmp_path, 1_500), peak(tmp_path, 7_500)
    assert many - few <= 16 * 6_000, (few, many)


class Made:
    """A step made of a function of one text."""

    rewrites, sees = True, "a row"

    def __init__(self, change):
        self.change = change

    def cleaner(self, settings, every):
        def cleaned(texts):
            made = tuple(map(self.change, texts))
            return Cleaned(made, "" if made == texts else "changed")
        return cleaned


def settler(*changes):
    steps = tuple(Section(f"step{number}", None, Made(change)) for number, change in enumerate(changes))
    return Settler(Plan(steps, columns=("text",)), NOTHING)


def test_steps_are_repeated_until_none_changes_anything():
    shorter, swap = (lambda text: text.removesuffix("!")), (lambda text: text.replace("?", "!"))
    [outcome] = settler(shorter, swap).settle(Row({"text": "a?", "id": 1}, "f:1"))
    assert (outcome.values, [name for name, _ in outcome.told]) == ({"text": "a", "id": 1}, ["step1", "step0"])


def test_steps_that_undo_each_other_are_refused_by_name_and_nothing_is_written():
    with pytest.raises(Refusal, match="step0, step1") as refusal:
        settler(lambda text: text + "x", lambda text: text.removesuffix("x")).settle(Row({"text": "a"}, "f:1"))
    assert (refusal.value.kind, refusal.value.where) == ("clean.unsettled", "f:1")


def test_a_row_whose_answer_a_step_leaves_empty_is_dropped_by_that_step():
    steps = (Section("empties", None, Made(lambda text: text.replace("nothing", ""))),)
    plan = Plan(steps, format=choices.section("format", "pair"), named=True)
    [kept] = Settler(plan, NOTHING).settle(Row({"prompt": "nothing here", "answer": "a"}, "f:1"))
    [gone] = Settler(plan, NOTHING).settle(Row({"prompt": "here", "answer": "nothing"}, "f:2"))
    assert kept.values == {"prompt": " here", "answer": "a"}
    assert (gone.values, gone.told) == (None, (("empties", "changed; nothing is left of `answer`"),))


def test_what_a_refusal_quotes_of_a_row_is_masked_in_the_ledger():
    plan = Plan((), format=choices.section("format", "messages"), named=True)
    row = Row({"messages": [{"role": "bob.smith@example.org", "content": "x"}]}, "f:1")
    with pytest.raises(Refusal, match=r"bob\.smith"):
        viewed(row, plan)
    [outcome] = Settler(plan, NOTHING).settle(row)
    assert "bob.smith" not in str(outcome)


SLOW = """
import sys, time
from pathlib import Path
from tunesmith.cleaning import run as cleaning
from tunesmith.cleaning.wish import Wish
def slowly(opened):
    for number, outcome in enumerate(cleaning.here(opened)):
        if number == 20:
            print("begun", flush=True)
            time.sleep(60)
        yield outcome
cleaning.clean(Wish([sys.argv[1]], ["whitespace"]), Path(sys.argv[2]), overwrite=True, settle=slowly)
"""


def test_the_old_file_stands_whole_where_the_process_is_killed(tmp_path):
    rows(tmp_path / "a.jsonl", 50)
    (tmp_path / "b.jsonl").write_text("old")
    with subprocess.Popen([sys.executable, "-c", SLOW, str(tmp_path / "a.jsonl"), str(tmp_path / "b.jsonl")],
                          stdout=subprocess.PIPE, env={**os.environ}) as child:
        assert child.stdout.readline() == b"begun\n"
        with pytest.raises(Busy):
            clean(Wish([str(tmp_path / "a.jsonl")], ["whitespace"]), tmp_path / "b.jsonl", overwrite=True)
        child.send_signal(signal.SIGKILL)
    assert (tmp_path / "b.jsonl").read_text() == "old"
    assert not (tmp_path / "b.ledger.jsonl").exists()
    clean(Wish([str(tmp_path / "a.jsonl")], ["whitespace"]), tmp_path / "b.jsonl", overwrite=True)
    assert len((tmp_path / "b.jsonl").read_text().splitlines()) == 50
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.jsonl", "b.jsonl", "b.ledger.jsonl"]
