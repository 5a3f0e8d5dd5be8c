"""What the states of a network would find that hashed pieces of texts do not, or the other way round.

    python benchmarks/drift_states.py [--shared FOLDER] [--drifted 20] [--rows 500]

Both tests of wording, once on hashed pieces as `tunesmith monitor` makes them, once on the mean states of minilm-l6, on
the same rows and at the level that each has among nine parts of 0.05. Planted: intents of BANKING77 that the reference
has none of (same domain, same words), in a share of the window; and a mood of SST-2 that comes more often, where nobody
tells labels. Prints how often either raised an alarm, and a line of JSON.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
from drift import RATE, Floats, Set, sets, states

from tunesmith.monitoring import features, statistics
from tunesmith.monitoring.rows import Rows

LEVEL = RATE / 9
UNSEEN = 8  # intents
DRAWS = 1000


def hashed(texts: list[str]) -> Floats:
    return Rows.of([features.features(text) for text in texts]).vectors()


def alarms(before: list[str], after: list[str], seed: int) -> dict[str, bool]:
    """Of each representation, whether either test of wording is below its level."""
    found = {}
    for name, vectors in (("pieces", hashed), ("states", states)):
        made = np.asarray(vectors([*before, *after]), np.float64)
        found[name] = any(test(made, len(after), draws=DRAWS, rng=np.random.default_rng(seed)).p <= LEVEL
                          for test in (statistics.told_apart, statistics.kernel_distance))
    return found


def intents(data: Set, share: float, rows: int, rng: np.random.Generator) -> tuple[list[str], list[str]]:
    """A reference without some intents, and a window with a share of them."""
    labels = np.array(data.labels)
    unseen = np.isin(labels, rng.choice(sorted(set(data.labels)), UNSEEN, replace=False))
    seen = rng.permutation(np.flatnonzero(~unseen))
    many = round(share * rows)
    window = [*seen[1000 : 1000 + rows - many], *rng.choice(np.flatnonzero(unseen), many, replace=False)]
    return [data.texts[place] for place in seen[:1000]], [data.texts[place] for place in window]


def moods(data: Set, share: float, rows: int, rng: np.random.Generator) -> tuple[list[str], list[str]]:
    """A reference as the set is, and a window of which a share is of one label."""
    order = rng.permutation(len(data.texts))
    which = np.array([data.labels[place] == "1" for place in order[1000:]])
    many = round(share * rows)
    window = [*order[1000:][which][:many], *order[1000:][~which][: rows - many]]
    return [data.texts[place] for place in order[:1000]], [data.texts[place] for place in window]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, default=Path(__file__).resolve().parents[2] / "shared")
    parser.add_argument("--drifted", type=int, default=20, help="windows of each planted drift")
    parser.add_argument("--rows", type=int, default=500)
    wanted = parser.parse_args()
    began, found = time.monotonic(), []
    by_name = {data.name: data for data in sets(wanted.shared)}
    for name, made, share in (("banking77", intents, 0.0), ("banking77", intents, 0.05), ("banking77", intents, 0.1),
                              ("banking77", intents, 0.2), ("sst2", moods, 0.667), ("sst2", moods, 0.75)):
        told = [alarms(*made(by_name[name], share, wanted.rows, np.random.default_rng(seed)), seed)
                for seed in range(wanted.drifted)]
        found.append({"set": name, "drift": "new intents" if made is intents else "mood", "share": share,
                      "windows": wanted.drifted, "pieces": sum(each["pieces"] for each in told),
                      "states": sum(each["states"] for each in told)})
        print(found[-1], flush=True)
    print(json.dumps({"rows": wanted.rows, "reference": 1000, "seconds": time.monotonic() - began, "found": found}))


if __name__ == "__main__":
    main()
