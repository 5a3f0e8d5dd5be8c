"""What a text is about as a vector, without a model: its runs of three and four letters, each counted by its rarity.

A run is hashed into one of 2^18 places; its count enters as 1 + log, times the logarithm of how rare it is (TF-IDF,
Spärck Jones 1972), and the vector of all places is brought to 256 numbers by a sparse random projection, which keeps
distances to about a tenth (Kane and Nelson 2014, "Sparser Johnson-Lindenstrauss transforms"). By numpy alone.

Letters: N texts, F places, H numbers of a vector, S of them that a place adds to, G runs of letters.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..reading.naming import ANSWERS, FROM_ROW, PROMPTS, SECONDS, TEXTS, WORDS, columns_of_lines

Vectors = NDArray[np.float32]

RUNS: Final = (3, 4)
PLACES_BITS: Final = 18
NUMBERS: Final = 256
ADDS: Final = 4
LONGEST: Final = 2000  # characters of a text that are looked at
COUNTED: Final = 20_000  # texts by which it is told how rare a run is
_TOGETHER: Final = 1024
_FACTOR: Final = np.uint64(0x9E3779B97F4A7C15)  # the golden ratio's, as Fibonacci hashing multiplies
_SPEAKERS: Final = ("role", "from", "id")
_SAID: Final = frozenset({*TEXTS, *PROMPTS, *ANSWERS, *SECONDS, *SECONDS.values(), *WORDS, "context", "instruction",
                          "messages", "conversations", "source", "target", "translation"})


def wording(values: Mapping[str, Any]) -> str:
    """What a row says: its columns of the usual names; of a row that has none of them, all of its texts."""
    said = [name for name in values if name in _SAID] or _unnamed(values)
    return " ".join(text for name in said for text in _texts(values[name]) if any(map(str.isalpha, text)))


def _texts(value: Any) -> Iterator[str]:
    """The texts in a value, without the names of its parts and of speakers."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for one in value:
            yield from _texts(one)
    elif isinstance(value, Mapping):
        for name, one in value.items():
            if name not in _SPEAKERS:
                yield from _texts(one)


def _unnamed(values: Mapping[str, Any]) -> list[str]:
    """All columns that may say something; of a block of lines the first, since the others are tags."""
    names = [name for name in values if name != FROM_ROW]
    lines = columns_of_lines(values)
    return lines[:1] if lines and isinstance(values[lines[0]], list) else names


def vectors(texts: Sequence[str]) -> Vectors:
    """(N, H) of length 1; a text without a run of three letters is all zeros."""
    rarity_F = _rarity(texts[:COUNTED])
    drawing = np.random.default_rng(0)
    places_FS = drawing.integers(0, NUMBERS, size=(len(rarity_F), ADDS), dtype=np.int16)
    signs_FS = drawing.choice(np.array([-1, 1], np.int8), size=(len(rarity_F), ADDS))
    made = np.zeros((len(texts), NUMBERS), np.float32)
    for start, text_G, place_G, count_G in _counted(texts):
        weight_G = (1 + np.log(count_G)) * rarity_F[place_G]
        cells = text_G[:, None] * NUMBERS + places_FS[place_G]
        size = min(_TOGETHER, len(texts) - start)
        summed = np.bincount(cells.ravel(), (signs_FS[place_G] * weight_G[:, None]).ravel(), size * NUMBERS)
        wide = summed.reshape(size, NUMBERS)
        lengths = np.linalg.norm(wide, axis=1, keepdims=True)
        made[start : start + size] = wide / np.where(lengths > 0, lengths, 1)
    return made


def _rarity(texts: Sequence[str]) -> NDArray[np.float64]:
    """(F,) the logarithm of how many texts there are for each that has a run of this place, and 1."""
    having_F = np.zeros(1 << PLACES_BITS)
    for _, _, place_G, _ in _counted(texts):
        having_F += np.bincount(place_G, minlength=len(having_F))
    rarity: NDArray[np.float64] = np.log((1 + len(texts)) / (1 + having_F)) + 1
    return rarity


def _counted(texts: Sequence[str]) -> Iterator[tuple[int, NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]]:
    """Some texts at a time: the number of the first, then of each different run its text, its place and its count."""
    for start in range(0, len(texts), _TOGETHER):
        together = [_plain(text) for text in texts[start : start + _TOGETHER]]
        letters = np.frombuffer("".join(together).encode("utf-32-le", "surrogatepass"), np.uint32).astype(np.uint64)
        text_of = np.repeat(np.arange(len(together)), [len(text) for text in together])
        keys = [_keys(letters, text_of, run) for run in RUNS]
        found, counts = np.unique(np.concatenate(keys), return_counts=True)
        yield start, found >> PLACES_BITS, found & ((1 << PLACES_BITS) - 1), counts


def _plain(text: str) -> str:
    """As it is compared: without capitals and compatibility forms, each run of blanks as one, its edges blank."""
    return f" {' '.join(unicodedata.normalize('NFKC', text[:LONGEST]).casefold().split())} "


def _keys(letters: NDArray[np.uint64], text_of: NDArray[np.int64], run: int) -> NDArray[np.int64]:
    """Of every run of so many letters that lies within a text: the text's number, then the run's place."""
    count = len(letters) - run + 1
    if count <= 0:
        return np.zeros(0, np.int64)
    hashed = np.full(count, run, np.uint64)
    for place in range(run):  # products of uint64 wrap around, as a hash should
        hashed = (hashed ^ letters[place : place + count]) * _FACTOR
        hashed ^= hashed >> np.uint64(29)
    within = text_of[:count] == text_of[run - 1 :]
    places = (hashed >> np.uint64(64 - PLACES_BITS)).astype(np.int64)
    keys: NDArray[np.int64] = ((text_of[:count] << PLACES_BITS) | places)[within]
    return keys
