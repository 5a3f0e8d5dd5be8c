"""Facts of a verdict's page, made up: small, whole, and hostile where a test wants it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from tunesmith.evaluation import verdict
from tunesmith.evaluation.answers import worst_first
from tunesmith.evaluation.predictions import Kept
from tunesmith.metrics import exact_match, loss, perplexity, rouge_l
from tunesmith.pages.verdict import Judged
from tunesmith.records import Elsewhere, Pair, Prediction

METRICS: dict[str, Any] = {"exact_match": exact_match, "loss": loss, "perplexity": perplexity, "rouge_l": rouge_l}
HOSTILE = (
    "</script><img src=x onerror=\"document.title='pwned'\">",
    "\"'><svg onload=document.title='pwned'>",
    "<!-- <script>document.title='pwned'</script>",
    "]]></style><style>*{display:none}</style>",
    "\x00\x08\u202egnp.exe\u2066 \ud800 \ufffe &lt;b&gt; &#60;script&#62;",
    "{{ 7*7 }} ${title} %s",
)


def kept_row(row: int, sides: dict[str, Prediction], example: Pair) -> Kept:
    """A held-out row as `predictions.jsonl` would keep it."""
    measured = {who: {name: metric.measure(one, example, metric.Settings()) for name, metric in METRICS.items()}
                for who, one in sides.items()}
    return Kept(row, example.where, example.group, sides, measured)


def judged(*, rows: int = 40, steps: int = 60, hostile: bool = False) -> Judged:
    """A run whose tuned model answers three of four rows rightly, with a curve of so many steps."""
    rng = np.random.default_rng(0)

    def said(text: str, row: int) -> str:
        return f"{text} {HOSTILE[row % len(HOSTILE)]}" if hostile else text

    examples = [Pair(said(f"How many hats has Anna after {row}?", row), said(f"Anna has {row + 2} hats.", row),
                     said("hats.jsonl", row) + f":{row + 1}", str(row)) for row in range(rows)]
    sides: dict[str, dict[int, Prediction]] = {"base": {}, "tuned": {}}
    for row, example in enumerate(examples):
        for who, term, right in (("base", 30.0, row % 10 == 0), ("tuned", 12.0, row % 4 != 0)):
            answer = example.answer if right else example.answer.replace("hats", "cats")
            sides[who][row] = Prediction(
                row, term + float(rng.gamma(4, 0.5)), 10.0, example.prompt, answer, example.answer,
                "length" if row == 5 and who == "tuned" else "end", 9)
    found = verdict.judge(sides["base"], sides["tuned"], examples, METRICS, "exact_match", against_name="base", seed=0)
    other = Elsewhere("worse", "loss", "completion", {"loss": found.metrics["loss"]}, "d1" * 32, ())
    found = replace(found, also={said("stories", 1): other})
    kept = [kept_row(row, {who: sides[who][row] for who in sides}, example) for row, example in enumerate(examples)]
    losses = [(step, 5.0 / step + 0.3 * float(rng.random())) for step in range(1, steps + 1)]
    name = said("hats-3f2a", 0)
    return Judged(
        name, found, METRICS, {"run": name, "base": said("tiny", 1), "rows": f"{rows} (test)"}, losses,
        losses[9::10], losses[-1][0], worst_first(kept, "exact_match", exact_match),
        {"digests": {"base": "b1" * 32, "data_test": said("49" * 32, 2)}, "versions": {"torch": "2.13.0"}},
        said("base: {name: tiny}\n", 3),
    )
