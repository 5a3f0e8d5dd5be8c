"""Several heads on one network: transformers' own models of one base, with one and the same network under them.

One part's network holds the others' as a child: it keeps its own names, saves and opens as if it were alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from ..records import Batch, Head
from . import heads

if TYPE_CHECKING:
    from .model import LanguageModel

CHILD = "parts"


def host(head: Head) -> str:
    """The part whose network holds the others: one that labels whole texts, as only those have all that any needs."""
    whole = [name for name, part in head.parts.items() if part.kind == "sequence"]
    return (whole or list(head.parts))[0]


def joined(networks: Mapping[str, Any], head: Head) -> Any:
    """The host's network, with the others as its child `parts`; the base of each is now the host's."""
    holder = networks[host(head)]
    others = {_child(name): network for name, network in networks.items() if network is not holder}
    for network in others.values():
        setattr(network, network.base_model_prefix, holder.base_model)
    holder.add_module(CHILD, nn.ModuleDict(others))
    return holder


def network_of(holder: Any, head: Head, name: str) -> Any:
    """The network of one part."""
    return holder if name == host(head) else vars(holder)["_modules"][CHILD][_child(name)]


def _child(name: str) -> str:
    """What the network of a part is called there: `train` alone is a name that torch's modules have for themselves."""
    return f"part_{name}"


def alone(holder: Any, head: Head, name: str) -> Any:
    """The network of one part without the others: one of transformers' own, as if there had been no other."""
    network = network_of(holder, head, name)
    vars(holder)["_modules"].pop(CHILD)
    return network


class Part:
    """One part of a model with several heads; satisfies contracts.Model, and all but the head is the whole's."""

    def __init__(self, whole: LanguageModel, name: str) -> None:
        self._whole = whole
        self.head = whole.head.parts[name]
        self.network = network_of(whole.network, whole.head, name)
        self.learns: Mapping[str, nn.Parameter] = whole.learns

    @property
    def device(self) -> torch.device:
        """Where the network computes."""
        return self._whole.device

    @property
    def head_is_new(self) -> bool:
        """Whether the base had no such head, so that its weights were drawn."""
        return bool(vars(self.network).get("head_is_new"))

    def part(self, name: str) -> Part:
        """Itself: it has no parts of its own."""
        return self

    def states(self, batch: Batch, rows: Tensor | None = None) -> Tensor:
        """(R, H) hidden states after the final norm, of the rows wanted (default: all)."""
        return self._whole.states(batch, rows)

    def outputs(self, batch: Batch, rows: Tensor | None = None) -> Tensor:
        """(R, L) float32 what this part's head says of the rows wanted; default as for a model of one head."""
        if rows is None and self.head.kind == "sequence":
            rows = heads.stands_for_document(self.network, batch.borders, self.device)
        return heads.read(self.network, self.states(batch, rows), self.head)

    def log_probabilities(self, batch: Batch) -> Tensor:
        """(S,) float32 log-probability of the target of each supervised row, by this part's head."""
        outputs = self.outputs(batch, batch.supervised)
        return torch.log_softmax(outputs, -1).gather(1, batch.targets[batch.supervised][:, None])[:, 0]

    def learning(self) -> AbstractContextManager[None]:
        """Dropout is on while the context lasts, and off at all other times."""
        return self._whole.learning()

    def zero(self) -> None:
        """Forget all gradients."""
        self._whole.zero()

    def gradients(self) -> None:
        """Hand the gradients to the masters."""
        self._whole.gradients()

    def publish(self) -> None:
        """Copy the masters into the weights that compute."""
        self._whole.publish()

    def untuned(self) -> AbstractContextManager[None]:
        """The base: adapter off."""
        return self._whole.untuned()
