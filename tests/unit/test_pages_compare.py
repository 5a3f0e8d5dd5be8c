"""The comparison's page and what it says in one line."""

from __future__ import annotations

from dataclasses import replace

import pytest

from compared import compared
from judged import HOSTILE, METRICS
from seen import Seen
from tunesmith.cli.compare import _verdicts
from tunesmith.evaluation.comparison import Comparison
from tunesmith.pages.compare import compare_page, headline


def pair_with(word: str) -> Comparison:
    found = compared(runs=2)
    return replace(found, pairs=[replace(found.pairs[0], words=dict.fromkeys(found.pairs[0].words, word))])


@pytest.mark.parametrize(("word", "line"), [
    ("better", "B is better than A"), ("worse", "B is worse than A"), ("not proven", "Neither is proven better")])
def test_of_two_runs_the_first_line_says_which_is_better(word, line) -> None:
    assert headline(pair_with(word)) == line


def test_of_several_runs_or_runs_that_cannot_be_compared_it_claims_nothing() -> None:
    assert headline(compared(runs=3)) == "3 runs"
    found = compared(runs=2)
    assert headline(replace(found, pairs=[replace(found.pairs[0], metrics={}, words={}, refused="why")])) == "A and B"


def test_what_tuning_cost_elsewhere_stands_beside_each_verdict() -> None:
    found = compared(runs=2)
    loss = found.runs[0].verdict.also["stories"].metrics["loss"]
    assert dict(_verdicts(found.runs))["elsewhere, stories"] == [f"worse: {loss.against:.4g} → {loss.tuned:.4g}"] * 2
    assert Seen(compare_page(found, METRICS)).text.count("Elsewhere, stories worse loss") == 2


def test_what_comes_from_runs_stays_text() -> None:
    plain, hostile = (Seen(compare_page(compared(hostile=each), METRICS)) for each in (False, True))
    assert [name for name, _ in plain.tags] == [name for name, _ in hostile.tags]
    for words in HOSTILE[:4]:
        assert " ".join(words.split()) in hostile.text


def test_values_stand_beside_their_origins_and_what_is_missing_is_said() -> None:
    seen = Seen(compare_page(compared(), METRICS)).text
    assert "training.learning_rate 0.01 a:1 (default) 1e-06 b:1 absent" in seen
    assert "Not compared: their held-out rows differ." in seen
    assert "loss is left out: it counts tokens." in seen
