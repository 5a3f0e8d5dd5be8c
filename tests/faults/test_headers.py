"""Headers that lie: refused, and no more memory is taken for them than twice the file."""

from __future__ import annotations

import json
import random
import struct
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tunesmith.errors import Refusal
from tunesmith.models import gguf_header, vetting

PADDING = bytes(4 << 20)  # so that what is announced can be told from what Python needs anyway


def safetensors(*tensors: tuple[str, dict[str, Any]], length: int | None = None) -> bytes:
    raw = b"{" + b",".join(f"{json.dumps(name)}:{json.dumps(entry)}".encode() for name, entry in tensors) + b"}"
    return struct.pack("<Q", len(raw) if length is None else length) + raw + PADDING


def entry(shape: list[Any], begin: Any, end: Any, dtype: Any = "F32") -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


SIZE = len(PADDING)
WHOLE = entry([SIZE // 4], 0, SIZE)
SAFETENSORS = {
    "an honest one": safetensors(("a", WHOLE)),
    **{f"header of 2^{power}": safetensors(("a", WHOLE), length=2**power - 1) for power in (24, 32, 40, 63, 64)},
    "beyond the file": safetensors(("a", entry([SIZE], 0, 4 * SIZE))),
    "far beyond the file": safetensors(("a", entry([2**60], 0, 2**62))),
    "overlapping": safetensors(("a", WHOLE), ("b", WHOLE)),
    "overlapping by a byte": safetensors(("a", entry([SIZE // 8], 0, SIZE // 2)),
                                         ("b", entry([SIZE // 2 + 1], SIZE // 2 - 1, SIZE, "U8"))),
    "a gap": safetensors(("a", entry([1], 0, 4)), ("b", entry([1], 8, 12))),
    "not all of the file": safetensors(("a", entry([1], 0, 4))),
    "backwards": safetensors(("a", entry([1], 4, 0))),
    "below zero": safetensors(("a", entry([-1], 0, -4))),
    "two numbers below zero": safetensors(("a", entry([-2, -SIZE // 8], 0, SIZE))),
    "a shape whose product overflows": safetensors(("a", entry([2**32, 2**32, SIZE // 4], 0, SIZE))),
    "a shape of 2^64": safetensors(("a", entry([2**64], 0, 0))),
    "a thousand dimensions": safetensors(("a", entry([2] * 1000, 0, SIZE))),
    "a fraction": safetensors(("a", entry([1.5], 0, SIZE))),
    "a text as shape": safetensors(("a", entry(["1"], 0, SIZE))),
    "true as offset": safetensors(("a", entry([1], False, None))),
    "an unknown type": safetensors(("a", entry([1], 0, SIZE, "OBJECT"))),
    "no type": safetensors(("a", {"shape": [1], "data_offsets": [0, 4]})),
    "a doubled name": safetensors(("a", WHOLE), ("a", WHOLE)),
    "a doubled key": safetensors(("a", WHOLE)).replace(b'"dtype"', b'"dtype":"F32","dtype"', 1),
    "an array": struct.pack("<Q", 2) + b"[]" + PADDING,
    "brackets": struct.pack("<Q", 100_000) + b"[" * 100_000 + PADDING,
    "no JSON": struct.pack("<Q", 64) + b"\xff" * 64 + PADDING,
    "nothing": b"",
    "seven bytes": b"\0" * 7,
}


def text(value: str) -> bytes:
    return struct.pack("<Q", len(value)) + value.encode()


def gguf(*tensors: bytes, pairs: bytes = b"", count: int = 0, said: int | None = None) -> bytes:
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors) if said is None else said, count)
    return head + pairs + b"".join(tensors) + PADDING


def tensor(name: str, shape: tuple[int, ...], offset: int, kind: int = 0) -> bytes:
    return text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, kind, offset)


def pair(key: str, kind: int, value: bytes) -> bytes:
    return text(key) + struct.pack("<I", kind) + value


GGUF = {
    "an honest one": gguf(tensor("a", (8, 8), 0), tensor("b", (8,), 256)),
    "a billion tensors": gguf(said=10**9),
    "2^64 tensors": gguf(said=2**64 - 1),
    "a billion pairs": gguf(count=10**9),
    "a name of 2^63": gguf(struct.pack("<Q", 2**63) + b"a"),
    "a key of 2^63": gguf(pairs=struct.pack("<Q", 2**63), count=1),
    "a text of 2^40": gguf(pairs=pair("a", 8, struct.pack("<Q", 2**40)), count=1),
    "an array of 2^60 numbers": gguf(pairs=pair("a", 9, struct.pack("<IQ", 10, 2**60)), count=1),
    "an array of 2^60 texts": gguf(pairs=pair("a", 9, struct.pack("<IQ", 8, 2**60)), count=1),
    "arrays of arrays": gguf(pairs=pair("a", 9, struct.pack("<IQ", 9, 1) * 100), count=1),
    "a doubled key": gguf(pairs=pair("a", 4, bytes(4)) * 2, count=2),
    "a doubled name": gguf(tensor("a", (8,), 0), tensor("a", (8,), 32)),
    "overlapping": gguf(tensor("a", (64,), 0), tensor("b", (64,), 32)),
    "beyond the file": gguf(tensor("a", (8,), 2**40)),
    "far beyond the file": gguf(tensor("a", (2**60,), 0)),
    "a shape whose product overflows": gguf(tensor("a", (2**32, 2**32, 4), 0)),
    "an offset of 2^64": gguf(tensor("a", (8,), 2**64 - 1)),
    "a thousand dimensions": gguf(text("a") + struct.pack("<I", 1000)),
    "an unknown type": gguf(tensor("a", (8,), 0, 9999)),
    "half a block": gguf(tensor("a", (33,), 0, 2)),
    "an alignment of zero": gguf(pairs=pair("general.alignment", 4, bytes(4)), count=1),
    "an alignment of 2^31": gguf(pairs=pair("general.alignment", 4, struct.pack("<I", 2**31)), count=1),
    "another version": b"GGUF" + struct.pack("<IQQ", 9, 0, 0) + PADDING,
    "nothing": b"",
}


def refused(read: Callable[[], object], size: int) -> bool:
    """Whether a header is refused; either way nothing else may happen, and no more memory be taken than twice it."""
    tracemalloc.start()
    try:
        return bool(read())
    except Refusal as refusal:
        assert refusal.kind in ("base.damaged", "base.pickled") and refusal.remedy
        return True
    finally:
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert most <= max(2 * size, 1 << 20), most


def read_gguf(file: Path) -> None:
    gguf_header.read(file)


@pytest.mark.fault("hostile GGUF and safetensors")
def test_a_header_that_lies_is_refused_within_twice_its_file(tmp_path: Path, record_property: Any) -> None:
    pytest.importorskip("gguf")
    file = tmp_path / "file"
    file.write_bytes(GGUF["an honest one"])
    gguf_header.read(file)  # so that what it imports is not counted
    for cases, read in ((SAFETENSORS, vetting.vet_safetensors), (GGUF, read_gguf)):
        for name, raw in cases.items():
            file.write_bytes(raw)
            assert refused(lambda read=read: read(file), len(raw)) == (name != "an honest one"), name
    record_property("tried", len(SAFETENSORS) + len(GGUF))


@pytest.mark.fault("hostile GGUF and safetensors")
@pytest.mark.parametrize("each", [30, pytest.param(2000, marks=pytest.mark.long)])
def test_a_header_with_wrong_bytes_anywhere_is_read_or_refused_and_nothing_else(
    tmp_path: Path, each: int, record_property: Any
) -> None:
    pytest.importorskip("gguf")
    file, draw, found = tmp_path / "file", random.Random(each), 0
    for raw, read in ((SAFETENSORS["an honest one"], vetting.vet_safetensors), (GGUF["an honest one"], read_gguf)):
        for _ in range(each):
            changed = bytearray(raw)
            at = draw.randrange(140)
            changed[at:at + draw.choice((1, 1, 4, 8))] = draw.choice((b"\xff" * 8, bytes(8), draw.randbytes(1)))
            file.write_bytes(changed)
            found += refused(lambda read=read: read(file), len(changed))
    assert 0 < found < 2 * each, "bytes that never matter, or always, show nothing"
    record_property("tried", 2 * each)
