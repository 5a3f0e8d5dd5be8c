"""A run as a program holds it: its verdict, its records, its answers, and what leaves it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..contracts import Given
from ..data.system import with_system
from ..errors import Misuse, raise_all
from ..evaluation import verdict as verdicts
from ..recipe import read
from ..records import Conversation, Example, Message, Pair, Row, Verdict
from ..runs import durable, folder
from ..runs.records import read as lines
from .events import Event, silent
from .exporting.export import PROMPTS, Exported, export
from .predict import predict as predictions
from .tuning import train as story

if TYPE_CHECKING:
    from ..inference.predictor import Predictor
    from ..recipe.sections import Recipe

Observe = Callable[[Event], None]
Prompt = str | Sequence[Mapping[str, str]]


@dataclass(frozen=True)
class Run:
    """A run's folder, opened: `tunesmith.Run("runs/2026-11-21-orders-3f2a")`.

    folder: where it stands. What it tells is read when it is asked for, and a model is loaded by the first answer
    and kept. Raises Misuse, with the nearest runs, for a folder that holds none.
    """

    folder: Path

    def __post_init__(self) -> None:
        object.__setattr__(self, "folder", Path(self.folder))
        folder.open_run(self.folder)

    @cached_property
    def recipe(self) -> Recipe:
        """The recipe as it was resolved when the run began."""
        return read.read(folder.open_run(self.folder).recipe_file)

    @property
    def finished(self) -> bool:
        """Whether nothing is left to do; `tunesmith.resume(run.folder)` goes on with a run that is not."""
        return folder.status(folder.open_run(self.folder)).finished

    @property
    def verdict(self) -> Verdict | None:
        """Tuned against base on the held-out rows; None where none were held out, or the run is not finished."""
        file = folder.open_run(self.folder).verdict_file
        return verdicts.from_json(durable.read_json(file)) if file.is_file() else None

    @property
    def records(self) -> list[dict[str, Any]]:
        """What the recipe determined, a mapping an event, in order.

        Those of `kind` "step" have `step`, `loss` (nats per supervised token, before the step), `rate`,
        `gradient_norm` (before clipping) and `tokens`; those of `kind` "evaluation" have `loss` on the validation rows.
        """
        return list(lines(folder.open_run(self.folder).records_file))

    def generate(
        self, prompts: Sequence[Prompt], *, base: bool = False, max_new_tokens: int = 128, batch_size: int = 16
    ) -> list[str]:
        """The answers to the prompts, in their order, as the verdict has them made: greedily.

        prompts: texts, or for tasks with turns lists of `{"role": …, "content": …}` that end with the user's;
        `data.system` is set before them as it was in training. base: what the run started from answers. Raises Misuse
        for prompts that the task does not take, are empty or leave no room in the base's context.
        """
        task = self.recipe.task
        examples = [self._example(prompt, number) for number, prompt in enumerate(prompts)]
        model = self._base if base else self._tuned
        found = {answer.example: answer.text for answer in task.module.predict(
            model.model, examples, task.settings, given=Given(lambda: model.codec), max_new_tokens=max_new_tokens,
            batch_size=batch_size)}
        raise_all([
            Misuse("generation.unanswered", f"prompt {number} is empty, or fills the base's context",
                   f"prompts[{number}]", "write one that is shorter, and not empty")
            for number in range(len(examples)) if number not in found
        ])
        return [found[number] for number in range(len(examples))]

    def predict(self, rows: Iterable[Mapping[str, Any]] | Path | str) -> Iterator[dict[str, Any]]:
        """What the tuned model says of each row, in their order: `label`, `entities`, `answer`, `text`, `vector`, ….

        rows: mappings with the columns that the run was trained on, with or without what is to be predicted, or a
        file's path. Each is told with `where` it stood; one that cannot be used has `error` and `remedy` in place of a
        prediction. Rows are read as they are asked for.
        """
        given = str(rows) if isinstance(rows, Path | str) else (
            Row(values, f"rows[{number}]") for number, values in enumerate(rows))
        return predictions(self.folder, given, opened=self._tuned)

    def export(
        self, kind: str, *, options: Sequence[str] = (), output: Path | str | None = None, prompts: int = PROMPTS
    ) -> Exported:
        """The run in another program's format (`adapter`, `merged`): written, opened again there, and compared.

        options: `key=value` of that format; output: where to, by default `exports/KIND` in the run's folder; prompts:
        how many held-out ones it must answer as the run does. Raises Misuse where the run cannot leave so, and Refusal,
        with nothing left in place, where what was written does not say what the run says.
        """
        return export(self.folder, kind, options=options, output=Path(output) if output is not None else None,
                      prompts=prompts)

    @cached_property
    def _tuned(self) -> Predictor:
        from ..inference import predictor

        return predictor.open(str(self.folder))

    @cached_property
    def _base(self) -> Predictor:
        from ..inference import predictor

        return predictor.open(str(self.folder), base=True)

    def _example(self, prompt: Prompt, number: int) -> Example:
        """A prompt as an example whose answer is still to come."""
        example: Example
        if isinstance(prompt, str):
            example = Pair(prompt, "", f"prompts[{number}]", str(number))
        else:
            turns = tuple(Message(turn["role"], turn["content"]) for turn in prompt)
            example = Conversation((*turns, Message("assistant", "")), f"prompts[{number}]", str(number))
        if isinstance(example, self.recipe.task.module.takes):
            return with_system(example, self.recipe.data.system)
        kind = "a text" if isinstance(prompt, str) else "turns"
        raise Misuse("generation.prompt", f"task `{self.recipe.task.type}` cannot answer {kind}", f"prompts[{number}]",
                     "give each prompt as a text, or use a task that takes conversations")


def train(recipe: Recipe, *, resume: Path | str | None = None, observe: Observe = silent) -> Run:
    """Train, judge, and give the run back. Ctrl-C and SIGTERM end the step, save, and give back an unfinished run.

    resume: a run's folder to go on with, whose recipe must be this one; observe: called with every event as it
    happens, a `Stepped` after each step.

    Raises Refusal, before anything is computed, where data, template or model fail their proof, or where the
    run to go on with was made from something else; Busy where another process holds it.
    """
    return Run(story.train(recipe, resume=Path(resume) if resume is not None else None, observe=observe).run)


def resume(run: Run | Path | str, *, observe: Observe = silent) -> Run:
    """Go on with a run under the recipe that it has, from its newest checkpoint that verifies; raises as `train`."""
    return Run(story.resume(_folder(run), observe=observe).run)


def evaluate(run: Run | Path | str, *, observe: Observe = silent) -> Verdict:
    """The verdict on a run, measured anew and kept in its folder.

    Raises Misuse where nothing was held out, Busy where the run is being trained.
    """
    from .verdict import judge

    return judge.evaluate(_folder(run), observe=observe)


def _folder(run: Run | Path | str) -> Path:
    return run.folder if isinstance(run, Run) else Path(run)
