"""Attention over packed documents on a GPU: torch's flash attention for lengths that vary, one kernel for all of them.

It has not been measured, nor run on a GPU yet: `make test` holds what is asked of torch, tests marked `gpu` the rest.

Letters: M rows of all documents, H query heads, K key/value heads, D width of a head.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise

import torch
from torch import Tensor

from .rule import Rule

FORMATS = (torch.bfloat16, torch.float16)
WIDEST = 256  # of a head, in flash attention
OLDEST = (8, 0)  # Ampere, by the compute capability that flash attention needs


def serves(device: torch.device, dtype: torch.dtype, width: int, rule: Rule) -> bool:
    """Whether torch's kernel knows this rule, for heads of this width in this number format on this device."""
    if device.type != "cuda" or rule.softcap is not None or rule.dropout:
        return False
    return dtype in FORMATS and width % 8 == 0 and width <= WIDEST and _capability(device) >= OLDEST


def attention(
    query_HMD: Tensor, key_KMD: Tensor, value_KMD: Tensor, borders: tuple[int, ...], rule: Rule
) -> Tensor:
    """(M, H, D): every row attends to the rows of its own document that the rule lets it see, with the graph.

    borders: (documents + 1,) first row of each document, and M. Its naive twin is `attention.naive_attention`.
    """
    from torch.nn.attention.varlen import varlen_attn

    longest = max((end - start for start, end in pairwise(borders)), default=0)
    seen = -1 if rule.window is None else rule.window - 1
    starts = _starts(borders, query_HMD.device)
    answer = varlen_attn(
        query_HMD.transpose(0, 1), key_KMD.transpose(0, 1), value_KMD.transpose(0, 1), starts, starts, longest, longest,
        # torch counts the rows before and after a row's own
        scale=rule.scale, window_size=(seen, 0 if rule.causal else seen),
        enable_gqa=query_HMD.shape[0] != key_KMD.shape[0],
    )
    assert isinstance(answer, Tensor)
    return answer


@lru_cache(maxsize=4)
def _starts(borders: tuple[int, ...], device: torch.device) -> Tensor:
    """The borders where the kernel reads them; every layer of a step asks for the same."""
    return torch.tensor(borders, dtype=torch.int32, device=device)


@lru_cache
def _capability(device: torch.device) -> tuple[int, int]:
    return torch.cuda.get_device_capability(device)
