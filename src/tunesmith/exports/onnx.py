"""One ONNX file that ONNX Runtime computes, its tokenizer and configuration beside it; transformers' network is gone.

Encoders with every head; networks that go on with a text, with their cache as inputs and outputs; those that read one
text and write another, without a cache. Numbers of texts and tokens are open. Source: ONNX 1.23, written by
`torch.onnx.export(dynamo=True)`; names of inputs and outputs as Optimum has them.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict

from ..errors import Misuse
from ..models.model import LanguageModel
from ..runs.card import Use
from . import _graph, _graph_uses, merged
from ._onnx_session import opened
from ._running import Reading, Writing
from ._source import Source

library = "onnxruntime"
FILE = "model.onnx"
NEEDED = ("onnx", "onnxscript", "onnxruntime")


class Settings(BaseModel):
    """How the graph is written: in float32, as ONNX Runtime computes it everywhere."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True)


def refuse(source: Source, settings: Settings) -> None:
    """Raise Misuse where the extra is missing, or where what was read before is no cache of keys and values."""
    if missing := [name for name in NEEDED if find_spec(name) is None]:
        raise Misuse("export.no_onnx", f"a graph is written by onnxscript and proved by onnxruntime, and "
                     f"`{missing[0]}` is not installed", "", "pip install 'tunesmith[onnx]'")
    _graph.refuse_states(source)


def precision(source: Source, settings: Settings) -> torch.dtype:
    """float32."""
    return torch.float32


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
    program.save(folder / FILE)


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
    reading.hold_shapes(source.codec.longest)
    return reading


def uses(source: Source) -> tuple[Use, ...]:
    """How the folder is used with ONNX Runtime and nothing else that computes."""
    return (Use("ONNX Runtime", "python", _graph_uses.onnx(source)),)
