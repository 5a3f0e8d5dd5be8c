"""New tokens of many sequences read in one flat row, each after what its own memory knows; and whether a network can.

Asked of the network itself: its attention must be told of the memories by transformers, its positions must not depend
on the neighbours, and nothing but the attention may look beyond a token.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import is_spent
from ..kernels import attention
from ..kernels.cached import Memory, Reading
from ..models import layouts, load, probe
from ..models.offline import transformers
from .decode import Network, answering, carries_a_state

LENGTHS = (7, 10)
PARTS = ((3, 5), (3, 9), (4, 10), (6, 10), (7, 10))  # how far each of the two has been read after each forward pass
WINDOW = 4
CHANGING = ("dynamic", "longrope")  # rotary positions whose angles depend on the longest sequence of a forward pass


@torch.inference_mode()
def read(
    model: Network, memories: Sequence[Memory], new: Sequence[Sequence[int]], wanted: Sequence[int], *,
    plain: bool = False,
) -> Tensor:
    """(R, V) float32 what follows the sequences that are wanted, one or more; the memories know the new tokens then."""
    borders = [0]
    for ids in new:
        borders.append(borders[-1] + len(ids))
    device, first = model.device, layouts.first_position(model.network)
    positions = [first + place for memory, ids in zip(memories, new, strict=True)
                 for place in range(memory.known, memory.known + len(ids))]
    reading = Reading(memories, tuple(borders), plain)
    with answering(model.network):
        output = model.network(
            input_ids=torch.tensor([[token for ids in new for token in ids]], device=device),
            position_ids=torch.tensor([positions], device=device), use_cache=False, reading=reading,
            attention_mask=torch.empty(0, 0, 0, 0, device=device),  # returned by transformers as it is: none is built
            logits_to_keep=torch.tensor([borders[place + 1] - 1 for place in wanted], device=device),
        )
    reading.done()
    logits: Tensor = output.logits[0].float()
    return logits


def fault(model: Network) -> str:
    """Why a network cannot be read so, in words; empty where it can. Its attention is then ours."""
    network = model.network
    if not isinstance(network, nn.Module) or carries_a_state(network):
        return "its layers carry a state from one token to the next"
    if not layouts.takes_our_attention(type(network)):
        return "its attention is its own and takes no other"
    if any(kind in str(vars(module).get("rope_type")) for module in network.modules() for kind in CHANGING):
        return "its positions depend on the longest text beside"
    config: Any = network.config
    before = config._attn_implementation
    load.register_attention(transformers())
    layouts.attend(network, attention.NAME)
    found = _fault_found(model)
    if found:
        layouts.attend(network, before)
    return found


def _fault_found(model: Network) -> str:
    try:
        with layouts.narrowed(model.network, WINDOW) as narrowed:
            # a layer by hand keeps the window that it was built with
            found = _differs(model, plain=True) if narrowed else ""
        return found or _differs(model, plain=False)
    except probe.FAILS as error:
        if is_spent(error):
            raise
        return "it fails: " + (str(error).splitlines() or [type(error).__name__])[0]


@torch.inference_mode()
def _differs(model: Network, *, plain: bool) -> str:
    """In which way two documents read in parts are not what the network says of each alone; empty where they are."""
    dtype = next(iter(model.network.parameters())).dtype
    said = ""
    for turn in range(probe.TURNS if dtype in probe.ROUNDINGS else 1):
        documents = _documents(model, turn)
        found = _in_parts(model, documents, plain=plain)
        # the second is read in the same company of lengths: not a bit of it may change
        again = _in_parts(model, [documents[1][: LENGTHS[0]], documents[1]], plain=plain)
        if not all(torch.equal(one[1:], other[1:]) for one, other in zip(found, again, strict=True)):
            return "what it says of one text depends on the other"
        alone = [_alone(model, document) for document in documents]
        wanted = torch.stack([alone[place][part[place] - 1] for part in PARTS for place in (0, 1)])
        largest = max(1.0, float(wanted.abs().max()))
        allowed = probe.ROUNDINGS.get(dtype, probe.MANY_ROUNDINGS) * torch.finfo(torch.float32 if dtype == torch.float64
                                                                                else dtype).eps * largest
        difference = float((torch.cat(found).log_softmax(-1) - wanted.log_softmax(-1)).abs().max())
        if difference <= max(allowed, 1e-5):
            return ""
        said = f"its answers differ by {difference:.2g} from those to each text alone"
    return said


def _documents(model: Network, turn: int) -> list[list[int]]:
    vocabulary = model.network.get_input_embeddings().num_embeddings
    ids = [(place * 7919 + 11 + 5003 * turn) % vocabulary for place in range(sum(LENGTHS))]
    padding = vars(model.network.config).get("pad_token_id")
    ids = [(token + 1) % vocabulary if token == padding else token for token in ids]
    return [ids[: LENGTHS[0]], ids[LENGTHS[0] :]]


def _in_parts(model: Network, documents: Sequence[Sequence[int]], *, plain: bool) -> list[Tensor]:
    """(2, V) what follows both, after each part."""
    memories, said, before = [Memory(), Memory()], [torch.empty(0)] * 2, (0, 0)
    found = []
    for part in PARTS:
        going = [place for place in (0, 1) if part[place] > before[place]]
        new = [documents[place][before[place] : part[place]] for place in going]
        logits = read(model, [memories[place] for place in going], new, range(len(going)), plain=plain)
        for place, one in zip(going, logits, strict=True):
            said[place] = one
        found.append(torch.stack(said))
        before = part
    return found


def _alone(model: Network, document: Sequence[int]) -> Any:
    with answering(model.network):
        ids = torch.tensor([list(document)], device=model.device)
        return model.network(input_ids=ids, use_cache=False).logits[0].float()
