"""Copies planted in real sets across a split are found, and nothing else is told. `pytest -s` prints the figures."""

from __future__ import annotations

import random

import pytest

from near_pairs import copied, edited, jaccard, repeats
from tunesmith.contracts import Looking
from tunesmith.data.audit.contamination import Settings, look
from tunesmith.data.load import load
from tunesmith.data.texts import texts
from tunesmith.text.near import alike, clusters
from tunesmith.text.passages import Runs, passages
from tunesmith.text.shingles import words

SETS = {
    "text_az/ted_az.txt": 6000,
    "imdb_html/train.csv": 700,
    "banking77/train.csv": 6000,
    "alpaca/alpaca_cleaned_first_1000.json": 1000,
    "sentiment_az/train.csv": 4000,
}
PLANTED = 150  # of each kind


@pytest.mark.parametrize("file", SETS)
def test_what_is_planted_across_a_split_is_found_and_nothing_else(shared, file):
    drawn = random.Random(file)
    rows = ["\n".join(texts(each)) for each in load(file, base_folder=shared / "data").examples[:SETS[file]]]
    half = len(rows) // 2
    train, test = rows[:half], rows[half:]
    parents = drawn.sample([place for place, text in enumerate(train) if len(text.split()) > 2], PLANTED)
    exact = [(place, copied(train[place], drawn)) for place in parents]
    near = [(place, made) for place in drawn.sample(range(half), half)
            if place not in parents and (made := edited(train[place], 0.8, drawn))][:PLANTED]
    assert len(near) == PLANTED and all(jaccard(train[place], made) == 1 for place, made in exact)
    shares = sorted(jaccard(train[place], made) for place, made in near)
    assert shares[0] >= 0.8 and shares[-1] < 1

    every = [*train, *test, *(made for _, made in exact), *(made for _, made in near)]
    first = clusters(every)
    found = [first[len(rows) + number] == first[place] for number, (place, _) in enumerate([*exact, *near])]
    told = set(alike(every)[0][:, 0].tolist())
    true = repeats(every, 0.8)
    print(f"\n{file}: of {PLANTED} exact copies {sum(found[:PLANTED])} found, of {PLANTED} near ones (Jaccard "
          f"{shares[0]:.3f} to {shares[-1]:.3f}, median {shares[PLANTED // 2]:.3f}) {sum(found[PLANTED:])}; of "
          f"{len(true)} rows that repeat an earlier one {len(told & true)} told, and {len(told - true)} others")
    assert all(found[:PLANTED])
    assert sum(found[PLANTED:]) >= 0.95 * PLANTED
    assert not told - true
    assert len(told) >= 0.99 * len(true)


def windows(said):
    return {tuple(said[at:at + 13]) for at in range(len(said) - 12)}


@pytest.mark.parametrize(("learnt", "measured"), [
    ("gsm8k/train.jsonl", "gsm8k/test.jsonl"), ("banking77/train.csv", "banking77/test.csv"),
    ("alpaca/alpaca_cleaned_first_1000.json", "alpaca/alpaca_gpt4_demo.json"),
])
def test_passages_planted_in_held_out_rows_are_found_and_nothing_else(shared, learnt, measured):
    drawn = random.Random(learnt)
    train, test = (["\n".join(texts(each)) for each in load(file, base_folder=shared / "data").examples[:2000]]
                   for file in (learnt, measured))
    sources = [said for text in train if len(said := words(text)) >= 13]
    planted = drawn.sample(range(len(test)), PLANTED)
    for place in planted:
        source = drawn.choice(sources)
        at = drawn.randrange(len(source) - 12)
        test[place] += " " + copied(" ".join(source[at:at + 13]), drawn)
    known = set().union(*(windows(words(text)) for text in train))
    joined = f" {' / '.join(' '.join(words(text)) for text in train)} "
    true = {place for place, text in enumerate(test)
            if (known & windows(said) if len(said := words(text)) >= 13
                else len(said) >= 5 and f" {' '.join(said)} " in joined)}
    told = {each.text for each in passages(test, lambda: train, Runs(13, 10**6, 5))}
    usual = {each.text for each in passages(test, lambda: train, Runs(13, 10, 5))}
    print(f"\n{measured} in {learnt}: of {PLANTED} planted passages {len(told & set(planted))} found; of {len(true)} "
          f"rows with 13 words in common {len(true & told)} told, and {len(told - true)} others")
    assert told == true and set(planted) <= told
    assert usual <= told and len(usual & set(planted)) >= 0.95 * PLANTED


def test_xquad_is_known_to_share_paragraphs_with_squad(shared):
    data = shared / "data"
    train = [each for side in ("train", "dev") for version in ("squad_v1", "squad_v2")
             for each in load(f"{version}/{side}.json", base_folder=data).examples]
    xquad = load("xquad/xquad.en.json", base_folder=data).examples
    known = {" ".join(each.context.split()) for each in train}
    copies = [each for each in xquad if " ".join(each.context.split()) in known]
    assert len({each.context for each in copies}) == 53
    settings = Settings(files=(str(data / "xquad" / "xquad.en.json"),))
    noticed, = look({"train": train}, settings, Looking("extract", 512, len)).noticed
    print(f"\n{noticed.finding.what}")
    assert len(copies) <= noticed.count <= 1.1 * len(copies)
