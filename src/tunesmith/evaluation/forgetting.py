"""What tuning cost elsewhere: tuned against base on rows of other kinds, each file with a word of its own.

The words are those of the verdict and one more. A loss on a few hundred rows is measured so finely that nearly every
tuning is "worse" there by a hair; what a reader wants to know is whether it matters. So *kept* says that the whole
interval lies within 2% of the base's value: a test of equivalence (Schuirmann 1987, "A comparison of the two one-sided
tests procedure and the power approach for assessing the equivalence of average bioavailability").
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Literal

from ..contracts import Metric
from ..records import Elsewhere, Example, Finding, Measured
from .verdict import Predictions, measure, side_by_side, word

KEPT: Final = 0.02
Word = Literal["kept", "better", "worse", "not proven"]


def elsewhere(
    against: Predictions, tuned: Predictions, examples: Sequence[Example], metrics: Mapping[str, Metric], primary: str,
    *, task: str, digest: str, seed: int,
) -> Elsewhere:
    """Tuned against the base on rows that are not what the run is for.

    The word is that of `primary`, or of the first metric where `primary` could not be measured; with no metric at all
    it is "not proven".
    """
    measured = measure(against, tuned, examples, metrics, seed=seed)
    decides = primary if primary in measured else next(iter(measured), primary)
    told: Word = word_elsewhere(measured[decides], metrics[decides]) if measured else "not proven"
    return Elsewhere(told, decides, task, measured, digest, side_by_side(against, tuned, examples, seed=seed))


def word_elsewhere(one: Measured, metric: Metric) -> Word:
    """Kept where the whole interval is within 2% of the base's value; else as in the verdict."""
    margin = KEPT * abs(one.against)
    return "kept" if -margin <= one.low and one.high <= margin else word(one, metric)


def findings(name: str, one: Elsewhere, metrics: Mapping[str, Metric], remedy: str) -> list[Finding]:
    """How much was clearly lost, and what gives it back; nothing where nothing was.

    Loss and perplexity say the same in two units, so only the first of them is asked; of those that read answers, the
    first that is worse is told.
    """
    ordered = sorted(one.metrics, key=lambda name: name != one.primary)
    likelihood = [metric for metric in ordered if metrics[metric].needs == "loss"][:1]
    asked = [metric for metric in ordered if metric in likelihood or metrics[metric].needs == "text"]
    lost: dict[str, str] = {}
    for metric in asked:
        each = one.metrics[metric]
        if word_elsewhere(each, metrics[metric]) == "worse":
            lost.setdefault(metrics[metric].needs, (
                f"{metric} {each.against:.4g} became {each.tuned:.4g}{_share(each)}, 95% interval of the difference "
                f"{each.low:+.4g} to {each.high:+.4g}, on {each.rows} rows"))
    if not lost:
        return []
    return [Finding("warning", "verdict.forgotten", f"tuning cost `{name}`: {'; '.join(lost.values())}",
                    f"evaluation.also.{name}", remedy)]


def _share(one: Measured) -> str:
    return f" ({one.difference / abs(one.against):+.0%})" if one.against else ""
