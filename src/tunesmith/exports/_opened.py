"""An export as plain transformers opens it: its own attention, its own decoder, its own template engine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, final

import numpy as np
import torch
from jinja2 import TemplateError

from ..contracts import Scored
from ..models.offline import transformers

BATCH = 16


@final
class Opened:
    """A network and what stands beside it in a folder; satisfies contracts.Reloaded."""

    def __init__(self, network: Any, folder: Path) -> None:
        library = transformers()
        self.network = network.eval()
        self.tokenizer = library.AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        stop = library.GenerationConfig.from_pretrained(folder, local_files_only=True).eos_token_id
        self.stop = frozenset(stop if isinstance(stop, list) else [] if stop is None else [stop])
        # greedy and nothing else: a base's own penalty or temperature would answer another question
        network.generation_config = library.GenerationConfig(
            eos_token_id=sorted(self.stop) or None, pad_token_id=self.tokenizer.pad_token_id or 0, do_sample=False)

    @property
    def vocabulary(self) -> Mapping[str, int]:
        """Every token's text and id."""
        found: Mapping[str, int] = self.tokenizer.get_vocab()
        return found

    def encode(self, text: str) -> Sequence[int]:
        """The ids of a text in which control tokens are meant, with nothing put before or after."""
        ids: list[int] = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        return ids

    def render(
        self, turns: Sequence[Mapping[str, Any]], given: Mapping[str, Any], *, generation_prompt: bool
    ) -> str:
        """The conversation as the folder's template writes it. Raises ValueError where it has none."""
        try:
            text: str = self.tokenizer.apply_chat_template(
                [dict(turn) for turn in turns], tokenize=False, add_generation_prompt=generation_prompt, **given)
        except TemplateError as error:
            raise ValueError(str(error)) from error
        return text

    def answer(self, prompts: Sequence[Sequence[int]], limits: Sequence[int]) -> Iterator[tuple[int, Sequence[int]]]:
        """Pairs of a prompt's index and the ids of its greedy answer, the one that ended it included."""
        # padding would disturb a network that carries a state from token to token
        size = 1 if self.network._is_stateful else BATCH
        order = sorted(range(len(prompts)), key=lambda index: (limits[index], len(prompts[index])))
        for limit, alike in groupby(order, key=lambda index: limits[index]):
            indices = list(alike)
            for start in range(0, len(indices), size):
                together = indices[start : start + size]
                answers = self._generate([prompts[index] for index in together], limit)
                yield from zip(together, answers, strict=True)

    def _generate(self, prompts: Sequence[Sequence[int]], limit: int) -> list[list[int]]:
        longest = max(map(len, prompts))
        ids_BT = torch.full((len(prompts), longest), self.network.generation_config.pad_token_id)
        mask_BT = torch.zeros_like(ids_BT)
        for row, prompt in enumerate(prompts):
            ids_BT[row, longest - len(prompt) :] = torch.tensor(list(prompt))
            mask_BT[row, longest - len(prompt) :] = 1
        made = self.network.generate(input_ids=ids_BT, attention_mask=mask_BT, max_new_tokens=limit)
        return [self._ended(row[longest:]) for row in made.tolist()]

    def _ended(self, ids: Sequence[int]) -> list[int]:
        """The ids up to and with the first that ends an answer; what follows is padding."""
        last = next((place for place, token in enumerate(ids) if token in self.stop), len(ids))
        return list(ids[: last + 1])

    @torch.inference_mode()
    def score(self, ids: Sequence[int], start: int) -> Scored:
        """What it thinks of the ids from `start` on, each after all that stands before it."""
        network = self.network
        logits_TV = network(input_ids=torch.tensor([list(ids)]), use_cache=False).logits[0, start - 1 : -1]
        said_TV = logits_TV.double().log_softmax(-1)
        given = said_TV.gather(1, torch.tensor(list(ids[start:]))[:, None])[:, 0]
        return Scored(given.numpy().astype(np.float64), said_TV.max(-1).values.numpy().astype(np.float64))
