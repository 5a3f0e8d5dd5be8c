"""How often `tunesmith monitor` raises an alarm on windows like the reference, and how often on drifted ones.

    python benchmarks/drift.py [--shared FOLDER] [--windows 200] [--drifted 20] [--rows 500]

Real texts: BANKING77 (English, 77 labels), Azerbaijani comments (labels), lines of Azerbaijani talks (no labels). Of
each set rows are learnt from, held out as the reference, and served, by chance and anew for every tenth window. A label
is what a ridge classifier of hashed pieces says that was fitted on the rows learnt from, and so is how sure it is.
Drift is planted in a share of the window's rows, named beside it. Prints a table, and a line of JSON for the log.
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
from pathlib import Path

import numpy as np

from tunesmith.data.augment import noise
from tunesmith.monitoring import drift, features
from tunesmith.monitoring.rows import Rows
from tunesmith.records import Labelled

ALIKE = 10  # windows that share one draw of the reference
NOISY = noise.Settings(share=1.0)


@dataclass(frozen=True)
class Set:
    """Texts with their labels ("" where there are none), and texts of another topic and of another language."""

    name: str
    texts: Sequence[str]
    labels: Sequence[str]
    topic: Sequence[str]
    language: Sequence[str]
    learnt: int
    held: int


class World:
    """A set, divided: what was learnt from, what was held out, and what is served."""

    def __init__(self, data: Set, seed: int) -> None:
        self.data, self.rng = data, np.random.default_rng(seed)
        order = self.rng.permutation(len(data.texts))
        learnt, held, self.served = np.split(order, [data.learnt, data.learnt + data.held])
        self.known = features.Known.of(data.texts[place] for place in learnt)
        self.fit = None
        if any(data.labels):
            rows = self.rows([data.texts[place] for place in learnt[:3000]])
            self.names = sorted({data.labels[place] for place in learnt[:3000]})
            targets = np.eye(len(self.names))[[self.names.index(data.labels[place]) for place in learnt[:3000]]]
            vectors = rows.vectors()
            self.fit = np.linalg.solve(vectors.T @ vectors + 1.0 * np.eye(vectors.shape[1]), vectors.T @ targets)
        self.reference = self.said([data.texts[place] for place in held])

    def rows(self, texts: Sequence[str]) -> Rows:
        return Rows.of([cached(text, self.known) for text in texts])

    def said(self, texts: Sequence[str]) -> Rows:
        rows = self.rows(texts)
        if self.fit is None:
            return rows
        scores = np.exp(8 * rows.vectors() @ self.fit)
        scores /= scores.sum(1, keepdims=True)
        return rows.said([self.names[place] for place in scores.argmax(1)], scores.max(1))

    def window(self, rows: int) -> list[int]:
        return self.rng.choice(self.served, rows, replace=False).tolist()


CACHE: dict[str, features.Features] = {}


def cached(text: str, known: features.Known) -> features.Features:
    """The features of a text; only the share of unknown words is another for other rows learnt from."""
    if text not in CACHE:
        CACHE[text] = features.features(text)
    found = CACHE[text]
    words = list(features.words(text))
    unknown = sum(not known.has(word) for word in words) / len(words) if words else None
    return features.Features(found.characters, found.words, found.language, unknown, found.hashed)


def drifted(world: World, kind: str, share: float, rows: int) -> Rows | None:
    """A window of which a share has drifted; None where the set cannot drift so."""
    data, rng = world.data, world.rng
    chosen = world.window(rows)
    if kind == "label shift":
        if not any(data.labels):
            return None
        names = sorted(set(data.labels))
        more = set(rng.choice(names, max(1, len(names) // 3), replace=False))
        weights = np.array([share if data.labels[place] in more else 1.0 for place in world.served])
        chosen = rng.choice(world.served, rows, replace=False, p=weights / weights.sum()).tolist()
        return world.said([data.texts[place] for place in chosen])
    texts = [data.texts[place] for place in chosen]
    many = round(share * rows)
    if kind == "typing noise":
        examples = [Labelled(text, None, str(place), "") for place, text in enumerate(texts[:many])]
        for place, example in noise.vary(examples, NOISY, seed=int(rng.integers(2**31)), ask=None):
            if isinstance(example, Labelled):
                texts[place] = example.text
        return world.said(texts)
    other = {"other topic": data.topic, "other language": data.language}[kind]
    texts[:many] = [other[place] for place in rng.choice(len(other), many, replace=len(other) < many)]
    return world.said(texts)


# the share of rows that drifted; of label shift, how many times as often a third of the labels comes
PLANTED = [("other topic", 1.0), ("other topic", 0.2), ("other language", 1.0), ("other language", 0.1),
           ("label shift", 3.0), ("label shift", 2.0), ("typing noise", 1.0), ("typing noise", 0.2)]


def sets(shared: Path) -> Iterator[Set]:
    data = shared / "data"
    bank = [row for part in ("train", "test") for row in table(data / "banking77" / f"{part}.csv")]
    mood = [row for part in ("train", "validation", "test") for row in table(data / "sentiment_az" / f"{part}.csv")]
    talks = [line.strip() for line in (data / "text_az" / "ted_az.txt").read_text(encoding="utf-8").splitlines()
             if len(line.split()) > 3]
    news = {code: [row["text"] for part in ("train", "dev", "test") for row in
                   table(data / "sib200" / code / f"{part}.tsv", "\t")] for code in ("azj_Latn", "eng_Latn")}
    yield Set("banking77", [row["text"] for row in bank], [row["category"] for row in bank], news["eng_Latn"],
              news["azj_Latn"], 8000, 1000)
    yield Set("sentiment_az", [row["text"] for row in mood], [row["label"] for row in mood], news["azj_Latn"],
              news["eng_Latn"], 2500, 1000)
    yield Set("ted_az", talks, [""] * len(talks), [row["text"] for row in mood], news["eng_Latn"], 8000, 1000)


def table(path: Path, delimiter: str = ",") -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter=delimiter))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, default=Path(__file__).resolve().parents[2] / "shared")
    parser.add_argument("--windows", type=int, default=200, help="windows without drift, over all sets")
    parser.add_argument("--drifted", type=int, default=20, help="windows of each planted drift and set")
    parser.add_argument("--rows", type=int, default=500)
    wanted = parser.parse_args()
    random.seed(0)
    began = time.monotonic()
    quiet: dict[str, list[bool]] = defaultdict(list)
    which: Counter[str] = Counter()
    found: dict[tuple[str, float], dict[str, list[bool]]] = defaultdict(lambda: defaultdict(list))
    every = list(sets(wanted.shared))
    for number, data in enumerate(every):
        many = wanted.windows // len(every) + (number < wanted.windows % len(every))
        for window in range(many):
            if window % ALIKE == 0:
                world = World(data, seed=1000 * number + window)
            asked = [data.texts[place] for place in world.window(wanted.rows)]
            told = drift.compare(world.reference, world.said(asked), seed=window)
            quiet[data.name].append(told.alarm)
            which.update(each.name for each in told.tests if each.alarm)
        for kind, share in PLANTED:
            for window in range(wanted.drifted):
                rows = drifted(world, kind, share, wanted.rows)
                if rows is not None:
                    found[kind, share][data.name].append(drift.compare(world.reference, rows, seed=window).alarm)
        print(f"{data.name}: {sum(quiet[data.name])} of {many} quiet windows raised an alarm; found",
              {f"{kind} {share}": f"{sum(by_set[data.name])}/{len(by_set[data.name])}"
               for (kind, share), by_set in found.items() if data.name in by_set}, flush=True)
    alarms, windows = (sum(map(sum, quiet.values())), sum(map(len, quiet.values())))
    print(f"without drift: {alarms} alarms in {windows} windows ({alarms / windows:.1%}); by test {dict(which)}")
    for (kind, share), by_set in found.items():
        print(f"{kind:<16}{share:>5}  " + "  ".join(f"{name} {sum(each)}/{len(each)}" for name, each in by_set.items()))
    print(json.dumps({"rows": wanted.rows, "alarms": alarms, "windows": windows, "seconds": time.monotonic() - began,
                      "found": {f"{kind} {share}": {name: float(np.mean(each)) for name, each in by_set.items()}
                                for (kind, share), by_set in found.items()}}))


if __name__ == "__main__":
    main()
