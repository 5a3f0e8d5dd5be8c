"""The best answer in a context, from what a network says of each row of its windows: start and end.

As in BERT (Devlin et al. 2019, section 4.3) and in transformers' own recipe (`utils_qa.py`): a span scores start + end,
no answer the two of a window's first row, the least of all windows; no answer is said where it scores more than the
best span by a threshold. Here every span is looked at, not only those of the n best starts and ends. Letters: C tokens
of the context, L longest answer, W rows of a window.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from ..contracts import Floats
from ..encoding.documents.passages import Passage


def answer(
    passage: Passage, outputs: Sequence[Floats], longest: int, *, threshold: float | None
) -> Mapping[str, Any]:
    """The answer, its characters in the context and its score; `start` and `end` are None where there is no answer.

    outputs: (W, 2) of each window; longest: the most tokens of an answer; threshold: how much more than the best span
    no answer has to score, None where there always is an answer. A score is the share among all that could have been
    said, 0 to 1; `no_answer_score`, where no answer could be said, is that of no answer.
    """
    scores_CL = _spans(passage, outputs, longest)
    first, length = divmod(int(np.argmax(scores_CL)), longest)
    best = float(scores_CL[first, length])
    none = min((float(each[0].sum()) for each in outputs), default=0.0)
    whole = float(np.logaddexp.reduce(scores_CL, axis=None))
    if threshold is not None:
        whole = float(np.logaddexp(whole, none))
        no_answer = {"no_answer_score": math.exp(none - whole)}
        if none - best > threshold or best == -math.inf:
            return {"answer": "", "start": None, "end": None, "score": no_answer["no_answer_score"], **no_answer}
    elif best == -math.inf:
        return {"answer": "", "start": None, "end": None, "score": 0.0}
    else:
        no_answer = {}
    at = passage.context[0] + first
    start, end = passage.characters(at, at + length)
    return {"answer": passage.example.context[start:end], "start": start, "end": end,
            "score": math.exp(best - whole), **no_answer}


def _spans(passage: Passage, outputs: Sequence[Floats], longest: int) -> Floats:
    """(C, L) the score of each span by its first token and its length less one; minus infinity where none can be.

    Of a span that stands in several windows the best counts. None begins or ends with a token that is all blank space.
    """
    first, after = passage.context
    scores_CL = np.full((max(after - first, 1), longest), -np.inf)
    blank = np.array([passage.characters(token, token)[0] >= passage.characters(token, token)[1]
                      for token in range(first, after)], np.bool_)
    for places, each in zip(passage.windows, outputs, strict=True):
        rows = np.flatnonzero((places >= first) & (places < after))
        at = slice(int(places[rows[0]]) - first, int(places[rows[-1]]) - first + 1)
        start_C, end_C = (np.where(blank[at], -np.inf, each[rows, column]) for column in (0, 1))
        ends_CL = sliding_window_view(np.concatenate([end_C, np.full(longest - 1, -np.inf)]), longest)
        scores_CL[at] = np.maximum(scores_CL[at], start_C[:, None] + ends_CL)
    return scores_CL
