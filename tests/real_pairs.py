"""Statistics of real base-against-tuned rows, from runs, for the calibration of the verdict.

    python tests/real_pairs.py RUN [RUN …] > tests/unit/real_pairs.json

Reads each run's `predictions.jsonl`. The texts stay behind: only each row's statistics and its group's number are kept.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from tunesmith.metrics import exact_match, loss, rouge_l
from tunesmith.records import Prediction, Text

METRICS = {"loss": loss, "exact_match": exact_match, "rouge_l": rouge_l}
NOTHING = Text("", "", "")


def statistics(name: str, row: dict[str, Any], side: str) -> list[float] | None:
    """One row's statistics on one side; None where it has none of this metric."""
    found = row[side]
    if METRICS[name].needs == "text" and "text" not in found:
        return None
    prediction = Prediction(0, found["loss"], found["weight"], "", found.get("text", ""), row.get("reference", ""))
    return [round(value, 4) for value in METRICS[name].measure(prediction, NOTHING, METRICS[name].Settings())]


def main() -> None:
    """Collect every run's rows."""
    found: dict[str, dict[str, list[Any]]] = {name: {"against": [], "tuned": [], "groups": []} for name in METRICS}
    groups: dict[str, int] = {}
    for run in sys.argv[1:]:
        for line in Path(run, "predictions.jsonl").read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            for name, kept in found.items():
                sides = [statistics(name, row, side) for side in ("base", "tuned")]
                if None not in sides:
                    kept["against"].append(sides[0])
                    kept["tuned"].append(sides[1])
                    kept["groups"].append(groups.setdefault(f"{run}\0{row['group']}", len(groups)))
    json.dump(found, sys.stdout, separators=(",", ":"))


if __name__ == "__main__":
    main()
