"""How many bytes of text each token of a vocabulary spells."""

from __future__ import annotations

import json
import re

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

BYTE = re.compile(r"<0x[0-9A-F]{2}>")


def utf8_bytes(state: str) -> NDArray[np.int64]:
    """(V,) bytes of UTF-8 that each id stands for; 0 for control tokens and for ids that are no token.

    state: the tokenizer as JSON. A byte-level vocabulary spells each byte as one character; others write a blank as `▁`
    and a single byte as `<0x0A>`.
    """
    told, tokenizer = json.loads(state), Tokenizer.from_str(state)
    words = tokenizer.get_vocab(with_added_tokens=True)
    by_byte = '"ByteLevel"' in json.dumps(told["decoder"])
    continued = told["model"].get("continuing_subword_prefix") or ""
    found = np.zeros(max(words.values()) + 1, np.int64)
    for token, index in words.items():
        spelt = token.removeprefix(continued).replace("▁", " ")
        found[index] = len(token) if by_byte else 1 if BYTE.fullmatch(token) else len(spelt.encode())
    for added in told["added_tokens"]:
        found[added["id"]] = 0
    return found
