"""How often each label stands in the training rows, and whether one of them is so rare that it can hardly be learnt."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from pydantic import BaseModel, Field

from ...contracts import Looking
from ...reading.quoting import listed
from ...recipe.kinds import STRICT
from ...records import Example, Figure, Labelled, Looked, Side
from ._telling import Severity, noticed, seen


class Settings(BaseModel):
    """How rare a label may be."""

    model_config = STRICT

    severity: Severity = "warning"
    """How grave the findings of this check are: `off`, `note`, `warning` or `error`, which refuses the run."""

    rare: float = Field(default=0.05, ge=0, le=1)
    """The share of the commonest label's rows below which a label is told as rare, 0 to 1; 0: never.

    Try 0.01 where there are hundreds of labels.
    """


def look(sides: Mapping[Side, Sequence[Example]], settings: Settings, given: Looking) -> Looked:
    """A finding where labels are rare, and the bars of all labels; nothing of rows without labels."""
    counts = {side: Counter(label for example in examples if isinstance(example, Labelled)
                            for label in example.labels or ()) for side, examples in sides.items()}
    train = counts.get("train", Counter())
    names = tuple(label for label, _ in train.most_common())
    if len(names) < 2:
        return Looked()
    figure = Figure("Labels", "rows", {side: tuple(float(found[name]) for name in names)
                                       for side, found in counts.items()}, names=names)
    rare = [name for name in names if train[name] < settings.rare * train[names[0]]]
    if not rare:
        return Looked((), (figure,))
    rows = seen(example for example in sides["train"]
                if isinstance(example, Labelled) and set(example.labels or ()) & set(rare))
    what = f"{len(rare)} of {len(names)} labels have less than {settings.rare:.0%} of the rows of " \
        f"{listed(names[:1])}: {listed(rare)}"
    return Looked((noticed(settings, "audit.rare_label", what, rows, "add rows with them, join them into one label, or "
                           "weigh them with the task's `weights`"),), (figure,))
