"""How often `tunesmith monitor` raises an alarm on windows like the reference, and how often on drifted ones.

    python benchmarks/drift.py [--shared FOLDER] [--windows 200] [--drifted 20] [--rows 500] [--sets banking77,sst2]

Real texts: BANKING77 (English, 77 labels), SST-2 (English, 2 labels), Azerbaijani comments (3 labels), lines of
Azerbaijani talks (no labels). A classifier is fitted on a part of each set, anew for every tenth window: on the states
of minilm-l6 for English, on groups of letters for Azerbaijani. Of the other rows the reference and the served ones are
drawn anew for every window. Drift is planted in a share of the window's rows, named beside it.

A shift of labels is planted exactly: so many rows of each label as its new share says. Beside what was found stands
what a test finds that knows which labels became how much more frequent, and has the whole false-alarm rate for itself:
by what the classifier said, and by the true labels. `--hard` hides what the classifier said beside its label. Prints a
table, and a line of JSON for the log.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.data.augment import noise
from tunesmith.models import bases
from tunesmith.monitoring import drift, features, statistics
from tunesmith.monitoring.asked import label_of, scores_of
from tunesmith.monitoring.rows import Rows
from tunesmith.records import Labelled

ALIKE = 10  # windows that share one classifier
NOISY = noise.Settings(share=1.0)
RATE = 0.05
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Set:
    """Texts with their labels ("" where there are none), and texts of another topic and of another language."""

    name: str
    texts: Sequence[str]
    labels: Sequence[str]
    topic: Sequence[str]
    language: Sequence[str]
    learnt: int
    english: bool


@dataclass(frozen=True)
class Shift:
    """A window whose labels shifted. places: its rows; before, after: shares of the labels that became more frequent.

    times: how much more often each label comes than before, beside the others.
    """

    places: Sequence[int]
    times: dict[str, float]
    before: float
    after: float


class World:
    """A set, divided: what was learnt from, what was held out, and what is served."""

    def __init__(self, data: Set, seed: int, held: int, hard: bool) -> None:
        self.data, self.rng, self.hard, self.many = data, np.random.default_rng(seed), hard, held
        order = self.rng.permutation(len(data.texts))
        self.learnt, self.others = order[: data.learnt], order[data.learnt :]
        self.known = features.Known.of(data.texts[place] for place in self.learnt)
        self.fit: Any = None
        if any(data.labels):
            self.fit = classifier(data.english)
            self.fit.fit([data.texts[place] for place in self.learnt], [data.labels[place] for place in self.learnt])
        self.divide()

    def divide(self) -> None:
        """Another reference, and other rows that are served."""
        self.held, self.served = np.split(self.rng.permutation(self.others), [self.many])
        self.reference = self.said([self.data.texts[place] for place in self.held])

    def right(self) -> float:
        """The share of rows that were not learnt from whose label is told rightly."""
        texts, labels = ([which[place] for place in self.others] for which in (self.data.texts, self.data.labels))
        return float(np.mean(self.fit.predict(texts) == np.array(labels)))

    def said(self, texts: Sequence[str]) -> Rows:
        rows = Rows.of([cached(text, self.known) for text in texts])
        if self.fit is None:
            return rows
        outputs = [{"label": str(self.fit.classes_[scores.argmax()]),
                    "scores": dict(zip(self.fit.classes_.tolist(), scores.tolist(), strict=True))}
                   for scores in self.fit.predict_proba(texts)]
        said = [label_of(each) for each in outputs]
        return rows.said([label or "" for label, _ in said], np.array([sure for _, sure in said], np.float64),
                         [] if self.hard else [scores_of(each) for each in outputs])

    def window(self, rows: int) -> list[int]:
        return self.rng.choice(self.served, rows, replace=False).tolist()

    def shifted(self, more: Sequence[str], times: float, rows: int) -> Shift:
        """A window in which some labels come so many times as often, beside the others."""
        pools: dict[str, list[int]] = defaultdict(list)
        for place in self.served:
            pools[self.data.labels[place]].append(place)
        names = sorted(pools)
        shares = np.array([len(pools[name]) for name in names]) / len(self.served)
        which = np.isin(names, more)
        after = shares * np.where(which, times, 1.0)
        after /= after.sum()
        places = [place for name, many in zip(names, self.rng.multinomial(rows, after), strict=True)
                  for place in self.rng.choice(pools[name], min(many, len(pools[name])), replace=False).tolist()]
        return Shift(places, dict.fromkeys(more, times), float(shares[which].sum()), float(after[which].sum()))

    def best(self, shift: Shift) -> tuple[bool, bool]:
        """Whether a test that knows the shift finds it: by what the classifier said, and by the true labels."""
        both = [self.data.texts[place] for place in [*self.held, *shift.places]]
        true = [self.data.labels[place] for place in [*self.held, *shift.places]]
        times = np.array([shift.times.get(name, 1.0) for name in self.fit.classes_])
        by_classifier = np.log(self.fit.predict_proba(both) @ times)
        by_label = np.log([shift.times.get(name, 1.0) for name in true])
        chosen = statistics.memberships(len(both), len(shift.places), 1000, self.rng)
        return (statistics.of_draws(chosen @ by_classifier) <= RATE, statistics.of_draws(chosen @ by_label) <= RATE)


def classifier(english: bool) -> Any:
    """A logistic regression of a text's state in minilm-l6, or of its groups of letters."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer

    if english:
        return make_pipeline(FunctionTransformer(states), LogisticRegression(C=10, max_iter=300))
    letters = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), min_df=2, sublinear_tf=True)
    return make_pipeline(letters, LogisticRegression(C=3, max_iter=300))


@cache
def network() -> Any:
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(bases.find("minilm-l6").folder), device="cpu")


STATES: dict[str, Floats] = {}


def states(texts: Sequence[str]) -> Floats:
    """(N, 384) the means of their states, of length 1."""
    new = [text for text in dict.fromkeys(texts) if text not in STATES]
    if new:
        STATES.update(zip(new, network().encode(new, normalize_embeddings=True, show_progress_bar=False), strict=True))
    return np.stack([STATES[text] for text in texts])


CACHE: dict[str, features.Features] = {}


def cached(text: str, known: features.Known) -> features.Features:
    """The features of a text; only the share of unknown words is another for other rows learnt from."""
    if text not in CACHE:
        CACHE[text] = features.features(text)
    found = CACHE[text]
    words = list(features.words(text))
    unknown = sum(not known.has(word) for word in words) / len(words) if words else None
    return features.Features(found.characters, found.words, found.language, unknown, found.hashed)


def drifted(world: World, kind: str, share: float, rows: int) -> tuple[Rows, Shift | None] | None:
    """A window of which a share has drifted; None where the set cannot drift so."""
    data, rng = world.data, world.rng
    if kind in ("labels", "one label"):
        names = sorted({*data.labels} - {""})
        if len(names) < (6 if kind == "one label" else 2):
            return None
        more = rng.choice(names, max(1, len(names) // 3) if kind == "labels" else 1, replace=False).tolist()
        shift = world.shifted(more, share, rows)
        return world.said([data.texts[place] for place in shift.places]), shift
    texts = [data.texts[place] for place in world.window(rows)]
    many = round(share * rows)
    if kind == "typing noise":
        examples = [Labelled(text, None, str(place), "") for place, text in enumerate(texts[:many])]
        for place, example in noise.vary(examples, NOISY, seed=int(rng.integers(2**31)), ask=None):
            if isinstance(example, Labelled):
                texts[place] = example.text
        return world.said(texts), None
    other = {"other topic": data.topic, "other language": data.language}[kind]
    texts[:many] = [other[place] for place in rng.choice(len(other), many, replace=len(other) < many)]
    return world.said(texts), None


# the share of rows that drifted; of labels, how many times as often a third of them comes (of two or three: one)
PLANTED = [("other topic", 1.0), ("other topic", 0.2), ("other language", 1.0), ("other language", 0.1),
           ("typing noise", 1.0), ("typing noise", 0.2), ("labels", 5.0), ("labels", 3.0), ("labels", 2.0),
           ("one label", 8.0), ("one label", 5.0), ("one label", 3.0)]


def sets(shared: Path) -> Iterator[Set]:
    data = shared / "data"
    bank = [row for part in ("train", "test") for row in table(data / "banking77" / f"{part}.csv")]
    mood = [row for part in ("train", "validation", "test") for row in table(data / "sentiment_az" / f"{part}.csv")]
    films = [line.rsplit("\t", 1) for part in ("train", "dev", "test")
             for line in (data / "sst2" / f"{part}.tsv").read_text(encoding="utf-8").splitlines()]
    talks = [line.strip() for line in (data / "text_az" / "ted_az.txt").read_text(encoding="utf-8").splitlines()
             if len(line.split()) > 3]
    news = {code: [row["text"] for part in ("train", "dev", "test") for row in
                   table(data / "sib200" / code / f"{part}.tsv", "\t")] for code in ("azj_Latn", "eng_Latn")}
    english, azerbaijani = news["eng_Latn"], news["azj_Latn"]
    yield Set("banking77", [row["text"] for row in bank], [row["category"] for row in bank], english, azerbaijani,
              6000, True)
    yield Set("sst2", [text for text, _ in films], [label for _, label in films], english, azerbaijani, 4000, True)
    yield Set("sentiment_az", [row["text"] for row in mood], [row["label"] for row in mood], azerbaijani, english,
              2500, False)
    yield Set("ted_az", talks, [""] * len(talks), [row["text"] for row in mood], english, 8000, False)


def table(path: Path, delimiter: str = ",") -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter=delimiter))


def quiet(data: Set, wanted: argparse.Namespace, number: int, windows: int) -> tuple[World, list[drift.Drift]]:
    """The last world, and what is told of windows that did not drift."""
    made = []
    for window in range(max(1, windows)):
        if window % ALIKE == 0:
            world = World(data, 1000 * number + window + 100_000 * wanted.seed, wanted.reference, wanted.hard)
        else:
            world.divide()
        if window < windows:
            asked = [data.texts[place] for place in world.window(wanted.rows)]
            made.append(drift.compare(world.reference, world.said(asked), rate=RATE, seed=window))
    return world, made


def planted(world: World, kind: str, share: float, wanted: argparse.Namespace) -> dict[str, Any] | None:
    """How many windows of a drift are found; None where the set cannot drift so."""
    found, best, shifts, which = 0, np.zeros(2), [], Counter[str]()
    for window in range(wanted.drifted):
        world.divide()
        made = drifted(world, kind, share, wanted.rows)
        if made is None:
            return None
        told = drift.compare(world.reference, made[0], rate=RATE, seed=window)
        found += told.alarm
        which.update(each.name for each in told.tests if each.alarm)
        if made[1] is not None:
            shifts.append(made[1])
            best += world.best(made[1])
    said: dict[str, Any] = {"set": world.data.name, "drift": kind, "of": share, "found": found,
                            "windows": wanted.drifted, "by": dict(which)}
    if shifts:
        said |= {"before": float(np.mean([each.before for each in shifts])),
                 "after": float(np.mean([each.after for each in shifts])),
                 "best_by_classifier": int(best[0]), "best_by_label": int(best[1])}
    return said


def line(each: dict[str, Any]) -> str:
    made = f"{each['set']:<13}{each['drift']:<15}{each['of']:>4}  {each['found']:>3} of {each['windows']}"
    if "before" in each:
        made += (f"  {each['before']:6.1%} -> {each['after']:6.1%}  knowing the shift: {each['best_by_classifier']} by"
                 f" the classifier, {each['best_by_label']} by labels")
    return f"{made}  {each['by']}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, default=Path(__file__).resolve().parents[2] / "shared")
    parser.add_argument("--windows", type=int, default=200, help="windows without drift, over all sets")
    parser.add_argument("--drifted", type=int, default=20, help="windows of each planted drift and set")
    parser.add_argument("--rows", type=int, default=500)
    parser.add_argument("--reference", type=int, default=1000, help="rows of the reference")
    parser.add_argument("--sets", default="banking77,sst2,sentiment_az,ted_az")
    parser.add_argument("--drifts", default=",".join(dict.fromkeys(kind for kind, _ in PLANTED)))
    parser.add_argument("--hard", action="store_true", help="labels alone, without what the classifier said of each")
    parser.add_argument("--seed", type=int, default=0)
    wanted = parser.parse_args()
    random.seed(0)
    began = time.monotonic()
    every = [(number, data) for number, data in enumerate(sets(wanted.shared)) if data.name in wanted.sets.split(",")]
    alarms, windows, which, found, right = 0, 0, Counter[str](), [], {}
    for place, (number, data) in enumerate(every):
        world, told = quiet(data, wanted, number, wanted.windows // len(every) + (place < wanted.windows % len(every)))
        if world.fit is not None:
            right[data.name] = world.right()
        alarms, windows = alarms + sum(each.alarm for each in told), windows + len(told)
        which.update(test.name for each in told for test in each.tests if test.alarm)
        print(f"{data.name}: {sum(each.alarm for each in told)} of {len(told)} windows without drift raised an alarm; "
              f"labels right: {right.get(data.name, 0.0):.1%}", flush=True)
        for kind, share in PLANTED:
            if kind in wanted.drifts.split(",") and (made := planted(world, kind, share, wanted)) is not None:
                found.append(made)
                print(line(made), flush=True)
    print(f"without drift: {alarms} alarms in {windows} windows; by test {dict(which)}")
    print(json.dumps({"rows": wanted.rows, "reference": wanted.reference, "alarms": alarms, "windows": windows,
                      "labels_right": right, "seconds": time.monotonic() - began, "found": found}))


if __name__ == "__main__":
    main()
