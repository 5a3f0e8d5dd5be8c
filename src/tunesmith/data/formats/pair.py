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

from ...records import Pair, Row
from ..fields import missing, normalised, text

makes: Final = Pair
reads: Final[Literal["records"]] = "records"

_PROMPTS = ("prompt", "question", "input")
_ANSWERS = ("answer", "completion", "response", "output")
_OTHERS = {"messages", "conversations", "instruction"}


class Settings(BaseModel):
    """Nothing needs to be set."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def looks_like(fields: Mapping[str, Any]) -> bool:
    """Whether it is plain which column is the prompt and which the answer."""
    return _names(fields) is not None and not _OTHERS & fields.keys()


def columns(fields: Mapping[str, Any], settings: Settings) -> Iterable[str]:
    """The prompt's column, the answer's, and `context`."""
    named = _names(fields) or ()
    return [name for name in (*named, "context") if name in fields]


def convert(row: Row, settings: Settings) -> Sequence[Pair]:
    """One pair. Raises Refusal where prompt or answer is missing, doubtful, no text or empty."""
    named = _names(row.values)
    if named is None:
        raise missing(row, "prompt" if not set(_PROMPTS) & row.values.keys() else "answer")
    prompt, answer = text(row, named[0]), text(row, named[1])
    context = text(row, "context", may_be_empty=True)
    if context.strip():
        return [Pair(f"{context}\n\n{prompt}", answer, row.where, normalised(context))]
    return [Pair(prompt, answer, row.where, normalised(prompt))]


def _names(fields: Mapping[str, Any]) -> tuple[str, str] | None:
    """The names of prompt and answer; None where one is missing or could be two."""
    if "prompt" in fields and "answer" in fields:
        return "prompt", "answer"
    prompts = [name for name in _PROMPTS if name in fields]
    answers = [name for name in _ANSWERS if name in fields]
    return (prompts[0], answers[0]) if len(prompts) == len(answers) == 1 else None
