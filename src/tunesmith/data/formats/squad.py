"""Questions about a context, with the part of it that answers each, and the character at which that begins.

Read from a whole file as SQuAD has it (`data`, `paragraphs`, `qas`), or from rows with `question`, `context` and
`answers`: a list of `text` and `answer_start`, or the two as lists. `is_impossible`, or no answer, is a question that
the context does not answer. Offsets count characters from 0; those written as texts are read as numbers.
Source: Rajpurkar et al. 2016 and 2018, SQuAD 1.1 and 2.0; the Hub's form of them for rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict

from ...contracts import Place
from ...errors import Refusal
from ...reading.naming import is_squad
from ...reading.quoting import quoted
from ...records import Answer, Question, Row
from ..fields import elsewhere, missing, normalised, text, wrong_type

makes: Final = Question
reads: Final[Literal["whole"]] = "whole"


class Settings(BaseModel):
    """Nothing needs to be set."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def looks_like(fields: Mapping[str, Any]) -> bool:
    """Whether a row has a question, a context, and answers with offsets."""
    return is_squad(fields)


def columns(fields: Mapping[str, Any], settings: Settings) -> Iterable[str]:
    """The question, its context, its answers, and what names it."""
    return [name for name in ("question", "context", "answers", "is_impossible", "id") if name in fields]


def texts(fields: Mapping[str, Any], settings: Settings) -> Iterable[Place]:
    """None: the answers point into the context."""
    return ()


def convert(row: Row, settings: Settings, *, answered: bool = True) -> Sequence[Question]:
    """One question. Raises Refusal where something is missing, or an answer does not stand where it should."""
    question, context = text(row, "question"), text(row, "context")
    answers = _answers(row, context, answered=answered)
    number = row.values.get("id")
    return [Question(question, context, answers, row.where, normalised(context), id="" if number is None else
                     str(number))]


def _answers(row: Row, context: str, *, answered: bool) -> tuple[Answer, ...] | None:
    impossible = row.values.get("is_impossible")
    if impossible is not None and not isinstance(impossible, bool):
        raise wrong_type(row, "is_impossible", impossible, "true or false")
    if impossible:
        return ()
    value = row.values.get("answers")
    if value is None:
        if answered:
            raise missing(row, "answers")
        return None
    return tuple(_answer(row, context, f"answers[{number}]", each) for number, each in enumerate(_each(row, value), 1))


def _each(row: Row, value: Any) -> Sequence[Any]:
    """The answers one by one, however they are written."""
    if isinstance(value, Mapping):
        texts, starts = value.get("text"), value.get("answer_start")
        if not isinstance(texts, list) or not isinstance(starts, list) or len(texts) != len(starts):
            raise wrong_type(row, "answers", value, "an object with as many of `text` as of `answer_start`")
        return [{"text": words, "answer_start": start} for words, start in zip(texts, starts, strict=True)]
    if not isinstance(value, list):
        raise wrong_type(row, "answers", value, "an array of answers")
    return value


def _answer(row: Row, context: str, place: str, value: Any) -> Answer:
    if not isinstance(value, Mapping):
        raise wrong_type(row, place, value, "an object with `text` and `answer_start`")
    words, start = value.get("text"), value.get("answer_start")
    if not isinstance(words, str) or not words.strip():
        raise wrong_type(row, f"{place}.text", words, "a text that is not empty")
    if isinstance(start, str) and start.strip().isdecimal():
        start = int(start)
    if not isinstance(start, int) or isinstance(start, bool):
        raise wrong_type(row, f"{place}.answer_start", start, "a number")
    if start >= 0 and context.startswith(words, start):
        return Answer(words, start)
    raise Refusal("data.answer_offset", f"the answer {quoted(words)} does not stand at character {start} of its "
                  f"context{_of(row)}{elsewhere(context, words)}", row.where,
                  "correct `answer_start`, the character counted from 0; or copy the answer letter by letter")


def _of(row: Row) -> str:
    """Which question, where many stand on one line."""
    return f" (question {quoted(row.values['id'])})" if row.values.get("id") not in (None, "") else ""
