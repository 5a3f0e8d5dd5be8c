"""Rows of one group never part, and a row stays on its side whatever rows come or go."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tunesmith.data.digest import digest
from tunesmith.data.split import apart, empty_sides, leaks, split
from tunesmith.errors import Misuse
from tunesmith.records import Conversation, Message, Pair, Text

GROUPS = st.lists(st.text("abcdefgh", max_size=3), max_size=60)
SHARES = st.floats(0, 0.45)


def texts(groups):
    return [Text(f"{number} {group}", f"a.txt:{number}", group) for number, group in enumerate(groups, 1)]


def sides_of(sides):
    return {example.where: side for side, found in sides.items() for example in found}


@given(GROUPS, SHARES, SHARES, st.integers(0, 5))
def test_every_row_is_on_one_side_in_its_order_and_no_group_is_parted(groups, validation, test, seed):
    examples = texts(groups)
    sides = split(examples, validation, test, seed=seed)
    assert sorted(map(repr, (one for found in sides.values() for one in found))) == sorted(map(repr, examples))
    assert all([examples.index(one) for one in found] == sorted(examples.index(one) for one in found)
               for found in sides.values())
    assert leaks(sides) == []


@given(GROUPS, GROUPS, st.randoms(use_true_random=False))
def test_rows_stay_on_their_side_when_others_are_appended_or_the_order_changes(groups, more, random):
    examples = texts(groups)
    before = sides_of(split(examples, 0.2, 0.2, seed=0))
    added = [Text(group, f"b.txt:{number}", group) for number, group in enumerate(more, 1)]
    shuffled = examples + added
    random.shuffle(shuffled)
    after = sides_of(split(shuffled, 0.2, 0.2, seed=0))
    assert {where: after[where] for where in before} == before


@settings(max_examples=20)
@given(st.integers(0, 10_000), st.sampled_from([0.0, 0.05, 0.1, 0.3]), st.sampled_from([0.0, 0.1, 0.25]))
def test_shares_are_roughly_what_was_asked_for(seed, validation, test):
    sides = split(texts(map(str, range(4000))), validation, test, seed=seed)
    for side, share in (("validation", validation), ("test", test)):
        deviations = abs(len(sides[side]) - 4000 * share) / max((4000 * share * (1 - share)) ** 0.5, 0.5)
        assert deviations < 6


def test_another_share_for_validation_moves_no_row_into_or_out_of_test():
    examples = texts(map(str, range(500)))
    assert split(examples, 0.1, 0.2, seed=1)["test"] == split(examples, 0.4, 0.2, seed=1)["test"]


def test_another_seed_draws_other_rows():
    examples = texts(map(str, range(500)))
    assert split(examples, 0.1, 0.2, seed=1)["test"] != split(examples, 0.1, 0.2, seed=2)["test"]


def test_sides_are_the_same_on_every_machine():
    sides = split(texts(map(str, range(20))), 0.2, 0.2, seed=0)
    assert {side: [one.group for one in found] for side, found in sides.items() if side != "train"} == {
        "validation": ["10"], "test": ["1", "8", "14"]}


@pytest.mark.parametrize(("validation", "test"), [(0.5, 0.5), (1.0, 0), (-0.1, 0.1), (0.6, 0.6)])
def test_shares_that_leave_nothing_to_train_on_are_refused(validation, test):
    with pytest.raises(Misuse, match="nothing to train on"):
        split([], validation, test, seed=0)


def test_a_side_that_was_promised_rows_and_got_none_is_told():
    sides = split(texts(["only one"]), 0.1, 0.0, seed=0)
    assert [(one.kind, one.where) for one in empty_sides(sides, 0.1, 0.0)] == [("data.empty_side", "data.validation")]


def test_data_without_a_row_for_training_is_an_error():
    assert [(one.severity, one.where) for one in empty_sides({"train": ()}, 0, 0)] == [("error", "data.train")]


def test_groups_that_stand_in_two_files_are_told_with_both_places():
    train = (Text("x", "train.txt:7", "g"), Text("y", "train.txt:8", "h"))
    test = (Text("z", "test.txt:3", "i"), Text("x", "test.txt:9", "g"))
    (found,) = leaks({"train": train, "test": test})
    assert (found.severity, found.where) == ("warning", "test.txt:9")
    assert "1 group(s) of the test side" in found.what and "train.txt:7" in found.what


def test_held_out_rows_whose_group_is_learnt_are_left_out_with_their_numbers():
    sides = {"train": texts("abc"), "validation": texts("cdd"), "test": texts("ddaef")}
    kept, (first, second) = apart(sides, "drop")
    assert {side: "".join(one.group for one in found) for side, found in kept.items()} == {
        "train": "abc", "validation": "dd", "test": "ef"}
    assert (first.severity, first.kind) == (second.severity, second.kind) == ("note", "data.left_out")
    assert first.what.startswith("1 of 3 rows of the validation side are left out: their 1 group(s) are in the train")
    assert second.what.startswith("3 of 5 rows of the test side are left out: their 2 group(s) are in the train side "
                                  "or the validation side too")


def test_a_side_that_loses_every_row_is_an_error():
    kept, found = apart({"train": texts("ab"), "validation": (), "test": texts("b")}, "drop")
    assert [one.kind for one in found if one.severity == "error"] == ["data.empty_side"] and kept["test"] == ()


def test_shared_groups_are_warned_of_or_refused_as_the_recipe_says():
    sides = {"train": texts("ab"), "validation": (), "test": texts("b")}
    for wanted, severity in (("warn", "warning"), ("refuse", "error")):
        kept, (found,) = apart(sides, wanted)
        assert (found.severity, found.kind, kept) == (severity, "data.leak", sides)
    assert apart({"train": texts("a"), "validation": texts("b"), "test": texts("c")}, "drop")[1] == []


def test_the_digest_changes_with_content_and_order_but_not_with_the_place():
    one, two = Pair("p", "a", "x:1", "p"), Conversation((Message("user", "p"),), "x:2", "p")
    base = digest([one, two])
    assert digest([Pair("p", "a", "elsewhere:9", "p"), two]) == base
    others = [[two, one], [one], [Pair("p", "b", "x:1", "p"), two], [Pair("p", "a", "x:1", "q"), two],
              [one, Conversation((Message("user", "p", train=False),), "x:2", "p")]]
    assert len({base, *map(digest, others)}) == 6
