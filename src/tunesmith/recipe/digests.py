"""Which options decide the result of a training: what a resume must find unchanged."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from . import located
from .hub_id import parse
from .sections import Recipe
from .write import leaves

# They change what is kept, where it computes and what is said at the end, but no weight and no line of the records.
FREE = frozenset({
    "training.save_every",
    "training.keep",
    "training.device",
    "evaluation.generate",
    "evaluation.max_new_tokens",
    "evaluation.metric",
    "evaluation.batch_size",
    "run.folder",
    "run.name",
    "run.observers",
    "data.audit",
})
# rows that `evaluation.also` takes out of `data.mix` show in the digest of the data
FREE_SECTIONS = ("evaluation.also.", "monitoring.")


def digest(recipe: Recipe) -> str:
    """SHA-256, in hex, over the options that can change the result."""
    text = json.dumps(_decisive(recipe), sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def differences(old: Recipe, new: Recipe) -> list[tuple[str, Any, Any]]:
    """(option, old value, new value) for each option that can change the result and is not the same."""
    before, after = _decisive(old), _decisive(new)
    return [(path, before.get(path), after.get(path)) for path in dict.fromkeys([*before, *after])
            if path not in before or path not in after or before[path] != after[path]]


def _decisive(recipe: Recipe) -> dict[str, Any]:
    """The values that count. Files and the base count by their last name: the lineage knows their content."""
    found = {path: value for path, value in leaves(recipe).items()
             if path not in FREE and not path.startswith(FREE_SECTIONS)}
    mixed = [f"data.mix.{name}.files" for name in recipe.data.mix]
    beside = [f"data.format.{name}" for name, _ in located.files(recipe.data.format.settings)] if recipe.data.format \
        else []
    named = ("base.name", "base.vocabulary.texts", "data.train", "data.validation", "data.test", "data.template",
             "data.tools", "data.sides")
    for path in (*named, *mixed, *beside):
        found[path] = _last_name(found[path])
    return found


def _last_name(value: Any) -> Any:
    if isinstance(value, list):
        return [_last_name(name) for name in value]
    if not isinstance(value, str):
        return value
    asked = parse(value)  # the revision that a run was pinned to is content too
    return str(asked.at("")) if asked else Path(value).name
