"""The models that a server answers with, each by its name."""

from __future__ import annotations

import asyncio
import hashlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar, get_args

from .. import __version__
from ..catalog import nearest
from ..errors import Misuse
from ..generation.continuous import Continuous
from ..inference import predictor
from ..inference.together import Together
from ..models import bases, sentence_files
from ..recipe import read
from ..records import Head
from .answering import Answering
from .refusals import Refused, busy
from .settings import Settings

if TYPE_CHECKING:
    from ..inference.predictor import Predictor
    from ..recipe.sections import Recipe

Kind = Literal["chat", "completion", "embed", "predict"]
KINDS: tuple[Kind, ...] = get_args(Kind)
T = TypeVar("T")
SAID: Mapping[Kind, str] = {"chat": "`/v1/chat/completions` or `/v1/completions`", "completion": "`/v1/completions`",
                            "embed": "`/v1/embeddings` or `/predict`", "predict": "`/predict`"}


class Desk:
    """One thread that does one thing after another, and a bounded queue before it."""

    def __init__(self, name: str, bound: int) -> None:
        self.held = 0
        self._bound = bound
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"desk of {name}")

    async def do(self, work: Callable[[], T], seconds: float) -> T:
        """What the work gives. Raises Refused where too many wait, or where the time is over."""
        if self.held >= self._bound:
            raise busy("too many requests wait already; try again in a moment", "queue_full", status=429)
        self.held += 1
        doing = asyncio.get_running_loop().run_in_executor(self._thread, work)
        doing.add_done_callback(self._done)
        try:
            async with asyncio.timeout(seconds):
                return await doing
        except TimeoutError:
            raise busy("the request was not answered in the time that this server gives; send fewer rows, or try"
                       " again", "timeout") from None

    def close(self) -> None:
        """What waits is given up."""
        self._thread.shutdown(wait=True, cancel_futures=True)

    def _done(self, doing: asyncio.Future[Any]) -> None:
        self.held -= 1
        if not doing.cancelled():
            doing.exception()  # whoever asked may have gone: then nobody else looks at it


@dataclass(frozen=True, eq=False)
class Served:
    """A run or a base that answers.

    kind: by which route it is asked; recipe: a run's own; answering: of what writes text, the thread that does;
    desk: where prompts are rendered, and all else is computed.
    """

    name: str
    kind: Kind
    predictor: Predictor
    recipe: Recipe | None
    created: int
    fingerprint: str
    answering: Answering | None
    desk: Desk

    @property
    def task(self) -> str:
        """What the run learnt; of a base what it does."""
        return self.recipe.task.type if self.recipe is not None else self.kind

    @property
    def running(self) -> int:
        """How many answers are being written, or whether something is computed."""
        return self.answering.running if self.answering is not None else min(self.desk.held, 1)

    @property
    def waiting(self) -> int:
        """How many wait for that."""
        return self.answering.waiting if self.answering is not None else max(self.desk.held - 1, 0)

    def close(self) -> None:
        """End its threads."""
        self.desk.close()
        if self.answering is not None:
            self.answering.close()


class Registry(Mapping[str, Served]):
    """What is served, by its name; more may come while the server runs."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._served: dict[str, Served] = {}
        self._changing = threading.Lock()
        self._together = Together()

    def add(self, name: str, path: str | Path) -> Served:
        """Serve a run's folder or a base, under a name.

        Raises Misuse where the name is taken, and what `predictor.open` raises.
        """
        if name in self._served:
            raise Misuse("serve.name", f"`{name}` is served already", str(path), f"give another name: `NAME={path}`")
        return self.put(name, self._open(str(path)), recipe_of(Path(path)))

    def _open(self, path: str) -> Predictor:
        """A run or a base, beside the others; a base that makes vectors of texts is opened for that."""
        if recipe_of(Path(path)) is None and sentence_files.pooling(bases.find(path)):
            return predictor.open_base(path, Head("none"))
        return self._together.open(path)

    def put(self, name: str, opened: Predictor, recipe: Recipe | None) -> Served:
        """Serve what is open already."""
        kind = kind_of(opened, recipe)
        settings = self.settings
        answering = None
        if kind in ("chat", "completion"):
            answering = Answering(lambda: Continuous(opened.model, opened.codec, rows=settings.rows),
                                  rows=settings.rows, queue=settings.queue, name=name)
        served = Served(name, kind, opened, recipe, int(time.time()), fingerprint(opened), answering,
                        Desk(name, settings.rows + settings.queue))
        with self._changing:
            self._served = {**self._served, name: served}
        return served

    def find(self, name: str, *kinds: Kind) -> Served:
        """The model of that name. Raises Refused: 404 where there is none, 400 where it is asked otherwise."""
        served = self._served.get(name)
        if served is None:
            near = nearest(name, self._served)
            raise Refused(404, f"there is no model `{name[:200]}` here; use "
                          + (f"`{near}`" if near else f"one of: {', '.join(self._served)}"),
                          param="model", code="model_not_found")
        if served.kind not in kinds:
            raise Refused(400, f"`{name}` is asked by {SAID[served.kind]}", param="model", code="model_kind")
        return served

    def close(self) -> None:
        """End every thread."""
        for served in self._served.values():
            served.close()

    def __getitem__(self, name: str) -> Served:
        return self._served[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._served)

    def __len__(self) -> int:
        return len(self._served)


def recipe_of(path: Path) -> Recipe | None:
    """A run's recipe; None for what is no run."""
    file = path / "recipe.yaml"
    return read.read(file) if file.is_file() else None


def kind_of(opened: Predictor, recipe: Recipe | None) -> Kind:
    """How such a model is asked."""
    if opened.model.head.kind == "causal":
        return "chat" if opened.turns and opened.codec.template is not None else "completion"
    return "embed" if recipe is None or recipe.task.type == "embed" else "predict"


def fingerprint(opened: Predictor) -> str:
    """Changes where answers may: with the program, the model's name, what it learnt, its tokenizer and its template."""
    learnt = [repr(float(weights.detach().double().sum())) for weights in opened.model.learns.values()]
    told = [__version__, opened.name, *learnt, *opened.codec.digests().values()]
    return "fp_" + hashlib.sha256("\n".join(told).encode()).hexdigest()[:12]
