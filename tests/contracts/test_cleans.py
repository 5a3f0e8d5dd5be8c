"""What every file of `data/clean/` promises, and that steps in any order leave rows that they never change again."""

from __future__ import annotations

import importlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from tunesmith import catalog
from tunesmith.cleaning.run import clean
from tunesmith.cleaning.settling import NOTHING, Plan, Settler
from tunesmith.cleaning.wish import Wish
from tunesmith.contracts import Came
from tunesmith.errors import Refusal
from tunesmith.recipe import choices
from tunesmith.records import Row

STEPS = {name: importlib.import_module(f"tunesmith.data.clean.{name}") for name in catalog.names("clean")}
OF_A_ROW = [name for name, module in STEPS.items() if module.sees == "a row"]
PLANTED = {  # of each step: its options, and texts of rows that it has to see to
    "whitespace": ([], ["a  b", " a\u00a0b\t", "a\n\n\n\nb", "def f():\n    return 1 \n"]),
    "quality": ([], ["***", "#tag … " * 30, "no no no " * 30, "x" * 900 + " y" * 19]),
    "sentences": (["characters=40", "unfinished=trim"],
                  ["One sentence here. Another one there. And a third. A fourth one", "All is said. Nothing is l"]),
    "stem": ([], ["The generously running horses", "ponies"]),
    "duplicates": (["near=0.8"], ["the same words again", "the  same words again"]),
    "unicode": ([], ["cafe\u0301", "schÃ¶n", "a\u200bb"]),
    "html": ([], ["<p>Hello &amp; bye</p>", "a<br>b", "&amp;amp;lt;b&amp;gt;"]),
    "language": (["languages=[en]"], ["Bu gün hava çox gözəldir və biz parka gedirik, sonra isə evə qayıdacağıq."]),
    "pii": ([], ["write to bob.smith@example.org today", "call +49 30 901820 now"]),
}
PIECES = st.sampled_from([text for _, texts in PLANTED.values() for text in texts] + [
    "", " ", "\n", "\t", "Salam, necəsən? ", "İstanbul ", "Dr. Who said so. ", "```\nx  = 1\n```", "…", "“Yes.” ",
    "&lt;b&gt;", "<i>", "`a  b`", "ﬁ", "e\u0301", "\u202e", "今日は。", "1. 2. 3.", "user's ", "#", "&nbsp;",
    "\u0085", "a@b.co"])
TEXTS = st.lists(PIECES, max_size=6).map("".join) | st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
ROWS = st.lists(TEXTS, min_size=1, max_size=3).map(tuple)


class Held:
    """Rows for a step that sees all of them."""

    def __init__(self, rows):
        self.rows = [Came(texts) for texts in rows]

    def __iter__(self):
        return iter(self.rows)

    def where(self, row):
        return f"f.jsonl:{row + 1}"


def section(name):
    return choices.section("clean", name, PLANTED[name][0])


def cleaner(name, rows=()):
    chosen = section(name)
    return chosen.module.cleaner(chosen.settings, Held(rows))


def test_every_step_has_its_planted_rows_here():
    assert PLANTED.keys() >= STEPS.keys()


@pytest.mark.parametrize("name", STEPS)
def test_a_step_offers_what_the_contract_names(name):
    module = STEPS[name]
    assert isinstance(module.rewrites, bool)
    assert module.sees in ("a row", "all rows")
    assert issubclass(module.Settings, BaseModel)
    assert module.__doc__
    assert not (module.rewrites and module.sees == "all rows")


@pytest.mark.parametrize("name", OF_A_ROW)
def test_a_step_sees_to_each_planted_row_and_says_why(name):
    for text in PLANTED[name][1]:
        cleaned = cleaner(name)((text,))
        assert cleaned.why
        assert cleaned.dropped or cleaned.more or cleaned.texts != (text,)


@pytest.mark.parametrize("name", OF_A_ROW)
@settings(max_examples=60, deadline=None)
@given(rows=st.lists(ROWS, min_size=1, max_size=3))
def test_a_step_says_why_if_and_only_if_something_changed_and_says_the_same_again(name, rows):
    one, other = cleaner(name), cleaner(name)
    for texts in rows:
        cleaned = one(texts)
        assert cleaned == other(texts)
        assert len(cleaned.texts) == len(texts)
        assert bool(cleaned.why) == (cleaned.dropped or bool(cleaned.more) or cleaned.texts != texts)
        assert STEPS[name].rewrites or (cleaned.texts == texts and not cleaned.more)
        assert not cleaned.more or (len(texts) == 1 and all(len(each) == 1 for each in cleaned.more))


@pytest.mark.parametrize("name", OF_A_ROW)
@settings(max_examples=100, deadline=None)
@given(texts=ROWS)
def test_a_step_changes_nothing_a_second_time(name, texts):
    step = cleaner(name)
    cleaned = step(texts)
    if cleaned.dropped:
        return
    if not cleaned.more:
        again = step(cleaned.texts)
        assert (again.texts, again.why, again.dropped) == (cleaned.texts, "", False)


@settings(max_examples=150, deadline=None)
@given(texts=TEXTS, names=st.lists(st.sampled_from(OF_A_ROW), unique=True, min_size=1))
def test_steps_in_any_order_leave_what_they_never_change_again(texts, names):
    settler = Settler(Plan(tuple(section(name) for name in names), columns=("text",)), NOTHING)
    row = Row({"text": texts, "label": "a  <b>"}, "f.jsonl:1")
    try:
        outcomes = settler.settle(row)
    except Refusal as refusal:  # steps that were set against each other say so, and nothing is written
        assert refusal.kind == "clean.unsettled"
        return
    for outcome in outcomes:
        if outcome.values is None:
            continue
        assert outcome.values["label"] == "a  <b>"
        (again,) = settler.settle(Row(outcome.values, "f.jsonl:1"))
        assert (again.values, again.told) == (outcome.values, ())


def all_cleaned(name, rows):
    step = cleaner(name, rows)
    return [texts for texts in rows if not step(texts).dropped]


@pytest.mark.parametrize("name", [name for name in STEPS if name not in OF_A_ROW])
@settings(max_examples=60, deadline=None)
@given(rows=st.lists(ROWS, max_size=12))
def test_a_step_that_sees_all_rows_drops_nothing_of_what_it_left(name, rows):
    left = all_cleaned(name, rows)
    assert all_cleaned(name, left) == left
    assert bool(left) == bool(rows)


@settings(max_examples=25, deadline=None)
@given(rows=st.lists(TEXTS, min_size=1, max_size=8))
def test_the_steps_by_default_change_nothing_in_their_own_output(tmp_path_factory, rows):
    folder = tmp_path_factory.mktemp("clean")
    (folder / "a.jsonl").write_text("".join(json.dumps({"text": text, "id": number}) + "\n"
                                            for number, text in enumerate(["some words", *rows])))
    clean(Wish([str(folder / "a.jsonl")]), folder / "b.jsonl")
    clean(Wish([str(folder / "b.jsonl")]), folder / "c.jsonl")
    assert (folder / "b.jsonl").read_bytes() == (folder / "c.jsonl").read_bytes()
    assert not (folder / "c.ledger.jsonl").read_bytes()
