"""What an export answers, held against what the run answers: greedy tokens, and log-probabilities of every one of them.

The rule for tokens follows from that for log-probabilities. Where no log-probability is off by more than t, a greedy
answer can only differ at a place where the two likeliest tokens stand within 2 t of each other: a tie. So a different
token is forgiven there, once, and counted; what the run answered after it is still compared by log-probabilities.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from ..contracts import Floats, Model, Reloaded
from ..encoding.batches.packing import pack, placed
from ..encoding.documents.shift import document
from ..encoding.tokens.codec import Codec
from ..generation.decode import generate
from ..generation.sampling import Sampling

TOKENS = 4096
# Nats. Two programs that compute the same weights in float32 were at most 1.3e-5 apart on SmolLM2-135M
EXACT = 1e-3


@dataclass(frozen=True, slots=True)
class Question:
    """The ids that a model is asked with, where they come from, and how long its answer may be."""

    where: str
    ids: tuple[int, ...]
    limit: int


@dataclass(frozen=True, slots=True)
class Answered:
    """A greedy answer, the id that ended it included, and the log-probability of each id, in nats."""

    question: Question
    ids: tuple[int, ...]
    log_probabilities: Floats


@dataclass(frozen=True, slots=True)
class Agreement:
    """How near an export's answers are to a model's, over `prompts` and their `tokens`.

    equal: prompts with the same greedy tokens; ties: those that differ where two tokens are as likely as each other;
    mean, largest: differences of log-probabilities, in nats; worst: where the largest is; different: where answers
    differ without a tie.
    """

    prompts: int
    tokens: int
    equal: int
    ties: int
    mean: float
    largest: float
    tolerance: float
    worst: str
    different: tuple[str, ...]

    @property
    def holds(self) -> bool:
        """Whether the two are the same within the tolerance."""
        return not self.different and self.largest <= self.tolerance

    def as_json(self) -> dict[str, Any]:
        """For `parity.json`."""
        return {"prompts": self.prompts, "tokens": self.tokens, "equal": self.equal, "ties": self.ties,
                "different": len(self.different), "mean_difference": self.mean, "largest_difference": self.largest,
                "tolerance": self.tolerance}


def ask(model: Model, codec: Codec, questions: Sequence[Question], *, batch_size: int) -> list[Answered]:
    """What a model of ours answers, by the decoder and the log-probabilities that the verdict is made with."""
    found: list[tuple[int, ...]] = [()] * len(questions)
    longest = max(question.limit for question in questions)
    prompts = [question.ids for question in questions]
    for index, answer in generate(model, codec, prompts, Sampling(max_new_tokens=longest), batch_size=batch_size):
        found[index] = (*answer.ids, *([] if answer.end is None else [answer.end]))
    scores = _scores(model, [(question.ids, ids) for question, ids in zip(questions, found, strict=True)])
    return [Answered(*each) for each in zip(questions, found, scores, strict=True)]


def _scores(model: Model, pairs: Sequence[tuple[Sequence[int], Sequence[int]]]) -> list[Floats]:
    documents = [
        document([*prompt, *answer], [(len(prompt), len(prompt) + len(answer))], text="", ends=())
        for prompt, answer in pairs
    ]
    scores: list[Floats] = []
    held: list[int] = []
    for index in range(len(documents)):
        held.append(index)
        rows = sum(len(documents[one]) for one in held)
        if rows >= TOKENS or index == len(documents) - 1:
            with torch.inference_mode():
                said = model.log_probabilities(placed(pack([documents[one] for one in held]), model.device))
            lengths = [len(pairs[one][1]) for one in held]
            scores += np.split(said.double().cpu().numpy(), np.cumsum(lengths)[:-1])
            held = []
    return scores


def agreement(
    expected: Sequence[Answered], answers: Sequence[Sequence[int]], reloaded: Reloaded, tolerance: float
) -> Agreement:
    """How near the reloaded export, which has given these answers, is to what was expected of it."""
    differences: list[Floats] = []
    equal, ties, different = 0, 0, []
    for each, answer in zip(expected, answers, strict=True):
        prompt = each.question.ids
        said = reloaded.score([*prompt, *each.ids], len(prompt))
        differences.append(np.abs(said.given - each.log_probabilities))
        parts = next((place for place, (ours, theirs) in enumerate(zip(each.ids, answer, strict=False))
                      if ours != theirs), None)
        if parts is None and len(answer) == len(each.ids):
            equal += 1
        elif parts is not None and said.likeliest[parts] - said.given[parts] <= 2 * tolerance:
            ties += 1
        else:
            different.append(each.question.where)
    largest = np.array([np.max(one) for one in differences])  # which keeps what is no number, and no number holds
    return Agreement(
        prompts=len(expected), tokens=sum(map(len, differences)), equal=equal, ties=ties,
        mean=float(np.mean(np.concatenate(differences))), largest=float(np.max(largest)), tolerance=tolerance,
        worst=expected[int(np.argmax(largest))].question.where, different=tuple(different),
    )
