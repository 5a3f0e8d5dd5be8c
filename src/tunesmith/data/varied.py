"""New training rows made of old ones, as `data.augment` says; each knows the row that it was made from."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from ..contracts import Ask
from ..errors import Misuse
from ..recipe import Section
from ..records import Example, Finding


def varied(
    examples: Sequence[Example], ways: Sequence[Section], *, seed: int, ask: Ask
) -> tuple[Sequence[Example], list[Finding]]:
    """The rows and after them the new ones of each way, and how many there are of each.

    A new row has its parent's group and source, and in its place `file:line (way)`. Ways are given the rows of the
    files, never each other's. Raises Misuse for a way that takes no rows of this kind.
    """
    made: list[Example] = []
    counts: Counter[str] = Counter()
    for way in ways:
        if examples and not any(isinstance(example, way.module.takes) for example in examples):
            kinds = " and ".join(f"{kind.__name__.lower()}s" for kind in way.module.takes)
            raise Misuse("data.augment", f"`{way.type}` varies {kinds}, and the data holds "
                         f"{type(examples[0]).__name__.lower()}s", "data.augment",
                         "take it out; `tunesmith explain data.augment` lists the ways")
        number = int.from_bytes(hashlib.sha256(f"{seed}\0augment\0{way.type}".encode()).digest()[:8], "big")
        for parent, example in way.module.vary(examples, way.settings, seed=number, ask=ask):
            old = examples[parent]
            made.append(replace(example, where=f"{old.where} ({way.type})", group=old.group, source=old.source))
            counts[way.type] += 1
    told = [Finding("note", "data.augmented", f"`{way.type}` made {counts[way.type]} rows more of {len(examples)}",
                    "data.augment") for way in ways]
    return (*examples, *made), told
