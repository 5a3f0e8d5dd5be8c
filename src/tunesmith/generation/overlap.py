"""An answer found by comparing words alone: what somebody could say of a context who knows no language.

The sliding window of Richardson et al. 2013 ("MCTest", section 4.1), as the SQuAD paper takes it for spans (Rajpurkar
et al. 2016, section 5.1): of the sentence that shares most words with the question, the candidate for which a window
as long as question and candidate covers most of their words, each by its rarity in the context. There the candidates
are constituents of a parse; here, for any language, runs of words that are neither in the question nor among the
commonest of the training contexts.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Final

from ..records import Question

WORD: Final = re.compile(r"\w+(?:[-'\u2019.,]\w+)*")
BETWEEN: Final = re.compile(r"\s+")
SENTENCE: Final = re.compile(r"(?<=[.!?\u2026])\s+|\n+")
COMMON_SHARE: Final = 0.3  # of contexts: a word in more of them is a function word
MOST_WORDS: Final = 10  # of a candidate

Span = tuple[int, int]


def common_words(questions: Iterable[Question]) -> frozenset[str]:
    """The words that stand in many of the contexts, each context taken once."""
    contexts = {question.context for question in questions}
    counts = Counter(word for context in contexts for word in {found[0].lower() for found in WORD.finditer(context)})
    return frozenset(word for word, count in counts.items() if count > max(1, COMMON_SHARE * len(contexts)))


def answer(question: Question, common: Collection[str]) -> Span:
    """The characters [start, end) of the context; none only where it has no words."""
    asked = {found[0].lower() for found in WORD.finditer(question.question)}
    counts = Counter(found[0].lower() for found in WORD.finditer(question.context))
    rarity = {word: math.log1p(1 / count) for word, count in counts.items()}
    best: tuple[float, float, Span] = (-1.0, -1.0, (0, 0))
    for words in _sentences(question.context):
        spelt = [found[0].lower() for found in words]
        shared = sum(rarity[word] for word in asked & set(spelt))
        if shared < best[0]:
            continue
        for first, last in _candidates(question.context, words, asked | set(common)):
            score = _slid(spelt, asked | set(spelt[first : last + 1]), rarity)
            if (shared, score) > best[:2]:
                best = (shared, score, (words[first].start(), words[last].end()))
    return best[2]


def _sentences(context: str) -> Iterator[list[re.Match[str]]]:
    borders = [0, *(found.end() for found in SENTENCE.finditer(context)), len(context)]
    for start, end in pairwise(borders):
        words = list(WORD.finditer(context, start, end))
        if words:
            yield words


def _candidates(context: str, words: Sequence[re.Match[str]], known: Collection[str]) -> Iterator[Span]:
    """The first and the last word of each run of unknown words with nothing but blanks between; else of all words."""
    runs: list[list[int]] = []
    for place, word in enumerate(words):
        if word[0].lower() in known:
            continue
        follows = runs and runs[-1][-1] == place - 1 and len(runs[-1]) < MOST_WORDS and \
            BETWEEN.fullmatch(context, words[place - 1].end(), word.start())
        if follows:
            runs[-1].append(place)
        else:
            runs.append([place])
    yield from ((run[0], run[-1]) for run in runs)
    if not runs:
        yield 0, min(len(words), MOST_WORDS) - 1


def _slid(spelt: Sequence[str], wanted: Collection[str], rarity: dict[str, float]) -> float:
    """The most that a window as long as what is wanted covers of it."""
    worth = [rarity[word] if word in wanted else 0.0 for word in spelt]
    size = len(wanted)
    return max(sum(worth[start : start + size]) for start in range(max(1, len(worth) - size + 1)))
