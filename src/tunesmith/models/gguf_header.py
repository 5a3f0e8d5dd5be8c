"""The header of a GGUF file, read so that nothing in it is believed: every length is held against the file.

Source: the format's description, ggml `docs/gguf.md`, versions 2 and 3.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from ..errors import Misuse, Refusal

MAGIC = b"GGUF"
VERSIONS = (2, 3)
STRING, ARRAY = 8, 9
SCALARS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}
MOST_DIMENSIONS = 8
MOST_DEPTH = 4


class _Broken(Exception):
    """What the header says that cannot be true."""


@dataclass(frozen=True, slots=True)
class Header:
    """What a GGUF file says of itself. Arrays of the metadata are left out."""

    metadata: dict[str, Any]
    tensors: int


def read(file: Path) -> Header:
    """The header of a file whose metadata and tensors all lie inside it. Raises Refusal where they do not."""
    size = file.stat().st_size
    try:
        with file.open("rb") as stream:
            return _read(_Reader(stream, size))
    except (_Broken, UnicodeDecodeError) as fault:
        raise Refusal("base.damaged", f"`{file.name}` is cut short or damaged: {fault}", str(file),
                      "fetch the file again") from fault


class _Reader:
    """Reads numbers and strings, never past the end of the file."""

    def __init__(self, stream: BinaryIO, size: int) -> None:
        self.stream = stream
        self.size = size

    def left(self) -> int:
        return self.size - self.stream.tell()

    def take(self, count: int) -> bytes:
        if count > self.left():
            raise _Broken(f"{count} bytes are announced at byte {self.stream.tell()}, {self.left()} are left")
        return self.stream.read(count)

    def number(self, code: str) -> Any:
        return struct.unpack(code, self.take(struct.calcsize(code)))[0]

    def text(self) -> str:
        return self.take(self.number("<Q")).decode("utf-8")

    def skip(self, count: int) -> None:
        if count > self.left():
            raise _Broken(f"{count} bytes are announced at byte {self.stream.tell()}, {self.left()} are left")
        self.stream.seek(count, 1)


def _read(reader: _Reader) -> Header:
    if reader.take(4) != MAGIC:
        raise _Broken("it does not begin as a GGUF file does")
    version = reader.number("<I")
    if version not in VERSIONS:
        raise _Broken(f"its version is {version}, not 2 or 3")
    tensors, pairs = reader.number("<Q"), reader.number("<Q")
    # a pair takes 13 bytes and a tensor 24 at the least: more than fit are refused before the first is read
    if pairs * 13 + tensors * 24 > reader.left():
        raise _Broken(f"{pairs} metadata pairs and {tensors} tensors do not fit into {reader.size} bytes")
    metadata: dict[str, Any] = {}
    for _ in range(pairs):
        key = reader.text()
        if key in metadata:
            raise _Broken(f"`{key}` stands twice")
        metadata[key] = _value(reader, reader.number("<I"), 0)
    spans: dict[str, tuple[int, int]] = {}
    for _ in range(tensors):
        name, begin, end = _tensor(reader)
        if name in spans:
            raise _Broken(f"`{name}` stands twice")
        spans[name] = begin, end
    alignment = metadata.get("general.alignment", 32)
    if not isinstance(alignment, int) or not 1 <= alignment <= 1 << 20:
        raise _Broken(f"its alignment is {alignment}")
    data = math.ceil(reader.stream.tell() / alignment) * alignment
    reached = 0
    for name, (begin, end) in sorted(spans.items(), key=lambda each: each[1]):
        if begin < reached:
            raise _Broken(f"`{name}` begins at {begin}, where another tensor ends at {reached}")
        reached = end
    if spans and data + reached > reader.size:
        raise _Broken(f"its tensors reach to byte {data + reached}, the file has {reader.size}")
    return Header(metadata, tensors)


def _value(reader: _Reader, kind: int, depth: int) -> Any:
    """A metadata value; None for an array, whose items are only walked over."""
    if kind == STRING:
        return reader.text()
    if kind in SCALARS:
        return reader.number(SCALARS[kind])
    if kind != ARRAY or depth == MOST_DEPTH:
        raise _Broken(f"a metadata value has the unknown type {kind}")
    inner, count = reader.number("<I"), reader.number("<Q")
    if inner in SCALARS:
        reader.skip(count * struct.calcsize(SCALARS[inner]))
        return None
    if count * 8 > reader.left():
        raise _Broken(f"an array announces {count} items, {reader.left()} bytes are left")
    for _ in range(count):
        if inner == STRING:
            reader.skip(reader.number("<Q"))
        else:
            _value(reader, inner, depth + 1)
    return None


def _tensor(reader: _Reader) -> tuple[str, int, int]:
    """The next tensor's name, and the bytes, counted from the start of the data, at which it begins and ends."""
    name = reader.text()
    dimensions = reader.number("<I")
    if dimensions > MOST_DIMENSIONS:
        raise _Broken(f"`{name}` has {dimensions} dimensions")
    shape = [reader.number("<Q") for _ in range(dimensions)]
    kind, offset = reader.number("<I"), reader.number("<Q")
    block, block_bytes = _block(name, kind)
    numbers = math.prod(shape)
    if numbers % block:
        raise _Broken(f"`{name}` has {numbers} numbers, no multiple of {block}")
    return name, int(offset), int(offset + numbers // block * block_bytes)


def _block(name: str, kind: int) -> tuple[int, int]:
    """How many numbers stand in a block of a tensor type, and how many bytes that takes."""
    try:
        from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType
    except ModuleNotFoundError as error:
        raise Misuse("base.no_gguf", "reading GGUF files needs the package `gguf`", "",
                     "pip install 'tunesmith[gguf]'") from error
    try:
        block, block_bytes = GGML_QUANT_SIZES[GGMLQuantizationType(kind)]
    except (ValueError, KeyError) as error:
        raise _Broken(f"`{name}` has the unknown type {kind}") from error
    return int(block), int(block_bytes)
