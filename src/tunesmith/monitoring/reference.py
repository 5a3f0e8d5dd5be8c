"""What a run's rows are like, as the run carries it: features of at most some thousand rows, and none of their texts.

Held-out rows come first, since the run knows those that it learnt from too well: their labels, how sure the model is of
them and the words that training rows lack are those of held-out rows alone.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..data.shelf import picked
from ..errors import Refusal
from ..records import Example
from ..runs import durable
from ..text.personal import masked
from .asked import MOST_SCORES, asked, label_of, scores_of
from .features import BITS, WIDTH, Known, features, tells_languages
from .rows import Rows

VERSION: Final = 1
LEARNT_FROM: Final = 20_000  # rows whose words are known: a hundred thousand would take a minute, and tell little more


@dataclass(frozen=True)
class Reference:
    """Rows, the words of the training rows, and how both were made.

    masked: whether personal data was masked before anything was told of a text, as the log does it.
    """

    rows: Rows
    known: Known
    masked: bool
    languages: bool

    @property
    def held(self) -> int:
        """How many of the rows were held out."""
        return int(self.rows.held.sum())


def make(
    learnt: Sequence[Example], held: Sequence[Example], outputs: Mapping[int, Mapping[str, Any]], *,
    many: int, seed: int, mask: bool,
) -> Reference:
    """The reference of some rows. learnt, held: those that were trained on, and those that were not.

    outputs: what the tuned model said of held-out rows, by their place; many: of how many rows. Drawn by the seed.
    """
    chance = random.Random(f"{seed}/reference")  # noqa: S311 - a draw that can be repeated
    out = sorted(chance.sample(range(len(held)), min(many, len(held))))
    more = sorted(chance.sample(range(len(learnt)), min(many - len(out), len(learnt))))
    known = Known.of(_text(each, mask) for each in picked(learnt, sorted(
        chance.sample(range(len(learnt)), min(LEARNT_FROM, len(learnt))))))
    chosen = [*picked(held, out), *picked(learnt, more)]
    rows = Rows.of([features(_text(each, mask), known) for each in chosen])
    outs = [outputs.get(place, {}) for place in out] + [{}] * len(more)
    said = [label_of(each) for each in outs]
    rows = rows.said([label or "" for label, _ in said],
                     np.array([np.nan if sure is None else sure for _, sure in said], np.float64),
                     [scores_of(each) for each in outs])
    return Reference(rows.with_held(np.arange(len(chosen)) < len(out)), known, mask, tells_languages())


def _text(example: Example, mask: bool) -> str:
    return masked(asked(example)) if mask else asked(example)


def write(reference: Reference, file: Path) -> None:
    """Put it into a run: numbers as tensors, names as JSON, which is written last and makes it whole."""
    from safetensors.numpy import save

    rows = reference.rows
    scored = list(dict.fromkeys(name for each in rows.scores for name in each))
    durable.write_file(tensors_of(file), save({
        "characters": rows.characters, "words": rows.words, "unknown": rows.unknown.astype(np.float32),
        "hashed": np.ascontiguousarray(rows.hashed), "confidence": rows.confidence.astype(np.float32),
        "held": rows.held.astype(np.uint8), "known": reference.known.bits,
        **_tensors(rows.scores, {name: place for place, name in enumerate(scored)})}))
    durable.write_json(file, {
        "version": VERSION, "rows": len(rows), "held": reference.held, "masked": reference.masked,
        "tells_languages": reference.languages, "languages": list(rows.languages), "labels": list(rows.labels),
        "scored": scored})


def read(file: Path) -> Reference:
    """The reference that a run carries. Raises Refusal where its files are damaged, or of a later version."""
    from safetensors import SafetensorError
    from safetensors.numpy import load

    told = durable.read_json(file)
    try:
        if told["version"] != VERSION:
            raise _damaged(file, f"its version is {told['version']}, and this program reads {VERSION}")
        found = load(tensors_of(file).read_bytes())
        rows = Rows(found["characters"], found["words"], found["unknown"].astype(np.float64), found["hashed"],
                    tuple(told["languages"]), tuple(told["labels"]), found["confidence"].astype(np.float64),
                    found["held"].astype(np.bool_), _scores(told, found))
        reference = Reference(rows, Known(found["known"]), told["masked"], told["tells_languages"])
    except (OSError, KeyError, IndexError, TypeError, SafetensorError) as error:
        raise _damaged(file, f"it lacks {error}") from error
    sizes = {len(told["languages"]), len(told["labels"]), *(len(found[name]) for name in (
        "characters", "words", "unknown", "hashed", "confidence", "held")), len(rows.scores)}
    if sizes != {told["rows"]} or rows.hashed.shape[1:] != (WIDTH,) or len(found["known"]) != BITS // 8:
        raise _damaged(file, "its parts do not fit together")
    return reference


def _tensors(scores: Sequence[Mapping[str, float]], places: Mapping[str, int]) -> dict[str, NDArray[Any]]:
    """(N, 10) of each row the scores of its likeliest labels and whose they are, -1 where there are fewer."""
    values, names = np.zeros((len(scores), MOST_SCORES), np.float32), np.full((len(scores), MOST_SCORES), -1, np.int32)
    for row, each in enumerate(scores):
        values[row, : len(each)], names[row, : len(each)] = list(each.values()), [places[name] for name in each]
    return {"scores": values, "scored": names}


def _scores(told: Mapping[str, Any], found: Mapping[str, NDArray[Any]]) -> tuple[Mapping[str, float], ...]:
    """What `_tensors` made; nothing of each row where a reference was made before scores were kept."""
    if "scored" not in told:
        return ({},) * int(told["rows"])
    return tuple({told["scored"][name]: value for name, value in zip(own, values, strict=True) if name >= 0}
                 for own, values in zip(found["scored"].tolist(), found["scores"].tolist(), strict=True))


def tensors_of(file: Path) -> Path:
    """Where the numbers stand that belong to the names."""
    return file.with_suffix(".safetensors")


def _damaged(file: Path, why: str) -> Refusal:
    return Refusal("monitoring.reference", f"the run's reference cannot be read: {why}", str(file),
                   "take both files of the reference away: `tunesmith monitor` makes them anew from the run's rows")
