"""The words, turns and stops of an export's folder, as transformers reads them, and how prompts are asked together."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from jinja2 import TemplateError

from ..contracts import Scored
from ..models.offline import transformers
from ._parity import EXACT

BATCH = 16


class Words(ABC):
    """What stands beside the weights in the folder of a network that writes; with `score`, satisfies Reloaded."""

    batch = BATCH
    tolerance = EXACT

    def __init__(self, folder: Path) -> None:
        library = transformers()
        self.tokenizer: Any = library.AutoTokenizer.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False)
        stop = library.GenerationConfig.from_pretrained(folder, local_files_only=True).eos_token_id
        self.stop = frozenset(stop if isinstance(stop, list) else [] if stop is None else [stop])

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
        order = sorted(range(len(prompts)), key=lambda index: (limits[index], len(prompts[index])))
        for limit, alike in groupby(order, key=lambda index: limits[index]):
            indices = list(alike)
            for start in range(0, len(indices), self.batch):
                together = indices[start : start + self.batch]
                answers = self._generate([prompts[index] for index in together], limit)
                yield from zip(together, map(self._ended, answers), strict=True)

    def _ended(self, ids: Sequence[int]) -> list[int]:
        """The ids up to and with the first that ends an answer; what follows is padding."""
        last = next((place for place, token in enumerate(ids) if token in self.stop), len(ids))
        return list(ids[: last + 1])

    @abstractmethod
    def _generate(self, prompts: Sequence[Sequence[int]], limit: int) -> Sequence[Sequence[int]]:
        """The greedy answers to prompts that are asked together; whatever follows an end is dropped."""

    @abstractmethod
    def score(self, ids: Sequence[int], start: int) -> Scored:
        """What it thinks of the ids from `start` on, each after all that stands before it."""
