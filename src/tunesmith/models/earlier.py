"""An earlier run as a base: what it learnt, found in its best checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..errors import Failure, Refusal
from ..recipe.read import read
from ..recipe.sections import Recipe
from ..records import Head
from ..runs import checkpoints, lineage
from ..runs.folder import open_run


def recipe_of(run: Path) -> Recipe:
    """The resolved recipe that stands in a run's folder."""
    return read(open_run(run).recipe_file)


def head_of(run: Path) -> Head:
    """What stands on a run's network; before runs told, it was what writes text."""
    file = open_run(run).lineage_file
    chosen = lineage.read(file)["chosen"] if file.is_file() else {}
    return Head.from_json(chosen["head"]) if "head" in chosen else Head("causal")


def best_checkpoint(run: Path) -> Path:
    """The folder of a run's best checkpoint on validation, or of its newest where none was found best.

    Raises Failure where there is none, Refusal where it does not verify.
    """
    opened = open_run(run)
    newest, damaged = checkpoints.newest(opened, set_aside=False)
    if newest is None and damaged:
        raise Refusal(damaged[0].kind, damaged[0].what, damaged[0].where, "restore the folder from a copy")
    if newest is None:
        raise Failure("run.no_checkpoint", f"run `{opened.name}` has no checkpoint yet", str(run),
                      f"go on with `tunesmith train --resume {run}`")
    best = newest.facts.get("memory", {}).get("best")
    return checkpoints.load(opened, best["step"]).folder if best else newest.folder


def merge_into(network: Any, run: Path, checkpoint: Path) -> None:
    """Fold what a run learnt into the network of its base, which then is a plain network again.

    Nothing computes here, so no layer is given a way of computing that would outlast the merge.
    """
    from safetensors.torch import load_file

    from . import heads
    from .learnt import lay_in

    recipe = recipe_of(run)
    adapter = recipe.adapter.module
    names = heads.attach(network, head_of(run), adapter, recipe.adapter.settings, seed=recipe.training.seed)
    weights = dict(network.named_parameters())
    lay_in({adapter.disk_name(name): weights[name].detach() for name in names},
           load_file(checkpoint / adapter.weights_file))
    adapter.merge(network)
    network.requires_grad_(False)
