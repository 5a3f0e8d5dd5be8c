"""Numbers that are drawn by a name: the same on every machine, whatever else is drawn."""

from __future__ import annotations

import hashlib


def place_of(seed: int, name: str) -> float:
    """A number from 0 to below 1."""
    digest = hashlib.sha256(f"{seed}\0{name}".encode(errors="surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big") / 2**64
