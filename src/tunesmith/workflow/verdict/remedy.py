"""What gives back what tuning cost: the lines of a recipe that replay such rows, ready to be pasted."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..preparing.others import Other

if TYPE_CHECKING:
    from ...recipe.sections import Recipe

SHARE = 0.1  # of general rows: what guides mostly name, and little enough to leave the training to its own rows
MOST = 0.5
FEWEST_ROWS = 20
PLAIN = re.compile(r"[A-Za-z_./~][\w./~-]*")
WORDS_OF_YAML = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})


def replay(recipe: Recipe, name: str, other: Other) -> str:
    """What to write into the recipe so that the rows of an entry of `evaluation.also` are forgotten less."""
    rows, mix = recipe.evaluation.also[name], recipe.data.mix
    gentler = "; or lower `training.learning_rate`, or train for fewer epochs"
    mixed = next((own for own, source in mix.items() if own == name or set(source.files) & set(rows.files)), None)
    if mixed is not None:
        share = mix[mixed].share
        if share is None:
            return f"replay more of them: give `data.mix.{mixed}` a `share`, or raise `data.temperature`{gentler}"
        more = min(round(2 * share, 4), MOST)
        return f"replay more of them: raise `data.mix.{mixed}.share` from {share:g} to {more:g}{gentler}" \
            if more > share else f"`data.mix.{mixed}` gives half of the rows and more{gentler[1:]}"
    entry: dict[str, Any] = rows.model_dump(mode="json", include={"files", "format", "columns", "system"},
                                            exclude_defaults=True)
    if other.task.type != recipe.task.type:
        entry = {"files": "GENERAL_ROWS.jsonl"}
        such = f"general rows that task `{recipe.task.type}` takes (these are of `{other.task.type}`)"
    elif other.left < FEWEST_ROWS:
        entry["files"] = "MORE_OF_THEM.jsonl"
        such = "other rows of their kind (all rows of this file are measured)"
    else:
        such = f"a share of them (those that are measured are left out: {other.left:,} are there)"
    line = flow({"mix": {name: {**entry, "share": SHARE}}}).removeprefix("{").removesuffix("}")
    return f"replay {such}: under `data`, add `{line}`{gentler}"


def flow(value: Any) -> str:
    """A value as YAML on one line."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{flow(key)}: {flow(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return f"[{', '.join(map(flow, value))}]"
    if isinstance(value, str) and PLAIN.fullmatch(value) and value.lower() not in WORDS_OF_YAML:
        return value
    return json.dumps(value, ensure_ascii=not str(value).isprintable())
