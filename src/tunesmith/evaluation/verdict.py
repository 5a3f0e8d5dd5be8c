"""The verdict: is the tuned model better than what it is compared with, on rows that it was not trained on?

The primary metric decides: the 95% interval of the paired difference clear of zero in the good direction is "better",
in the bad one "worse", else "not proven". Another metric that is clearly worse is a finding beside the word.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final, Literal

import numpy as np

from ..contracts import Floats, Metric
from ..errors import Failure, Misuse
from ..records import Elsewhere, Example, Finding, Measured, Prediction, Verdict
from .intervals import FEWEST_GROUPS, paired
from .predictions import measurable

SHOWN: Final = 8
Word = Literal["better", "worse", "not proven"]
Predictions = Mapping[int, Prediction]


def judge(
    against: Predictions, tuned: Predictions, examples: Sequence[Example], metrics: Mapping[str, Metric], primary: str,
    *, against_name: str, seed: int,
) -> Verdict:
    """Tuned against another model on the same held-out rows.

    against, tuned: predictions by index into `examples`. A metric that needs text is measured on the rows for which
    both sides generated an answer, the others on the rows whose loss has a weight.

    Raises Misuse where there is nothing to judge on, Failure for a loss that is no number or for rows that only one
    side has predicted.
    """
    _vet(against, tuned, examples, metrics, primary)
    measured = measure(against, tuned, examples, metrics, seed=seed)
    findings = [
        Finding("note", "verdict.not_measured", f"`{name}` was not measured: no answers were generated",
                "evaluation.generate", "set `evaluation.generate` to 1 or more")
        for name in metrics if name not in measured and metrics[name].needs != "output"
    ]
    if primary not in measured and metrics[primary].needs == "output":
        raise Misuse("verdict.not_measured", f"`{primary}` decides, and has nothing to say of what is predicted here",
                     "evaluation.metric", f"use one of: {', '.join(measured)}")
    if primary not in measured:
        raise Misuse("verdict.nothing_generated", f"`{primary}` decides, but no row has what it is measured on",
                     "evaluation.generate", "set `evaluation.generate` to 1 or more, or `evaluation.metric` to `loss`")
    words = {name: word(one, metrics[name]) for name, one in measured.items()}
    findings += _cut_answers(tuned)
    findings += _beside(words, measured, primary)
    groups = {examples[index].group for index in tuned}
    could = (len(tuned), len(groups)) if metrics[primary].needs == "text" else (0, 0)
    findings += _too_few(measured[primary], primary, words[primary], could)
    return Verdict(
        words[primary], primary, against_name, measured, side_by_side(against, tuned, examples, seed=seed),
        tuple(findings), measured[primary].rows_needed,
    )


def measure(
    against: Predictions, tuned: Predictions, examples: Sequence[Example], metrics: Mapping[str, Metric], *, seed: int
) -> dict[str, Measured]:
    """The difference in each metric that some row has what it needs for. Raises Failure for what is no number."""
    rows = {name: _rows(metric, against, tuned, examples) for name, metric in metrics.items()}
    return {
        name: _measure(name, metric, against, tuned, examples, rows=rows[name], seed=seed)
        for name, metric in metrics.items() if rows[name]
    }


def strongest(
    rivals: Mapping[str, Predictions], tuned: Predictions, examples: Sequence[Example], metric: Metric, *, seed: int
) -> str:
    """The name of the rival that does best by a metric on the rows that decide: the hardest one to be better than.

    The first where there is one only, or where none can be measured.
    """
    values: dict[str, float] = {}
    for name, rival in rivals.items():
        measured = measure(rival, tuned, examples, {name: metric}, seed=seed) if len(rivals) > 1 else {}
        if name in measured:
            values[name] = measured[name].against * (1 if metric.higher_is_better else -1)
    return max(values, key=values.__getitem__) if values else next(iter(rivals))


def decisive(metrics: Mapping[str, Metric], tuned: Predictions, examples: Sequence[Example]) -> str:
    """The name of the first metric that some row has what it needs for; the first of all where there is none."""
    found = (name for name, metric in metrics.items() if _rows(metric, tuned, tuned, examples))
    return next(found, next(iter(metrics)))


def word(one: Measured, metric: Metric) -> Word:
    """Better or worse where zero is outside the interval, else not proven."""
    if not one.clear:
        return "not proven"
    return "better" if (one.low > 0) == metric.higher_is_better else "worse"


def side_by_side(
    against: Predictions, tuned: Predictions, examples: Sequence[Example], *, seed: int
) -> tuple[dict[str, Any], ...]:
    """Up to eight rows with both answers, drawn by the seed among all that have them, in the rows' order."""
    answered = [index for index in sorted(tuned) if tuned[index].answered and against[index].answered]
    drawn = np.random.default_rng([seed, SHOWN]).permutation(len(answered))[:SHOWN]
    return tuple(
        {
            "where": examples[index].where,
            "prompt": tuned[index].prompt,
            "reference": tuned[index].reference,
            "against": against[index].text,
            "tuned": tuned[index].text,
            "stopped_by": {"against": against[index].stopped_by, "tuned": tuned[index].stopped_by},
        }
        for index in (answered[place] for place in sorted(drawn))
    )


def as_json(verdict: Verdict) -> dict[str, Any]:
    """The verdict as `evaluate --json` prints it and `verdict.json` keeps it."""
    return {
        "verdict": verdict.word,
        "primary": verdict.primary,
        "against": verdict.against,
        "metrics": {name: asdict(one) for name, one in verdict.metrics.items()},
        "examples": [dict(example) for example in verdict.examples],
        "rows_needed": verdict.rows_needed,
        "findings": [finding.as_json() for finding in verdict.findings],
        "baselines": {name: {metric: asdict(one) for metric, one in metrics.items()}
                      for name, metrics in verdict.baselines.items()},
        "also": {
            name: {
                "word": one.word, "primary": one.primary, "task": one.task, "digest": one.digest,
                "metrics": {metric: asdict(measured) for metric, measured in one.metrics.items()},
                "examples": [dict(example) for example in one.examples],
            }
            for name, one in verdict.also.items()
        },
    }


def from_json(value: Mapping[str, Any]) -> Verdict:
    """The verdict that `as_json` wrote."""
    also = {
        name: Elsewhere(one["word"], one["primary"], one["task"], _metrics(one), one["digest"], tuple(one["examples"]))
        for name, one in value.get("also", {}).items()  # a verdict of an earlier version has none
    }
    return Verdict(
        value["verdict"], value["primary"], value["against"], _metrics(value), tuple(value["examples"]),
        tuple(Finding(**finding) for finding in value["findings"]), value["rows_needed"], also,
        {name: _metrics({"metrics": metrics}) for name, metrics in value.get("baselines", {}).items()},
    )


def _metrics(value: Mapping[str, Any]) -> dict[str, Measured]:
    return {name: Measured(**numbers) for name, numbers in value["metrics"].items()}


def _vet(
    against: Predictions, tuned: Predictions, examples: Sequence[Example], metrics: Mapping[str, Metric], primary: str
) -> None:
    if primary not in metrics:
        raise Misuse("verdict.unknown_metric", f"`{primary}` should decide, but is not measured", "evaluation.metric",
                     f"use one of: {', '.join(metrics)}")
    if against.keys() != tuned.keys():
        alone = sorted(against.keys() ^ tuned.keys())[0]
        raise Failure("verdict.unpaired", "a row was predicted by one side only", examples[alone].where,
                      "predict the same rows with both models")
    if not tuned:
        raise Misuse("verdict.no_rows", "there are no held-out rows to judge on", "data.test",
                     "give `data.test` a share above 0, or files")


def _rows(metric: Metric, against: Predictions, tuned: Predictions, examples: Sequence[Example]) -> list[int]:
    return [index for index in sorted(tuned)
            if measurable(metric, (tuned[index], against[index]), examples[index])]


def _measure(
    name: str, metric: Metric, against: Predictions, tuned: Predictions, examples: Sequence[Example],
    *, rows: Sequence[int], seed: int,
) -> Measured:
    settings = metric.Settings()
    sides: list[Floats] = []
    for side, predictions in (("the model compared with", against), ("the tuned model", tuned)):
        statistics = [metric.measure(predictions[index], examples[index], settings) for index in rows]
        for index, row in zip(rows, statistics, strict=True):
            if not all(map(math.isfinite, row)):
                raise Failure("verdict.not_finite", f"`{name}` of {side} is {row[0]}", examples[index].where,
                              "look at this row; lower the learning rate if training diverged")
        sides.append(np.array(statistics, np.float64))
    interval = paired(metric, sides[0], sides[1], groups=[examples[index].group for index in rows], seed=seed)
    if not all(map(math.isfinite, (interval.against, interval.tuned, interval.low, interval.high))):
        raise Failure("verdict.not_finite", f"`{name}` is beyond what a number can hold", examples[rows[0]].where,
                      "lower the learning rate if training diverged")
    return interval


def _beside(words: Mapping[str, Word], measured: Mapping[str, Measured], primary: str) -> list[Finding]:
    """What the word alone does not tell."""
    found = [
        Finding("warning", "verdict.also_worse", f"`{name}` is worse: {one.against:.4g} became {one.tuned:.4g}, 95% "
                f"interval of the difference {one.low:.4g} to {one.high:.4g}", name,
                "look at the answers side by side before you use this model")
        for name, one in measured.items() if name != primary and words[name] == "worse"
    ]
    if words[primary] != "not proven":
        return found
    return found + [
        Finding("note", "verdict.also_better", f"`{name}` is better: {one.against:.4g} became {one.tuned:.4g}, 95% "
                f"interval of the difference {one.low:.4g} to {one.high:.4g}", name,
                f"something was learnt: train longer, or show `{primary}` more rows")
        for name, one in measured.items() if words[name] == "better"
    ][:1]  # the others mostly say the same in another unit


def _too_few(one: Measured, primary: str, told: Word, could: tuple[int, int]) -> list[Finding]:
    """Rows that prove nothing, and whether others only lack an answer: `could` counts rows and groups with answers."""
    where, remedy = "data.test", "hold out more rows that have nothing in common"
    rows = "the held-out rows"
    unanswered = could[0] > one.rows and could[1] > one.groups
    if unanswered:
        where, remedy = "evaluation.generate", f"raise `evaluation.generate`; with {could[0]} every row is answered"
        rows = f"the {one.rows} of {could[0]} held-out rows with answers"
    if one.groups < FEWEST_GROUPS:
        return [Finding("warning", "verdict.few_groups", f"{rows} come from {one.groups} "
                        f"group{'s' if one.groups != 1 else ''}: nothing can be proven with fewer than "
                        f"{FEWEST_GROUPS}", where, remedy)]
    if told == "not proven" and unanswered:
        return [Finding("note", "verdict.few_answers", f"`{primary}` is measured on {one.rows} of {could[0]} held-out "
                        "rows", where, remedy)]
    return []


def _cut_answers(tuned: Predictions) -> list[Finding]:
    answered = [prediction for prediction in tuned.values() if prediction.stopped_by]
    cut = sum(prediction.stopped_by == "length" for prediction in answered)
    if not cut:
        return []
    return [Finding("note", "verdict.answers_cut", f"{cut} of {len(answered)} tuned answers did not end by "
                    "themselves", "evaluation.max_new_tokens", "raise `evaluation.max_new_tokens` to see them whole")]
