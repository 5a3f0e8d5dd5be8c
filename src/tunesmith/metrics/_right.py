"""All right answers of a row: a row may come with several, such as translations of one sentence."""

from __future__ import annotations

from ..records import Example, Pair, Prediction


def answers(prediction: Prediction, example: Example) -> tuple[str, ...]:
    """The reference that the prediction is held against, and the row's others."""
    others = example.references[1:] if isinstance(example, Pair) else ()
    return (prediction.reference, *others)
