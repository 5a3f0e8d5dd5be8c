"""Near copies of real rows are found wherever they stand, and stay on the side of the row that they were made of."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tunesmith.data.groups import Rule, asked, clusters, said
from tunesmith.data.load import load
from tunesmith.data.split import leaks, split
from tunesmith.records import Conversation, Example, Labelled, Message, Pair
from tunesmith.text.shingles import words

SETS = ["gsm8k/train.jsonl", "banking77/train.csv", "chat_oasst/train.jsonl", "imdb_html/train.csv"]


def shingles(text: str) -> set[tuple[str, ...]]:
    found = words(text)
    return {tuple(found[place : place + 3]) for place in range(max(len(found) - 2, 1))}


def alike(one: str, other: str) -> float:
    first, second = shingles(one), shingles(other)
    return len(first & second) / len(first | second)


def slipped(text: str, draw: random.Random) -> str:
    """The text with one or two words replaced, wherever they stand."""
    parts = text.split(" ")
    for place in draw.sample(range(len(parts)), min(draw.choice([1, 2]), len(parts))):
        parts[place] = draw.choice(["hat", "Baku", "seven"])
    return " ".join(parts)


def changed(example: Example, draw: random.Random) -> Example:
    """A near copy as somebody might have it in another file: in a group of its own."""
    if isinstance(example, Labelled):
        made: Example = replace(example, text=slipped(example.text, draw))
    elif isinstance(example, Pair):
        made = replace(example, prompt=slipped(example.prompt, draw))
    else:
        assert isinstance(example, Conversation)
        made = replace(example, messages=tuple(Message(turn.role, slipped(turn.content, draw))
                                               for turn in example.messages))
    question = asked(made) or said(made)
    return replace(made, where=f"{example.where} copied", group=" ".join(question.split()))


def near(rows: tuple[Example, ...], copies: tuple[Example, ...]) -> Iterator[tuple[Example, Example]]:
    """The copies that are near what they were made of, by the sets of their shingles."""
    for row, copy in zip(rows, copies, strict=True):
        if alike(said(row), said(copy)) >= 0.8:
            yield row, copy


@pytest.mark.parametrize("name", SETS)
def test_planted_near_copies_are_on_the_side_of_their_rows_and_little_else_is_joined(shared: Path, name: str) -> None:
    draw = random.Random(7)
    whole = load([str(shared / "data" / name)]).examples
    rows = tuple(whole[place] for place in sorted(draw.sample(range(len(whole)), min(600, len(whole)))))
    picked = tuple(draw.sample(rows, 200))
    copies = tuple(changed(row, draw) for row in picked)
    everything = (*rows, *copies)
    found = clusters(everything, Rule())
    side = {row.where: name for name, part in split(found.of(everything, 0), 0.3, 0.3, seed=0).items() for row in part}
    planted = list(near(picked, copies))
    assert len(planted) > 10
    assert all(side[row.where] == side[copy.where] for row, copy in planted)
    # of two groups that were joined and to which nothing else belongs, one asks or says nearly what the other does
    for first in np.unique(found.first[found.joined]):
        members = [everything[int(place)] for place in np.flatnonzero(found.first == first)]
        if len({row.group for row in members}) == 2:
            assert any(alike(said(one), said(other)) >= 0.8 or alike(asked(one) or "", asked(other) or "") >= 0.8
                       for one in members for other in members if one.group < other.group)


def test_the_test_rows_of_banking77_that_are_nearly_among_its_training_rows_are_told(shared: Path) -> None:
    folder = shared / "data" / "banking77"
    train, test = (tuple(load([str(folder / name)]).examples) for name in ("train.csv", "test.csv"))
    found = clusters((*train, *test), Rule())
    told = leaks({"train": found.of(train, 0), "test": found.of(test, len(train))}, "warning", found.own_groups())
    assert told[0].what.startswith("77 group(s) of the test side are in the train side too: test.csv:556 as train.csv:")
    assert "; 70 as near-duplicates, test.csv:220 beside train.csv:795" in told[0].what
