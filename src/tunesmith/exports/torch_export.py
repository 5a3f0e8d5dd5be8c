"""One `.pt2` file that torch runs without transformers' code: what older guides call TorchScript. Tokenizer beside it.

A `.pt2` may hold pickles, which run code when they are opened: example inputs, and weights of unusual kinds. What is
written here holds none, and that is looked at before it is opened again; no file of somebody else's is ever opened, and
you should open none either. Source: `torch.export.save` (PyTorch 2.13); inputs and outputs as in `onnx`.
"""

from __future__ import annotations

from pathlib import Path

import torch
from pydantic import BaseModel, ConfigDict

from ..contracts import Lossy
from ..models.model import LanguageModel
from ..runs.card import Use
from . import _graph, _graph_uses, merged
from ._pt2 import Program
from ._running import Reading, Writing
from ._source import Source

library = "torch"
FILE = "model.pt2"


class Settings(BaseModel):
    """The graph is in float32, for the processor; it has no options."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True)


def refuse(source: Source, settings: Settings) -> None:
    """Raise Misuse where what was read before is no cache of keys and values."""
    _graph.refuse_states(source)


def lossy(settings: Settings) -> Lossy | None:
    """None: it says what the run says."""
    return None


def precision(source: Source, settings: Settings) -> torch.dtype:
    """float32."""
    return torch.float32


def meant(source: Source, settings: Settings) -> LanguageModel:
    """The adapter folded in, in float32."""
    return merged.meant(source, merged.Settings(dtype="float32"))


def write(model: LanguageModel, source: Source, folder: Path, settings: Settings) -> None:
    """Put `model.pt2`, config.json, tokenizer and what else `merged` writes but weights into an empty folder."""
    program = _graph.traced(_graph.of(_graph.files(model, source, folder), source), source)
    program.example_inputs = None  # they would be pickled
    with _graph.telling(source, "torch.export"):
        torch.export.save(program, folder / FILE)


def reload(folder: Path, source: Source) -> Reading | Writing:
    """The folder as a fresh Python opens it, which has torch and none of the run's code."""
    program = Program(folder / FILE, source.head.kind)
    if source.head.kind == "causal":
        return Writing(program, folder)
    reading = Reading(program, folder, source.head)
    reading.hold_shapes(source.codec.longest, exactly=True)
    return reading


def uses(source: Source) -> tuple[Use, ...]:
    """How the folder is used with torch."""
    return (Use("torch", "python", _graph_uses.torch_export(source)),)
