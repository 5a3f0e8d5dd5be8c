"""Answers that teach nothing: boilerplate, the same one over and over, the prompt again, or cut off in a sentence.

Empty answers are refused where rows are read. The phrases are English for the most part: others are named in `phrases`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from pydantic import BaseModel, Field

from ...contracts import Looking
from ...reading.quoting import quoted
from ...recipe.kinds import STRICT
from ...records import Example, Looked, Noticed, Side
from ...text.personal import masked
from ._frequent import frequent
from ._parts import answers, plain
from ._repeats import every
from ._telling import Found, Severity, noticed

MEANT = "; where it is meant, `data.audit: [{type: answers, severity: off}]`"
RARE = 0.01  # of the answers: what would be a warning is a note below this
FEW = 5  # rows at least before a share of them is told
LONG = 200  # characters from which on an answer is looked at for where it ends
KINDS = (
    ("audit.hollow_answers", "answers say nothing, such as `N/A` or `I don't know`",
     f"write real answers, or take these rows out{MEANT}"),
    ("audit.model_talk", "answers speak of being a language model",
     f"take these rows out, unless the model is to say so of itself{MEANT}"),
    ("audit.refusals", "answers refuse what was asked", f"take these rows out, unless refusing is to be learnt{MEANT}"),
    ("audit.unwanted_phrases", "answers hold a phrase that `data.audit` names as unwanted",
     f"mend these rows, or take them out{MEANT}"),
    ("audit.echoes", "answers repeat what was asked", f"write real answers, or take these rows out{MEANT}"),
)
# The whole answer is one of these, but for case and the marks at its end
HOLLOW = frozenset({
    "n/a", "null", "todo", "tbd", "no answer", "not applicable", "not available", "no output", "no input", "<noinput>",
    "<nooutput>", "noinput", "nooutput", "idk", "--", "---", "...", "…", "see above", "i don't know", "i don’t know",
    "i do not know", "i'm not sure", "i am not sure", "no idea", "i have no idea", "bilmirəm", "bilmiyorum", "не знаю",
    "я не знаю", "ich weiß nicht", "je ne sais pas", "no lo sé",
})
_I_AM = r"(?:i['’]m|i am)"
_CANNOT = r"(?:can['’]?t|cannot|can not|won['’]t|will not|(?:am|['’]m) (?:unable|not able|not allowed) to)"
_TELLING = (" ai", "language model", "artificial", "openai", "cutoff", "cut-off", "dil modeli", "süni intellekt")
MODEL = re.compile(
    rf"\b(?:as an? (?:\w+[ -]){{0,3}}(?:ai|language model|artificial intelligence)"
    rf"|{_I_AM} (?:just |only )?an? (?:\w+[ -]){{0,2}}(?:ai|language model)|my knowledge cut-?off|trained by openai)\b"
    r"|\bbir (?:süni intellekt|dil) modeli", re.I)
REFUSAL = re.compile(
    rf"\s*(?:(?:{_I_AM} (?:\w+ )?(?:sorry|afraid)|i apologi[sz]e|sorry|unfortunately)\b.{{0,40}}?\b)?"
    rf"(?:(?:i|we) ?{_CANNOT}) "
    r"(?:help|assist|answer|comply|provide|fulfil|do|discuss|engage|support|give|write|create)", re.I | re.S)
SENTENCES = re.compile(r"[.!?…。]['\")\]»”]?\s+\S")
OPEN = re.compile(r"[^\W\d_][,;–-]?$|[,;(–]$")  # ends in a letter, or in what something has to follow
NO_PROSE = re.compile(r"```|https?://\S*$|^\s*(?:[-*•#|>]|\d+[.)])", re.M)


class Settings(BaseModel):
    """From which share of the answers on something is told, and what counts as boilerplate."""

    model_config = STRICT

    severity: Severity = "warning"
    """How grave the findings of this check are: `off`, `note`, `warning` or `error`, which refuses the run.

    With `warning`, what is less than a hundredth of the answers is a note.
    """

    same: float = Field(default=0.02, gt=0, le=1)
    """The share of all answers from which on one and the same is told, above 0 to 1.

    Where a few answers make up most of the rows they are a choice among these, and none is told. 1: never told.
    """

    cut: float = Field(default=0.1, gt=0, le=1)
    """The share of the longer answers, 200 characters and more, that may end in a sentence, above 0 to 1.

    Answers cut to a length by whoever made them end anywhere; a model learns to stop there. Single ones are not told.
    """

    phrases: tuple[str, ...] = ()
    """More phrases that no answer should hold, such as `contact our hotline`; case does not count."""


@dataclass(slots=True)
class _Kinds:
    """The rows of each kind of answer."""

    hollow: Found = field(default_factory=Found)
    model: Found = field(default_factory=Found)
    refusal: Found = field(default_factory=Found)
    echo: Found = field(default_factory=Found)
    cut: Found = field(default_factory=Found)
    phrases: Found = field(default_factory=Found)
    long: int = 0
    count: int = 0


def look(sides: Mapping[Side, Sequence[Example]], settings: Settings, given: Looking) -> Looked:
    """A finding for each kind of answer that there is; nothing of rows whose answers are no texts."""
    found = _Kinds()
    phrases = tuple(map(plain, settings.phrases))
    rewrites = given.task == "seq2seq"  # a translation may say what its source says, and refuse with it
    for example in every(sides):
        for asked, answer in answers(example):
            found.count += 1
            if rewrites or not _empty_talk(example, asked, answer, found):
                _sort(example, asked, answer, phrases, found)
    return Looked((*_told(found, settings), *_same(sides, found.count, settings)))


def _empty_talk(example: Example, asked: str, answer: str, found: _Kinds) -> bool:
    """Whether an answer has no content of its own; it is counted then."""
    if len(answer) < 40 and _bare(answer) in HOLLOW:
        found.hollow.add(example, f"{asked[-100:]} → {answer}")
    elif _talks_of_models(answer):
        found.model.add(example, answer)
    elif REFUSAL.match(answer):
        found.refusal.add(example, answer)
    else:
        return False
    return True


def _sort(example: Example, asked: str, answer: str, phrases: Sequence[str], found: _Kinds) -> None:
    """Put an answer where it belongs, in one of the other kinds at most."""
    if phrases and any(phrase in plain(answer) for phrase in phrases):
        found.phrases.add(example, answer)
    elif abs(len(answer) - len(asked)) < 10 and plain(answer) == plain(asked):
        found.echo.add(example, answer)
    elif len(answer) >= LONG:
        found.long += 1
        end = answer[-80:].rstrip()
        if OPEN.search(end) and not NO_PROSE.search(answer) and SENTENCES.search(answer):
            found.cut.add(example, f"… {end}")


def _bare(answer: str) -> str:
    """A short answer without case and without the marks at its end."""
    text = plain(answer)
    return text.rstrip(".!") or text


def _talks_of_models(answer: str) -> bool:
    """Whether it says to be a model; most answers hold none of the words that this takes."""
    small = answer.casefold()
    return any(word in small for word in _TELLING) and MODEL.search(answer) is not None


def _told(found: _Kinds, settings: Settings) -> Iterator[Noticed]:
    every_kind = (found.hollow, found.model, found.refusal, found.phrases, found.echo)
    for rows, (kind, what, remedy) in zip(every_kind, KINDS, strict=True):
        if rows.count:
            few = rows.count < RARE * found.count and settings.severity == "warning"
            yield noticed(settings, kind, f"{rows.count} of {found.count} {what}", rows.rows, remedy,
                          count=rows.count, severity="note" if few else None)
    if found.cut.count >= max(FEW, settings.cut * found.long):
        yield noticed(settings, "audit.cut_answers", f"{found.cut.count} of {found.long} longer answers end in the "
                      "middle of a sentence", found.cut.rows, "find where they were cut" + MEANT,
                      count=found.cut.count)


def _same(sides: Mapping[Side, Sequence[Example]], count: int, settings: Settings) -> Iterator[Noticed]:
    """Single answers that many rows have, unless all have one of a few."""
    if settings.same == 1 or count < FEW / settings.same:
        return
    common, total = frequent(lambda: (plain(answer) for example in every(sides) for _, answer in answers(example)),
                             settings.same)
    if not common or sum(common.values()) > total / 2:
        return
    most = sorted(common, key=lambda answer: (-common[answer], answer))
    found = Found()
    for example in every(sides):
        for _, answer in answers(example):
            if plain(answer) in common:
                found.add(example, answer)
    yield noticed(settings, "audit.same_answers", f"{found.count} of {total} answers are always the same: "
                  + ", ".join(f"{quoted(masked(answer))} ({common[answer]})" for answer in most[:5]), found.rows,
                  "keep some of each, unless the same is right so often" + MEANT, count=found.count)
