"""Two numbers a row, the one expected and the one said, and how far they go together in every draw of rows.

Letters of shape suffixes: R rows, K statistics of a row, B draws.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from ..contracts import Floats
from ..records import Prediction

CONSTANT: Final = 1e-12  # a variance below this share of the mean square is rounding


def statistics(prediction: Prediction) -> Sequence[float]:
    """The number expected and the one said; none where no number was asked for."""
    if "value" in prediction.output and "value" in prediction.expected:
        return float(prediction.expected["value"]), float(prediction.output["value"])
    return ()


def together(prediction: Prediction) -> Sequence[float]:
    """The number expected, and the one said where it stands among those of its model, if that was told.

    A correlation knows no scale; what two models say can change places only on the same one.
    """
    found = statistics(prediction)
    return (found[0], float(prediction.output["standing"])) if found and "standing" in prediction.output else found


def correlation(counts_BR: Floats, first: Floats, second: Floats) -> Floats:
    """(B,) Pearson's r of two columns, (R,) or (B, R) each; 0 where one of them does not vary."""
    rows_B = counts_BR.sum(axis=1)

    def mean(values: Floats) -> Floats:
        summed = counts_BR @ values if values.ndim == 1 else np.einsum("br,br->b", counts_BR, values)
        return np.asarray(summed / rows_B, np.float64)

    with np.errstate(invalid="ignore", divide="ignore"):
        means = mean(first), mean(second)
        squares = mean(first**2), mean(second**2)
        spreads = [np.where(square - mid**2 > CONSTANT * square, square - mid**2, 0)
                   for mid, square in zip(means, squares, strict=True)]
        product_B = np.sqrt(spreads[0]) * np.sqrt(spreads[1])
        found_B = (mean(first * second) - means[0] * means[1]) / product_B
    return np.where(product_B > 0, np.clip(found_B, -1, 1), 0.0)
