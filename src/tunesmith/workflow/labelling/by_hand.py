"""Rows that a person labels with a run beside them: predicted, the least sure ones first, and written as decided."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ...data import schemes
from ...data.system import with_system
from ...errors import Misuse, Refusal
from ...labelling import items as label_items
from ...labelling.answers import Choice, Kind, Number, Part, Several, Written
from ...labelling.doubt import offered
from ...labelling.file import LabelFile, opened
from ...labelling.items import Found, Item
from ...labelling.session import Session
from ...labelling.words import Words
from ...recipe import read
from ...records import (
    Conversation,
    Document,
    Example,
    Finding,
    Head,
    Labelled,
    Message,
    Pair,
    Question,
    Tagged,
    Text,
)
from ...runs import folder
from .. import parts
from ..events import Found as Noticed
from ..events import Predicted, Said, silent
from ..predict import TOGETHER, Observe, Told, of_examples
from ..verdict.measure import SCORED_TOKENS

if TYPE_CHECKING:
    from ...inference.predictor import Predictor
    from ...recipe.sections import Recipe

By = Literal["uncertain", "file"]


@dataclass(frozen=True)
class Ready:
    """A session that can begin, and what the files held."""

    session: Session
    found: Found
    file: LabelFile


@contextmanager
def labelling(
    paths: Sequence[str], output: Path, *, run: Path | None = None, labels: Sequence[str] = (), by: str = "",
    order: By = "uncertain", columns: Mapping[str, str] | None = None, observe: Observe = silent,
) -> Iterator[Ready]:
    """A session over the rows of files that are not in the output yet.

    run: whose predictions are suggested, the least sure first; labels: those that can be chosen, beside the run's. by:
    who decides; columns: which column is which, beside what the run's recipe says. Raises Misuse where nothing says
    what can be chosen or the run's task has no answer that a person could give, Refusal where there is no row to label.
    """
    recipe = read.read(folder.open_run(run).recipe_file) if run is not None else None
    if recipe is None and not labels:
        raise Misuse("label.no_labels", "nothing says what can be chosen", "--labels",
                     "name the labels: `--labels praise,complaint`, or a run with `--with RUN`")
    if recipe is not None:
        _demand_task(recipe)
    with opened(output) as file:
        _told_of(file, by, observe)
        found = _answerable(_rows(paths, file.done, recipe, columns or {}))
        for finding in found.findings:
            observe(Noticed(finding))
        if not found.rows:
            raise Refusal("label.nothing", "no row can be labelled", str(paths[0]),
                          "mend the rows that are told, or name a file that holds rows for this task")
        model, items = None, found.items
        if run is not None and recipe is not None and items:
            model, items = _suggested(run, recipe, found.items, observe)
        kind = _kind(items, labels, recipe, model)
        if order == "uncertain":
            items = tuple(sorted(items, key=_doubt))
        yield Ready(Session(items, kind, file, by), found, file)


def _told_of(file: LabelFile, by: str, observe: Observe) -> None:
    """Say what the file holds already."""
    if file.torn:
        observe(Said(f"the last line of {file.path} was half written, and is cut off: its row is asked again"))
    others = sorted(name or "somebody" for name in file.who if name != by)
    if others:
        observe(Said(f"{file.path} holds {file.who.total()} rows already, some by {', '.join(others)}"))


def _doubt(item: Item) -> float:
    """The least sure first; a row that could not be predicted before all."""
    return -item.offered.doubt if item.offered is not None else float("-inf")


def _demand_task(recipe: Recipe) -> None:
    if recipe.task.type in ("embed", "masked") or parts.parts(recipe):
        raise Misuse("label.task", f"the run learnt `{recipe.task.type}`, which suggests no answer to one question",
                     "--with", "name a run of classify, tag, extract, chat, completion or seq2seq, or leave it out")


def _rows(paths: Sequence[str], done: set[str], recipe: Recipe | None, columns: Mapping[str, str]) -> Found:
    if recipe is None:
        return label_items.read(paths, done, columns=columns)
    return label_items.read(paths, done, format=recipe.data.format, columns={**recipe.data.columns, **columns},
                            takes=recipe.task.module.takes, header=recipe.data.header)


def _answerable(found: Found) -> Found:
    """The rows that an answer can be written behind; the others are told."""
    wrong = {item.digest: _unanswerable(item) for item in found.items}
    findings = [finding for finding in wrong.values() if finding is not None]
    return replace(found, items=tuple(item for item in found.items if wrong[item.digest] is None),
                   findings=(*found.findings, *findings), rows=found.rows - len(findings))


def _unanswerable(item: Item) -> Finding | None:
    example = item.example
    if isinstance(example, Text):
        return Finding("error", "label.nothing_asked", "the row is a plain text, and asks nothing", item.where,
                       "give it a prompt, or leave it out")
    if isinstance(example, Conversation) and (example.tools or any(
            turn.calls or turn.reasoning or turn.name for turn in example.messages)):
        return Finding("error", "label.tools", "the conversation has tools or reasoning, which are not labelled here",
                       item.where, "write its answer into the row by hand")
    return None


def _suggested(
    run: Path, recipe: Recipe, items: Sequence[Item], observe: Observe
) -> tuple[Predictor, tuple[Item, ...]]:
    """The run's model, and the rows with what it says of them."""
    from ...inference import predictor

    model = predictor.open_run(run)
    observe(Said(f"{len(items)} rows are predicted, so that the least sure can come first"))
    told: list[Told] = []
    limits = (recipe.evaluation.max_new_tokens, recipe.evaluation.batch_size)
    for start in range(0, len(items), TOGETHER):
        told += of_examples(model, recipe, [item.example for item in items[start : start + TOGETHER]], limits)
        observe(Predicted(len(told)))
    likely = _likelihoods(model, recipe, items, told) if recipe.task.module.generates else {}
    return model, tuple(replace(item, offered=offered(said, likely.get(place)))
                        for place, (item, said) in enumerate(zip(items, told, strict=True)))


def _likelihoods(
    model: Predictor, recipe: Recipe, items: Sequence[Item], told: Sequence[dict[str, Any]]
) -> dict[int, float]:
    """Of each answer that was generated, the mean log-probability of its tokens, by its row's place."""
    from ...inference.scoring import loss_of, score

    task, settings = recipe.task.module, recipe.task.settings
    places = [place for place, said in enumerate(told) if said.get("text", "").strip()]
    examples = [with_system(_answered(items[place].example, told[place]["text"]), recipe.data.system)
                for place in places]
    made = task.encode(examples, model.codec, settings, model.model.head)
    documents: list[Document] = [replace(document, example=place) for place, (each, _) in
                                 zip(places, made, strict=True) for document in each]
    found = score(loss_of(model.model, task, settings), documents, tokens=SCORED_TOKENS) if documents else {}
    return {place: -one.term / one.weight for place, one in found.items() if one.weight}


def _answered(example: Example, text: str) -> Example:
    if isinstance(example, Pair):
        return replace(example, answer=text, references=())
    assert isinstance(example, Conversation)
    turns = example.messages[: label_items.asked_turns(example)]
    return replace(example, messages=(*turns, Message("assistant", text)))


def _kind(
    items: Sequence[Item], labels: Sequence[str], recipe: Recipe | None, model: Predictor | None
) -> Kind:
    """What is asked of each row, by the run's task or by what the rows are."""
    first = items[0].example if items else None
    head = model.model.head if model is not None else Head("none")
    if isinstance(first, Tagged):
        scheme = head.scheme or "iob2"
        return Words(_every(schemes.types(head.labels, scheme), labels), scheme)
    if isinstance(first, Question):
        return Part()
    if isinstance(first, Labelled) or recipe is None:
        if head.problem == "regression":
            return Number()
        every = _every(head.labels, labels)
        return Several(every) if head.problem == "multi" else Choice(every)
    return Written(isinstance(first, Conversation))


def _every(own: Sequence[str], more: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys([*own, *more]))
