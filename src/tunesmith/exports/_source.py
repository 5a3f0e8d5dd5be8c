"""What an export is made from: the run, its base, its adapter, and the codec that it was proved with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ..contracts import Model
from ..encoding.tokens.codec import Codec
from ..inference import predictor
from ..models import earlier, heads, load, several
from ..models.model import LanguageModel
from ..models.offline import transformers
from ..models.pretrained import Base
from ..recipe.sources import MAIN
from ..recipe.starred import Section
from ..records import Document, Head


@dataclass(frozen=True)
class Source:
    """A run, for whoever writes it in another format.

    turns: whether its task teaches turns, or texts; head: what stands on its network, of which what the base lacked
    was drawn by the seed; learnt: the training rows, encoded, once they are read. Of a task of several, head, task and
    learnt are those of the `part` that leaves, `whole` is the head of all.
    """

    run: Path
    base: Base
    checkpoint: Path
    adapter: Section
    codec: Codec
    turns: bool
    head: Head
    seed: int
    task: Section
    whole: Head
    part: str = MAIN
    learnt: Sequence[Document] = ()

    @property
    def name(self) -> str:
        """The run's own name."""
        return self.run.name

    @property
    def step(self) -> int:
        """The step of the checkpoint that was judged."""
        return int(self.checkpoint.name.split("-")[1].split(".")[0])

    def adapted(self) -> LanguageModel:
        """The tuned model in float32, what was learnt laid over its base."""
        return predictor.open_run(self.run, dtype=torch.float32).model

    def judged(self) -> Model:
        """The tuned model as it was judged."""
        return predictor.open_run(self.run).model.part(self.part)

    def shapes(self) -> Any:
        """The network of what leaves without its numbers, before any weight is read: what it is made of."""
        found = heads.architecture(self.base, self.head)
        config = transformers().AutoConfig.from_pretrained(
            self.base.folder, local_files_only=True, trust_remote_code=False)
        with torch.device("meta"):
            return found(config)

    def merged(self) -> Any:
        """The tuned network in float32, a plain one of transformers; what was learnt is added in float64."""
        network = load.network(
            self.base, dtype=torch.float32, device=torch.device("cpu"), head=self.whole, seed=self.seed)
        earlier.merge_into(network, self.run, self.checkpoint)
        return several.alone(network, self.whole, self.part) if self.whole.kind == "several" else network

    @property
    def asking(self) -> str:
        """Python that makes `ids` of a question with `tokenizer`, for a model card."""
        template = self.codec.template
        if self.turns and template is not None:
            told = "".join(f", {name}={value}" for name, value in template.switches.items())
            tools = ", tools=[…]" if template.tools else ""
            return ('ids = tokenizer.apply_chat_template(\n    [{"role": "user", "content": "…"}], '
                    f'add_generation_prompt=True, return_dict=True, return_tensors="pt"{tools}{told})')
        settings = self.task.settings.model_dump() if self.head.kind == "encoder-decoder" else {}
        language = settings.get("source_language")
        return (f'tokenizer.src_lang = "{language}"\n' if language else "") + \
            f'ids = tokenizer("{settings.get("prefix", "")}…", return_tensors="pt")'
