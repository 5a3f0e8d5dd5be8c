"""A digest of examples by content, for the lineage."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable

from ..records import Example
from .written import told

_WRITER = json.JSONEncoder(sort_keys=True, ensure_ascii=False)


def digest(examples: Iterable[Example]) -> str:
    """SHA-256 (hex) over the examples in their order; where they stand in files does not count."""
    total = hashlib.sha256()
    for example in examples:
        total.update(_WRITER.encode(told(example)).encode() + b"\n")
    return total.hexdigest()
