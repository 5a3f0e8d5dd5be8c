"""A prompt and the answer that should follow it, each in a column of its own.

The prompt is called `prompt`, `question` or `input`, the answer `answer`, `completion`, `response` or `output`; where
both `prompt` and `answer` are there, these two count; else `source` and `target` do, or a `translation` with a text
for each language. `source` may be a list of sentences; of a list of `target` the first is learnt, and all are right.
`target_language` names the answer's language. A `context` is read only where `data.columns` says that the
column is one (`{context: background}`; `{context: context}` for one of that name): it is put before the prompt, with
a blank line between, and rows that share it are of one group. Source: the prompt/completion files of the OpenAI
fine-tuning interface, question sets such as GSM8K, the Hub's form of translations, and SciTLDR for lists.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from ...contracts import Place
from ...errors import Problem, Refusal, raise_all
from ...reading.naming import is_question, is_squad, is_talk, is_translation, pair_of
from ...reading.quoting import listed
from ...records import Pair, Row
from ..fields import missing, normalised, text
from ..places import leaves

makes: Final = Pair
reads: Final[Literal["records"]] = "records"

Language = Field(default=None, min_length=1, max_length=40)


class Settings(BaseModel):
    """Which of the languages of a `translation` is translated into which."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    source: str | None = Language
    """The language of a `translation` that is the prompt, such as `en`; null: its first one."""

    target: str | None = Language
    """The language of a `translation` that is the answer, such as `az`; null: its first one that is not the source."""


def looks_like(fields: Mapping[str, Any]) -> bool:
    """Whether it is plain which column is the prompt and which the answer."""
    plain = all(len(names) == 1 for names in pair_of(fields)) or is_translation(fields)
    return plain and not is_talk(fields) and "instruction" not in fields and not is_squad(fields) and not is_question(
        fields)


def columns(fields: Mapping[str, Any], settings: Settings) -> Iterable[str]:
    """The prompt's column, the answer's, `context`, and what says the languages."""
    prompts, answers = pair_of(fields)
    both = ["translation"] if is_translation(fields) else [*prompts, *answers]
    return [name for name in (*both, "context", "target_language") if name in fields]


def texts(fields: Mapping[str, Any], settings: Settings) -> Iterable[Place]:
    """Prompt, answer and context; of lists each sentence, of a translation each language."""
    return leaves(fields, [name for name in columns(fields, settings) if name != "target_language"])


def convert(row: Row, settings: Settings, *, answered: bool = True) -> Sequence[Pair]:
    """One pair. Raises Refusal where prompt or answer is missing, doubtful, no text or empty.

    Where nothing need be answered, a row may have a `text` instead of a prompt.
    """
    if is_translation(row.values):
        return [_translation(row, settings, answered=answered)]
    prompts, answers = pair_of(row.values)
    if not answered and not prompts:
        prompts = [name for name in ("source", "text") if name in row.values][:1]
    doubts = _doubts(row, "answer", answers) if answered or len(answers) > 1 else []
    raise_all([*_doubts(row, "prompt", prompts), *doubts])
    prompt = _joined(row, prompts[0])
    right = _answers(row, answers[0], answered=answered) if answers else ()
    context = text(row, "context", may_be_empty=True)
    made = Pair(prompt, right[0] if right else "", row.where, normalised(prompt),
                references=right if len(right) > 1 else (), language=text(row, "target_language", may_be_empty=True))
    if context.strip():
        return [replace(made, prompt=f"{context}\n\n{prompt}", group=normalised(context))]
    return [made]


def _joined(row: Row, name: str) -> str:
    """The text of a column; sentences that stand in `source` as a list are joined by spaces."""
    value = row.values[name]
    if name != "source" or not isinstance(value, list):
        return text(row, name)
    return text(Row({name: " ".join(_each(row, name, value))}, row.where), name)


def _answers(row: Row, name: str, *, answered: bool) -> tuple[str, ...]:
    """All right answers, of which `target` may have a list; none only where there need be none."""
    value = row.values[name]
    if not answered and (value is None or value == [] or (isinstance(value, str) and not value.strip())):
        return ()
    if name != "target" or not isinstance(value, list):
        return (text(row, name),)
    found = tuple(one for one in _each(row, name, value) if one.strip())
    if not found:
        raise Refusal("data.empty_field", f"`{name}` is empty", row.where, f"fill in `{name}`, or take the row out")
    return found


def _each(row: Row, name: str, value: Sequence[Any]) -> list[str]:
    return [text(Row({f"{name}[{number}]": one}, row.where), f"{name}[{number}]", may_be_empty=True)
            for number, one in enumerate(value, 1)]


def _translation(row: Row, settings: Settings, *, answered: bool) -> Pair:
    """The pair of two languages of a translation."""
    texts: Mapping[str, Any] = row.values["translation"]
    source = settings.source or next(code for code in texts if code != settings.target)
    target = settings.target or next((code for code in texts if code != source), "")
    inner = Row(texts, row.where)
    raise_all([
        Refusal("data.no_language", f"`translation` has no text in `{code}`, but in {listed(texts)}", row.where,
                "name its languages in `data.format`: `{type: pair, source: …, target: …}`")
        for code in (source, target) if code not in texts and (answered or code == source)
    ])
    prompt = text(inner, source)
    answer = text(inner, target, may_be_empty=not answered) if target in texts else ""
    return Pair(prompt, answer, row.where, normalised(prompt), language=target)


def _doubts(row: Row, field: str, names: Sequence[str]) -> list[Problem]:
    """Why it cannot be told which column is the prompt, or the answer: there is none, or there are several."""
    if not names:
        return [missing(row, field)]
    if len(names) == 1:
        return []
    both = " and ".join(f"`{name}`" for name in names)
    return [Refusal("data.ambiguous", f"{both} could each be the {field}", row.where,
                    f"say in `data.columns` which columns are `prompt` and `answer`, with `{field}: {names[0]}` if so")]
