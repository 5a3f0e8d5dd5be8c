"""A job from what was asked for: everything that can be refused at once is, and the rest lies in the job's folder."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import Busy, Misuse, Problem, Problems, raise_all
from ..runs import durable
from . import files, recipes
from .entries import UNFINISHED, Event, File, Job, Wish
from .place import SIDES
from .store import Store

WAITING = 100  # jobs that are not finished: beyond that, whoever asks has to wait


@dataclass(frozen=True, slots=True)
class Offered:
    """A base that may be tuned. source: as a recipe names it; context: the tokens that it reads."""

    name: str
    source: str
    context: int


@dataclass(frozen=True, slots=True)
class Asked:
    """What a client asked for; None: as we think right."""

    model: str
    training_file: str
    validation_file: str | None
    suffix: str
    seed: int | None
    epochs: int | None
    batch_size: int | None
    learning_rate_multiplier: float | None
    metadata: Mapping[str, str] | None


def offered(names: Sequence[str]) -> dict[str, Offered]:
    """The bases that may be tuned, by the names under which clients ask for them: a folder's is its own name.

    Raises Misuse for a base that is missing, and for two of one name; Refusal for one that is not whole.
    """
    from ..models import bases

    found: dict[str, Offered] = {}
    for name in names:
        base = bases.find(name, "--base")
        path = Path(name)
        shown = path.resolve().name if path.exists() else name
        if shown in found or ":" in shown:
            raise Misuse("jobs.base_name", f"the base `{name}` cannot be offered as `{shown}`: another base has that "
                         "name, or a colon stands in it", "--base", "name each base once; rename the folder")
        found[shown] = Offered(shown, str(path.resolve()) if path.exists() else name, base.context)
    return found


def create(store: Store, bases: Mapping[str, Offered], asked: Asked) -> Job:
    """The new job, its files laid in its folder; its rows are checked later.

    Raises Misuse or Problems for a base that may not be tuned or a file that there is not, Busy where too many jobs
    are waiting, and Failure where the disk is full.
    """
    if len(store.with_status(*UNFINISHED)) >= WAITING:
        raise Busy("jobs.too_many", f"{WAITING} jobs are waiting already", "", "ask again when one has finished")
    base, given = _base(store, bases, asked.model), _files(store, asked)
    id = f"ftjob-{secrets.token_hex(12)}"
    work = store.place.work(id)
    try:
        durable.make_folder(work.path)
        rows = {side: files.lay(store, file, work.rows(side)) for side, file in given.items()}
        wish = Wish(
            asked.model, asked.training_file, asked.validation_file, asked.suffix,
            secrets.randbelow(1 << 31) if asked.seed is None else asked.seed,
            asked.epochs or recipes.epochs_of(rows["training_file"]), asked.batch_size or recipes.BATCH_SIZE,
            asked.learning_rate_multiplier or 1.0, rows["training_file"],
            {side: file.filename for side, file in given.items()}, asked.metadata)
        recipes.write_recipe(wish, work, base.source, base.context)
        durable.sync_folder(work.path)
        return store.add_job(id, wish, Event(f"created the job `{id}`; the files are being validated"))
    except (Problem, Problems, OSError):
        shutil.rmtree(work.path, ignore_errors=True)
        raise


def tidy(store: Store) -> None:
    """Remove the folders of jobs that never came to be."""
    for path in store.place.works.iterdir():
        try:
            store.job(path.name)
        except KeyError:
            shutil.rmtree(path, ignore_errors=True)


def _base(store: Store, bases: Mapping[str, Offered], model: str) -> Offered:
    """The base of that name, or the run of a finished job; what a client says is looked up, never opened."""
    if model in bases:
        return bases[model]
    tuned = {job.name: job for job in store.with_status("succeeded")}
    run = store.place.work(tuned[model].id).run() if model in tuned else None
    if run is not None:
        root = bases.get(model.split(":")[1])
        if root is not None:
            return Offered(model, str(run.path), root.context)
    known = ", ".join(f"`{name}`" for name in bases) or "none"
    raise Misuse("jobs.no_base", f"the model `{model[:80]}` may not be tuned here", "model",
                 f"name one of the bases that this server was started with ({known}), or a model that it has tuned")


def _files(store: Store, asked: Asked) -> dict[str, File]:
    found: dict[str, File] = {}
    problems: list[Problem] = []
    for side, id in zip(SIDES, (asked.training_file, asked.validation_file), strict=True):
        if id is None:
            continue
        file = store.file(id)
        if file is None:
            problems.append(Misuse("jobs.no_file", f"there is no file `{id[:80]}`", side,
                                   "send it first, to /v1/files"))
        elif file.purpose != files.FINE_TUNE:
            problems.append(Misuse("jobs.purpose", f"the file `{id}` is of purpose `{file.purpose}`", side,
                                   f"send it again, with the purpose `{files.FINE_TUNE}`"))
        elif not file.bytes:
            problems.append(Misuse("jobs.empty_file", f"the file `{id}` is empty", side, "send rows"))
        else:
            found[side] = file
    raise_all(problems)
    return found
