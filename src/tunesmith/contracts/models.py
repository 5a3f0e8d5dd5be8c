"""A tokenizer, a network in training or in use, and what makes it learn."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from ..records import Batch, Head

if TYPE_CHECKING:
    import torch
    from pydantic import BaseModel
    from torch import Tensor


class Codec(Protocol):
    """A tokenizer and its template: text to ids and back.

    `stop` are the ids on which generation ends; `context` the longest document that the base can read.
    """

    @property
    def vocabulary(self) -> int: ...
    @property
    def bos(self) -> int | None: ...
    @property
    def eos(self) -> int | None: ...
    @property
    def stop(self) -> frozenset[int]: ...
    def encode(self, text: str, *, control: bool = False) -> Encoded: ...
    def decode(self, ids: Sequence[int]) -> str: ...


@dataclass(frozen=True, slots=True)
class Encoded:
    """Token ids, and for each the character of the text at which it ends; the ends are found when asked for."""

    ids: list[int]
    find_ends: Callable[[], list[int]] = field(compare=False, repr=False)

    @property
    def ends(self) -> list[int]:
        """As many as ids."""
        return self.find_ends()


class Model(Protocol):
    """A network in training or in use. What a fast path replaces; tasks and the engine know only this."""

    @property
    def learns(self) -> Mapping[str, torch.nn.Parameter]:
        """The fp32 masters of what learns, by name; the optimiser steps these."""

    @property
    def network(self) -> torch.nn.Module:
        """The transformers model, for generation."""

    @property
    def device(self) -> torch.device: ...

    def part(self, name: str) -> Model:
        """What one of several heads says on the same network; the model itself where it has one head."""

    def states(self, batch: Batch, rows: Tensor | None = None) -> Tensor:
        """(R, H) hidden states after the final norm, of the rows wanted (default: all)."""

    @property
    def head_is_new(self) -> bool:
        """Whether the base had no such head, so that its weights were drawn."""

    @property
    def head(self) -> Head:
        """What stands on the network, with the names of its outputs."""

    def log_probabilities(self, batch: Batch) -> Tensor:
        """(S,) float32 log-probability of the target of each supervised row, with the graph; of a language model."""

    def outputs(self, batch: Batch, rows: Tensor | None = None) -> Tensor:
        """(R, L) float32 what the network's own head says of the rows wanted, with the graph.

        rows: default, of a `sequence` head the one row that stands for each document, of others all.
        """

    def learning(self) -> AbstractContextManager[None]:
        """Dropout is on while the context lasts, and off at all other times."""

    def zero(self) -> None:
        """Forget all gradients."""

    def gradients(self) -> None:
        """Hand the gradients to the masters, after the last backward pass of a step."""

    def publish(self) -> None:
        """Copy the masters into the weights that compute, after an optimiser step."""

    def untuned(self) -> AbstractContextManager[None]:
        """The base: adapter off. Raises Misuse where the base weights themselves learn."""


class Adapter(Protocol):
    """Which weights learn, and how."""

    @property
    def Settings(self) -> type[BaseModel]: ...
    @property
    def weights_file(self) -> str:
        """The file name, in the ecosystem's format, of what learns."""

    def attach(self, network: torch.nn.Module, settings: Any, *, seed: int) -> tuple[str, ...]:
        """Make the network learn; returns the names (as in `named_parameters`) of what learns."""

    def merge(self, network: torch.nn.Module) -> None:
        """Fold what was attached into plain weights; the network is then one of the base's own shape."""

    def off(self, network: torch.nn.Module) -> AbstractContextManager[None]:
        """The base's own answers while the context lasts."""

    def parameters(self, shapes: Mapping[str, tuple[int, ...]], settings: Any) -> int:
        """How many numbers will learn, from the shapes of the network's weights."""

    def disk_name(self, name: str) -> str:
        """The name in the file for a name in the network."""

    def configuration(self, network: torch.nn.Module, settings: Any, base: str) -> Mapping[str, Mapping[str, Any]]:
        """JSON files that stand beside the weights so that the ecosystem can open them: file name to content."""


class Optimiser(Protocol):
    """Builds a torch optimiser over parameter groups; a group's `scale` multiplies its learning rate."""

    @property
    def Settings(self) -> type[BaseModel]: ...
    def build(
        self, groups: Sequence[Mapping[str, Any]], learning_rate: float, settings: Any
    ) -> torch.optim.Optimizer: ...
