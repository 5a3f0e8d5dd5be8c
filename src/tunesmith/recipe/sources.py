"""Rows beside the training file: sources that are mixed in, and rows on which the cost of tuning is measured."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, Field
from pydantic_core import PydanticCustomError

from .kinds import STRICT, Files, MetricName
from .starred import Choice, Section, problem

NAME = re.compile(r"\w[\w-]{0,39}", re.ASCII)
MAIN = "train"


class Rows(BaseModel):
    """Files of rows, and how they are to be read."""

    model_config = STRICT

    files: Files
    """Where the rows are: a file, a folder or a glob, or a list of them, as in `data.train`.

    A relative path counts from the folder of the recipe. `NAME: FILE` is short for `NAME: {files: FILE}`.
    """

    format: Annotated[Section, Choice("format")] | None = None
    """The shape of these rows; null: recognised from their columns, and said.

    It may be another than that of `data.train`.
    """

    columns: dict[str, str] = Field(default_factory=dict)
    """Which column is which in these files, as in `data.columns`."""

    header: bool | tuple[str, ...] | None = None
    """Whether the first row of tables names the columns, as in `data.header`; null: told by the rows."""

    system: str | None = None
    """The system prompt of conversations here that bring none; null: none is added.

    `data.system` is for the training file alone: general rows are mostly used without it.
    """


class Mixed(Rows):
    """A source that is mixed into training. Its rows are in no other side: the verdict is on `train`'s own."""

    share: float | None = Field(default=None, gt=0, lt=1)
    """The share of these rows among all rows that are trained on; null: by `epochs`, or else by its number of rows and
    `data.temperature`.

    Above 0, and all shares together below 1; `data.train` has what is left. In each step the shares hold to within one
    row or so. An epoch is over when `data.train` has been seen once; a source that is shorter begins again, in another
    order, when all of its rows were seen. Against forgetting try 0.05 to 0.2.
    """

    epochs: float | None = Field(default=None, gt=0, le=1000)
    """How many times these rows will have been seen by the end of the training, about; null: as `share` says.

    Above 0 to 1000, in place of `share`. Their share follows from it: 2 of a small source beside one epoch of
    `data.train` shows each of its rows twice, spread evenly over all steps. Rows seen more than about four times teach
    little more.
    """

    validation: float = Field(default=0.0, ge=0, lt=1)
    """The share of these rows that is held out with the validation rows; 0: none.

    0 to below 1, taken by group. Their loss stands in the records of every evaluation by the source's name, and counts
    by the source's share in the one that chooses the best checkpoint. Try 0.1 where the sources are tasks of their own.
    """


class Aside(Rows):
    """Rows of another kind on which base and tuned are measured: what tuning cost elsewhere."""

    rows: int = Field(default=200, ge=1, le=1_000_000)
    """The most rows that are measured; of more, so many are drawn, whole groups, the same ones by the same seed.

    1 to 1,000,000. Rows that are drawn are left out of `data.mix`, so the same file may be named there. 200 show a
    change of the loss of a few percent.
    """

    task: Annotated[Section, Choice("task")] | None = None
    """How these rows are measured; null: as the run's task, or as the task that takes rows of their kind.

    Plain text is measured by `completion`, conversations by `chat`.
    """

    metric: MetricName = None
    """The metric that gives these rows their word; null: the first of the task, the loss.

    Name `exact_match` where an answer is right or wrong.
    """


def _named(value: object) -> object:
    if not isinstance(value, dict):
        raise PydanticCustomError("must", "{must}", {"must": "a mapping of names to files or sections"})
    for name in value:
        if not isinstance(name, str) or not NAME.fullmatch(name) or name == MAIN:
            raise problem("recipe.name", f"`{name}` is no name for a section",
                          f"use up to 40 letters, digits, `-` and `_`; `{MAIN}` is the training file's own name")
    return value


Mix = Annotated[dict[str, Mixed], BeforeValidator(_named, json_schema_input_type=dict[str, Mixed])]
Also = Annotated[
    dict[str, Aside],
    BeforeValidator(_named, json_schema_input_type=str | list[str] | dict[str, str | list[str] | Aside]),
]


def expanded(value: Any) -> Any:
    """The short forms written out: files become sections that are named after them, a file under a name its section."""
    if isinstance(value, str | list | tuple):
        return _by_name([value] if isinstance(value, str) else value)
    if isinstance(value, dict):
        return {name: {"files": each} if isinstance(each, str | list) else each for name, each in value.items()}
    return value


def _by_name(files: Sequence[Any]) -> Any:
    if not all(isinstance(file, str) and file for file in files):
        return files
    found: dict[str, Any] = {}
    for file in dict.fromkeys(files):
        stem = re.sub(r"[^\w-]+", "-", Path(file).name.split(".")[0], flags=re.ASCII).strip("-")[:30] or "rows"
        stem = stem if stem != MAIN else f"{MAIN}-rows"
        name = next(name for name in (stem, *(f"{stem}-{number}" for number in range(2, 10**6))) if name not in found)
        found[name] = {"files": file}
    return found
