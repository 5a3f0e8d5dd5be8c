"""A run that can be taken elsewhere: what answers with it, its base beside it, and nothing of where it was made.

`run/` has recipe.yaml, lineage.json, and the checkpoint that was judged without what only training needs; `base/` the
base's own files, or where that is an earlier run a run again, with `base-base/` beside it.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path, PurePath
from typing import Any, Final

from ..models import bases, earlier
from ..models.vetting import PICKLED
from ..recipe import write
from ..recipe.read import read
from ..recipe.sections import Recipe
from ..runs import checkpoints, durable, lineage
from ..runs.folder import Run, open_run

RUN, BASE, FILES = "run", "base", "files"
KEPT: Final = ("digests", "versions")


def carry(path: Path, folder: Path, name: str = RUN) -> None:
    """Put a run into `folder/name`, and what it stands on beside it."""
    run, into, below = open_run(path), Run(folder / name), BASE if name == RUN else f"{name}-{BASE}"
    into.path.mkdir()
    recipe = read(run.recipe_file)
    base = bases.of_run(path, recipe)
    into.recipe_file.write_text(write.text(_elsewhere(recipe, into.path, below)), encoding="utf-8")
    kept = lineage.read(run.lineage_file)
    durable.write_json(into.lineage_file, {
        **{name: kept[name] for name in KEPT}, "chosen": {**kept["chosen"], "device": "cpu"}})
    for file in _beside(run):
        shutil.copy(file, into.path / file.name)
    _checkpoint(run, into, recipe.adapter.module.weights_file)
    if base.run is not None:
        carry(base.run, folder, below)
    else:
        shutil.copytree(base.folder, folder / below, ignore=_unwanted)


def _beside(run: Run) -> Iterator[Path]:
    """What else stands in a run's folder that answers, or that what is answered is held against."""
    tensors = run.reference_file.with_suffix(".safetensors")
    for file in (run.vocabulary_file, run.reference_file, tensors):
        if file.is_file():
            yield file


def _checkpoint(run: Run, into: Run, weights: str) -> None:
    """The checkpoint that was judged, alone, so that it is the newest and the best."""
    found = earlier.best_checkpoint(run.path)
    step = int(found.name.split("-")[1].split(".")[0])
    facts = {**checkpoints.load(run, step).facts, "memory": {}}

    def write_into(folder: Path) -> None:
        shutil.copy(found / weights, folder / weights)

    checkpoints.save(into, step, write_into, facts=facts, keep=1, best=None)


def _elsewhere(recipe: Recipe, into: Path, below: str) -> dict[str, Any]:
    """The recipe with its base beside it, and the names of files without the folders that they lay in."""
    found: dict[str, Any] = _names(write.values(recipe))
    found["base"]["name"] = f"../{below}"
    for name, file in (("template", recipe.data.template), ("tools", recipe.data.tools)):
        if file is not None and PurePath(file).is_absolute():
            found["data"][name] = _carried(file, into)
    return found


def _carried(file: str, into: Path) -> str:
    """A file that is needed to answer, put beside the recipe."""
    (into / FILES).mkdir(exist_ok=True)
    shutil.copy(file, into / FILES / PurePath(file).name)
    return f"{FILES}/{PurePath(file).name}"


def _names(value: Any) -> Any:
    """Absolute paths as the names at their ends, at any depth."""
    if isinstance(value, dict):
        return {key: _names(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_names(item) for item in value]
    return PurePath(value).name if isinstance(value, str) and PurePath(value).is_absolute() else value


def _unwanted(folder: str, names: list[str]) -> set[str]:
    """Pickled weights, and what is hidden."""
    return {name for name in names if PurePath(name).suffix in PICKLED or name.startswith(".")}
