"""What a run says of new rows: read as they come, asked together, told in their order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ..contracts import Given
from ..data.ask import asked
from ..data.system import with_system
from ..recipe import read
from ..recipe.sources import MAIN
from ..records import Example, Finding, Prediction, Row
from ..runs import folder
from . import parts
from .events import Event, Predicted, silent
from .rows.gathered import learnt, takes

if TYPE_CHECKING:
    from ..inference.predictor import Predictor
    from ..recipe.sections import Recipe

Observe = Callable[[Event], None]
Told = dict[str, Any]
TOGETHER: Final = 256  # rows held at a time: enough to find others of like length


def predict(
    path: Path, rows: Iterable[Row | Finding] | str, *, opened: Predictor | None = None,
    part: str = MAIN, max_new_tokens: int | None = None, batch_size: int | None = None, observe: Observe = silent,
) -> Iterator[Told]:
    """What a run's tuned model says of each row, as a mapping with `where` and what the task predicts, in order.

    rows: rows, or the name of a file (`-`: stdin). A row that cannot be used gives `where`, `error`, `kind` and
    `remedy` in its place; one that is too long tells its `unread_tokens`. No more than 256 rows are held. opened: the
    run's model, where it is open already; part: of a
    task of several, the one that is asked.
    """
    from ..inference import predictor

    run = folder.open_run(path)
    recipe = read.read(run.recipe_file)
    model = opened or predictor.open_run(path)
    task, read_as = parts.task(recipe, part), recipe.data.mix[part] if part != MAIN else recipe.data
    kinds = task.module.takes if parts.parts(recipe) else takes(recipe)
    found = asked(rows, read_as.format, read_as.columns, takes=kinds, header=read_as.header)
    limits = (max_new_tokens or recipe.evaluation.max_new_tokens, batch_size or recipe.evaluation.batch_size)
    done = 0
    while together := list(islice(found, TOGETHER)):
        yield from of_examples(model, recipe, _of_part(together, part), limits)
        done += len(together)
        observe(Predicted(done))


def _of_part(together: Sequence[Example | Finding], part: str) -> Sequence[Example | Finding]:
    return [each if isinstance(each, Finding) else replace(each, source=part) for each in together]


def of_examples(
    model: Predictor, recipe: Recipe, together: Sequence[Example | Finding], limits: tuple[int, int]
) -> Iterator[Told]:
    """What is told of some rows, in their order. limits: the longest answer, and how many are generated at once."""
    examples = [with_system(learnt(recipe, each), recipe.data.system)
                for each in together if not isinstance(each, Finding)]
    said = {one.example: one for one in recipe.task.module.predict(
        model.model, examples, recipe.task.settings, given=Given(lambda: model.codec), max_new_tokens=limits[0],
        batch_size=limits[1])} if examples else {}
    place = 0
    for each in together:
        if isinstance(each, Finding):
            if each.severity == "error":
                yield _wrong(each)
            continue
        yield _row(each, said.get(place))
        place += 1


def _row(example: Example, said: Prediction | None) -> Told:
    if said is None:
        return _wrong(Finding("error", "row.unanswered", "the row has nothing to be asked, or more than the base can "
                              "read", example.where, "fill it in, or shorten it"))
    output: Mapping[str, Any] = said.output or {"text": said.text, "stopped_by": said.stopped_by}
    return {"where": example.where, **output, **({"unread_tokens": said.unread} if said.unread else {})}


def _wrong(finding: Finding) -> Told:
    return {"where": finding.where, "error": finding.what, "kind": finding.kind, "remedy": finding.remedy}
