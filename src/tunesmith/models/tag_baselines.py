"""What stands in for a base that has no head for tags: counting words, and a linear probe on its states."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
import torch
from torch import Tensor

from ..contracts import Model
from ..data import schemes
from ..records import Document, Head, Tagged
from . import asking

MOST: Final = 20_000  # learnt tokens that a probe is fitted on: 384 numbers each are 30 MB
ROUNDS: Final = 100
DECAY: Final = 1.0  # what scikit-learn's logistic regression has: its C is 1


def most_frequent(learnt: Sequence[Tagged], head: Head, rows: Sequence[Tagged]) -> Iterator[Tensor]:
    """(W, L) of each row: which tags its words have in the training rows, as shares.

    Of words that stand in none: `O`, or where the tags know no outside, as all words together.
    """
    places = {label: place for place, label in enumerate(head.labels)}
    counts: dict[str, Counter[int]] = defaultdict(Counter)
    for row in learnt:
        for word, tag in zip(row.words, schemes.mended(row.tags or (), head.scheme), strict=True):
            counts[word][places[tag]] += 1
    unknown = Counter({places[schemes.OUTSIDE]: 1}) if schemes.OUTSIDE in places else sum(counts.values(), Counter())
    for row in rows:
        found = np.zeros((len(row.words), len(places)), np.float32)
        for place, word in enumerate(row.words):
            seen = counts.get(word, unknown)
            for label, count in seen.items():
                found[place, label] = count / seen.total()
        yield torch.from_numpy(found)


def linear_probe(model: Model, learnt: Sequence[Document], asked: Sequence[Document]) -> list[Tensor]:
    """(T, L) of each document asked: what a linear model says of the base's states, fitted on those of learnt tokens.

    Multinomial logistic regression by L-BFGS from zero, so the same every time.
    """
    taken, tokens = [], 0
    for document in learnt:
        if tokens >= MOST:
            break
        taken.append(document)
        tokens += int(np.count_nonzero(document.weights))
    parts = {place: states_TH[torch.from_numpy(taken[place].weights > 0)]
             for place, states_TH in asking.states(model, taken)}
    states_SH = torch.cat([parts[place] for place in range(len(taken))])
    targets_S = torch.cat([torch.from_numpy(document.targets[document.weights > 0]) for document in taken])
    centre, spread = states_SH.mean(0), states_SH.std(0).clamp_min(1e-6)
    weight, bias = _fitted((states_SH - centre) / spread, targets_S, len(model.head.labels))
    said = dict((place, ((states_TH - centre) / spread) @ weight + bias)
                for place, states_TH in asking.states(model, asked))
    return [said[place] for place in range(len(asked))]


def _fitted(states_SH: Tensor, targets_S: Tensor, labels: int) -> tuple[Tensor, Tensor]:
    weight = torch.zeros(states_SH.shape[1], labels, requires_grad=True)
    bias = torch.zeros(labels, requires_grad=True)
    optimiser = torch.optim.LBFGS([weight, bias], max_iter=ROUNDS, line_search_fn="strong_wolfe")

    def missed() -> Tensor:
        optimiser.zero_grad()
        total = torch.nn.functional.cross_entropy(states_SH @ weight + bias, targets_S, reduction="sum")
        mean = (total + 0.5 * DECAY * weight.square().sum()) / len(targets_S)
        mean.backward()  # type: ignore[no-untyped-call]
        return mean

    optimiser.step(missed)  # type: ignore[no-untyped-call]
    return weight.detach(), bias.detach()
