"""From logits to the next token: penalty, temperature, top-k and top-p, in transformers' order and with its values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import Misuse, raise_all

FINEST = 1e-6  # what a logit may be divided by and stay a number of float32; a smaller temperature chooses no otherwise


@dataclass(frozen=True, slots=True)
class Sampling:
    """How answers are drawn.

    max_new_tokens: 1 or more; temperature: 0 takes the likeliest token, 1 the model's own spread; top_k: only the k
    likeliest (0: all); top_p: only the likeliest that together reach this share (1: all); repetition_penalty: above 1
    makes tokens that were seen less likely (1: off); seed: every prompt's own generator follows from it.
    """

    max_new_tokens: int = 128
    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0
    repetition_penalty: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        limits = (
            ("max_new_tokens", self.max_new_tokens >= 1, "1 or more"),
            ("temperature", self.temperature >= 0, "0 or more"),
            ("top_p", 0 < self.top_p <= 1, "above 0 and at most 1"),
            ("top_k", self.top_k >= 0, "0 or more"),
            ("repetition_penalty", self.repetition_penalty > 0, "above 0"),
        )
        values = {"max_new_tokens": self.max_new_tokens, "temperature": self.temperature, "top_p": self.top_p,
                  "top_k": self.top_k, "repetition_penalty": self.repetition_penalty}
        raise_all([Misuse("generation.sampling", f"`{name}` is {values[name]}", name, f"set `{name}` to {limit}")
                   for name, holds, limit in limits if not holds])


def penalise(logits_BV: Tensor, seen_BV: Tensor, penalty: float) -> Tensor:
    """(B, V) logits, those of seen tokens divided by the penalty where positive, multiplied where negative.

    Source: Keskar et al. 2019 (CTRL), section 4.1.
    """
    penalty = min(max(penalty, FINEST), 1 / FINEST)
    return torch.where(seen_BV, torch.where(logits_BV < 0, logits_BV * penalty, logits_BV / penalty), logits_BV)


def probabilities(logits_BV: Tensor, sampling: Sampling) -> Tensor:
    """(B, V) float32 probabilities of the next token after temperature, top-k and top-p, for a temperature above 0."""
    scores = logits_BV.float() / max(sampling.temperature, FINEST)
    if 0 < sampling.top_k < scores.shape[-1]:
        smallest = scores.topk(sampling.top_k, dim=-1).values[:, -1:]
        scores = scores.masked_fill(scores < smallest, -torch.inf)
    if sampling.top_p < 1:
        ascending, order = scores.sort(dim=-1)
        dropped = ascending.softmax(dim=-1).cumsum(dim=-1) <= 1 - sampling.top_p
        dropped[:, -1] = False
        scores = scores.masked_fill(dropped.scatter(1, order, dropped), -torch.inf)
    return scores.softmax(dim=-1)


def choose(logits_BV: Tensor, sampling: Sampling, generators: Sequence[torch.Generator]) -> Tensor:
    """(B,) the next token of each row, drawn with the row's own generator, so that its neighbours do not matter."""
    if sampling.temperature == 0:
        return logits_BV.argmax(dim=-1)
    summed = probabilities(logits_BV, sampling).double().cumsum(dim=-1)
    draws = torch.stack([torch.rand(1, generator=generator, dtype=torch.float64) for generator in generators])
    # a draw below 1 times the total stays below the total, so the place found has a probability above 0
    return torch.searchsorted(summed, draws.to(summed.device) * summed[:, -1:], right=True).squeeze(1)
