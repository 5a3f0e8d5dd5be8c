"""Tokens with their log-probabilities, as OpenAI's two routes tell them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..generation.pieces import UNFINISHED
from .written import Token

if TYPE_CHECKING:
    from ..encoding.tokens.codec import Codec

NEVER = -9999.0


def of_chat(tokens: Sequence[Token], codec: Codec, top: int) -> dict[str, Any]:
    """Each token with its bytes, and the likeliest beside it."""
    return {"content": [{**_told(token.index, token.log_probability, codec),
                         "top_logprobs": [_told(index, value, codec) for index, value in token.likeliest[:top]]}
                        for token in tokens], "refusal": None}


def of_completion(tokens: Sequence[Token], codec: Codec, top: int) -> dict[str, Any]:
    """As lists side by side, of which the last tells where each token begins in the answer."""
    return {
        "tokens": [codec.decode([token.index]) for token in tokens],
        "token_logprobs": [_finite(token.log_probability) for token in tokens],
        "top_logprobs": [{codec.decode([index]): _finite(value) for index, value in token.likeliest[:top]}
                         for token in tokens] if top else None,
        "text_offset": [token.start for token in tokens],
    }


def _finite(value: float) -> float:
    """What cannot be is told as OpenAI does: JSON has no infinity."""
    return value if math.isfinite(value) else NEVER


def _told(index: int, value: float, codec: Codec) -> dict[str, Any]:
    text = codec.decode([index])
    whole = UNFINISHED not in text  # else the token is a part of a character, of which a text tells no bytes
    return {"token": text, "logprob": _finite(value), "bytes": list(text.encode()) if whole else None}
