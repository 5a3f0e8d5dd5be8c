"""Words that name groups of people, in English and Azerbaijani: a small list, to be replaced by one's own.

Each list has a word for each group, in the same order of groups; a word may stand in several lists (`her` answers `him`
and `his`). A `*` at the end stands for any ending, as Azerbaijani has them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

Lists = Mapping[str, tuple[tuple[str, ...], ...]]

GROUPS: Final[Lists] = {
    "gender": (
        ("he", "she"), ("him", "her"), ("his", "her"), ("his", "hers"), ("himself", "herself"), ("man", "woman"),
        ("men", "women"), ("boy", "girl"), ("boys", "girls"), ("father", "mother"), ("dad", "mom"), ("son", "daughter"),
        ("husband", "wife"), ("brother", "sister"), ("uncle", "aunt"), ("king", "queen"), ("actor", "actress"),
        ("gentleman", "lady"), ("male", "female"), ("kişi*", "qadın*"), ("oğlan*", "qız"), ("oğlan*", "qızlar*"),
        ("oğlum", "qızım"), ("atam", "anam"), ("qardaş*", "bacı*"), ("bəy", "xanım*"), ("əri", "arvadı"),
    ),
    "religion": (
        ("muslim", "christian", "jewish", "hindu", "buddhist", "atheist"),
        ("muslims", "christians", "jews", "hindus", "buddhists", "atheists"),
        ("müsəlman*", "xristian*", "yəhudi*", "hindu", "buddist*", "ateist*"),
    ),
    "origin": (
        ("azerbaijani", "turkish", "russian", "armenian", "georgian", "iranian", "american", "german", "french",
         "chinese", "indian", "arab", "african", "mexican"),
        ("azerbaijanis", "turks", "russians", "armenians", "georgians", "iranians", "americans", "germans", "frenchmen",
         "chinese", "indians", "arabs", "africans", "mexicans"),
        ("azərbaycanlı*", "türklər*", "ruslar*", "erməni*", "gürcü*", "iranlı*", "amerikalı*", "almanlar*", "fransız*",
         "çinli*", "hindli*", "ərəblər*", "afrikalı*", "meksikalı*"),
    ),
    "age": (("young", "old"), ("younger", "older"), ("boy", "man"), ("girl", "woman"), ("boys", "men"),
            ("girls", "women"), ("child", "adult"), ("children", "adults"), ("gənc", "qoca"), ("gənclər*", "qocalar*")),
}
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Mention:
    """A word that names a group: where it stands, which group of its kind, and the lists that hold it as one number."""

    start: int
    end: int
    group: int
    word: int


class Finder:
    """Finds the words of one kind of groups (gender, …). names: of each group, the first of its words."""

    def __init__(self, lists: Sequence[Sequence[str]]) -> None:
        self.names = tuple(word.rstrip("*") for word in lists[0])
        together = _together(lists)
        self._exact: dict[str, tuple[int, int]] = {}
        self._begin: dict[str, tuple[int, int]] = {}
        for index, words in enumerate(lists):
            for group, word in enumerate(words):
                place = self._begin if word.endswith("*") else self._exact
                place.setdefault(_lower(word.rstrip("*")), (group, together[index]))
        shortest = min(map(len, self._begin), default=0)
        self._beginnings = re.compile("|".join(sorted(map(re.escape, self._begin), key=len, reverse=True)) or r"(?!)")
        self._shortest = shortest

    def mentions(self, text: str) -> Iterator[Mention]:
        """Every word of the text that names a group."""
        for match in _WORD.finditer(text):
            word = _lower(match[0])
            found = self._exact.get(word)
            if found is None and self._begin and len(word) >= self._shortest and (
                    begins := self._beginnings.match(word)):
                found = self._begin[begins[0]]
            if found is not None:
                yield Mention(match.start(), match.end(), *found)


def _lower(word: str) -> str:
    return word.replace("İ", "i").lower()


def _together(lists: Sequence[Sequence[str]]) -> list[int]:
    """For each list the number of the first that it shares a word with: `him` and `his` are one place of `her`."""
    found = list(range(len(lists)))
    for index, words in enumerate(lists):
        for before in range(index):
            if not set(words).isdisjoint(lists[before]):
                old, new = found[index], found[before]
                found = [new if one == old else one for one in found]
    return found
