"""Questions about small contexts, and what opens a tiny encoder for them. Tests say `from questions import …`."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import torch

from tunesmith.models import bases, load
from tunesmith.models.adapters import full
from tunesmith.models.model import LanguageModel
from tunesmith.records import Answer, Head, Question

ORDER = "The order of two red shirts and one blue hat goes to Anna in Baku. She answers in May."
CLIPS = ("Natalia sold clips to 48 of her friends in April, and then half as many clips in May. Her friends sold many "
         "of the clips in Paris, and the rest of the clips in Baku.")


def question(text: str, context: str, *answers: str, row: int = 1) -> Question:
    """A question whose answers stand in the context, each where it is found first."""
    found = tuple(Answer(answer, context.index(answer)) for answer in answers)
    return Question(text, context, found, f"squad.json:{row}", context, id=str(row))


def questions() -> list[Question]:
    """Three with an answer, one of them in a long context, and one without."""
    asked = [("What goes to Anna?", ORDER, "two red shirts and one blue hat"), ("Who sold clips?", CLIPS, "Natalia"),
             ("What is the capital of France?", CLIPS), ("Where is Anna?", ORDER, "Baku", "Baku", "in Baku")]
    return [question(*each, row=row) for row, each in enumerate(asked, 1)]


def codec_of(base: Path, longest: int = 0) -> Any:
    """The tokenizer of a base, for windows of at most so many tokens."""
    return load.codec(bases.find(str(base)), None, datetime(2026, 1, 1), longest=longest)


def model_of(base: Path, head: Head, *, dtype: torch.dtype = torch.float32) -> LanguageModel:
    """The base with a head, all of it learning."""
    network = load.network(bases.find(str(base)), dtype=dtype, device=torch.device("cpu"), head=head)
    return LanguageModel(network, full, full.Settings(), seed=0, head=head)
