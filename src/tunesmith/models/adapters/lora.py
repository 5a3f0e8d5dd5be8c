"""Low-rank additions to linear layers: W x + (alpha / rank) B A x, where only A and B learn.

Source: Hu et al. 2021, "LoRA: Low-Rank Adaptation of Large Language Models", section 4.1. On disk in PEFT's format.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Container, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Annotated, Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from ...catalog import nearest
from ...errors import Misuse
from .. import rows as new_rows
from ._layers import Numbers, in_layers, is_embedding, is_head

weights_file = "adapter_model.safetensors"
PREFIX = "base_model.model."


class Settings(BaseModel):
    """How large the additions are, and which layers get one."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True)

    rank: int = Field(default=16, ge=1, le=4096)
    """Width of the bottleneck between A and B. More learns more and needs more memory; try 8, 16, 32, 64."""
    alpha: float = Field(default=32.0, gt=0)
    """Strength: what is added is multiplied by alpha / rank. Twice the rank is usual."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Share of the inputs of A set to zero while training, at random. Try 0.05 where data is scarce."""
    targets: Literal["all-linear"] | Annotated[tuple[str, ...], Field(strict=False, min_length=1)] = "all-linear"
    """Which linear layers: `all-linear` (all but the head), or ends of their names, such as [q_proj, v_proj]."""
    layers: Numbers | None = None
    """Which layers of the stack get additions, from 0, the lowest: numbers and ranges, `[0, 16-29]`; null: all.

    `16-` is from 16 up. Nothing is sent back through the layers below the lowest that learns: try the upper half where
    time is short.
    """


def drawn(rows: Tensor, share: float) -> Tensor:
    """Which numbers of the rows stay where `share` of them is dropped, bool, drawn from torch's own generator.

    Sixteen bits a number: a fourth of the time that torch's dropout takes on a CPU, and shares in steps of 1/65536.
    """
    count = rows.numel()
    bits = torch.empty(-(-count // 4), dtype=torch.int64, device=rows.device).random_(-(2**63), None)
    return (bits.view(torch.int16)[:count] >= _dropped(share) - 2**15).view(rows.shape)


def grown(share: float) -> float:
    """What the numbers that stay are multiplied by, so that their sum stays what it was on average."""
    return 1 / (1 - _dropped(share) / 2**16)


def _dropped(share: float) -> int:
    return min(round(share * 2**16), 2**16 - 1)


class LoraLinear(nn.Linear):
    """A linear layer with a low-rank addition; its own weight keeps its name and does not learn."""

    def __init__(self, linear: nn.Linear, settings: Settings) -> None:
        super().__init__(linear.in_features, linear.out_features, bias=False, device="meta")
        self.weight, self.bias = linear.weight, linear.bias
        self._add(settings)

    def _add(self, settings: Settings) -> None:
        like: dict[str, Any] = {"bias": False, "dtype": self.weight.dtype, "device": self.weight.device}
        self.lora_A = nn.Linear(self.in_features, settings.rank, **like)
        self.lora_B = nn.Linear(settings.rank, self.out_features, **like)
        self.scale = settings.alpha / settings.rank
        self.dropout = settings.dropout
        self.active = True

    @property
    def drops(self) -> bool:
        """Whether some of what A reads is dropped now."""
        return self.active and self.training and self.dropout > 0

    def _own(self, rows: Tensor) -> Tensor:
        return nn.functional.linear(rows, self.weight, self.bias)

    def forward(self, input: Tensor) -> Tensor:
        """W x + b + scale B A dropout(x), or only W x + b while the adapter is off."""
        rows = input.reshape(-1, self.in_features)
        answer = self._own(rows)
        if self.active:
            read = rows * drawn(rows, self.dropout) * grown(self.dropout) if self.drops else rows
            narrow = nn.functional.linear(read, self.lora_A.weight)
            answer = torch.addmm(answer, narrow, self.lora_B.weight.T, alpha=self.scale)
        return answer.view(*input.shape[:-1], self.out_features)

    def addition(self) -> Tensor:
        """What the addition amounts to, in float64, shaped as the weight."""
        return self.lora_B.weight.double() @ self.lora_A.weight.double() * self.scale

    def plain(self) -> nn.Module:
        """A linear layer with this one's own weight and nothing added."""
        plain = nn.Linear(self.in_features, self.out_features, bias=False, device="meta")
        plain.weight, plain.bias = self.weight, self.bias
        return plain


class LoraConv1D(LoraLinear):
    """The same for GPT-2's linear layer, transformers' `Conv1D`, whose weight stands as (inputs, outputs)."""

    def __init__(self, linear: nn.Module, settings: Settings) -> None:
        inputs, outputs = linear.weight.shape  # type: ignore[misc]
        nn.Linear.__init__(self, inputs, outputs, bias=False, device="meta")
        self.weight, self.bias = linear.weight, linear.bias  # type: ignore[assignment]
        self._add(settings)

    def _own(self, rows: Tensor) -> Tensor:
        return torch.addmm(self.bias, rows, self.weight)

    def addition(self) -> Tensor:
        """What the addition amounts to, in float64, shaped as the weight."""
        return super().addition().T

    def plain(self) -> nn.Module:
        """A `Conv1D` with this layer's own weight and nothing added."""
        with torch.device("meta"):
            plain: nn.Module = _conv1d()(self.out_features, self.in_features)
        plain.weight, plain.bias = self.weight, self.bias
        return plain


def _conv1d() -> Any:
    """GPT-2's linear layer."""
    from transformers.pytorch_utils import Conv1D

    return Conv1D


def attach(network: nn.Module, settings: Settings, *, seed: int) -> tuple[str, ...]:
    """Put an addition on every target; beside them only rows of new tokens learn. Returns all their names.

    B starts at zero, so the first answers are the base's; A is drawn from `seed` and its layer's name.
    Raises Misuse for a target that names no linear layer.
    """
    network.requires_grad_(False)
    weights = {name for name, _ in network.named_parameters()}
    linears = {
        name: module for name, module in network.named_modules()
        if isinstance(module, (nn.Linear, _conv1d())) and not _is_read_by_kernels(name, weights)
    }
    learning = []
    for name in _targets(linears, settings):
        linear = linears[name]
        added = LoraLinear(linear, settings) if isinstance(linear, nn.Linear) else LoraConv1D(linear, settings)
        _begin(added, seed, name)
        parent, _, child = name.rpartition(".")
        setattr(network.get_submodule(parent), child, added)
        learning += [f"{name}.lora_A.weight", f"{name}.lora_B.weight"]
    return (*learning, *new_rows.learn(network))


def _begin(added: LoraLinear, seed: int, name: str) -> None:
    """A: uniform within 1 / sqrt(inputs), which is kaiming-uniform with a = sqrt(5), as PEFT begins; B: zeros."""
    named_seed = hashlib.sha256(f"{seed}/lora/{name}".encode()).digest()
    generator = torch.Generator().manual_seed(int.from_bytes(named_seed[:8], "big") >> 1)
    bound = 1 / math.sqrt(added.in_features)
    drawn = torch.empty(added.lora_A.weight.shape, dtype=torch.float32).uniform_(-bound, bound, generator=generator)
    with torch.no_grad():
        added.lora_A.weight.copy_(drawn)
        added.lora_B.weight.zero_()


def merge(network: nn.Module) -> None:
    """Fold every addition into its layer's weight and put a plain linear layer in its place."""
    new_rows.merge(network)
    for name, added in list(_added(network)):
        with torch.no_grad():
            added.weight.copy_(added.weight.double() + added.addition())
        parent, _, child = name.rpartition(".")
        setattr(network.get_submodule(parent), child, added.plain())


@contextmanager
def _off(network: nn.Module) -> Iterator[None]:
    _switch(network, False)
    try:
        yield
    finally:
        _switch(network, True)


def _switch(network: nn.Module, active: bool) -> None:
    new_rows.switch(network, active)
    for _, added in _added(network):
        added.active = active


def off(network: nn.Module) -> AbstractContextManager[None]:
    """The base's own answers while the context lasts."""
    return _off(network)


def parameters(shapes: Mapping[str, tuple[int, ...]], settings: Settings) -> int:
    """The rank times (inputs + outputs) for each target. Matrices that are embeddings or the head are not targets."""
    linears = {
        name.removesuffix(".weight"): shape
        for name, shape in shapes.items()
        if name.endswith(".weight") and len(shape) == 2 and not is_embedding(name) and not is_head(name)
        and not _is_read_by_kernels(name.removesuffix(".weight"), shapes)
    }
    return sum(settings.rank * sum(linears[name]) for name in _targets(linears, settings))


def disk_name(name: str) -> str:
    """PEFT's name for it."""
    return PREFIX + name


def configuration(network: nn.Module, settings: Settings, base: str) -> Mapping[str, Mapping[str, Any]]:
    """PEFT's `adapter_config.json`."""
    suffixes = sorted({name for name, _ in _added(network)})
    new = new_rows.configuration(network)
    return {
        "adapter_config.json": {
            "peft_type": "LORA",
            "task_type": "SEQ_2_SEQ_LM" if _writes_for_another(network) else "CAUSAL_LM",
            "base_model_name_or_path": base,
            "r": settings.rank,
            "lora_alpha": settings.alpha,
            "lora_dropout": settings.dropout,
            "target_modules": suffixes,
            "bias": "none",
            "fan_in_fan_out": any(isinstance(added, LoraConv1D) for _, added in _added(network)),
            "inference_mode": True,
            **({"trainable_token_indices": new} if new else {}),
        }
    }


def _writes_for_another(network: Any) -> bool:
    """Whether it reads one text and writes another."""
    return bool(network.config.is_encoder_decoder)


def _added(network: nn.Module) -> Iterator[tuple[str, LoraLinear]]:
    return ((name, module) for name, module in network.named_modules() if isinstance(module, LoraLinear))


def _is_read_by_kernels(name: str, weights: Container[str]) -> bool:
    """Whether a layer is one of a Mamba mixer's that are never called: their weights are read, so nothing can be added.

    PEFT refuses `out_proj` for the same reason.
    """
    parent, _, last = name.rpartition(".")
    return last in ("dt_proj", "out_proj") and f"{parent}.A_log" in weights


def _targets(linears: Iterable[str], settings: Settings) -> list[str]:
    """The names, in order, that the settings mean."""
    names = [name for name in linears if not is_head(name)]
    if settings.targets == "all-linear":
        if not names:
            raise Misuse("adapter.targets", "this base has no linear layer that LoRA could add to", "adapter.targets",
                         "use `adapter: {type: full}`")
        return _in_layers(names, settings)
    ends = sorted({name.rpartition(".")[2] for name in names})
    for target in settings.targets:
        if not any(_ends(name, target) for name in names):
            near = nearest(target, ends)
            remedy = f"use `{near}`" if near else f"use `all-linear` or some of: {', '.join(ends)}"
            raise Misuse("adapter.targets", f"no linear layer is called `{target}`", "adapter.targets", remedy)
    return _in_layers([name for name in names if any(_ends(name, target) for target in settings.targets)], settings)


def _in_layers(names: list[str], settings: Settings) -> list[str]:
    return names if settings.layers is None else in_layers(names, settings.layers)


def _ends(name: str, target: str) -> bool:
    return name == target or name.endswith("." + target)
