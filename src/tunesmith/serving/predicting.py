"""What a model without running text says: rows of a request to examples, and what is told of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..contracts import Given
from ..data.formats import conll
from ..errors import Problem, Problems
from ..recipe.sources import MAIN
from ..records import Example, Finding, Labelled, Pair, Question, Row, Tagged, Text
from ..tasks import embed
from ..workflow import parts, predict
from .refusals import Refused
from .registry import Served

# By what a task takes: the fields that a row must have, and those that it may
FIELDS: Mapping[type[Example], Sequence[tuple[frozenset[str], frozenset[str]]]] = {
    Labelled: ((frozenset({"text"}), frozenset({"second"})),),
    Tagged: ((frozenset({"text"}), frozenset()), (frozenset({"words"}), frozenset())),
    Question: ((frozenset({"question", "context"}), frozenset()),),
    Pair: ((frozenset({"prompt"}), frozenset({"language"})),),
    Text: ((frozenset({"text"}), frozenset()),),
}


def examples(served: Served, rows: Sequence[Mapping[str, Any]], part: str) -> list[Example | Finding]:
    """An example for each row, or what is wrong with it. Raises Refused for fields that the task does not take."""
    takes = _task(served, part).takes
    return [_example(row, takes, place, part) for place, row in enumerate(rows)]


def limits(served: Served, part: str, longest: int | None) -> tuple[int, int] | None:
    """The longest answer, and rows at once; None where nothing is said. Raises Refused where no text is written."""
    if longest is None:
        return None
    if served.recipe is None or not _task(served, part).generates:
        raise Refused(400, "`max_new_tokens` is for models that write text; leave it out", param="max_new_tokens",
                      code="unsupported")
    return longest, served.recipe.evaluation.batch_size


def told(served: Served, asked: Sequence[Example | Finding], limits: tuple[int, int] | None) -> list[dict[str, Any]]:
    """What is said of each, in order, as `tunesmith predict` does. limits: the longest answer, and rows at once."""
    if served.recipe is None:
        return _of_base(served, asked)
    evaluation = served.recipe.evaluation
    return list(predict.of_examples(served.predictor, served.recipe, asked,
                                    limits or (evaluation.max_new_tokens, evaluation.batch_size)))


def vectors(served: Served, texts: Sequence[Text]) -> list[list[float]]:
    """The vector of each text. Raises Refused for one that has none."""
    said = told(served, texts, None)
    for place, each in enumerate(said):
        if "vector" not in each:
            raise Refused(400, f"text {place}: {each['error']}", param="input", code=each["kind"])
    return [each["vector"] for each in said]


def _of_base(served: Served, asked: Sequence[Example | Finding]) -> list[dict[str, Any]]:
    """Of a base that makes vectors; it is no run, and has no recipe."""
    plain = [each for each in asked if not isinstance(each, Finding)]
    given = Given(lambda: served.predictor.codec)
    found = embed.predict(served.predictor.model, plain, embed.Settings(), given=given, max_new_tokens=1, batch_size=1)
    return [{"where": each.where, **said.output} for each, said in zip(plain, found, strict=True)]


def _task(served: Served, part: str) -> Any:
    """The task that is asked. Raises Refused for a part of what has none, Misuse for one that there is not."""
    if served.recipe is None:
        return embed
    if part != MAIN and not parts.parts(served.recipe):
        raise Refused(400, "`part` is for a run of several tasks, and this one has a single one; leave it out",
                      param="part", code="unsupported")
    return parts.task(served.recipe, part).module


def _example(row: Mapping[str, Any], takes: Sequence[type[Example]], place: int, part: str) -> Example | Finding:
    where = f"rows.{place}"
    for kind in takes:
        for needs, may in FIELDS.get(kind, ()):
            if needs <= row.keys() <= needs | may:
                try:
                    return replace(_made(kind, row, where), source=part)
                except (Problem, Problems) as problem:
                    first = problem.problems[0] if isinstance(problem, Problems) else problem
                    return Finding("error", first.kind, first.what, where, first.remedy)
    forms = [_form(needs, may) for kind in takes for needs, may in FIELDS.get(kind, ())]
    given = ", ".join(f"`{name}`" for name in row) or "nothing"
    raise Refused(400, f"row {place} has {given}; this model takes {'; or '.join(dict.fromkeys(forms))}", param=where,
                  code="row_fields")


def _made(kind: type[Example], row: Mapping[str, Any], where: str) -> Example:
    if kind is Tagged:
        [tagged] = conll.convert(Row(row, where), conll.Settings(), answered=False)
        return tagged
    if kind is Labelled:
        return Labelled(row["text"], None, where, "", second=row.get("second"))
    if kind is Question:
        return Question(row["question"], row["context"], None, where, "")
    if kind is Pair:
        return Pair(row["prompt"], "", where, "", language=row.get("language", ""))
    return Text(row["text"], where, "")


def _form(needs: frozenset[str], may: frozenset[str]) -> str:
    told = " and ".join(f"`{name}`" for name in sorted(needs, reverse=True))
    return told + "".join(f" (and `{name}`)" for name in sorted(may))
