"""How much each layer does: the angle between what comes into it and what leaves it, over the tokens of some documents.

Source: Gromov 2024, "The Unreasonable Ineffectiveness of the Deeper Layers", arXiv:2403.17887, equation 7, of one layer
at a time; the mean is over all tokens, as in Men 2024, "ShortGPT", arXiv:2403.03853.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from ..records import Document
from ._pruning import stack


@torch.inference_mode()
def distances(network: Any, documents: Sequence[Document]) -> list[float]:
    """Of each layer the mean angle that it turns a token's state by, as a share of half a turn: 0 to 1."""
    layers = stack(network)[1]
    turned, tokens = [0.0] * len(layers), sum(map(len, documents))

    def seen(number: int, _: Any, given: tuple[Any, ...], told: dict[str, Any], made: Any) -> None:
        came: Tensor = given[0] if given else told["hidden_states"]
        left: Tensor = made[0] if isinstance(made, tuple) else made
        alike = torch.nn.functional.cosine_similarity(came.double(), left.double(), dim=-1).clamp(-1, 1)
        turned[number] += float(alike.arccos().sum()) / math.pi

    hooks = [layer.register_forward_hook(partial(seen, number), with_kwargs=True)
             for number, layer in enumerate(layers)]
    try:
        for document in documents:
            ids = torch.from_numpy(document.ids)[None].to(network.device)
            network.base_model(input_ids=ids, **({"use_cache": False} if "use_cache" in network.config.to_dict()
                                                 else {}))
    finally:
        for hook in hooks:
            hook.remove()
    return [each / tokens for each in turned]


def least(found: Sequence[float], many: int) -> list[int]:
    """The numbers of the layers that do least, in order."""
    return sorted(sorted(range(len(found)), key=found.__getitem__)[:many])
