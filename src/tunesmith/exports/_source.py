"""What an export is made from, beside the weights: the run's base, its adapter, and the codec it was proved with."""

from __future__ import annotations

from dataclasses import dataclass

from ..encoding.codec import Codec
from ..models.bases import Base
from ..recipe.starred import Section


@dataclass(frozen=True)
class Source:
    """A run, for whoever writes it in another format. turns: whether its task teaches turns, or texts."""

    run: str
    base: Base
    adapter: Section
    codec: Codec
    turns: bool

    @property
    def asking(self) -> str:
        """Python that makes `ids` of a question with `tokenizer`, for a model card."""
        if self.turns:
            return ('ids = tokenizer.apply_chat_template(\n    [{"role": "user", "content": "…"}], '
                    'add_generation_prompt=True, return_dict=True, return_tensors="pt")')
        return 'ids = tokenizer("…", return_tensors="pt")'
