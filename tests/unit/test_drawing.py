"""Drawing rows: far apart, of every kind, at random; the same ones in whatever order they stand, copies once."""

from __future__ import annotations

import itertools
import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tunesmith.drawing import features, reservoir, spread
from tunesmith.drawing.draw import Compared, Sample, draw
from tunesmith.errors import Misuse, Refusal

THEMES = ("parcel courier delivery doorstep", "invoice payment refund billing", "password login account reset",
          "recipe flour butter oven", "violin sonata orchestra tempo", "glacier moraine ice fjord",
          "goalkeeper penalty stadium match", "enzyme protein cell membrane")


def written(path: Path, rows: list[dict[str, Any]]) -> list[str]:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return [str(path)]


def texts(sample: Sample) -> list[str]:
    return [one.values["text"] for one in sample.drawn]


def clusters(seed: int) -> list[dict[str, Any]]:
    """Eight themes, one of a thousand rows and seven of ten, so that random rows miss some of them."""
    drawing = random.Random(seed)
    rows = []
    for theme, words in enumerate(THEMES):
        for number in range(1000 if theme == 0 else 10):
            said = drawing.choices(words.split(), k=8)
            rows.append({"text": f"{' '.join(said)} {number}", "theme": theme})
    drawing.shuffle(rows)
    return rows


@pytest.mark.parametrize("seed", range(5))
def test_rows_far_apart_are_of_every_planted_cluster_where_random_ones_miss_some(tmp_path, seed):
    files = written(tmp_path / "rows.jsonl", clusters(seed))
    themes = {by: {one.values["theme"] for one in draw(files, 24, by, seed=seed).drawn} for by in ("diverse", "random")}
    assert themes["diverse"] == set(range(8))
    assert len(themes["random"]) < 8


def test_rows_far_apart_cover_the_others_better_than_random_ones(tmp_path):
    sample = draw(written(tmp_path / "rows.jsonl", clusters(0)), 24, "diverse")
    assert 0 < sample.coverage < sample.random


def test_coverage_is_the_mean_distance_to_the_nearest_chosen_row():
    made = np.random.default_rng(3).normal(size=(40, 8)).astype(np.float32)
    chosen = [3, 17, 21]
    naive = np.mean([min(np.linalg.norm(row - made[place]) for place in chosen) for row in made])
    assert spread.coverage(made, chosen) == pytest.approx(naive, abs=1e-6)
    assert spread.coverage(made, list(range(40))) == pytest.approx(0, abs=1e-3)


@pytest.mark.parametrize("by", ["diverse", "strata", "random"])
def test_the_same_rows_are_drawn_whatever_their_order(tmp_path, by):
    rows = [{"text": f"{THEMES[n % 8]} {n}", "label": "abc"[n % 3]} for n in range(300)]
    drawn = []
    for order in range(3):
        random.Random(order).shuffle(rows)
        drawn.append(set(texts(draw(written(tmp_path / "rows.jsonl", rows), 30, by, seed=4))))
    assert len(drawn[0]) == 30
    assert drawn[0] == drawn[1] == drawn[2]


@pytest.mark.parametrize("by", ["diverse", "strata", "random"])
def test_another_seed_draws_other_rows(tmp_path, by):
    files = written(tmp_path / "rows.jsonl", [{"text": f"{THEMES[n % 8]} {n}", "label": "x"} for n in range(200)])
    assert set(texts(draw(files, 20, by))) != set(texts(draw(files, 20, by, seed=1)))


@pytest.mark.parametrize("by", ["diverse", "strata", "random"])
def test_exact_copies_are_drawn_once(tmp_path, by):
    rows = [{"text": f"row {n % 12}", "label": "a"} for n in range(400)]
    found = texts(draw(written(tmp_path / "rows.jsonl", rows), 50, by))
    assert sorted(found) == sorted(f"row {n}" for n in range(12))


def test_every_row_is_drawn_as_often_as_any_other():
    counts: Counter[int] = Counter()
    for seed in range(2000):
        held = reservoir.Reservoir(5)
        for n in range(20):
            held.add(reservoir.drawable(reservoir.Row({"n": n}, f"f:{n}"), seed))
        counts.update(one.values["n"] for one in held.drawn())
    assert len(counts) == 20
    assert all(420 < count < 580 for count in counts.values())  # 500 expected, deviation 19: more than four of them


def test_a_reservoir_holds_no_more_bytes_than_it_may_and_the_same_rows_in_any_order():
    rows = [reservoir.drawable(reservoir.Row({"text": "x" * (n * 37 % 200), "n": n}, f"f:{n}"), 0) for n in range(500)]
    held = []
    for order in range(4):
        random.Random(order).shuffle(rows)
        one = reservoir.Reservoir(400, 5000)
        for row in [*rows, *rows[:100]]:
            one.add(row)
        assert sum(len(each.line) for each in one.drawn()) <= 5000
        held.append([each.key for each in one.drawn()])
    assert held[0] == held[1] == held[2] == held[3]
    below = sorted(row.key for row in rows)[: len(held[0])]
    assert held[0] == below  # the smallest keys, none left out between them


@pytest.mark.parametrize("order", list(itertools.permutations([(5, 80), (10, 60), (15, 10), (15, 10)])))
def test_a_row_that_would_fit_is_left_out_where_one_with_a_smaller_key_was(order):
    held = reservoir.Reservoir(10, 100)
    for key, size in order:
        held.add(reservoir.Drawn(key, "f:1", b"x" * size))
    assert [each.key for each in held.drawn()] == [5]


def test_every_label_is_drawn_and_the_frequent_ones_in_proportion(tmp_path):
    rows = [{"text": f"t {n}", "label": "often" if n < 900 else "seldom" if n < 998 else "once"} for n in range(999)]
    sample = draw(written(tmp_path / "rows.jsonl", rows), 100, "strata")
    assert sample.column == "label"
    assert sample.strata["often"][1] == pytest.approx(90, abs=1)
    assert sample.strata["seldom"][1] == pytest.approx(9, abs=1)
    assert sample.strata["once"] == (1, 1)
    assert list(sample.strata) == ["often", "seldom", "once"]


def test_strata_of_equal_shares_give_what_one_lacks_to_the_others(tmp_path):
    rows = [{"text": f"t {n}", "kind": "a" if n < 500 else "b" if n < 900 else "c"} for n in range(905)]
    sample = draw(written(tmp_path / "rows.jsonl", rows), 65, "strata", column="kind", equal=True)
    assert {name: drawn for name, (_, drawn) in sample.strata.items()} == {"a": 30, "b": 30, "c": 5}


def test_lists_of_labels_are_one_kind_whatever_their_order_and_rows_without_a_value_are_one_too(tmp_path):
    rows = [{"text": "1", "labels": ["a", "b"]}, {"text": "2", "labels": ["b", "a"]}, {"text": "3", "labels": []},
            {"text": "4"}]
    sample = draw(written(tmp_path / "rows.jsonl", rows), 10, "strata")
    assert {name: rows for name, (rows, _) in sample.strata.items()} == {"a, b": 2, "(none)": 2}


def test_more_values_than_rows_are_refused_and_so_is_a_column_that_is_not_there(tmp_path):
    files = written(tmp_path / "rows.jsonl", [{"text": f"t {n}"} for n in range(30)])
    with pytest.raises(Misuse, match="`text` has more than 10 values"):
        draw(files, 10, "strata", column="text")
    with pytest.raises(Misuse, match="no row has a column `colour`"):
        draw(files, 10, "strata", column="colour")
    with pytest.raises(Misuse, match="no column of the first row is one of labels"):
        draw(files, 10, "strata")


def test_rows_that_cannot_be_read_are_told_and_the_others_drawn(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b'{"text": "one"}\nno json\n["text"]\n{"text": "two \xff"}\n{"text": "three"}\n')
    sample = draw([str(path)], 2, "random")
    assert set(texts(sample)) == {"one", "three"}
    assert [finding.where for finding in sample.findings if finding.severity == "error"] == [
        f"{path}:2", f"{path}:3", f"{path}:4"]
    path.write_text("no json\n")
    with pytest.raises(Refusal) as refused:
        draw([str(path)], 2, "diverse")
    assert refused.value.where == f"{path}:1"


def test_of_more_rows_than_can_be_compared_a_random_part_is_and_it_is_said(tmp_path):
    files = written(tmp_path / "rows.jsonl", [{"text": f"{THEMES[n % 8]} {n}"} for n in range(300)])
    sample = draw(files, 10, "diverse", compared=Compared(most_rows=100))
    assert (sample.rows, sample.compared, len(sample.drawn)) == (300, 100, 10)
    assert [finding.kind for finding in sample.findings] == ["sample.compared"]
    assert "100 different rows are compared" in sample.findings[0].what


def test_rows_that_say_the_same_are_drawn_only_where_nothing_else_is_left(tmp_path):
    rows = [{"text": "the very same words", "id": f"x{n}"} for n in range(50)]
    rows += [{"text": words, "id": "y"} for words in THEMES]
    assert set(THEMES) < set(texts(draw(written(tmp_path / "rows.jsonl", rows), 12, "diverse")))


def test_distances_of_projected_texts_are_near_those_of_all_their_runs():
    drawing = random.Random(0)
    words = " ".join(THEMES).split()
    said = [" ".join(drawing.choices(words, k=10)) for _ in range(60)]
    made = features.vectors(said)
    exact = np.zeros((60, 1 << features.PLACES_BITS))
    rarity = features._rarity(said)
    for _, text, place, count in features._counted(said):
        exact[text, place] = (1 + np.log(count)) * rarity[place]
    exact /= np.linalg.norm(exact, axis=1, keepdims=True)
    np.testing.assert_allclose(np.linalg.norm(made, axis=1), 1, rtol=1e-5)
    assert np.abs(made @ made.T - exact @ exact.T).max() < 0.3
    assert np.abs(made @ made.T - exact @ exact.T).mean() < 0.06


def test_a_vector_does_not_depend_on_where_its_text_stands():
    said = [f"{words} {n}" for n in range(300) for words in THEMES]
    made, back = features.vectors(said), features.vectors(said[::-1])[::-1]
    np.testing.assert_allclose(made, back, atol=1e-6)


def test_texts_without_a_run_of_letters_do_no_harm():
    made = features.vectors(["", "a", "αβγδε ζη", "🙂", "an ordinary text"])
    assert np.isfinite(made).all()
    assert spread.far_apart(made, 5, seed=0) and len(set(spread.far_apart(made, 5, seed=0))) == 5


@pytest.mark.parametrize(("values", "said"), [
    ({"text": "a b", "label": "x", "id": "7"}, "a b"),
    ({"prompt": "p", "answer": "q", "when": "monday"}, "p q"),
    ({"messages": [{"role": "user", "content": "hi"}]}, "hi"),
    ({"column 1": ["Anna", "went"], "column 2": ["B-PER", "O"]}, "Anna went"),
    ({"Body": "hello", "n": 3, "from_row": "a.csv:3"}, "hello"),
])
def test_what_a_row_says_is_told_by_its_columns(values, said):
    assert features.wording(values) == said
