"""A question, its answer as text, and a `context`: to be found in the context, or to be written with it.

The columns are those of a pair, and `context`. With `to: extract` the answer is looked for in the context, at
`answer_start` where the row has one, else where it stands first; an empty one is a question that the context does not
answer. With `to: chat` the context is put before the question, with a blank line between, and the answer is learnt.
Rows that share a context are of one group. Source: reading comprehension without offsets, as DROP and NarrativeQA have
it, and the context of Dolly's questions.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict

from ...contracts import Place
from ...errors import Refusal
from ...reading.naming import is_question, pair_of
from ...reading.quoting import quoted
from ...records import Answer, Pair, Question, Row
from ..fields import elsewhere, missing, normalised, text
from . import pair

makes: Final = Question
reads: Final[Literal["records"]] = "records"


class Settings(BaseModel):
    """What the rows are for."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    to: Literal["extract", "chat"] = "extract"
    """Whether answers are found in the context, for the task `extract`, or written, for `chat`.

    `extract` refuses rows whose answer does not stand in the context letter by letter. Where no format is named, the
    rows decide: `extract` if nine answers of ten stand there.
    """


def looks_like(fields: Mapping[str, Any]) -> bool:
    """Whether a row has a prompt, its answer, and a context, and no offsets as SQuAD's."""
    return is_question(fields)


def columns(fields: Mapping[str, Any], settings: Settings) -> Iterable[str]:
    """The question, the answer, the context, and where the answer begins."""
    prompts, answers = pair_of(fields)
    more = ("answer_start", "id") if settings.to == "extract" else ()
    return [name for name in (*prompts, *answers, "context", *more) if name in fields]


def texts(fields: Mapping[str, Any], settings: Settings) -> Iterable[Place]:
    """Those of a pair where the answer is written; none where it is to be found in the context, letter by letter."""
    return pair.texts(fields, pair.Settings()) if settings.to == "chat" else ()


def convert(row: Row, settings: Settings, *, answered: bool = True) -> Sequence[Question | Pair]:
    """One question, or one pair. Raises Refusal where something is missing, or the answer is not in the context."""
    if settings.to == "chat":
        return pair.convert(row, pair.Settings(), answered=answered)
    prompts, answers = pair_of(row.values)
    question, context = text(row, prompts[0] if prompts else "question"), text(row, "context")
    number = row.values.get("id")
    name = answers[0] if answers else "answer"
    if row.values.get(name) is None:
        if answered:
            raise missing(row, name)
        found = None
    else:
        found = _found(row, name, context)
    return [Question(question, context, found, row.where, normalised(context),
                     id="" if number is None else str(number))]


def stands(fields: Mapping[str, Any]) -> bool:
    """Whether the answer of such a row stands in its context."""
    answer, context = fields.get(pair_of(fields)[1][0]), fields.get("context")
    return isinstance(answer, str) and isinstance(context, str) and answer.strip() in context and bool(context.strip())


def _found(row: Row, name: str, context: str) -> tuple[Answer, ...]:
    words = text(row, name, may_be_empty=True).strip()
    if not words:
        return ()
    told = row.values.get("answer_start")
    start = int(told) if isinstance(told, str | int) and str(told).isdecimal() else context.find(words)
    if start < 0:
        raise Refusal("data.answer_offset", f"the answer {quoted(words)} does not stand in its context", row.where,
                      "copy it from the context letter by letter, or take the row out; where answers are to be written "
                      "and not found, set `data.format` to `{type: question, to: chat}`")
    if not context.startswith(words, start):
        raise Refusal("data.answer_offset", f"the answer {quoted(words)} does not stand at character {start} of its "
                      f"context{elsewhere(context, words)}", row.where, "correct `answer_start`, or leave it out")
    return (Answer(words, start),)
