"""Whether an export of a network that reads whole texts is what the run was: its words, its marks, what it says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ...contracts import Floats, Model, Reads
from ...encoding.tokens.codec import Codec
from ...errors import Misuse, Refusal
from ...exports import _reading
from ...exports._reading import EXACT
from ...generation.elsewhere import Elsewhere
from ...records import Document, Example, Labelled, Pair, Question, Rows, Side, Tagged, Text
from ...tasks import several
from .. import parts
from ..preparing.prepare import Prepared
from ..verdict.judge import held_out
from .parity import REPORT, Expected, Found, broken, shown, vocabulary
from .questions import drawn

if TYPE_CHECKING:
    from ...exports._source import Source
    from ...recipe.sections import Recipe

COARSE_SHARE = 0.1  # of the spread of what is said: what another number format may change of it on average


@dataclass(frozen=True)
class Asked:
    """Documents of held-out rows, the rows that they are made of, and where these stood."""

    side: Side
    questions: Sequence[Document]
    examples: Sequence[Example]


def asked(recipe: Recipe, prepared: Prepared, source: Source, most: int) -> Asked:
    """The documents of up to so many held-out rows, of training rows where none were held out; drawn by the seed."""
    side, rows = rows_of(recipe, prepared, source.part)
    if not rows.documents:
        raise Misuse("export.no_prompts", "there is no row that an export could be asked about", f"data.{side}",
                     "give it rows")
    chosen = set(drawn(recipe, {document.example for document in rows.documents}, most))
    return Asked(side, [document for document in rows.documents if document.example in chosen],
                 [rows.examples[index] for index in sorted(chosen)])


def rows_of(recipe: Recipe, prepared: Prepared, part: str) -> tuple[Side, Rows]:
    """The rows to ask about and their side; of a task of several, the first side that has rows of the part."""
    side: Side = held_out(prepared) or "train"
    rows = Rows(prepared.examples[side], prepared.documents[side])
    if not parts.parts(recipe):
        return side, rows
    sides: tuple[Side, ...] = ("test", "validation", "train")
    own = {side: several.own(Rows(prepared.examples[side], prepared.documents[side]), part) for side in sides}
    return next(((side, found) for side, found in own.items() if found.documents), ("train", own["train"]))


def ask(model: Model, source: Source, found: Asked, batch_size: int) -> list[Floats]:
    """What a model of ours says of each document."""
    return _reading.ask(model, found.questions)


def timed(model: Any, source: Source, question: Document) -> int:
    """The tokens of one document, read by a model of ours or by another program's."""
    if isinstance(model, Elsewhere):
        model.program.says(question)  # type: ignore[union-attr]
    else:
        _reading.ask(model, [question])
    return len(question)


def hold(reloaded: Reads, source: Source, found: Asked, expected: Expected[Floats], *, lossy: bool) -> Found:
    """Compare all of it; what differs is refused, everything at once.

    lossy: what is said otherwise is told and not refused, as long as it is a number.
    """
    codec = source.codec
    refusals = [*vocabulary(reloaded.vocabulary, codec), *_marks(reloaded, codec), *_texts(reloaded, codec, found)]
    facts: dict[str, Any] = {"vocabulary": len(reloaded.vocabulary), "texts": len(found.questions),
                             "weights": expected.rounded, "run_computed_in": expected.computed}
    if refusals:
        return Found(facts, refusals)
    said = [reloaded.says(document) for document in found.questions]
    largest, mean = _apart(said, expected.exact)
    facts["readings"] = {"documents": len(said), "mean_difference": mean, "largest_difference": largest,
                         "tolerance": EXACT}
    if lossy:
        facts["readings"]["tolerance"] = None
        return Found(facts, list(broken(largest, found.examples[0].where)))
    if not largest <= EXACT:
        refusals.append(Refusal("export.readings", f"what the export says of a text is off by {largest:.3g}, and "
                                f"{EXACT:g} is allowed", found.examples[0].where, REPORT))
    if expected.judged is not None:
        largest, mean = _apart(said, expected.judged)
        allowed = COARSE_SHARE * float(np.std(np.concatenate([each.ravel() for each in expected.judged])))
        facts["as_judged"] = {"mean_difference": mean, "largest_difference": largest, "mean_tolerance": allowed}
        if not mean <= allowed:
            refusals.append(Refusal(
                "export.rounding", f"weights in {expected.rounded} do not say what the run said when it was judged in "
                f"{expected.computed}: it is off by {mean:.3g} on average, and {allowed:.3g} is allowed",
                found.examples[0].where, "use `dtype=float32`, or train and judge with `base.dtype: float32`"))
    return Found(facts, refusals)


def _apart(said: Sequence[Floats], wanted: Sequence[Floats]) -> tuple[float, float]:
    """The largest difference and the mean one; no number where one is none."""
    apart = np.concatenate([np.abs(ours - theirs).ravel() for ours, theirs in zip(wanted, said, strict=True)])
    return float(np.max(apart)), float(np.mean(apart))


def _marks(reloaded: Reads, codec: Codec) -> Iterator[Refusal]:
    for texts in (("a",), ("a", "b")):
        [framed] = codec.frames.texts([texts[0] if len(texts) == 1 else ("a", "b")])
        if list(reloaded.encode(*texts)) != framed.ids.tolist():
            yield Refusal("export.marks", f"the exported tokenizer puts other marks around {len(texts)} text(s)",
                          "tokenizer.json", REPORT)


def _texts(reloaded: Reads, codec: Codec, found: Asked) -> Iterator[Refusal]:
    """The first text that is encoded otherwise; typed control tokens are text for the run, and only for it."""
    marks = len(reloaded.encode("a")) - len(codec.encode("a").ids)
    for text in dict.fromkeys(text for example in found.examples for text in _inside(example)):
        ids = codec.encode(text, control=True).ids
        if len(ids) + marks != len(theirs := reloaded.encode(text)) or not _holds(theirs, ids):
            yield Refusal("export.encoding", f"the exported tokenizer encodes {shown(text)} otherwise than the run's",
                          "tokenizer.json", REPORT)
            break


def _holds(theirs: Sequence[int], ids: Sequence[int]) -> bool:
    """Whether the ids stand somewhere in a row among theirs."""
    return any(list(theirs[start : start + len(ids)]) == list(ids) for start in range(len(theirs) - len(ids) + 1))


def _inside(example: Example) -> tuple[str, ...]:
    if isinstance(example, Pair):
        return example.prompt, example.answer
    if isinstance(example, Labelled):
        return (example.text,) if example.second is None else (example.text, example.second)
    if isinstance(example, Question):
        return example.question, example.context
    if isinstance(example, Text):
        return (example.text,)
    return example.words if isinstance(example, Tagged) else ()
