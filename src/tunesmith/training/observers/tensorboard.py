"""Event files for TensorBoard, in `tensorboard` in the run's folder: `tensorboard --logdir runs` shows every run.

Format: TensorFlow's event files, as `torch.utils.tensorboard` writes them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict

from ...contracts import RunFacts
from ._installed import demand

FLUSH_SECONDS = 10


class Settings(BaseModel):
    """TensorBoard has no options: its files stand in the run's folder."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True)


def require(settings: Settings) -> None:
    """Raise Misuse where TensorBoard is not installed."""
    demand("tensorboard", "pip install 'tunesmith[tensorboard]'")


def open(facts: RunFacts, settings: Settings) -> Any:
    """A writer; what an earlier process wrote of steps that are taken again is taken back."""
    from torch.utils.tensorboard import SummaryWriter

    again = facts.step + 1 if facts.step else None
    writer = SummaryWriter(str(facts.folder / "tensorboard"), purge_step=again, flush_secs=FLUSH_SECONDS)
    rows = "\n".join(f"| {name} | {value} |" for name, value in facts.options.items())
    writer.add_text("recipe", f"| option | value |\n|---|---|\n{rows}", facts.step)
    return writer


def step(handle: Any, number: int, values: Mapping[str, float]) -> None:
    """The numbers of a step, under `train/`."""
    _scalars(handle, "train", number, values)


def evaluation(handle: Any, number: int, values: Mapping[str, float]) -> None:
    """The numbers of the validation rows, under `validation/`."""
    _scalars(handle, "validation", number, values)


def verdict(handle: Any, number: int, word: str, values: Mapping[str, float]) -> None:
    """The verdict's word as a text, its numbers under `verdict/`."""
    handle.add_text("verdict", word, number)
    _scalars(handle, "verdict", number, values)


def close(handle: Any) -> None:
    """Write what is still in memory."""
    handle.close()


def _scalars(handle: Any, group: str, number: int, values: Mapping[str, float]) -> None:
    for name, value in values.items():
        handle.add_scalar(f"{group}/{name}", value, number)
