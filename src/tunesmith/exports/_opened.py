"""An export as plain transformers opens it: its own attention, its own decoder, its own template engine."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, final

import numpy as np
import torch

from ..contracts import Scored
from ..models.offline import transformers
from ._words import BATCH, Words


@final
class Opened(Words):
    """A network and what stands beside it in a folder; satisfies contracts.Reloaded."""

    def __init__(self, network: Any, folder: Path) -> None:
        super().__init__(folder)
        self.network = network.eval()
        # padding would disturb a network that carries a state from token to token
        self.batch = 1 if network._is_stateful else BATCH
        # greedy and nothing else: a base's own penalty or temperature would answer another question
        network.generation_config = transformers().GenerationConfig(
            eos_token_id=sorted(self.stop) or None, pad_token_id=self.tokenizer.pad_token_id or 0, do_sample=False)

    def _generate(self, prompts: Sequence[Sequence[int]], limit: int) -> list[list[int]]:
        longest = max(map(len, prompts))
        ids_BT = torch.full((len(prompts), longest), self.network.generation_config.pad_token_id)
        mask_BT = torch.zeros_like(ids_BT)
        for row, prompt in enumerate(prompts):
            ids_BT[row, longest - len(prompt) :] = torch.tensor(list(prompt))
            mask_BT[row, longest - len(prompt) :] = 1
        made = self.network.generate(input_ids=ids_BT, attention_mask=mask_BT, max_new_tokens=limit)
        return [row[longest:] for row in made.tolist()]

    def score(self, ids: Sequence[int], start: int) -> Scored:
        """What it thinks of the ids from `start` on, each after all that stands before it."""
        return scored(self.network, ids, start)


@torch.inference_mode()
def scored(network: Any, ids: Sequence[int], start: int) -> Scored:
    """What a network of transformers' thinks of the ids from `start` on, each after all that stands before it."""
    logits_TV = network(input_ids=torch.tensor([list(ids)]), use_cache=False).logits[0, start - 1 : -1]
    said_TV = logits_TV.double().log_softmax(-1)
    given = said_TV.gather(1, torch.tensor(list(ids[start:]))[:, None])[:, 0]
    return Scored(given.numpy().astype(np.float64), said_TV.max(-1).values.numpy().astype(np.float64))
