"""Rows to compare, by column: of the reference that a run carries, or of a window of its log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from .features import WIDTH, Features

Floats = NDArray[np.float64]
Counts = NDArray[np.uint8]


@dataclass(frozen=True)
class Rows:
    """N rows. characters, words, unknown, confidence: (N,), NaN where it is not known; hashed: (N, 1024) counts.

    languages, labels: "" where it is not known; held: (N,) whether the run was not trained on the row; scores: how
    likely the likeliest labels are, by name, nothing where it is not known.
    """

    characters: Floats
    words: Floats
    unknown: Floats
    hashed: Counts
    languages: tuple[str, ...]
    labels: tuple[str, ...]
    confidence: Floats
    held: NDArray[np.bool_]
    scores: tuple[Mapping[str, float], ...]

    def __len__(self) -> int:
        return len(self.characters)

    @classmethod
    def of(cls, found: Sequence[Features]) -> Rows:
        """Rows of which nothing but the features of their texts is known."""
        none = np.full(len(found), np.nan)
        return cls(
            np.array([each.characters for each in found], np.float64),
            np.array([each.words for each in found], np.float64),
            np.array([np.nan if each.unknown is None else each.unknown for each in found], np.float64),
            np.frombuffer(b"".join(each.hashed for each in found), np.uint8).reshape(len(found), WIDTH),
            tuple(each.language for each in found), ("",) * len(found), none, np.ones(len(found), np.bool_),
            ({},) * len(found))

    def said(self, labels: Sequence[str], confidence: Floats, scores: Sequence[Mapping[str, float]] = ()) -> Rows:
        """The same rows, with what a head said of them. scores: of none of them, or of each."""
        return replace(self, labels=tuple(labels), confidence=confidence,
                       scores=tuple(scores) or ({},) * len(self))

    def with_held(self, held: NDArray[np.bool_]) -> Rows:
        """The same rows, of which some were held out."""
        return replace(self, held=held)

    def take(self, places: Sequence[int] | NDArray[np.int64]) -> Rows:
        """Those at some places, in that order."""
        at = np.asarray(places, np.int64)
        return Rows(
            self.characters[at], self.words[at], self.unknown[at], self.hashed[at],
            tuple(self.languages[place] for place in at), tuple(self.labels[place] for place in at),
            self.confidence[at], self.held[at], tuple(self.scores[place] for place in at))

    def vectors(self) -> Floats:
        """(N, 1024) the roots of the counts, words and letters each brought to length 1: what texts are like.

        The root keeps a word that stands there twenty times from drowning all others (Hellinger distance).
        """
        roots = np.sqrt(self.hashed.astype(np.float64))
        halves = np.split(roots, 2, axis=1)
        return np.concatenate([half / np.maximum(np.linalg.norm(half, axis=1, keepdims=True), 1e-12)
                               for half in halves], axis=1)
