"""A prompt and the answer that should follow it, each in a column of its own.

The prompt is called `prompt`, `question` or `input`, the answer `answer`, `completion`, `response` or `output`; where
both `prompt` and `answer` are there, these two count. A `context` is read only where `data.columns` says that the
column is one (`{context: background}`; `{context: context}` for one of that name): it is put before the prompt, with
a blank line between, and rows that share it are of one group. Source: the prompt/completion files of the OpenAI
fine-tuning interface, and question sets such as GSM8K.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict

from ...errors import Problem, Refusal, raise_all
from ...records import Pair, Row
from ..fields import missing, normalised, text
from ..naming import ANSWERS, PROMPTS, is_squad

makes: Final = Pair
reads: Final[Literal["records"]] = "records"

_OTHERS = {"messages", "conversations", "instruction"}


class Settings(BaseModel):
    """Nothing needs to be set."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def looks_like(fields: Mapping[str, Any]) -> bool:
    """Whether it is plain which column is the prompt and which the answer."""
    return all(len(names) == 1 for names in _names(fields)) and not _OTHERS & fields.keys() and not is_squad(fields)


def columns(fields: Mapping[str, Any], settings: Settings) -> Iterable[str]:
    """The prompt's column, the answer's, and `context`."""
    prompts, answers = _names(fields)
    return [name for name in (*prompts, *answers, "context") if name in fields]


def convert(row: Row, settings: Settings, *, answered: bool = True) -> Sequence[Pair]:
    """One pair. Raises Refusal where prompt or answer is missing, doubtful, no text or empty."""
    prompts, answers = _names(row.values)
    raise_all([*_doubts(row, "prompt", prompts), *_doubts(row, "answer", answers)])
    prompt, answer = text(row, prompts[0]), text(row, answers[0])
    context = text(row, "context", may_be_empty=True)
    if context.strip():
        return [Pair(f"{context}\n\n{prompt}", answer, row.where, normalised(context))]
    return [Pair(prompt, answer, row.where, normalised(prompt))]


def _names(fields: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """The columns that could be the prompt, and those that could be the answer."""
    if "prompt" in fields and "answer" in fields:
        return ["prompt"], ["answer"]
    return [name for name in PROMPTS if name in fields], [name for name in ANSWERS if name in fields]


def _doubts(row: Row, field: str, names: Sequence[str]) -> list[Problem]:
    """Why it cannot be told which column is the prompt, or the answer: there is none, or there are several."""
    if not names:
        return [missing(row, field)]
    if len(names) == 1:
        return []
    listed = " and ".join(f"`{name}`" for name in names)
    return [Refusal("data.ambiguous", f"{listed} could each be the {field}", row.where,
                    f"say in `data.columns` which columns are `prompt` and `answer`, with `{field}: {names[0]}` if so")]
