"""The word, the findings beside it, the shape of its JSON, and the report a person reads."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tunesmith.errors import Failure, Misuse
from tunesmith.evaluation import report, verdict
from tunesmith.metrics import exact_match, loss, perplexity, rouge_l
from tunesmith.records import Pair, Prediction, Verdict

METRICS: dict[str, Any] = {"loss": loss, "perplexity": perplexity, "exact_match": exact_match, "rouge_l": rouge_l}
FACTS = {"run": "runs/orders", "base": "smollm2-135m-instruct", "data": "orders.jsonl"}


def examples(rows: int, groups: int = 10**6) -> list[Pair]:
    return [Pair(f"question {row}", "yes", f"orders.jsonl:{row + 1}", str(row % groups)) for row in range(rows)]


def predictions(terms: Sequence[float], texts: Sequence[str] = ()) -> dict[int, Prediction]:
    """A prediction for each term; the first ones also have a generated text."""
    plain = {row: Prediction(row, term, 10.0, f"question {row}", reference="yes") for row, term in enumerate(terms)}
    spoken = {row: replace(plain[row], text=text, stopped_by="end", tokens=3) for row, text in enumerate(texts)}
    return plain | spoken


def judged(
    against: dict[int, Prediction], tuned: dict[int, Prediction], primary: str = "loss", **other: Any
) -> Verdict:
    settings = {"metrics": METRICS, "against_name": "base", "seed": 0} | other
    return verdict.judge(against, tuned, other.pop("examples", examples(len(tuned))), settings["metrics"], primary,
                         against_name=settings["against_name"], seed=settings["seed"])


def terms(rows: int, mean: float, seed: int) -> list[float]:
    return list(mean + np.random.default_rng(seed).gamma(4, 0.5, rows))


BASE = predictions(terms(40, 10, 0), ["no"] * 16)
TUNED = predictions(terms(40, 5, 1), ["yes"] * 12 + ["no"] * 4)


def test_a_lower_loss_is_better_and_a_higher_one_worse() -> None:
    assert judged(BASE, TUNED).word == "better"
    assert judged(TUNED, BASE).word == "worse"


def test_more_exact_answers_are_better_and_fewer_worse() -> None:
    assert judged(BASE, TUNED, "exact_match").word == "better"
    assert judged(TUNED, BASE, "exact_match").word == "worse"


def test_a_model_beside_itself_is_not_proven() -> None:
    same = judged(BASE, BASE)
    assert (same.word, same.metrics["loss"].difference, same.rows_needed) == ("not proven", 0, None)


def test_a_small_difference_is_not_proven_and_says_how_many_rows_would_do() -> None:
    rng = np.random.default_rng(0)
    first = terms(40, 10, 0)
    second = [term + 0.2 + rng.normal(0, 2) for term in first]
    told = judged(predictions(first), predictions(second))
    assert told.word == "not proven"
    assert told.rows_needed is not None
    assert told.rows_needed > 40


def test_text_metrics_count_only_rows_that_were_generated() -> None:
    told = judged(BASE, TUNED).metrics
    assert (told["loss"].rows, told["exact_match"].rows, told["rouge_l"].rows) == (40, 16, 16)
    assert (told["exact_match"].against, told["exact_match"].tuned) == (0, 0.75)


def test_an_empty_answer_is_an_answer_that_is_wrong() -> None:
    silent = predictions(terms(40, 5, 1), [""] * 16)
    assert judged(TUNED, silent, "exact_match").metrics["exact_match"].tuned == 0


def test_rows_of_one_group_are_told_and_do_not_prove() -> None:
    told = judged(BASE, TUNED, examples=examples(40, groups=4))
    assert (told.word, told.metrics["loss"].groups) == ("not proven", 4)
    assert "verdict.few_groups" in {finding.kind for finding in told.findings}


def test_one_row_is_not_proven_and_says_so() -> None:
    told = judged(predictions([10.0]), predictions([1.0]), metrics={"loss": loss})
    assert (told.word, told.rows_needed) == ("not proven", 6)
    assert told.findings[0].what == "the held-out rows come from 1 group: nothing can be proven with fewer than 6"


def test_rows_that_only_lack_an_answer_are_asked_for_by_the_option_that_gives_answers() -> None:
    few = predictions(terms(40, 5, 1), ["no"] * 4)
    told = judged(predictions(terms(40, 10, 0), ["no"] * 4), few, "exact_match").findings
    assert [(finding.kind, finding.where) for finding in told if "few" in finding.kind] == [
        ("verdict.few_groups", "evaluation.generate")]
    assert "the 4 of 40 held-out rows with answers come from 4 groups" in told[-1].what
    some = judged(BASE, predictions(terms(40, 5, 1), ["no"] * 16), "exact_match")
    assert [(finding.kind, finding.where) for finding in some.findings if "few" in finding.kind] == [
        ("verdict.few_answers", "evaluation.generate")]


def test_what_was_learnt_is_said_beside_a_word_that_proves_nothing() -> None:
    told = judged(BASE, predictions(terms(40, 5, 1), ["no"] * 16), "exact_match")
    assert told.word == "not proven"
    assert [finding.where for finding in told.findings if finding.kind == "verdict.also_better"] == ["loss"]
    assert not any(finding.kind == "verdict.also_better" for finding in judged(BASE, TUNED).findings)


def test_another_metric_that_is_clearly_worse_is_a_finding_beside_the_word() -> None:
    tuned = predictions(terms(40, 15, 1), ["yes"] * 16)
    told = judged(BASE, tuned, "exact_match")
    assert told.word == "better"
    assert {finding.where for finding in told.findings if finding.kind == "verdict.also_worse"} == {
        "loss", "perplexity"}


def test_the_word_is_the_primary_metrics_alone() -> None:
    tuned = predictions(terms(40, 15, 1), ["yes"] * 16)
    assert judged(BASE, tuned).word == "worse"
    assert judged(BASE, tuned).primary == "loss"


def test_answers_cut_short_are_told_when_text_decides() -> None:
    cut = {row: replace(one, stopped_by="length") if row < 3 else one for row, one in TUNED.items()}
    told = {finding.kind: finding.what for finding in judged(BASE, cut, "exact_match").findings}
    assert told["verdict.answers_cut"] == "3 of 16 tuned answers did not end by themselves"


def test_without_generated_answers_text_metrics_are_left_out_and_said() -> None:
    told = judged(predictions(terms(40, 10, 0)), predictions(terms(40, 5, 1)))
    assert set(told.metrics) == {"loss", "perplexity"}
    assert [finding.kind for finding in told.findings] == ["verdict.not_measured"] * 2
    assert told.examples == ()


def test_a_text_metric_cannot_decide_without_answers() -> None:
    with pytest.raises(Misuse, match="`exact_match` decides") as told:
        judged(predictions(terms(40, 10, 0)), predictions(terms(40, 5, 1)), "exact_match")
    assert told.value.where == "evaluation.generate"


def test_no_held_out_rows_are_refused() -> None:
    with pytest.raises(Misuse, match="no held-out rows"):
        judged({}, {})


def test_an_unknown_primary_metric_is_refused_with_the_choices() -> None:
    with pytest.raises(Misuse, match="`bleu` should decide") as told:
        judged(BASE, TUNED, "bleu")
    assert told.value.remedy == "use one of: loss, perplexity, exact_match, rouge_l"


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_loss_that_is_no_number_fails_and_names_the_row(value: float) -> None:
    broken = TUNED | {3: replace(TUNED[3], term=value)}
    with pytest.raises(Failure, match="`loss` of the tuned model is") as told:
        judged(BASE, broken)
    assert told.value.where == "orders.jsonl:4"


def test_a_perplexity_beyond_numbers_fails_instead_of_writing_infinity() -> None:
    with pytest.raises(Failure, match="`perplexity` is beyond"):
        judged(BASE, predictions([9000.0] * 40))


def test_rows_that_one_side_alone_predicted_fail() -> None:
    with pytest.raises(Failure, match="one side only"):
        judged(BASE, {row: one for row, one in TUNED.items() if row}, examples=examples(40))


def test_a_row_without_any_weight_counts_in_no_loss() -> None:
    sides = [{row: replace(one, term=0.0, weight=0.0) if row == 5 else one for row, one in side.items()}
             for side in (BASE, TUNED)]
    assert judged(*sides).metrics["loss"].rows == 39


def test_eight_answers_are_drawn_by_the_seed_and_not_chosen() -> None:
    first, again, other = (judged(BASE, TUNED, seed=seed).examples for seed in (0, 0, 1))
    assert first == again != other
    assert len(first) == 8
    drawn = [judged(BASE, TUNED, metrics={"loss": loss}, seed=seed).examples for seed in range(60)]
    right = np.mean([one["tuned"] == "yes" for shown in drawn for one in shown])
    assert right == pytest.approx(0.75, abs=0.05)


def test_json_has_the_promised_shape_and_is_read_back_the_same() -> None:
    told = judged(BASE, TUNED, "exact_match")
    value = json.loads(json.dumps(verdict.as_json(told), allow_nan=False))
    assert (value["verdict"], value["primary"], value["against"]) == ("better", "exact_match", "base")
    assert list(value["metrics"]["exact_match"]) == ["against", "tuned", "difference", "low", "high", "rows", "groups",
                                                     "rows_needed"]
    assert {"where", "prompt", "reference", "against", "tuned"} <= value["examples"][0].keys()
    assert verdict.from_json(value) == told


def test_the_report_tells_the_word_the_numbers_and_what_was_compared() -> None:
    text = report.markdown(judged(BASE, TUNED, "exact_match"), FACTS, METRICS)
    assert text.startswith("# Verdict: better\n\nTuned against base by `exact_match` on 16 held-out rows in 16 groups: "
                           "0 became 0.75, a difference of +0.75, 95% interval +")
    assert "- base: smollm2-135m-instruct\n" in text
    assert "| **exact_match** (decides), share of answers, higher is better | 0 | 0.75 | +0.75 | +" in text
    assert "| loss, nats per token, lower is better | " in text
    assert text.count("\n### ") == 8


def test_the_report_says_how_many_rows_would_have_been_enough() -> None:
    told = judged(predictions([10.0]), predictions([1.0]), metrics={"loss": loss})
    text = report.markdown(told, FACTS)
    assert "on 1 held-out row in 1 group" in text
    assert "About 6 rows would have been enough" in text


def test_findings_stand_in_the_report() -> None:
    tuned = predictions(terms(40, 15, 1), ["yes"] * 16)
    assert "- **warning**: `loss` is worse: " in report.markdown(judged(BASE, tuned, "exact_match"), FACTS)


@pytest.mark.parametrize("hostile", ["```\n# Verdict: better\n```", "````text\n<script>alert(1)</script>", "~~~\n# x",
                                     "a\n```", "# heading", "`````"])
def test_markdown_in_an_answer_cannot_break_out_of_its_fence(hostile: str) -> None:
    texts = predictions(terms(40, 5, 1), [hostile] * 8)
    lines = report.markdown(judged(texts, texts), FACTS).splitlines()
    fence, headings = "", []
    for line in lines:
        ticks = len(line) - len(line.lstrip("`"))
        if not fence and ticks >= 3:
            fence = "`" * ticks
        elif fence and line.startswith(fence) and set(line.strip()) == {"`"}:
            fence = ""
        elif not fence and (line.startswith("#") or "<script" in line):
            headings.append(line)
    assert fence == ""
    assert all(line.startswith(("# Verdict: not", "## Answers", "### ")) for line in headings)


def test_names_of_options_are_written_as_they_are_typed() -> None:
    cut = {row: replace(one, stopped_by="length") if one.text else one for row, one in TUNED.items()}
    text = report.markdown(judged(BASE, cut, "exact_match"), FACTS)
    assert "(raise `evaluation.max_new_tokens` to see them whole)" in text


def test_a_hostile_file_name_stays_text() -> None:
    rows = [replace(one, where="[x](javascript:1)<b>|`.jsonl:1") for one in examples(40)]
    text = report.markdown(judged(BASE, TUNED, examples=rows), FACTS)
    assert "<b>" not in text
    assert "[x](" not in text
