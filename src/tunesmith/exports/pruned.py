"""A plain transformers model that is smaller than the run's: without its least heads, MLP rows or layers.

What is taken out is chosen by magnitude (`_pruning.py`) and, of layers, by how little they do to training rows that
were set aside (`_effect.py`); a short training on the run's other rows mends what it can (`_recovery.py`). The
configuration says the smaller sizes, so the folder opens with `AutoModelForCausalLM.from_pretrained`, or the class of
the run's head, and with whatever else reads such folders. `pruned` in `config.json` tells what was done.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field

from ..contracts import Lossy
from ..errors import Misuse
from ..models import precision as precisions
from ..models.model import LanguageModel
from ..runs.card import Use
from . import _effect, _pruning, _recovery, merged
from ._lossy import Worst
from ._opened import Opened
from ._reading import Reading
from ._source import Source

library = "transformers"
MEASURED: Final = 32  # examples that tell what a layer does; Gromov 2024 found the order stable with few
TOLD: Final = "pruned"


class Settings(BaseModel):
    """How much is taken out, and how long the rest may learn again."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True)

    mlp: float = Field(default=0.1, ge=0, lt=1)
    """The share of every MLP's rows that is taken out, the least first; of 1,024 and more, a multiple of 32 is left.

    0 to below 1. Try 0.1 to 0.3.
    """
    heads: float = Field(default=0.0, ge=0, lt=1)
    """The share of attention's heads that is taken out of every layer, those that share a key together.

    0 to below 1. They are few and do much: try 0.25, and only beside a recovery of some hundred steps.
    """
    layers: int = Field(default=0, ge=0, le=10_000)
    """How many layers are taken out, those first that do least to training rows that were set aside.

    0 or more. Try a tenth of them.
    """
    steps: int = Field(default=100, ge=0, le=1_000_000)
    """Steps of training on the run's rows after that; 0: none. Try 100 to 500: each costs what one of the run's did."""
    learning_rate: float = Field(default=5e-4, gt=0, le=1)
    """The highest learning rate of that training, which is LoRA's. Try 2e-4 to 1e-3."""
    batch_size: int = Field(default=8, ge=1, le=100_000)
    """Examples in each of its steps."""
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """The number format of the weights: `auto`, `float32`, `bfloat16` or `float16`; `auto` is the base's own."""
    shard: str = Field(default="5GB", pattern=r"^[1-9]\d*(KB|MB|GB)$", examples=["5GB"])
    """The largest file of weights, such as `5GB`; a larger model is written as several files with an index."""
    worst: Worst = None


def refuse(source: Source, settings: Settings) -> None:
    """Raise Misuse where the base's family has no place for fewer of what is to go, or nothing would go."""
    if source.head.kind == "encoder-decoder":
        raise Misuse("export.not_prunable", "a network that reads one text and writes another has two stacks of "
                     "layers, which are not taken apart", f"{source.name}/recipe.yaml: base.name",
                     "use `tunesmith export RUN quantized`")
    _pruning.sizes(source.shapes(), settings.heads, settings.mlp, settings.layers)


def lossy(settings: Settings) -> Lossy:
    """What is taken out is gone."""
    return Lossy(settings.worst)


def precision(source: Source, settings: Settings) -> torch.dtype:
    """The number format that the weights will be written in."""
    return merged.precision(source, _plain(settings))


def _plain(settings: Settings) -> merged.Settings:
    return merged.Settings(dtype=settings.dtype, shard=settings.shard)


def meant(source: Source, settings: Settings) -> LanguageModel:
    """The smaller network once it has learnt again, in float32."""
    device = precisions.device("auto")
    network = source.merged().to(device)
    left = _pruning.sizes(network, settings.heads, settings.mlp, settings.layers)
    aside, others = _recovery.parted(source.learnt, MEASURED)
    angles = _effect.distances(network, aside) if settings.layers else []
    dropped = _effect.least(angles, settings.layers)
    network = _pruning.smaller(network.cpu(), left, dropped).to(device)
    losses: Sequence[float] = ()
    if settings.steps:
        network, losses = _recovery.recovered(
            network, source, others, steps=settings.steps, rate=settings.learning_rate,
            batch_size=settings.batch_size)
    network = _clean(network.cpu())
    vars(network.config)[TOLD] = {
        "mlp": list(left.rows), "heads": [left.per_group * many for many in left.groups],
        "layers": list(left.layers), "dropped": dropped, "angles": [round(each, 6) for each in angles],
        "steps": len(losses), "losses": [round(each, 6) for each in (*losses[:1], *losses[-1:])]}
    return LanguageModel.frozen(network, source.head)


def _clean(network: Any) -> Any:
    """The same network, none of it laid by hand for a training."""
    return _pruning.rebuilt(network, network.config, network.state_dict())


def write(model: LanguageModel, source: Source, folder: Path, settings: Settings) -> None:
    """Put config.json, the weights, tokenizer, template and generation_config.json into an empty folder."""
    merged.write(model, source, folder, _plain(settings))


def reload(folder: Path, source: Source) -> Opened | Reading:
    """The folder as `AutoModelFor…` and `AutoTokenizer` open it, in float32."""
    return merged.reload(folder, source)


def uses(source: Source) -> tuple[Use, ...]:
    """How the folder is used, for its card."""
    return merged.uses(source)
