"""A network that learns: packed documents in, hidden states and log-probabilities out, fp32 masters beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from ..contracts import Model
from ..kernels import head, late_rows
from ..kernels.products import Matrix, laid_out
from ..records import Batch, Head
from . import encoder_decoder, fast, heads, layouts, padded, probe, several
from . import rows as rows_of
from .adapters import _none
from .learnt import lay_in

CAUSAL = Head("causal")
Share = Callable[[nn.Module, frozenset[str]], None]


class LanguageModel:
    """A network with an adapter attached, and with a head where it is no language model; satisfies contracts.Model.

    Where the network computes in less than float32, each weight that learns has a float32 master: gradients are added
    up in float32 beside the computing weight, `gradients` hands them to the master, an optimiser steps the master,
    `publish` copies it back. In float32 and float64 the master is the computing weight itself.
    `layout` says how documents are laid before the network, `paths` how each of its layers computes, and why. Raises
    Refusal for a network that answers in no layout as it does by itself.

    One that reads one text and writes another is laid as its task lays it. share: told of the network and of what
    learns in it, before anything is made of its weights.
    """

    def __init__(
        self, network: Any, adapter: Any, settings: Any, *, seed: int, head: Head = CAUSAL, share: Share | None = None
    ) -> None:
        self.network = network
        self.adapter = adapter
        self.head = head
        names = heads.attach(network, head, adapter, settings, seed=seed)
        if share is not None:
            share(network, frozenset(names))
        network.eval()
        computing = dict(network.named_parameters())
        self._computing: dict[str, nn.Parameter] = {name: computing[name] for name in names}
        self.learns: Mapping[str, nn.Parameter] = {name: _master(weight) for name, weight in self._computing.items()}
        self._shape = _head_shape(network.config.to_dict())
        self._first_position = layouts.first_position(network)
        self._laid_out: tuple[Tensor, int, Matrix] | None = None
        self.paths: Sequence[fast.Path] = ()
        self._embeddings: fast.Embeddings | None = None
        self._settle: Callable[[], None] | None = None
        self.layout = layouts.likely(type(network))
        if head.kind == "encoder-decoder":
            encoder_decoder.refuse_single_rows(names)
            self.layout = layouts.TWO_TEXTS
            layouts.prepare(network, self.layout)
            return
        own = probe.settle(self)
        if self.layout.kind == "packed":  # settled before, as a layer by hand keeps the window that it was built with
            self.paths = fast.install(network)
            self._embeddings = fast.install_embeddings(network)
            probe.demand_same(self, own)

    @classmethod
    def frozen(cls, network: Any, head: Head = CAUSAL, *, share: Share | None = None) -> LanguageModel:
        """A model in which nothing learns, for use only."""
        return cls(network, _none, None, seed=0, head=head, share=share)

    def part(self, name: str) -> Model:
        """What one of several heads says on the same network; the model itself where it has one head."""
        return several.Part(self, name) if self.head.kind == "several" else self

    @property
    def head_is_new(self) -> bool:
        """Whether the base had no such head, so that its weights were drawn."""
        return bool(vars(self.network).get("head_is_new"))  # a network that was not opened from a folder has all

    @property
    def device(self) -> torch.device:
        """Where the network computes."""
        device: torch.device = self.network.device
        return device

    def states(self, batch: Batch, rows: Tensor | None = None) -> Tensor:
        """(R, H) hidden states after the final norm, of the rows wanted (default: all)."""
        decoder = self.network.base_model
        if self.layout.kind != "packed":
            return padded.states(decoder, batch, rows, together=self.layout.kind == "padded")
        # transformers returns a four-dimensional mask as it is: none is built
        no_mask = torch.empty(0, 0, 0, 0, device=self.device)
        tail = {"rows": rows} if rows is not None and self.paths and fast.serves_rows(self.paths) else {}
        segments = layouts.segments(decoder, batch)
        told = {} if segments is None else {"token_type_ids": segments[None]}
        states: Tensor = decoder(
            input_ids=batch.ids[None], position_ids=batch.positions[None] + self._first_position,
            attention_mask=no_mask, use_cache=False, borders=batch.borders, **told, **tail,
        ).last_hidden_state[0]
        return states if rows is None or tail else states[rows]

    def log_probabilities(self, batch: Batch) -> Tensor:
        """(S,) float32 log-probability of the target of each supervised row, with the graph."""
        if self.head.kind == "encoder-decoder":
            return encoder_decoder.log_probabilities(self.network, batch)
        linear = self.network.get_output_embeddings()
        states = self.states(batch, batch.supervised).to(linear.weight.dtype)  # Mamba's are float32 in any network
        targets = batch.targets[batch.supervised]
        found = head.log_probabilities(states, self._head(linear), targets, bias_V=linear.bias, shape=self._shape)
        return rows_of.reached_by_head(self.network, found, states, targets, self._shape)

    def outputs(self, batch: Batch, rows: Tensor | None = None) -> Tensor:
        """(R, L) float32 what the network's own head says of the rows wanted.

        rows: default, of a `sequence` head the one row that stands for each document, of others all.
        """
        if rows is None and self.head.kind == "sequence":
            rows = heads.stands_for_document(self.network, batch.borders, self.device)
        return heads.read(self.network, self.states(batch, rows), self.head)

    def _head(self, linear: Any) -> Tensor | Matrix:
        """The head's weight: laid out for its products once, where its numbers stay what they are."""
        if linear.weight.requires_grad:
            weight: Tensor = linear.weight
            return weight
        state = (linear.weight, linear.weight._version)
        if self._laid_out is None or self._laid_out[0] is not state[0] or self._laid_out[1] != state[1]:
            self._laid_out = (*state, laid_out(linear.weight))
        return self._laid_out[2]

    @contextmanager
    def learning(self) -> Iterator[None]:
        """Dropout is on while the context lasts, and off at all other times."""
        self.network.train()
        try:
            yield
        finally:
            self.network.eval()

    @property
    def copies(self) -> Mapping[str, Tensor]:
        """The weights that compute in the place of a master, by name; empty in float32 and float64."""
        return {name: weight for name, weight in self._computing.items() if weight is not self.learns[name]}

    def publish(self) -> None:
        """Copy the masters into the weights that compute, where the optimiser has not done so."""
        with torch.no_grad():
            for name, master in self.learns.items():
                self._computing[name].copy_(master)

    def learn_by_rows(self, ready: Callable[[nn.Parameter, Tensor], None], settle: Callable[[], None]) -> None:
        """Let the gradient of the embeddings come as a sparse tensor, where only they read their matrix.

        ready: told of the master and the rows about to be read; settle: before anybody looks at all that learns.
        """
        embeddings, names = self._embeddings, self._read_by_rows()
        if embeddings is None or not names:
            return
        master = self.learns[names[0]]
        if not late_rows.serves(master):
            return
        embeddings.by_rows = True
        embeddings.ready = lambda ids: ready(master, ids)
        self._settle = settle

    def _read_by_rows(self) -> list[str]:
        """The name of the embeddings' matrix, if it learns and nothing else is made of it."""
        if self._embeddings is None:
            return []
        words = self._embeddings.words
        readers = sum(any(each is words for each in module.parameters(False)) for module in self.network.modules())
        return [name for name, weight in self._computing.items() if weight is words and readers == 1]

    def untuned(self) -> AbstractContextManager[None]:
        """The base: adapter off. Raises Misuse where the base's own weights learn."""
        context: AbstractContextManager[None] = self.adapter.off(self.network)
        return context

    def zero(self) -> None:
        """Forget all gradients."""
        for name, master in self.learns.items():
            master.grad = self._computing[name].grad = None

    def gradients(self) -> None:
        """Hand the gradients to the masters' `.grad`, after the last backward pass of a step. They are not copied."""
        for name, master in self.learns.items():
            gradient = self._computing[name].grad
            master.grad = gradient.coalesce() if gradient is not None and gradient.is_sparse else gradient

    def unreached(self) -> list[str]:
        """Names of what should learn and has no gradient: after a backward pass there must be none."""
        return [name for name, weight in self._computing.items() if weight.grad is None]

    def learnt_share(self) -> dict[str, tuple[int, int]]:
        """How many numbers learn, and how many there are, for each kind of layer (`q_proj`, `embed_tokens`, `norm`).

        The numbers that an adapter adds count with the layer that it adds to.
        """
        shares: dict[str, tuple[int, int]] = {}
        for name, weight in self.network.named_parameters():
            kind = _kind(name)
            learning, total = shares.get(kind, (0, 0))
            shares[kind] = (learning + (weight.numel() if name in self.learns else 0), total + weight.numel())
        return shares

    def tensors(self) -> dict[str, Tensor]:
        """The masters by their names on disk."""
        if self._settle is not None:
            self._settle()
        return {self.adapter.disk_name(name): master.detach() for name, master in self.learns.items()}

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Take the masters from what `tensors` gave. Raises Refusal where names or shapes differ."""
        lay_in(self.tensors(), tensors)
        self.publish()


def _master(computing: nn.Parameter) -> nn.Parameter:
    """The weight that the optimiser steps: the computing one, or a float32 copy of it."""
    if computing.dtype in (torch.float32, torch.float64):
        return computing
    computing.grad_dtype = torch.float32
    return nn.Parameter(computing.detach().float())


def _kind(name: str) -> str:
    """The kind of layer that a weight belongs to: the name of its module, without what an adapter added."""
    parts = name.split(".")[:-1]
    while parts and (parts[-1].startswith("lora_") or parts[-1] == rows_of.CHILD or parts[-1].isdigit()):
        parts.pop()
    return parts[-1] if parts else name


def _head_shape(config: Mapping[str, Any]) -> head.Shape:
    """What this network does to its logits after the head's product, from its configuration."""
    scale = config.get("logit_scale") or config.get("lm_head_multiplier") or 1.0
    divisor = config.get("logits_scaling") or 1.0
    return head.Shape(scale=scale / divisor, softcap=config.get("final_logit_softcapping"))
