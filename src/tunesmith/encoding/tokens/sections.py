"""Texts cut where the tokenizer itself cuts them, before its control tokens: each section is encoded once.

The tokenizers library finds added tokens first and encodes what stands between them apart, so the ids of a text are
those of its sections one after another. What rows share (a system prompt, a role's opening) and what is asked for
again (the prompt of the next turn, the same prompt by the mask proof) is then a look-up. Whether a tokenizer is of
that kind is tried once on a text that holds its control tokens; where it is not, texts are encoded whole.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

from tokenizers import Tokenizer

KEPT_CHARACTERS = 1 << 21
TRIED = 64
PROBES = ("", "a", " b c", "\n", "user\nOne  two\n", "é\U0001f642 x ", "\t", "don't")


class Sections:
    """The ids of texts by one tokenizer, which puts nothing before or after them. A tokenizer's ids never change."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._kept: dict[str, list[int]] = {}
        self._characters = 0
        self._last = _Cut("", [0], [0], [])
        texts, whole = _control_texts(tokenizer)
        self._longest = max(map(len, [*texts, *whole]), default=0)
        self._cut = frozenset(texts)
        self._border: re.Pattern[str] | None = None
        if texts:
            self._border = re.compile("|".join(map(re.escape, sorted([*texts, *whole], key=len, reverse=True))))
            probe = "".join(text + probe for text in sorted(texts)[:TRIED] for probe in PROBES)
            if any(self.ids(each) != self._encoded(each) for each in (probe, f"x {probe}")):
                self._border = None

    def ids(self, text: str) -> list[int]:
        """The ids of a text."""
        if self._border is None:
            return list(self._section(text))
        starts, counts, ids = self._begun(text)
        starts += [match.start() for match in self._border.finditer(text, starts[-1]) if match[0] in self._cut
                   and match.start() > starts[-1]]
        for place in range(len(counts) - 1, len(starts)):
            end = starts[place + 1] if place + 1 < len(starts) else len(text)
            ids += self._section(text[starts[place] : end])
            counts.append(len(ids))
        self._last = _Cut(text, starts, counts, ids)
        return list(ids)

    def foresee(self, texts: Iterable[str]) -> None:
        """Encode what these texts will need together, which is faster and uses every core."""
        self._make_room()
        unknown = list(dict.fromkeys(
            section for text in texts for section in self._sections(text) if section and section not in self._kept))
        for section, made in zip(
            unknown, self._tokenizer.encode_batch_fast(unknown, add_special_tokens=False), strict=True
        ):
            self._keep(section, made.ids)

    def _begun(self, text: str) -> tuple[list[int], list[int], list[int]]:
        """Where sections start, how many ids stand before each, and the ids, as far as the last text began alike.

        A control token is found by what stands at its place, so as many characters more must be alike.
        """
        last = self._last
        alike = len(last.text) - self._longest
        count = bisect_right(last.starts, alike)
        if count < 2 or not text.startswith(last.text[: last.starts[count - 1] + self._longest]):
            return [0], [0], []
        return last.starts[:count], last.counts[:count], last.ids[: last.counts[count - 1]]

    def _sections(self, text: str) -> list[str]:
        """The text cut before each control token."""
        if self._border is None:
            return [text]
        starts = [0, *(match.start() for match in self._border.finditer(text) if match[0] in self._cut), len(text)]
        return [text[start:end] for start, end in pairwise(starts)]

    def _section(self, text: str) -> list[int]:
        kept = self._kept.get(text)
        if kept is None:
            self._make_room()
            kept = self._keep(text, self._encoded(text))
        return kept

    def _encoded(self, text: str) -> list[int]:
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False).ids
        return ids

    def _keep(self, section: str, ids: list[int]) -> list[int]:
        self._kept[section] = ids
        self._characters += len(section)
        return ids

    def _make_room(self) -> None:
        if self._characters > KEPT_CHARACTERS:
            self._kept, self._characters = {}, 0


@dataclass(frozen=True, slots=True)
class _Cut:
    """The text that was encoded last: where its sections start, how many ids stand before each, and its ids."""

    text: str
    starts: list[int]
    counts: list[int]
    ids: list[int]


def _control_texts(tokenizer: Tokenizer) -> tuple[list[str], list[str]]:
    """The added tokens before which a text may be cut, and those that only have to be found whole.

    A token that swallows the blanks beside it or is looked for in the normalised text is found, if at all, inside a
    section. One that depends on the letters beside it forbids to cut at all.
    """
    cut: list[str] = []
    whole: list[str] = []
    for token in tokenizer.get_added_tokens_decoder().values():
        if token.single_word:
            return [], []
        if token.content and not token.normalized:
            plain = not (token.lstrip or token.rstrip) and token.content.strip() == token.content
            (cut if plain else whole).append(token.content)
    return cut, whole
