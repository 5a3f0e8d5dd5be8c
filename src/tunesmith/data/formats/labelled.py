"""A text, or two, and what it is: a label, several, or a number.

The text is called `text`, `sentence`, `review`, `comment` or the like; two texts `sentence1` and `sentence2`,
`premise` and `hypothesis` and so on, or `text` and `second` by `data.columns`. The label is called `label`, `labels`,
`category`, `class`, `intent`, `sentiment`, `emotion` or `topic`. Several labels are a list, or stand in one text with a
`separator` between them. Numbers stay as they are written: a task that learns them reads them as numbers.
Source: the usual shape of tables for text classification, GLUE's for pairs of texts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from ...contracts import Place
from ...errors import Refusal
from ...reading.naming import LABELS, SECONDS, TEXTS, first, is_instruction, is_pair, is_tagged, is_talk
from ...records import Labelled, Row
from ..fields import missing, normalised, text
from ..label_names import LabelNames, named
from ..places import leaves

makes: Final = Labelled
reads: Final[Literal["records"]] = "records"


class Settings(BaseModel):
    """How several labels stand in one text, and what labels that are numbers mean."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    separator: str | None = Field(default=None, min_length=1, max_length=10)
    """What stands between the labels of one text, such as `,`; null: there is one label, or a list.

    With a separator an empty text means that none of the labels applies.
    """

    names: LabelNames = None
    """A file with the labels' names, one a line, where rows have numbers: 0 is the first line; null: as they are.

    A relative path counts from the folder of the recipe.
    """


def looks_like(fields: Mapping[str, Any]) -> bool:
    """Whether a row has a text and a label, and is no talk, no pair and no question about a context."""
    other = is_talk(fields) or is_instruction(fields) or is_pair(fields) or is_tagged(fields) or "context" in fields
    return not other and _text(fields) is not None and first(fields, LABELS) is not None


def columns(fields: Mapping[str, Any], settings: Settings) -> Iterable[str]:
    """The text's column, the second text's, the label's."""
    name = _text(fields)
    return [found for found in (name, _second(fields, name), first(fields, LABELS)) if found]


def texts(fields: Mapping[str, Any], settings: Settings) -> Iterable[Place]:
    """The text and the second one, never the label."""
    name = _text(fields)
    return leaves(fields, [found for found in (name, _second(fields, name)) if found])


def convert(row: Row, settings: Settings, *, answered: bool = True) -> Sequence[Labelled]:
    """One labelled text. Raises Refusal where a text or the label is missing, empty, or of another type."""
    name = _text(row.values)
    words = text(row, name or "text")
    other = _second(row.values, name)
    second = text(row, other) if other else None
    label = first(row.values, LABELS)
    labels = _labels(row, label or "label", settings, answered=answered)
    return [Labelled(words, labels, row.where, normalised(words), second=second)]


def _text(fields: Mapping[str, Any]) -> str | None:
    """The column of the text; of two texts, the first one's."""
    if "text" in fields:
        return "text"
    return next((one for one, other in SECONDS.items() if one in fields and other in fields), first(fields, TEXTS))


def _second(fields: Mapping[str, Any], name: str | None) -> str | None:
    other = SECONDS.get(name or "")
    return other if other in fields else None


def _labels(row: Row, name: str, settings: Settings, *, answered: bool) -> tuple[str, ...] | None:
    value = row.values.get(name)
    if isinstance(value, list):
        return tuple(_label(row, f"{name}[{number}]", one, settings) for number, one in enumerate(value, 1))
    if isinstance(value, str) and settings.separator is not None:
        parts = (part.strip() for part in value.split(settings.separator))
        return tuple(named(row, name, part, settings.names) for part in parts if part)
    empty = value is None or (isinstance(value, str) and not value.strip())
    if empty and not answered:
        return None
    if value is None:
        raise missing(row, name)
    return (_label(row, name, value, settings),)


def _label(row: Row, place: str, value: Any, settings: Settings) -> str:
    label = named(row, place, value, settings.names)
    if not label:
        raise Refusal("data.empty_field", f"`{place}` is empty", row.where, "fill in the label, or take the row out")
    return label
