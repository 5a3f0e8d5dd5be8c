"""The decoder gives what each kind of network says by itself, however long the prompts beside it are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
import torch

import architectures
from tunesmith.generation.decode import generate
from tunesmith.generation.sampling import Sampling

CPU = torch.device("cpu")
PROMPTS = ([5, 9, 30], [7, 80, 21, 4, 66, 12, 90], [44])
KINDS = ("GPT-2", "Falcon", "Falcon, with ALiBi", "BLOOM", "StableLM", "GPT-J", "LFM2, with convolutions", "Falcon-H1",
         "Mamba", "Mamba 2", "RWKV")


@dataclass(frozen=True)
class Model:
    network: Any
    device: torch.device = CPU


@dataclass(frozen=True)
class Reader:
    stop: frozenset[int] = frozenset()
    context: int = 64

    def decode(self, ids):
        return ""


@torch.no_grad()
def said_alone(network, prompt, tokens):
    """Greedy, from the start for each token."""
    ids = list(prompt)
    for _ in range(tokens):
        ids.append(int(network(input_ids=torch.tensor([ids]), use_cache=False).logits[0, -1].argmax()))
    return tuple(ids[len(prompt) :])


@pytest.mark.parametrize("name", KINDS)
def test_greedy_answers_are_those_of_the_network_alone(name):
    network = architectures.network_of(name).float()
    found = dict(generate(Model(network), Reader(), PROMPTS, Sampling(max_new_tokens=6)))
    for index, prompt in enumerate(PROMPTS):
        assert found[index].ids == said_alone(network, prompt, 6), index
