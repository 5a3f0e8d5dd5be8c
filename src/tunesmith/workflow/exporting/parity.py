"""Whether an export, opened again by another program, is what the run was: its words, turns, stops and answers."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from ...contracts import Reloaded
from ...encoding.templates.template import Template
from ...encoding.tokens.codec import Codec
from ...errors import Refusal
from ...exports._parity import Agreement, Answered, agreement
from ...records import Conversation, Example, Message, Pair, Text

# Nats; between two number formats, on the tokens of greedy answers. See docs/log.md for what was measured.
COARSE = 1.0
COARSE_MEAN = 0.05
CANNOT_RENDER = (ValueError, TypeError, KeyError)
REPORT = "report this with the base's name; it is a fault of this export"


T = TypeVar("T")


@dataclass(frozen=True)
class Expected(Generic[T]):
    """What the run answered: as the weights amount to in float32, and as it was judged where that is another format.

    rounded: the format that the weights are written in; computed: the one that the run was judged in.
    """

    exact: Sequence[T]
    judged: Sequence[T] | None
    rounded: str
    computed: str


@dataclass(frozen=True)
class Found:
    """What was compared, for `parity.json`, and why it is refused."""

    facts: dict[str, Any]
    refusals: Sequence[Refusal]


def hold(
    reloaded: Reloaded, codec: Codec, examples: Sequence[Example], expected: Expected[Answered], *, turns: bool,
    lossy: bool,
) -> Found:
    """Compare all of it; what differs is refused, everything at once.

    lossy: other answers are told and not refused, as long as they are numbers.
    """
    refusals = [*vocabulary(reloaded.vocabulary, codec), *_stops(reloaded, codec),
                *_texts(reloaded, codec, examples, turns)]
    facts: dict[str, Any] = {
        "vocabulary": len(reloaded.vocabulary), "stop": sorted(reloaded.stop), "texts": len(examples),
        "template": codec.template.digest if turns and codec.template else None,
        "weights": expected.rounded, "run_computed_in": expected.computed,
    }
    if refusals:  # its answers would be those to other questions, or would not end
        return Found(facts, refusals)
    questions = [each.question for each in expected.exact]
    answers: list[Sequence[int]] = [()] * len(questions)
    given = reloaded.answer([each.ids for each in questions], [each.limit for each in questions])
    for index, ids in given:
        answers[index] = ids
    exact = agreement(expected.exact, answers, reloaded, reloaded.tolerance)
    facts["answers"] = exact.as_json()
    if lossy:
        facts["answers"]["tolerance"] = None
        return Found(facts, list(broken(exact.largest, exact.worst)))
    refusals += _answers(exact, "the run's weights")
    if expected.judged is not None:
        judged = agreement(expected.judged, answers, reloaded, COARSE)
        facts["as_judged"] = {**judged.as_json(), "mean_tolerance": COARSE_MEAN}
        refusals += _judged(judged, expected)
    return Found(facts, refusals)


def vocabulary(exported: Mapping[str, int], codec: Codec) -> Iterator[Refusal]:
    """Whether the exported tokenizer knows other words."""
    differs = sorted(codec.words().items() ^ exported.items())
    if differs:
        yield Refusal("export.vocabulary", f"the exported tokenizer has another vocabulary: {len(differs)} entries "
                      f"differ, {json.dumps(differs[0][0], ensure_ascii=False)} first", "tokenizer.json", REPORT)


def _stops(reloaded: Reloaded, codec: Codec) -> Iterator[Refusal]:
    if reloaded.stop != codec.stop:
        yield Refusal("export.stop", f"the export ends its answers on the ids {sorted(reloaded.stop)}, and the run on "
                      f"{sorted(codec.stop)}", "generation_config.json", REPORT)


def _texts(reloaded: Reloaded, codec: Codec, examples: Sequence[Example], turns: bool) -> Iterator[Refusal]:
    """The first row that is rendered otherwise, and the first text that is encoded otherwise."""
    template = codec.template if turns else None
    # told today's date on both sides: what a run pinned for its training is not what a user of the export will see
    render = Template(
        template.source, template.name, template.special, date=datetime.now().astimezone(), tools=template.tools,
        switches=template.switches) if template else None
    rendered = list(_written(examples, render))
    for each in rendered:
        fault = _other_render(reloaded, each)
        if fault:
            yield Refusal("export.template", f"the exported template renders otherwise than the run's: {fault}",
                          "chat_template.jinja", REPORT)
            break
    for text in [each.text for each in rendered] or [_text(example) for example in examples]:
        if list(reloaded.encode(text)) != codec.encode(text, control=True).ids:
            yield Refusal("export.encoding", f"the exported tokenizer encodes {shown(text)} otherwise than the run's",
                          "tokenizer.json", REPORT)
            break


@dataclass(frozen=True)
class _Rendered:
    """A conversation as the run's template was handed it, and what it wrote; asking: with the generation prompt."""

    turns: Sequence[Mapping[str, Any]]
    given: Mapping[str, Any]
    asking: bool
    text: str


def _written(examples: Sequence[Example], template: Template | None) -> Iterator[_Rendered]:
    """Every conversation as the run renders it, whole and as its last answer was asked for."""
    if template is None:
        return
    for example in examples:
        messages = _messages(example)
        tools = example.tools if isinstance(example, Conversation) else ()
        last = max(place for place, message in enumerate(messages) if message.role == "assistant")
        for part, asking in ((messages, False), (messages[:last], True)):
            with suppress(Refusal):  # what the run's own template does not take, nobody was asked with
                text = template.render(part, generation_prompt=asking, tools=tools)
                yield _Rendered(*template.told(part, tools), asking, text)


def _other_render(reloaded: Reloaded, ours: _Rendered) -> str | None:
    """How the export renders it otherwise, in words."""
    try:
        theirs = reloaded.render(ours.turns, ours.given, generation_prompt=ours.asking)
    except CANNOT_RENDER as error:
        return str(error).partition("\n")[0]
    text = ours.text
    if theirs == text:
        return None
    place = next((place for place, (own, other) in enumerate(zip(text, theirs, strict=False)) if own != other),
                 min(len(text), len(theirs)))
    return f"{shown(theirs[place:])} where the run has {shown(text[place:])}"


def _answers(found: Agreement, what: str) -> Iterator[Refusal]:
    if found.different:
        yield Refusal("export.answers", f"{len(found.different)} of {found.prompts} greedy answers are not those of "
                      f"{what}", found.different[0], REPORT)
    if not found.largest <= found.tolerance:
        yield Refusal("export.log_probabilities", f"a log-probability is off by {found.largest:.3g} nats from that of "
                      f"{what}, and {found.tolerance:g} is allowed", found.worst, REPORT)


def broken(largest: float, where: str) -> Iterator[Refusal]:
    """Refused where what an export says is no number."""
    if not math.isfinite(largest):
        yield Refusal("export.broken", f"what the export says is no number: it is off by {largest}", where,
                      "choose a milder form of this format, or `merged`")


def _judged(found: Agreement, expected: Expected[Answered]) -> Iterator[Refusal]:
    """Refused where the format of the weights, or the one that the run was judged in, changes what it says."""
    if found.holds and found.mean <= COARSE_MEAN:
        return
    remedy = "use `dtype=float32`" if expected.rounded != "float32" else \
        "train and judge with `base.dtype: float32`, and export that run"
    yield Refusal("export.rounding", f"weights in {expected.rounded} do not answer as the run did when it was judged "
                  f"in {expected.computed}: {len(found.different)} of {found.prompts} greedy answers differ, and "
                  f"log-probabilities by {found.mean:.3g} nats on average ({COARSE_MEAN:g} is allowed) and "
                  f"{found.largest:.3g} at most ({found.tolerance:g} is allowed)", found.worst, remedy)


def _messages(example: Example) -> tuple[Message, ...]:
    if isinstance(example, Conversation):
        return example.messages
    if isinstance(example, Pair):
        return Message("user", example.prompt), Message("assistant", example.answer)
    raise TypeError(f"a {type(example).__name__} has no turns")


def _text(example: Example) -> str:
    if isinstance(example, Text):
        return example.text
    return "\n".join(message.content for message in _messages(example))


def shown(text: str) -> str:
    """The beginning of a text, in quotes."""
    return json.dumps(text[:40], ensure_ascii=False)
