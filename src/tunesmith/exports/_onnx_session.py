"""A file of a graph as ONNX Runtime opens and computes it, on the processor."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, final

import torch

from ..errors import Refusal
from ._running import Arrays

WEIGHTS: Final = "weights"


@final
@dataclass(frozen=True)
class Session:
    """A graph in ONNX Runtime; satisfies `_running.Runs`. rounds: whether it rounds the states of a batch together."""

    inputs: Mapping[str, Sequence[int | None]]
    outputs: Sequence[str]
    session: Any
    rounds: bool

    def __call__(self, given: Arrays) -> Arrays:
        """Its outputs by their names. Raises Refusal where it cannot compute them."""
        with _telling("compute"):
            return dict(zip(self.outputs, self.session.run(None, dict(given)), strict=True))


def opened(file: Path) -> Session:
    """The file in ONNX Runtime, on as many threads as torch has. Raises Refusal where it cannot be opened."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = torch.get_num_threads(), 4
    with _telling("open"):
        session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    inputs = {each.name: [size if isinstance(size, int) else None for size in each.shape]
              for each in session.get_inputs()}
    rounds = WEIGHTS in session.get_modelmeta().custom_metadata_map
    return Session(inputs, [each.name for each in session.get_outputs()], session, rounds)


def quantise(file: Path, into: Path) -> None:
    """The file's products with their weights in 8 bits, a scale for each output; states are rounded as they come."""
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    model = onnx.load(file)
    del model.graph.value_info[:]  # the quantiser turns weights round, and then finds the shapes noted here wrong
    large = file.with_name(f"{file.name}.data").is_file()
    quantize_dynamic(model, into, per_channel=True, weight_type=QuantType.QInt8, use_external_data_format=large)
    model = onnx.load(into, load_external_data=False)
    onnx.helper.set_model_props(model, {WEIGHTS: "int8"})
    onnx.save(model, into)


@contextmanager
def _telling(what: str) -> Iterator[None]:
    """What ONNX Runtime raises, which has kinds of its own for it, as a Refusal."""
    from onnxruntime.capi import onnxruntime_pybind11_state as raised

    try:
        yield
    except (raised.Fail, raised.InvalidArgument, raised.InvalidGraph, raised.InvalidProtobuf, raised.NoSuchFile,
            raised.NotImplemented, raised.RuntimeException) as error:
        told = " ".join(str(error).split())[:300]
        raise Refusal("export.reload", f"ONNX Runtime does not {what} what was written: {told}", "",
                      "report this with the base's name, or use `tunesmith export RUN merged`") from error
