"""What an export costs that is meant to lose something: a verdict, the reloaded export against the run.

The rows, the metrics and the intervals are those of the run's own verdict; only the two sides are others. The export is
asked as the program computes it that will use it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Final, cast

from ...contracts import Lossy, Model
from ...encoding.tokens.codec import Codec
from ...errors import Failure, Refusal
from ...evaluation import verdict
from ...evaluation.intervals import FEWEST_GROUPS
from ...exports._reading import Reading
from ...generation.elsewhere import Elsewhere
from ...models.model import LanguageModel
from ...records import Document, Example, Finding, Measured, Side, Verdict
from ..events import Event, Found
from ..preparing.prepare import Prepared
from ..verdict import elsewhere
from ..verdict.judge import held_out, own_rows
from ..verdict.measure import Held, Predictions, drawn, measure, plain
from . import readings
from .questions import drawn as chosen

if TYPE_CHECKING:
    from ...exports._source import Source
    from ...recipe.sections import Recipe

VERDICT_FILE: Final = "verdict.json"
RUN: Final = "run"
SHARE: Final = 1 / 20  # of what the run reaches: what an export may lose where nobody says
MOST_LEARNT: Final = 500  # training rows that are asked where none were held out
# of a metric's value: two programs that compute the same weights differ by so much, and nearly always to one side
ROUNDING: Final = 1e-5


@dataclass(frozen=True)
class Rows:
    """The rows that both sides are measured on; side: where they stood."""

    recipe: Recipe
    codec: Codec
    side: Side
    held: Held

    def said(self, model: Model, who: str, observe: Callable[[Event], None]) -> Predictions:
        """What a model says of them."""
        asked = drawn(self.held, self.recipe)
        return measure(self.recipe, _Asked(model, self.codec), self.held, asked, observe=observe, who=who)

    @property
    def metrics(self) -> dict[str, Any]:
        """What they are measured by."""
        task, evaluation = self.held.by(self.recipe), self.recipe.evaluation
        answers = not task.module.generates or (bool(evaluation.generate) and not plain(self.held.examples))
        named = evaluation.metric if task == self.recipe.task else None
        return elsewhere.metrics_of(task, named, answers=answers)


@dataclass(frozen=True)
class _Asked:
    model: Model
    codec: Codec


def rows(recipe: Recipe, prepared: Prepared, source: Source) -> Rows:
    """The held-out rows of what leaves; training rows, up to 500, where none were held out."""
    side, found = readings.rows_of(recipe, prepared, source.part)
    examples, documents = found.examples, found.documents
    if source.task == recipe.task and held_out(prepared) is not None:
        examples, documents = own_rows(prepared, side)
    if side == "train":
        documents = _some(recipe, documents)
    return Rows(recipe, source.codec, side, Held("held-out" if side != "train" else "training", source.task, examples,
                                                 documents, source.part))


def _some(recipe: Recipe, documents: Sequence[Document]) -> list[Document]:
    asked = set(chosen(recipe, {document.example for document in documents}, MOST_LEARNT))
    return [document for document in documents if document.example in asked]


def standing(reloaded: Any, source: Source) -> Model:
    """The reloaded export, as a task can ask it."""
    if isinstance(reloaded, Reading) and source.head.kind == "encoder-decoder":
        return LanguageModel.frozen(reloaded.network, source.head)  # its beams are transformers' own
    return cast("Model", Elsewhere(reloaded, source.head))  # nothing that learns is asked of it


def judge(asked: Rows, run: Predictions, export: Predictions) -> Verdict:
    """The export against the run. Raises Refusal where what the export says is no number, or nothing at all."""
    examples, metrics, recipe = asked.held.examples, asked.metrics, asked.recipe
    _refuse_silence(run, export, examples)
    decides = recipe.evaluation.metric if recipe.evaluation.metric in metrics else None
    decides = decides or verdict.decisive(metrics, export, examples)
    try:
        found = verdict.judge(run, export, examples, metrics, decides, against_name=RUN, seed=recipe.training.seed)
    except Failure as error:
        if error.kind != "verdict.not_finite":
            raise
        raise Refusal("export.broken", f"what the export says is no number: {error.what}", error.where,
                      "choose a milder form of this format, or `merged`") from error
    found = _but_for_rounding(found, metrics)
    return replace(found, findings=(*found.findings, *_notes(asked.side)))


def _but_for_rounding(found: Verdict, metrics: Mapping[str, Any]) -> Verdict:
    """The verdict in which a difference that is all rounding counts as none, however surely it is there."""
    measured = {name: replace(one, low=min(one.low, 0.0), high=max(one.high, 0.0)) if _rounded(one) else one
                for name, one in found.metrics.items()}
    unsaid = {name for name, one in measured.items() if one != found.metrics[name]}
    beside = tuple(each for each in found.findings if not (each.kind.startswith("verdict.also") and each.where in
                                                          unsaid))
    return replace(found, metrics=measured, findings=beside,
                   word=verdict.word(measured[found.primary], metrics[found.primary]))


def _rounded(one: Measured) -> bool:
    return max(abs(one.low), abs(one.high)) <= ROUNDING * max(1.0, abs(one.against))


def _refuse_silence(run: Predictions, export: Predictions, examples: Sequence[Example]) -> None:
    """Refused where it says nothing to as many as the run answers; to one or two, nothing may be the answer."""
    spoken = [index for index, one in run.items() if one.text.strip()]
    if len(spoken) >= FEWEST_GROUPS and not any(one.text.strip() for one in export.values()):
        raise Refusal("export.broken", f"none of the export's answers has any text; the run gave {len(spoken)} that do",
                      examples[spoken[0]].where, "choose a milder form of this format, or `merged`")


def _notes(side: Side) -> Iterator[Finding]:
    if side == "train":
        yield Finding("warning", "export.on_training_rows", "no row was held out: what the export lost is measured on "
                      "training rows", "data.test", "give `data.test` a share or files, and train again")


def lost(one: Measured, *, higher_is_better: bool) -> float:
    """By how much the export is worse, in the metric's units; below zero where it is better."""
    return -one.difference if higher_is_better else one.difference


def allowed(one: Measured, lossy: Lossy) -> float:
    """How much worse it may be."""
    return SHARE * abs(one.against) if lossy.worst is None else lossy.worst


def refusals(found: Verdict, metrics: Mapping[str, Any], lossy: Lossy) -> Iterator[Refusal]:
    """Refused where it is worse by more than is allowed.

    Worse is what the interval says; of fewer groups than any interval can speak of, what the figure itself says.
    """
    one, metric = found.metrics[found.primary], metrics[found.primary]
    gone, worst = lost(one, higher_is_better=metric.higher_is_better), allowed(one, lossy)
    if gone > worst and (found.word == "worse" or one.groups < FEWEST_GROUPS):
        yield Refusal(
            "export.worse", f"the export is worse than the run: `{found.primary}` {one.against:.4g} became "
            f"{one.tuned:.4g} {metric.unit}, 95% interval of the difference {one.low:.3g} to {one.high:.3g} on "
            f"{one.rows} rows, and {worst:.3g} is allowed", found.primary,
            "raise `worst` if that is worth it to you, or choose a milder form of this format")


def told(found: Verdict, metrics: Mapping[str, Any], lossy: Lossy) -> dict[str, Any]:
    """The verdict in short, for `parity.json`, the card and the terminal."""
    one = found.metrics[found.primary]
    return {"verdict": found.word, "primary": found.primary, "unit": metrics[found.primary].unit,
            "worst": allowed(one, lossy), "metrics": {name: asdict(each) for name, each in found.metrics.items()}}


def doubt(found: Verdict, metrics: Mapping[str, Any], lossy: Lossy) -> Iterator[Found]:
    """What the reader should know beside the word: how few rows, and a loss that may be larger than is allowed."""
    one, metric = found.metrics[found.primary], metrics[found.primary]
    for finding in found.findings:
        if finding.kind in ("verdict.few_groups", "verdict.also_worse", "export.on_training_rows"):
            yield Found(finding)
    if lost(one, higher_is_better=metric.higher_is_better) > allowed(one, lossy) and found.word == "not proven":
        yield Found(Finding(
            "warning", "export.perhaps_worse", f"the export's `{found.primary}` is {one.tuned:.4g}, and the run's "
            f"{one.against:.4g}: more is lost than `worst` allows, and {one.rows} rows do not prove it", found.primary,
            "hold out more rows, and export again"))
