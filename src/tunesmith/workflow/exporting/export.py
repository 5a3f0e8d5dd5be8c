"""A run taken out: written in another program's format, opened again there, compared, and only then put in place."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError

from ...contracts import Lossy, Model
from ...errors import Problem, Problems, Refusal, raise_all
from ...evaluation.verdict import as_json
from ...recipe import choices, read
from ...recipe.sources import MAIN
from ...recipe.starred import Section
from ...records import Conversation, Document, Finding, Rows
from ...runs import durable, folder, lineage, lock, placing, plain
from ...runs.redact import redacted
from .. import parts
from ..events import Event, Found, Said, silent
from ..preparing.prepare import Prepared, prepare, refuse
from ..verdict import card
from . import cost
from .pace import paces

if TYPE_CHECKING:
    from ...exports._source import Source
    from ...recipe.sections import Recipe
    from .parity import Expected

Observe = Callable[[Event], None]

PROMPTS = 50
REPORT_FILE = "parity.json"
CARD_FILE = "README.md"
NOT_OPENED = (OSError, ValueError, KeyError, RuntimeError, TypeError, AttributeError, SafetensorError)
CONTENT = ("base", "tokenizer", "template")


@dataclass(frozen=True)
class Exported:
    """An export that stands. files: their names; parity: what was compared when it was opened again."""

    run: Path
    kind: str
    folder: Path
    step: int
    files: tuple[str, ...]
    parity: Mapping[str, Any]

    def as_json(self) -> dict[str, Any]:
        """The export under the names that `export --json` promises."""
        return {"run": str(self.run), "kind": self.kind, "folder": str(self.folder), "step": self.step,
                "files": list(self.files), "parity": dict(self.parity)}


def export(
    path: Path, kind: str, *, options: Sequence[str] = (), output: Path | None = None, prompts: int = PROMPTS,
    part: str = MAIN, observe: Observe = silent,
) -> Exported:
    """The run's judged checkpoint in the format `exports/KIND`, in `output` or in the run's `exports/KIND`.

    options: `key=value`, as the format's `Settings` have them; part: of a task of several, the one that leaves, by
    itself, in `exports/KIND-PART`; prompts: how many held-out prompts the export must
    answer as the run does. Raises Misuse, before any weight is read, where the run cannot leave in this format or
    where something else stands in the way; Refusal where the export does not say what the run says: nothing is left
    behind then but `exports/KIND.refused.json`; Busy where the run is being trained.
    """
    run = folder.open_run(path)
    chosen = choices.section("export", kind, options)
    recipe = read.read(run.recipe_file)
    name = f"{kind}-{part}" if parts.parts(recipe) else kind
    target = (output or run.exports / name).absolute()
    placing.refuse_foreign(target, REPORT_FILE)
    with lock.hold(run):
        source = _source(run, recipe, part)
        chosen.module.refuse(source, chosen.settings)
        prepared = _prepared(run, recipe, observe)
        source = replace(source, learnt=_learnt(recipe, prepared, part))
        placing.clean(run.exports / name)
        return _Leaving(run, recipe, chosen, source, observe).to(target, prepared, prompts)


@dataclass(frozen=True)
class _Leaving:
    """A run on its way out, all that its steps need in common."""

    run: folder.Run
    recipe: Recipe
    chosen: Section
    source: Source
    observe: Observe

    def to(self, target: Path, prepared: Prepared, prompts: int) -> Exported:
        """Write, open again, compare, put in place."""
        asked = self.way.asked(self.recipe, prepared, self.source, prompts)
        refused = self.run.exports / f"{self.chosen.type}.refused.json"
        measured = cost.rows(self.recipe, prepared, self.source) if self.lossy else None
        with placing.staged(target) as staging:
            expected = self._written(staging, asked, target)
            try:
                facts = self._compared(staging, asked, expected, measured)
            except (Refusal, Problems) as problem:
                self._tell_why(refused, problem)
                raise
            facts["files"] = self._finished(staging, facts, target)
            placing.put(staging, target)
        refused.unlink(missing_ok=True)
        names = (*facts["files"], REPORT_FILE)
        return Exported(self.run.path, self.chosen.type, target, facts["step"], names, facts)

    @property
    def way(self) -> Any:
        """How exports of such a run are asked and compared: by what they write, or by what they say of texts."""
        from . import questions, readings

        return questions if self.source.head.kind == "causal" else readings

    @property
    def lossy(self) -> Lossy | None:
        """What it may lose on its way."""
        found: Lossy | None = self.chosen.module.lossy(self.chosen.settings)
        return found

    def _written(self, staging: Path, asked: Any, target: Path) -> Expected[Any]:
        """Put the files there; what the run answers before that, and what they are meant to."""
        from .parity import Expected

        module, settings = self.chosen.module, self.chosen.settings
        kept = lineage.read(self.run.lineage_file)["chosen"]["dtype"]
        rounded = str(module.precision(self.source, settings)).removeprefix("torch.")

        def answered(model: Any, who: str) -> Any:
            self.observe(Said(f"asking {who} {len(asked.questions)} prompts"))
            return self.way.ask(model, self.source, asked, self.recipe.evaluation.batch_size)

        judged = answered(self.source.judged(), "the run")
        meant = module.meant(self.source, settings)
        # what loses something is held against the run as it was judged, and against nothing in between
        alike = kept == rounded == "float32" or self.lossy is not None
        expected = judged if alike else answered(meant, f"the run, its weights in {rounded},")
        self.observe(Said(f"writing {self.chosen.type}"))
        try:
            module.write(meant, self.source, staging, settings)
        except (OSError, SafetensorError) as error:
            raise durable.of_writing(error, target) from error
        return Expected(expected, None if alike else judged, rounded, kept)

    def _compared(
        self, staging: Path, asked: Any, expected: Expected[Any], measured: cost.Rows | None
    ) -> dict[str, Any]:
        """What was found by opening the files again. Raises every Refusal at once."""
        from . import parity

        self.observe(Said(f"opening it again with {self.chosen.module.library}"))
        try:
            reloaded = self.chosen.module.reload(staging, self.source)
        except Problem:
            raise
        except NOT_OPENED as error:
            what = " ".join(str(error).replace(str(staging), self.chosen.type).split())[:300]
            raise Refusal("export.reload", f"{self.chosen.module.library} does not open what was written: {what}",
                          self.chosen.type, parity.REPORT) from error
        found = self.way.hold(reloaded, self.source, asked, expected, lossy=self.lossy is not None)
        raise_all(list(found.refusals))
        run, model = self.source.judged(), cost.standing(reloaded, self.source)
        if measured is not None and self.lossy is not None:
            found.facts["cost"] = self._cost(staging, measured, (run, model), self.lossy)
        self.observe(Said("timing both in turn"))
        found.facts["speed"] = paces(self.way, self.source, (run, model), asked.questions)
        found.facts["size"] = {"run_bytes": _bytes(run), "export_bytes": sum(
            path.stat().st_size for path in staging.rglob("*") if path.is_file())}
        return {"kind": self.chosen.type, "run": self.run.name, "step": self.source.step, "prompts_from": asked.side,
                "versions": lineage.versions(), **found.facts}

    def _cost(
        self, staging: Path, measured: cost.Rows, models: tuple[Model, Model], lossy: Lossy
    ) -> dict[str, Any]:
        """What the export lost, written beside it. Raises Refusal where that is too much."""
        run, export = (measured.said(model, who, self.observe) for model, who in zip(models, ("run", "export"),
                                                                                    strict=True))
        verdict, metrics = cost.judge(measured, run, export), measured.metrics
        raise_all(list(cost.refusals(verdict, metrics, lossy)))
        for doubt in cost.doubt(verdict, metrics, lossy):
            self.observe(doubt)
        without_rows = {**as_json(verdict), "examples": []}  # the folder is for others to read
        durable.write_new(staging / cost.VERDICT_FILE, plain.pretty(redacted(without_rows)))
        return cost.told(verdict, metrics, lossy)

    def _finished(self, staging: Path, facts: Mapping[str, Any], target: Path) -> dict[str, Any]:
        """The card and the report beside the files, all of it on the disk; what the files are."""
        module, base = self.chosen.module, self.source.base
        try:
            text = card.render(self.run, self.recipe, base, module.library, module.uses(self.source), parity=facts)
            durable.write_new(staging / CARD_FILE, text.encode())
            files = placing.settle(staging)
            durable.write_new(staging / REPORT_FILE, plain.pretty(redacted({**facts, "files": files})))
            durable.sync_folder(staging)
        except OSError as error:
            raise durable.problem(error, target) from error
        return files

    def _tell_why(self, file: Path, problem: Refusal | Problems) -> None:
        each = problem.problems if isinstance(problem, Problems) else (problem,)
        durable.make_folder(file.parent)
        durable.write_json(file, redacted({
            "kind": self.chosen.type, "run": self.run.name, "step": self.source.step,
            "versions": lineage.versions(), "refused": [one.as_json() for one in each]}))


def _bytes(model: Model) -> int:
    """What the weights of a model take that computes."""
    return sum(weight.numel() * weight.element_size() for weight in model.network.parameters())


def _source(run: folder.Run, recipe: Recipe, part: str) -> Source:
    """What is known before a weight is read. Raises Misuse for a part that is not there."""
    from datetime import datetime

    from ...exports._source import Source
    from ...models import bases, earlier, load

    base = bases.of_run(run.path, recipe)
    date = datetime.fromisoformat(lineage.read(run.lineage_file)["chosen"]["date"])
    codec = load.codec(
        base, recipe.data.template, date,
        tools=recipe.data.tools, thinking=recipe.data.thinking, longest=recipe.training.max_length)
    task, whole = parts.task(recipe, part), earlier.head_of(run.path)
    return Source(run.path, base, earlier.best_checkpoint(run.path), recipe.adapter, codec,
                  Conversation in task.module.takes, whole.parts.get(part, whole), recipe.training.seed, task, whole,
                  part)


def _learnt(recipe: Recipe, prepared: Prepared, part: str) -> Sequence[Document]:
    """The training rows of what leaves."""
    from ...tasks import several

    rows = Rows(prepared.examples["train"], prepared.documents["train"])
    return several.own(rows, part).documents if parts.parts(recipe) else rows.documents


def _prepared(run: folder.Run, recipe: Recipe, observe: Observe) -> Prepared:
    """The run's rows. Raises Refusal where base, tokenizer or template are others now; other rows are only told."""
    kept = lineage.read(run.lineage_file)
    prepared = prepare(recipe, date=kept["chosen"]["date"])
    refuse(prepared.findings)
    before, now = kept["digests"], prepared.digests
    lineage.demand_same({"digests": {name: before.get(name) for name in CONTENT}},
                        {"digests": {name: now.get(name) for name in CONTENT}}, str(run.path))
    if any(before.get(name) != now[name] for name in now if name not in CONTENT):
        observe(Found(Finding("warning", "export.other_rows", "the rows are not those that the run was made with: its "
                              "export is asked with the rows of now", "data")))
    return prepared
