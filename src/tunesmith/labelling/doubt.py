"""How unsure a model is of what it predicts, by what `predict` tells of a row: the rows worth asking about come first.

Of a label by the margin, what the likeliest is ahead of the next: a person decides between these two, and a long tail
of unlikely labels, which raises the entropy, asks nothing of them. Source: Scheffer 2001, "Active hidden Markov models
for information extraction"; Settles 2009, "Active learning literature survey", section 3.1.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .items import Offered


def offered(told: Mapping[str, Any], likelihood: float | None = None) -> Offered | None:
    """What a row's prediction suggests; None where it could not be predicted.

    likelihood: of a generated text, the mean log-probability of its tokens.
    """
    if "error" in told:
        return None
    if "labels" in told:
        return _of_labels(told["labels"], told["scores"])
    if "label" in told:
        return _of_label(told["label"], told["scores"])
    if "value" in told:
        return Offered(told["value"], 0.0)
    if "tags" in told:
        return Offered(list(told["tags"]), 1 - told["score"], told["score"], "least sure word")
    if "answer" in told:
        return Offered(told["answer"], 1 - told["score"], told["score"], "probability")
    if likelihood is None:
        return Offered(told["text"], 0.0)
    return Offered(told["text"], -likelihood, likelihood, "mean log-probability of a token")


def _of_label(label: str, scores: Mapping[str, float]) -> Offered:
    first, second = sorted([*scores.values(), 0.0], reverse=True)[:2]
    return Offered(label, 1 - (first - second), scores[label], "probability", scores)


def _of_labels(labels: list[str], scores: Mapping[str, float]) -> Offered:
    """By the label that is least decided: nearest to as likely as not."""
    least = min((max(score, 1 - score) for score in scores.values()), default=1.0)
    return Offered(list(labels), 1 - least, least, "least sure label", scores)
