"""A copy of a run, asked by tunesmith itself as any other program is asked: what is served by a server of our own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, final

import torch

from ..contracts import Floats, Scored
from ..encoding.templates import sandbox
from ..encoding.tokens.codec import Codec
from ..generation.decode import generate
from ..generation.sampling import Sampling
from ..inference import predictor
from ..records import Document
from . import _reading
from ._opened import scored
from ._parity import EXACT

BATCH = 8


@final
class Own:
    """A run's folder, opened in float32; satisfies contracts.Reloaded and contracts.Reads."""

    tolerance = EXACT

    def __init__(self, run: Path, part: str) -> None:
        opened = predictor.open_run(run, dtype=torch.float32)
        self.codec: Codec = opened.codec
        self.model = opened.model.part(part)

    @property
    def stop(self) -> frozenset[int]:
        """The ids on which it ends an answer."""
        return frozenset(self.codec.stop)

    @property
    def vocabulary(self) -> Mapping[str, int]:
        """Every token's text and id."""
        return self.codec.words()

    def encode(self, text: str, second: str | None = None) -> Sequence[int]:
        """The ids of a text in which control tokens are meant; where texts are read, of one or two between marks."""
        if self.model.head.kind == "causal":
            return self.codec.encode(text, control=True).ids
        [framed] = self.codec.frames.texts([text if second is None else (text, second)])
        ids: list[int] = framed.ids.tolist()
        return ids

    def render(
        self, turns: Sequence[Mapping[str, Any]], given: Mapping[str, Any], *, generation_prompt: bool
    ) -> str:
        """The conversation as the run's own template writes it. Raises ValueError where it has none."""
        template = self.codec.template
        if template is None:
            raise ValueError("there is no template")
        return sandbox.run(
            sandbox.Sandbox().from_string(template.source), turns, template.special,
            generation_prompt=generation_prompt, date=datetime.now().astimezone(), given=given)

    def answer(self, prompts: Sequence[Sequence[int]], limits: Sequence[int]) -> Iterator[tuple[int, Sequence[int]]]:
        """Pairs of a prompt's index and the ids of its greedy answer, the one that ended it included."""
        wanted = Sampling(max_new_tokens=max(limits))
        for index, said in generate(self.model, self.codec, prompts, wanted, batch_size=BATCH):
            ids = (*said.ids, *([] if said.end is None else [said.end]))
            yield index, ids[: limits[index]]

    def score(self, ids: Sequence[int], start: int) -> Scored:
        """What it thinks of the ids from `start` on, each after all that stands before it."""
        return scored(self.model.network, ids, start)

    def says(self, document: Document) -> Floats:
        """What the head says of a document, each of its rows or the whole; without a head its vector."""
        return _reading.ask(self.model, [document])[0]
