"""What rows are near, by comparing sets of words one pair after the other: slow, and written down apart from ours."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Sequence
from math import ceil

from tunesmith.text.shingles import NOTHING, WIDTH, words

Shingles = frozenset[tuple[str, ...]]


def shingles(text: str) -> Shingles:
    """Every three words of a text that follow each other; of a shorter one, the whole."""
    found = words(text)
    found += [NOTHING] * (WIDTH - len(found))
    return frozenset(tuple(found[place:place + WIDTH]) for place in range(len(found) - WIDTH + 1))


def jaccard(one: str, other: str) -> float:
    """The share of the shingles of two texts that both have."""
    first, second = shingles(one), shingles(other)
    return len(first & second) / len(first | second)


def repeats(texts: Sequence[str], threshold: float) -> set[int]:
    """Every text that is near an earlier one, none missed: two that are near share one of their rarest shingles."""
    every = [shingles(text) for text in texts]
    often = Counter(shingle for each in every for shingle in each)
    having: defaultdict[tuple[str, ...], list[int]] = defaultdict(list)
    found = set()
    for row, each in enumerate(every):
        rarest = sorted(each, key=lambda shingle: (often[shingle], shingle))
        rarest = rarest[: len(each) - ceil(threshold * len(each) - 1e-9) + 1]
        others = (every[other] for shingle in rarest for other in having[shingle])
        if any(len(each & other) / len(each | other) >= threshold for other in others):
            found.add(row)
        for shingle in rarest:
            having[shingle].append(row)
    return found


def copied(text: str, drawn: random.Random) -> str:
    """The same words in other letters, with other blanks and other punctuation."""
    made = [drawn.choice((str.upper, str.lower, str.title))(word) + drawn.choice(("", "", ",", ";", " -", "…"))
            for word in text.split()]
    return drawn.choice(("", "  ", "«")) + "".join(word + drawn.choice((" ", "  ", "\n", "\t")) for word in made)


def edited(text: str, threshold: float, drawn: random.Random) -> str | None:
    """The text with as many words changed, left out or put in as it may have and still be near; None: not one."""
    made, kept = text.split(), None
    for _ in range(len(made)):
        made = _with_one_more(made, drawn)
        if jaccard(text, " ".join(made)) < threshold:
            break
        kept = " ".join(made)
    return kept if kept is None or shingles(kept) != shingles(text) else None


def _with_one_more(words: list[str], drawn: random.Random) -> list[str]:
    """One edit; at the ends as often as in the middle, where it costs three times as many shingles."""
    place = drawn.choice((0, len(words) - 1, drawn.randrange(len(words))))
    new = f"new{drawn.randrange(10**6)}"
    return drawn.choice((
        [*words[:place], new, *words[place + 1:]], [*words[:place], *words[place + 1:]],
        [*words[:place], new, *words[place:]], [*words, new],
    )) or [new]
