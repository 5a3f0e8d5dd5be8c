"""A linear model on the states of the untuned base: what it knows of the labels already.

Each text is the mean of its states, brought to mean 0 and spread 1 over the training rows. Classes are told apart by
multinomial logistic regression, several labels by one logistic regression each, numbers by ridge regression; how much
weights are held small is chosen on a tenth of the training rows, then all are fitted. Everything in float64, from zero,
with L-BFGS: the same every time. Source: Alain and Bengio 2016, "Understanding intermediate layers using linear
classifier probes".

Letters: E texts, H width of the states, C outputs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import torch
from torch import Tensor

from ..contracts import Model
from ..records import Document
from .asking import states

DECAYS: Final = (1.0, 0.1, 0.01, 0.001)  # of the mean loss; each begins where the one before ended
ROUNDS: Final = 40
TENTH: Final = 10
MOST: Final = 20_000  # texts that it is fitted on: 61 MB of a width of 384

Fit = tuple[Tensor, Tensor]  # weights (H, C), biases (C,)


def label_probe(
    model: Model, learnt: Sequence[Document], asked: Sequence[Document], targets_E: Tensor, problem: str
) -> Tensor:
    """(E, C) what the probe says of the documents asked, as a head would: not yet probabilities.

    targets_E: of the documents learnt: classes (E,), labels (E, C) or numbers (E,).
    """
    every = -(-len(learnt) // MOST)
    known_EH, targets_E = means(model, learnt[::every]), targets_E[::every]
    centre_H, spread_H = known_EH.mean(0), known_EH.std(0).clamp_min(1e-6)
    weight_HC, bias_C = fit((known_EH - centre_H) / spread_H, targets_E, problem)
    return (means(model, asked) - centre_H) / spread_H @ weight_HC + bias_C


def means(model: Model, documents: Sequence[Document]) -> Tensor:
    """(E, H) the mean state of each document, in float64."""
    found = {place: states_TH.double().mean(0) for place, states_TH in states(model, documents)}
    return torch.stack([found[place] for place in range(len(documents))])


def fit(states_EH: Tensor, targets_E: Tensor, problem: str) -> Fit:
    """Weights and biases with the decay that does best on every tenth row, fitted to all rows."""
    solve, loss = SOLVERS[problem]
    width = int(targets_E.max()) + 1 if problem == "single" else targets_E[0].numel()
    tenth = torch.arange(len(states_EH)) % TENTH == TENTH - 1
    best: tuple[float, float] = (float("inf"), DECAYS[0])
    found = (states_EH.new_zeros(states_EH.shape[1], width), states_EH.new_zeros(width))
    for decay in DECAYS if bool(tenth.any()) else ():
        found = solve(states_EH[~tenth], targets_E[~tenth], decay, found)
        best = min(best, (float(loss(states_EH[tenth] @ found[0] + found[1], targets_E[tenth])), decay))
    return solve(states_EH, targets_E, best[1], found)


def _logistic(loss: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Tensor, Tensor, float, Fit], Fit]:
    """What minimises a mean loss and half the decay times the squared weights."""

    def solve(states_EH: Tensor, targets_E: Tensor, decay: float, start: Fit) -> Fit:
        weight_HC, bias_C = (part.detach().clone().requires_grad_() for part in start)
        optimiser = torch.optim.LBFGS([weight_HC, bias_C], max_iter=ROUNDS, line_search_fn="strong_wolfe")

        def missed() -> Tensor:
            optimiser.zero_grad()
            found = loss(states_EH @ weight_HC + bias_C, targets_E) + decay / 2 * weight_HC.square().sum()
            found.backward()  # type: ignore[no-untyped-call]
            return found

        optimiser.step(missed)  # type: ignore[no-untyped-call]
        return weight_HC.detach(), bias_C.detach()

    return solve


def _ridge(states_EH: Tensor, targets_E: Tensor, decay: float, start: Fit) -> Fit:
    """The exact minimum of half the mean squared distance and half the decay times the squared weights."""
    values_E, centre_H = targets_E.double().flatten(), states_EH.mean(0)
    near_EH = states_EH - centre_H
    square_HH = near_EH.T @ near_EH / len(near_EH) + decay * torch.eye(near_EH.shape[1], dtype=near_EH.dtype)
    weight_H = torch.linalg.solve(square_HH, near_EH.T @ (values_E - values_E.mean()) / len(near_EH))
    return weight_H[:, None], (values_E.mean() - centre_H @ weight_H)[None]


def _one_class(outputs_EC: Tensor, classes_E: Tensor) -> Tensor:
    return torch.nn.functional.cross_entropy(outputs_EC, classes_E)


def _each_label(outputs_EC: Tensor, right_EC: Tensor) -> Tensor:
    """The mean over texts of the sum over labels: each label is a regression of its own."""
    found = torch.nn.functional.binary_cross_entropy_with_logits(outputs_EC, right_EC.double(), reduction="none")
    return found.sum(1).mean()


def _distance(outputs_E1: Tensor, values_E: Tensor) -> Tensor:
    return (outputs_E1[:, 0] - values_E.double()).square().mean()


SOLVERS: Final = {
    "single": (_logistic(_one_class), _one_class), "multi": (_logistic(_each_label), _each_label),
    "regression": (_ridge, _distance),
}
