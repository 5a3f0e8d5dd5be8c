"""Which texts have words in a row that stand in other texts too: by 13 words or as many as are asked for.

As GPT-3's authors looked for their test sets in what it had read (Brown et al. 2020, "Language Models are Few-Shot
Learners", appendix C: 13 words, of shorter rows 8 at least, case and punctuation aside); Llama's did so with shorter
runs of tokens (Touvron et al. 2023, appendix A.6; Grattafiori et al. 2024, section 5.1.4). A text of fewer words is
looked for as a whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..scratch import Indices, blocks
from .shingles import Numbers, mixed, numbered

HELD, SIEVE_BITS = 1 << 21, 24  # runs that are looked for in one reading; what sorts most others out
_FACTOR = 0x9E3779B97F4A7C15
_NOWHERE = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True)
class Passage:
    """That a text has words in common with another one: the numbers of both."""

    text: int
    other: int


@dataclass(frozen=True, slots=True)
class Runs:
    """How many words in a row count, and in how many of the other texts a run may stand before it says nothing.

    Of a text whose runs all stand in the others, it does not matter in how many: nothing of it is new. shortest: words
    of a text that is looked for at all: everybody says "thank you very much".
    """

    words: int
    common: int
    shortest: int


@dataclass(frozen=True, slots=True)
class _Asked:
    """The runs of texts that are looked for, as numbers, in the order of the texts.

    texts: (R,) whose each is; sizes: all numbers of words.
    """

    runs: Numbers
    texts: NDArray[np.int32]
    sizes: frozenset[int]


def passages(texts: Iterable[str], others: Callable[[], Iterable[str]], runs: Runs) -> Iterator[Passage]:
    """Each text that shares a run of words with others, and the first of those; in the order of the texts.

    The texts are read once, the others once for each two million words of the texts.
    """
    for asked in _blocks(texts, runs):
        yield from _found(asked, others(), runs.common)


def _blocks(texts: Iterable[str], runs: Runs) -> Iterator[_Asked]:
    """What is looked for, as much at once as may be held."""
    held: list[_Asked] = []
    begin = 0
    for numbers, lengths in numbered(texts):
        sizes = np.where(lengths >= runs.shortest, np.minimum(lengths, runs.words), 0)
        found = []
        for size in np.unique(sizes[sizes > 0]).tolist():
            each, whose = _runs(numbers, lengths, size)
            wanted = sizes[whose] == size
            found.append(_Asked(each[wanted], (begin + whose[wanted]).astype(np.int32), frozenset([size])))
        if found:
            held.append(_in_order(_joined(found)))
        begin += len(lengths)
        if sum(len(each.runs) for each in held) >= HELD:
            together, held = _joined(held), []
            yield together
    if held:
        yield _joined(held)


def _joined(held: Sequence[_Asked]) -> _Asked:
    runs, texts = np.concatenate([each.runs for each in held]), np.concatenate([each.texts for each in held])
    return _Asked(runs, texts, frozenset[int]().union(*(each.sizes for each in held)))


def _in_order(asked: _Asked) -> _Asked:
    order = np.argsort(asked.texts, kind="stable")
    return replace(asked, runs=asked.runs[order], texts=asked.texts[order])


def _runs(numbers: Numbers, lengths: Indices, size: int) -> tuple[Numbers, Indices]:
    """A number for each run of so many words that ends in its own text, and (R,) whose each is."""
    count = len(numbers) - size + 1
    if count <= 0:
        return numbers[:0], lengths[:0]
    whose = np.repeat(np.arange(len(lengths)), lengths)[:count]
    inside = np.cumsum(lengths)[whose] - np.arange(count) >= size
    made = np.full(count, size, np.uint64)
    for place in range(size):
        made = made * np.uint64(_FACTOR) + numbers[place:place + count]
    return mixed(made[inside]), whose[inside]


def _found(asked: _Asked, others: Iterable[str], common: int) -> Iterator[Passage]:
    keys = np.unique(asked.runs)
    counts, first = _looked_for(keys, asked.sizes, others)
    which = np.concatenate([np.searchsorted(keys, asked.runs[some]).astype(np.int32)
                            for some in blocks(len(asked.runs))])
    there, telling = (counts > 0)[which], ((counts > 0) & (counts <= common))[which]
    begins = np.flatnonzero(np.diff(asked.texts, prepend=-1))
    every, some = np.minimum.reduceat(there, begins), np.maximum.reduceat(telling, begins)
    shown = telling | ~np.repeat(some, np.diff(begins, append=len(there)))  # of a text without such, any of its runs
    nearest = np.full(len(there), _NOWHERE)
    nearest[shown] = first[which[shown]]
    other = np.minimum.reduceat(nearest, begins)
    for index in np.flatnonzero(every | some).tolist():
        yield Passage(int(asked.texts[begins[index]]), int(other[index]))


def _looked_for(keys: Numbers, sizes: Iterable[int], others: Iterable[str]) -> tuple[Indices, Indices]:
    """(K,) in how many of the others each run stands, and (K,) in which first."""
    counts, first = np.zeros(len(keys), np.int64), np.full(len(keys), _NOWHERE)
    sieve = np.zeros(1 << SIEVE_BITS, bool)
    shift = np.uint64(64 - SIEVE_BITS)
    sieve[keys >> shift] = True
    begin = 0
    for numbers, lengths in numbered(others):
        for size in sizes:
            runs, whose = _runs(numbers, lengths, size)
            likely = sieve[runs >> shift]
            runs, whose = runs[likely], whose[likely]
            at = np.minimum(np.searchsorted(keys, runs), len(keys) - 1)
            there = keys[at] == runs
            run, other = np.divmod(np.unique(at[there] * len(lengths) + whose[there]), len(lengths))
            np.add.at(counts, run, 1)
            np.minimum.at(first, run, begin + other)
        begin += len(lengths)
    return counts, first
