"""How the documents of a batch are laid before a network, from the fastest way to the one that every network takes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

from torch import Tensor, nn

from ..errors import Refusal
from ..kernels import attention
from ..records import SEGMENT, Batch, Head
from . import heads, several
from .offline import opening, transformers
from .pretrained import Base

Kind = Literal["packed", "padded", "apart"]
SAID: dict[Kind, str] = {
    "packed": "packed in one row, without padding",
    "padded": "padded, in groups of like length",
    "apart": "computed one by one",
}
# The names of a window in transformers' configurations and layers; ModernBERT's counts the rows on both sides
WINDOWS = ("sliding_window", "attention_chunk_size", "local_attention")


@dataclass(frozen=True, slots=True)
class Layout:
    """How documents are laid, and why so, for a person."""

    kind: Kind
    why: str

    def __str__(self) -> str:
        return f"{SAID[self.kind]}: {self.why}"


UNKNOWN = Layout("apart", "nothing is known of the head that the rows ask for")
TWO_TEXTS = Layout("padded", "it reads one text and writes another")
CAUSAL = Head("causal")


def likely(architecture: type) -> Layout:
    """What transformers' class of a network promises; the network itself is asked once its weights are loaded."""
    if architecture._is_stateful:  # type: ignore[attr-defined]
        return Layout("padded", "its layers carry a state from one token to the next")
    if not takes_our_attention(architecture):
        return Layout("padded", "its attention is its own and knows no borders of documents")
    return Layout("packed", "its attention keeps to the borders of documents")


def of_base(base: Base, head: Head = CAUSAL) -> Layout:
    """What is likely for a base with a head, from its configuration alone. Raises Refusal where it cannot have it."""
    if head.kind == "causal":
        return likely(architecture(base))
    found = heads.architecture(base, head.parts[several.host(head)] if head.parts else head)
    return TWO_TEXTS if head.kind == "encoder-decoder" else likely(found)


def architecture(base: Base) -> type:
    """The class of the base's network in transformers. Raises Refusal for one that does not write text."""
    library = transformers()
    if reads_and_writes(base):
        raise Refusal("base.no_language_model", f"`{base.name}` ({base.architecture}) reads one text and writes "
                      "another", "base.name", "use `task: seq2seq`, or a causal language model such as "
                      "`smollm2-135m-instruct`")
    if base.architecture not in library.models.auto.modeling_auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.values():
        raise Refusal("base.no_language_model", f"`{base.name}` ({base.architecture}) does not write text",
                      str(base.folder), "use a causal language model, such as `smollm2-135m-instruct`")
    with opening(base.folder):  # a kind of model that transformers does not know has no class, whatever it is called
        library.AutoConfig.from_pretrained(base.folder, local_files_only=True, trust_remote_code=False)
    found: type = getattr(library, base.architecture)
    return found


def reads_and_writes(base: Base) -> bool:
    """Whether the base reads one text and writes another, as T5 does."""
    known = transformers().models.auto.modeling_auto.MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES
    return base.architecture in known.values()


def takes_our_attention(architecture: type) -> bool:
    """Whether a class of networks calls whatever attention it is given, with all that the attention must know."""
    return bool(architecture._supports_attention_backend)  # type: ignore[attr-defined]


def first_position(network: Any) -> int:
    """The number of a document's first place: of networks of RoBERTa's kind the one after the padding's."""
    tables = (module for name, module in network.named_modules() if name.endswith("position_embeddings"))
    table = next((table for table in tables if isinstance(table, nn.Embedding)), None)
    return 0 if table is None or table.padding_idx is None else table.padding_idx + 1


def segments(network: Any, batch: Batch) -> Tensor | None:
    """The kind of each token, (M,), where the documents tell of several and the network knows them."""
    known = vars(network.config).get("type_vocab_size", 0) > 1
    return batch.token_columns.get(SEGMENT) if known else None


def prepare(network: Any, layout: Layout) -> None:
    """Give the network the attention that a layout needs: ours to pack, else the best of its own."""
    own = "sdpa" if network._supports_sdpa else "eager"
    attend(network, attention.NAME if layout.kind == "packed" else own)


@contextmanager
def eager(network: Any) -> Iterator[None]:
    """The network attends by its own plain formula while the context lasts."""
    before = network.config._attn_implementation
    attend(network, "eager")
    try:
        yield
    finally:
        attend(network, before)


def attend(network: Any, name: str) -> None:
    """Give a network that takes any attention the one of this name."""
    if takes_our_attention(type(network)) and network.config._attn_implementation != name:
        network.set_attn_implementation(name)


@contextmanager
def narrowed(network: Any, rows: int) -> Iterator[bool]:
    """No window of the network's attention is wider than `rows` while the context lasts; yields whether there is one.

    What a network does with a window of thousands of rows is then seen in a document of a few.
    """
    holders = [vars(holder) for holder in (network.config, network.config.get_text_config(), *network.modules())]
    before = [
        (holder, name, holder[name]) for holder in holders for name in WINDOWS if isinstance(holder.get(name), int)
    ]
    for holder, name, value in before:
        holder[name] = min(2 * (rows - 1) if name == "local_attention" else rows, value)
    try:
        yield bool(before)
    finally:
        for holder, name, value in before:
            holder[name] = value
