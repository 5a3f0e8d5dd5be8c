"""What tuning cost elsewhere: each file's word, the finding that says how much, and its place in the verdict."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tunesmith.evaluation import forgetting, report, verdict
from tunesmith.metrics import exact_match, loss, perplexity
from tunesmith.records import Elsewhere, Pair, Prediction

METRICS: dict[str, Any] = {"loss": loss, "perplexity": perplexity, "exact_match": exact_match}


def rows(count: int) -> list[Pair]:
    return [Pair(f"question {row}", "yes", f"general.jsonl:{row + 1}", str(row)) for row in range(count)]


def predictions(terms: Sequence[float], texts: Sequence[str] = ()) -> dict[int, Prediction]:
    plain = {row: Prediction(row, term, 10.0, f"question {row}", reference="yes") for row, term in enumerate(terms)}
    return plain | {row: replace(plain[row], text=text, stopped_by="end") for row, text in enumerate(texts)}


def terms(seed: int, shift: float = 0.0, spread: float = 0.0, count: int = 60) -> list[float]:
    """Nats of each row, 20 on average; `shift` and `spread` move each row."""
    rng = np.random.default_rng(0)
    return list(20 + rng.gamma(4, 1, count) + np.random.default_rng(seed).normal(shift, spread + 1e-9, count))


def measured(after: Sequence[float], texts: Sequence[str] = (), primary: str = "loss") -> Elsewhere:
    before = predictions(terms(0, count=len(after)), ["yes"] * len(texts))
    return forgetting.elsewhere(before, predictions(after, texts), rows(len(after)), METRICS, primary, task="chat",
                                digest="d", seed=0)


@pytest.mark.parametrize(("shift", "spread", "word"), [
    (3.0, 0.5, "worse"), (-3.0, 0.5, "better"), (0.1, 0.05, "kept"), (-0.1, 0.05, "kept"), (0.5, 6.0, "not proven"),
])
def test_the_word_tells_a_loss_that_matters_from_one_that_does_not(shift: float, spread: float, word: str) -> None:
    assert measured(terms(1, shift, spread)).word == word


def test_a_hair_that_is_surely_there_is_still_kept() -> None:
    one = measured(terms(1, 0.1, 0.05))
    assert one.metrics["loss"].clear
    assert one.word == "kept"


def test_what_was_lost_is_told_once_with_its_share_and_its_remedy() -> None:
    [found] = forgetting.findings("general", measured(terms(1, 3.0, 0.5)), METRICS, "replay them")
    assert found.severity == "warning"
    assert (found.kind, found.where, found.remedy) == ("verdict.forgotten", "evaluation.also.general", "replay them")
    assert "loss 2.391 became 2.688" in found.what
    assert "(+12%)" in found.what
    assert "perplexity" not in found.what


def test_a_perplexity_is_not_told_where_its_loss_was_kept() -> None:
    one = measured(terms(1, 0.35, 0.05))
    assert one.word == "kept"
    assert forgetting.word_elsewhere(one.metrics["perplexity"], perplexity) == "worse"
    assert forgetting.findings("general", one, METRICS, "") == []


def test_answers_that_went_wrong_are_told_though_the_loss_was_kept() -> None:
    one = measured(terms(1, 0.1, 0.05), ["no"] * 20)
    assert one.word == "kept"
    [found] = forgetting.findings("general", one, METRICS, "")
    assert "exact_match 1 became 0" in found.what


def test_nothing_is_told_where_nothing_was_lost() -> None:
    assert forgetting.findings("general", measured(terms(1, -3.0, 0.5)), METRICS, "") == []


def test_a_named_metric_decides_where_it_was_measured_and_the_first_where_it_was_not() -> None:
    assert measured(terms(1, -3.0, 0.5), ["no"] * 20, "exact_match").word == "worse"
    assert measured(terms(1, -3.0, 0.5), (), "exact_match").primary == "loss"


def test_rows_without_anything_to_measure_are_not_proven() -> None:
    silent = {0: Prediction(0)}
    one = forgetting.elsewhere(silent, silent, rows(1), METRICS, "loss", task="chat", digest="d", seed=0)
    assert (one.word, one.metrics) == ("not proven", {})


def test_the_verdict_keeps_it_in_json_and_shows_it_to_a_reader() -> None:
    before, after = predictions(terms(0)), predictions(terms(1, -3.0, 0.5))
    told = verdict.judge(before, after, rows(60), {"loss": loss}, "loss", against_name="base", seed=0)
    other = measured(terms(1, 3.0, 0.5), ["yes"] * 10)
    whole = replace(told, also={"general": other})
    assert whole.word == told.word == "better"
    assert verdict.from_json(json.loads(json.dumps(verdict.as_json(whole)))) == whole
    text = report.markdown(whole, {})
    assert "## Elsewhere" in text
    assert "| general | worse | loss |" in text
    assert "## Answers side by side: general" in text
    assert "Elsewhere" not in report.markdown(told, {})


def test_a_verdict_of_an_earlier_version_is_read() -> None:
    told = verdict.judge(predictions(terms(0)), predictions(terms(1, 3.0)), rows(60), {"loss": loss}, "loss",
                         against_name="base", seed=0)
    old = verdict.as_json(told)
    del old["also"]
    for one in old["metrics"].values():
        del one["rows_needed"]
    assert verdict.from_json(old) == told
