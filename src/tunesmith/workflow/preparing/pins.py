"""Names on the Hub, pinned to the commits that they meant when a run began."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from ...errors import Problem, raise_all
from ...hub import listing
from ...recipe.hub_id import parse

if TYPE_CHECKING:
    from ...recipe.sections import Recipe

log = logging.getLogger(__name__)

COMMITS = "commits"


def pinned(recipe: Recipe, known: Mapping[str, str] | None = None) -> tuple[Recipe, dict[str, dict[str, str]]]:
    """The recipe with a commit in every name that is the Hub's, and what the lineage is to keep of that.

    known: the commits of an earlier start by the repositories as they were named, which are not asked for again.
    Raises every name that cannot be pinned, together.
    """
    found: dict[str, str] = {}
    problems: list[Problem] = []

    def pin(written: str, kind: Literal["model", "dataset"], where: str) -> str:
        asked = parse(written)
        if asked is None or os.path.exists(written):  # noqa: PTH110 — pathlib's raises for long names
            return written
        if asked.pinned:
            return str(asked)
        key = ("datasets/" if kind == "dataset" else "") + str(replace(asked, part=""))
        try:
            if key not in found:
                found[key] = (known or {}).get(key) or listing(asked, kind, where).commit
                log.info("`%s` is no path here: the Hub's, at commit %s", written, found[key])
        except Problem as problem:
            problems.append(problem)
            return written
        return str(asked.at(found[key]))

    def all_of(files: Sequence[str], where: str) -> tuple[str, ...]:
        return tuple(pin(each, "dataset", where) for each in files)

    name, data = pin(recipe.base.name, "model", "base.name"), recipe.data
    texts = all_of(recipe.base.vocabulary.texts or (), "base.vocabulary.texts") or None
    sides = {"train": data.train, "validation": data.validation, "test": data.test}
    files = {side: all_of(names, f"data.{side}") for side, names in sides.items() if isinstance(names, tuple)}
    mix = {own: rows.model_copy(update={"files": all_of(rows.files, f"data.mix.{own}")})
           for own, rows in data.mix.items()}
    also = {own: rows.model_copy(update={"files": all_of(rows.files, f"evaluation.also.{own}")})
            for own, rows in recipe.evaluation.also.items()}
    raise_all(problems)
    return recipe.model_copy(update={
        "base": recipe.base.model_copy(update={
            "name": name, "vocabulary": recipe.base.vocabulary.model_copy(update={"texts": texts})}),
        "data": data.model_copy(update={**files, "mix": mix}),
        "evaluation": recipe.evaluation.model_copy(update={"also": also}),
    }), {COMMITS: found} if found else {}


def kept_commits(lineage: Mapping[str, Any] | None) -> Mapping[str, str]:
    """The commits of the names of an earlier start, out of its lineage."""
    return lineage["chosen"].get(COMMITS, {}) if lineage else {}
