"""A digest of examples by content, for the lineage."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict

from ..records import Example


def digest(examples: Iterable[Example]) -> str:
    """SHA-256 (hex) over the examples in their order; where they stand in files does not count."""
    total = hashlib.sha256()
    for example in examples:
        values = {"kind": type(example).__name__, **asdict(example)}
        del values["where"]
        total.update(json.dumps(values, sort_keys=True, ensure_ascii=False).encode() + b"\n")
    return total.hexdigest()
