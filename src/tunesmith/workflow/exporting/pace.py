"""How fast a run and its export are beside one another: a question to one, the same to the other, and so on in turn."""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter
from typing import Any, Final

QUESTIONS: Final = 4


def paces(way: Any, source: Any, models: tuple[Any, Any], questions: Sequence[Any]) -> dict[str, Any]:
    """Tokens a second of the run and of the export, one question at a time; written ones, or those of texts read.

    Neither is timed on the first question, which also warms it up, unless there is no other.
    """
    asked = list(questions[: QUESTIONS + 1])
    tokens, seconds = [0, 0], [0.0, 0.0]
    for number, question in enumerate(asked):
        for who, model in enumerate(models):
            begun = perf_counter()
            made = way.timed(model, source, question)
            took = perf_counter() - begun
            if number or len(asked) == 1:
                tokens[who] += made
                seconds[who] += took
    run, export = (count / took for count, took in zip(tokens, seconds, strict=True))
    return {"run_tokens_per_second": run, "export_tokens_per_second": export, "run_device": str(models[0].device.type),
            "questions": max(1, len(asked) - 1)}
