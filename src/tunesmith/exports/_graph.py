"""A tuned network as one graph, for programs that know neither its class nor Python: what it is given, what it says.

Names of inputs and outputs are those that Optimum and ONNX Runtime's own tools use. Every axis of texts and tokens is
left open. Source: torch.export (PyTorch 2.13), `ExportedProgram`.

Letters: B texts, T tokens, P tokens that were read before, H hidden width.
"""

from __future__ import annotations

import contextlib
import inspect
import io
import logging
import shutil
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, final

import torch
from torch import Tensor, nn

from ..errors import Misuse, Problem, Refusal, is_spent
from ..models import heads, load, sentence_files
from ..models.offline import transformers
from . import merged
from ._source import Source

PAST, PRESENT = "past_key_values", "present"
TOLD_CHARACTERS: Final = 300
KEPT_OUT: Final = ("*.safetensors", "*.safetensors.index.json", "modules.json", "sentence_bert_config.json",
                   "config_sentence_transformers.json")
AXES: Final = {
    "input_ids": ("batch", "tokens"), "attention_mask": ("batch", "tokens"), "token_type_ids": ("batch", "tokens"),
    "decoder_input_ids": ("batch", "target_tokens"),
}
EXAMPLE_B, EXAMPLE_T, EXAMPLE_P = 2, 7, 4  # no two alike, or the graph would hold them to be the same


@dataclass(frozen=True)
class Graph:
    """A module to be traced. inputs: what it is traced with; axes: of each input the names of its open axes."""

    module: nn.Module
    inputs: Mapping[str, Tensor]
    outputs: Sequence[str]
    axes: Mapping[str, Mapping[int, str]]

    def nested(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Values by an input's name, as the module takes them: all that was read before in one list."""
        given = {name: value for name, value in values.items() if not name.startswith(PAST)}
        past = [value for name, value in values.items() if name.startswith(PAST)]
        return given | ({"past": past} if past else {})


@final
class Reads(nn.Module):
    """A network that says something of whole texts."""

    def __init__(self, network: Any, outputs: Sequence[str]) -> None:
        super().__init__()
        self.network, self.outputs = network, tuple(outputs)

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor | None = None
    ) -> tuple[Tensor, ...]:
        """What its head says."""
        found = _asked(self.network, input_ids, attention_mask, token_type_ids)
        return tuple(found[name] for name in self.outputs)


@final
class Vectors(nn.Module):
    """A network whose states become one vector a text, of length 1."""

    def __init__(self, network: Any, pooling: str) -> None:
        super().__init__()
        self.network, self.pooling = network, pooling

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """The states, and the texts' vectors."""
        states_BTH = _asked(self.network, input_ids, attention_mask, token_type_ids)["last_hidden_state"]
        mask_BT = attention_mask.to(states_BTH.dtype)
        if self.pooling == "mean":
            pooled_BH = (states_BTH * mask_BT[..., None]).sum(1) / mask_BT.sum(1, keepdim=True)
        else:
            places_T = torch.arange(attention_mask.shape[1], device=attention_mask.device)
            # the last place that holds a token, or the first: wherever the padding stands
            towards_T = places_T if self.pooling == "last" else -places_T
            place_B = torch.where(attention_mask > 0, towards_T, -attention_mask.shape[1]).argmax(1)
            pooled_BH = states_BTH.gather(1, place_B[:, None, None].expand(-1, 1, states_BTH.shape[-1]))[:, 0]
        return states_BTH, nn.functional.normalize(pooled_BH, dim=-1)


@final
class Translates(nn.Module):
    """A network that reads one text and writes another."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network

    def forward(self, input_ids: Tensor, attention_mask: Tensor, decoder_input_ids: Tensor) -> tuple[Tensor]:
        """Of each token that was written, what may follow it."""
        return (self.network(input_ids=input_ids, attention_mask=attention_mask, use_cache=False,
                             decoder_input_ids=decoder_input_ids).logits,)


@final
class GoesOn(nn.Module):
    """A network that goes on with a text; what it has read is handed back, and handed in for the next token."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor, position_ids: Tensor, past: Sequence[Tensor]
    ) -> tuple[Tensor, ...]:
        """What may follow each token, then keys and values of each layer, of all tokens up to now."""
        cache = transformers().DynamicCache()
        for layer, (keys, values) in enumerate(zip(past[::2], past[1::2], strict=True)):
            cache.update(keys, values, layer)
        found = self.network(input_ids=input_ids, attention_mask=attention_mask, position_ids=position_ids,
                             past_key_values=cache, use_cache=True)
        return found.logits, *(each for layer in found.past_key_values.layers for each in (layer.keys, layer.values))


def _asked(network: Any, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor | None) -> Any:
    segments = {} if token_type_ids is None else {"token_type_ids": token_type_ids}
    return network(input_ids=input_ids, attention_mask=attention_mask, **segments)


def refuse_states(source: Source) -> None:
    """Raise Misuse where a network that writes remembers what it read otherwise than by keys and values."""
    if source.head.kind == "causal" and heads.architecture(source.base, source.head)._is_stateful:  # type: ignore[attr-defined]
        raise Misuse("export.stateful", f"`{source.base.name}` ({source.base.architecture}) carries a state from token "
                     "to token, which a graph with keys and values has no place for", "base.name",
                     "use `tunesmith export RUN merged`")


def files(model: Any, source: Source, folder: Path) -> Any:
    """Put all that `merged` writes but the weights into the folder; the network, as transformers opens what it wrote.

    Attention is transformers' plain one: its others do not come through tracing for every kind of network.
    """
    inside = folder / "merged"
    inside.mkdir()
    merged.write(model, source, inside, merged.Settings(dtype="float32"))
    network = getattr(transformers(), heads.AUTO[source.head.kind]).from_pretrained(
        inside, dtype=torch.float32, attn_implementation="eager", local_files_only=True, trust_remote_code=False,
        use_safetensors=True)
    for file in inside.iterdir():
        if file.is_file() and not any(map(file.match, KEPT_OUT)):
            file.replace(folder / file.name)
    shutil.rmtree(inside)
    return network.eval()


def of(network: Any, source: Source) -> Graph:
    """The network with its head as a graph, and what it is traced with."""
    kind = source.head.kind
    if kind == "causal":
        return _going_on(network)
    told = outputs(kind)
    network.config.use_cache = False
    inputs = _texts(("input_ids", "attention_mask"))
    if kind == "encoder-decoder":
        inputs |= {"decoder_input_ids": torch.ones(EXAMPLE_B, EXAMPLE_P, dtype=torch.int64)}
        return _graph(Translates(network), inputs, told)
    names = load.tokenizer(source.base).model_input_names
    if "token_type_ids" in names and "token_type_ids" in inspect.signature(network.forward).parameters:
        inputs |= _texts(("token_type_ids",))
    if kind == "none":
        settings = source.task.settings.model_dump()
        pooling = sentence_files.chosen(settings.get("pooling", "auto"), source.codec.pooling)
        return _graph(Vectors(network, pooling), inputs, told)
    return _graph(Reads(network, told), inputs, told)


def outputs(kind: str, layers: int = 0) -> tuple[str, ...]:
    """The names of what a network with such a head says; layers: how many hand back their keys and values."""
    if kind == "none":
        return "last_hidden_state", "sentence_embedding"
    if kind == "span":
        return "start_logits", "end_logits"
    return "logits", *(f"{PRESENT}.{layer}.{each}" for layer in range(layers) for each in ("key", "value"))


def _graph(module: nn.Module, inputs: Mapping[str, Tensor], outputs: Sequence[str]) -> Graph:
    return Graph(module.eval(), inputs, outputs, {name: dict(enumerate(AXES[name])) for name in inputs})


def _texts(names: Sequence[str]) -> dict[str, Tensor]:
    ids = torch.arange(EXAMPLE_B * EXAMPLE_T).reshape(EXAMPLE_B, EXAMPLE_T) + 1
    mask = torch.ones_like(ids)
    mask[1, EXAMPLE_T - 2 :] = 0
    made = {"input_ids": ids, "attention_mask": mask, "token_type_ids": torch.zeros_like(ids)}
    return {name: made[name] for name in names}


def _going_on(network: Any) -> Graph:
    """The graph of a network that goes on with texts, with what it has read of them as inputs and outputs."""
    ids = torch.arange(EXAMPLE_B * EXAMPLE_P).reshape(EXAMPLE_B, EXAMPLE_P)
    with torch.no_grad():
        read = network(input_ids=ids, use_cache=True).past_key_values
    names = [f"{layer}.{each}" for layer in range(len(read.layers)) for each in ("key", "value")]
    past = [each.clone() for layer in read.layers for each in (layer.keys, layer.values)]
    new = EXAMPLE_T - EXAMPLE_P
    inputs = {
        "input_ids": ids[:, :new].clone(), "attention_mask": torch.ones(EXAMPLE_B, EXAMPLE_T, dtype=torch.int64),
        "position_ids": torch.arange(EXAMPLE_P, EXAMPLE_T).repeat(EXAMPLE_B, 1),
        **{f"{PAST}.{name}": tensor for name, tensor in zip(names, past, strict=True)}}
    axes: dict[str, dict[int, str]] = {
        "input_ids": {0: "batch", 1: "tokens"}, "attention_mask": {0: "batch", 1: "all_tokens"},
        "position_ids": {0: "batch", 1: "tokens"},
        **{f"{PAST}.{name}": {0: "batch", 2: "past_tokens"} for name in names}}
    return Graph(GoesOn(network).eval(), inputs, outputs("causal", len(read.layers)), axes)


def traced(graph: Graph, source: Source) -> torch.export.ExportedProgram:
    """The graph of what the module computes, for any number of texts of any length. Raises Refusal, by name."""
    open_axes = {name: dict.fromkeys(axes, torch.export.Dim.DYNAMIC) for name, axes in graph.axes.items()}
    with telling(source, "torch.export"):
        found = torch.export.export(graph.module, (), kwargs=graph.nested(graph.inputs), strict=False,
                                    dynamic_shapes=graph.nested(open_axes))
    for part in found.graph_module.modules():
        if isinstance(part, torch.fx.GraphModule):
            for node in part.graph.nodes:
                node.meta.pop("stack_trace", None)  # where Python's files lie on this machine
    return found


@contextmanager
def telling(source: Source, program: str) -> Iterator[None]:
    """Whatever a tracing program cannot do becomes a Refusal that names the architecture; its own chatter is left out.

    It prints whole graphs, and warns of packages that nobody needs.
    """
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings(action="ignore"), contextlib.redirect_stdout(io.StringIO()), \
                contextlib.redirect_stderr(io.StringIO()):
            yield
    except Problem:
        raise
    except Exception as error:
        if is_spent(error):
            raise
        raise Refusal("export.untraceable", f"{program} makes no graph of `{source.base.name}` "
                      f"({source.base.architecture}) with a head of the kind `{source.head.kind}`: {_cause(error)}",
                      "base.name", "use `tunesmith export RUN merged`, which every run can leave by") from error
    finally:
        logging.disable(before)


def _cause(error: BaseException) -> str:
    """The kind and first line of what lies under it all: exporters wrap it in pages of advice."""
    while error.__cause__ is not None:
        error = error.__cause__
    told = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    return f"{type(error).__name__}{f': {told[:TOLD_CHARACTERS]}' if told else ''}"
