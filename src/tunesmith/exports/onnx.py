"""One ONNX file that ONNX Runtime computes, its tokenizer and configuration beside it; transformers' network is gone.

Encoders with every head; networks that go on with a text, with their cache as inputs and outputs; those that read one
text and write another, without a cache. Numbers of texts and tokens are open. Source: ONNX 1.23, written by
`torch.onnx.export(dynamo=True)`; names of inputs and outputs as Optimum has them; `quantize_dynamic` of ONNX Runtime.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import BaseModel, ConfigDict

from ..contracts import Lossy
from ..errors import Misuse
from ..models.model import LanguageModel
from ..runs.card import Use
from . import _graph, _graph_uses, merged
from ._lossy import Worst
from ._onnx_session import opened, quantise
from ._running import Reading, Writing
from ._source import Source

library = "onnxruntime"
FILE, WHOLE = "model.onnx", "whole.onnx"
NEEDED = ("onnx", "onnxscript", "onnxruntime")


class Settings(BaseModel):
    """What the graph's weights are."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True)

    weights: Literal["float32", "int8"] = "float32"
    """The numbers of the weights: `float32` or `int8`.

    `int8` takes a fourth of the room for all that is multiplied with, and is quicker on most processors; states are
    rounded too, batch by batch, so that a text's neighbours change a little of what is said of it. What it costs is
    measured. Try it where a small loss is worth the speed.
    """
    worst: Worst = None


def refuse(source: Source, settings: Settings) -> None:
    """Raise Misuse for what is missing or does not go together, before a weight is read."""
    if settings.worst is not None and settings.weights == "float32":
        raise Misuse("export.worst", "`worst` says how much may be lost, and nothing is with `weights=float32`",
                     "worst", "leave it out, or use `weights=int8`")
    if settings.weights != "float32" and source.head.kind == "encoder-decoder":
        raise Misuse("export.no_search", "what `weights=int8` costs is measured by asking the graph for answers, and "
                     "it has no search of its own for a network that reads one text and writes another", "weights",
                     "use `weights=float32`")
    if missing := [name for name in NEEDED if find_spec(name) is None]:
        raise Misuse("export.no_onnx", f"a graph is written by onnxscript and proved by onnxruntime, and "
                     f"`{missing[0]}` is not installed", "", "pip install 'tunesmith[onnx]'")
    _graph.refuse_states(source)


def lossy(settings: Settings) -> Lossy | None:
    """None, but for weights that are rounded to whole numbers."""
    return None if settings.weights == "float32" else Lossy(settings.worst)


def precision(source: Source, settings: Settings) -> torch.dtype | str:
    """What the weights are."""
    return torch.float32 if settings.weights == "float32" else settings.weights


def meant(source: Source, settings: Settings) -> LanguageModel:
    """The adapter folded in, in float32."""
    return merged.meant(source, merged.Settings(dtype="float32"))


def write(model: LanguageModel, source: Source, folder: Path, settings: Settings) -> None:
    """Put `model.onnx`, config.json, tokenizer and what else `merged` writes but weights into an empty folder.

    Weights of more than 2 GB, which no protocol buffer holds, stand in `model.onnx.data`.
    """
    graph = _graph.of(_graph.files(model, source, folder), source)
    traced = _graph.traced(graph, source)
    with _graph.telling(source, "torch.onnx"):
        program = torch.onnx.export(
            traced, dynamo=True, verbose=False, input_names=list(graph.inputs), output_names=list(graph.outputs),
            dynamic_shapes=graph.nested(graph.axes))
    if program is None:
        raise TypeError("torch.onnx wrote no graph")
    _forget(program.model.graph)
    if settings.weights == "float32":
        program.save(folder / FILE)
        return
    program.save(folder / WHOLE)
    with _graph.telling(source, "ONNX Runtime's quantiser"):
        quantise(folder / WHOLE, folder / FILE)
    for file in folder.glob(f"{WHOLE}*"):
        file.unlink()


def _forget(graph: Any) -> None:
    """Take out what the exporter noted of every node and value: where it was traced, in which file of this machine."""
    graph.metadata_props.clear()
    for value in (*graph.inputs, *graph.initializers.values()):
        value.metadata_props.clear()
    for node in graph.all_nodes():
        node.metadata_props.clear()
        for value in node.outputs:
            value.metadata_props.clear()


def reload(folder: Path, source: Source) -> Reading | Writing:
    """The folder as ONNX Runtime and transformers' AutoTokenizer open it: no network of torch's is made."""
    session = opened(folder / FILE)
    if source.head.kind == "causal":
        return Writing(session, folder)
    reading = Reading(session, folder, source.head)
    reading.hold_shapes(source.codec.longest, exactly=not session.rounds)
    return reading


def uses(source: Source) -> tuple[Use, ...]:
    """How the folder is used with ONNX Runtime and nothing else that computes."""
    return (Use("ONNX Runtime", "python", _graph_uses.onnx(source)),)
