"""The logs of the runs that a server answers with, as one: each run's rows go into its own file."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from fastapi import FastAPI

from ..errors import Misuse
from ..monitoring.log import Judgement, Log, Seen
from ..workflow.monitoring.watching import log_of
from .registry import Registry

REMEMBERED = 10_000  # answers whose model is known when they are judged


class Logs:
    """Satisfies what the routes ask of `app.state.log`. The event loop alone calls it, but for `watch`."""

    def __init__(self) -> None:
        self._logs: Mapping[str, Log] = {}
        self._models: OrderedDict[str, str] = OrderedDict()

    def __len__(self) -> int:
        return len(self._logs)

    def watch(self, name: str, path: Path, file: Path | None = None) -> None:
        """Keep what a model is asked from now on, where it is a run whose recipe wants that.

        file: where, in place of the run's folder. Raises what `log_of` raises.
        """
        log = log_of(path, file) if (path / "recipe.yaml").is_file() else None
        if log is not None:
            self._logs = {**self._logs, name: log}  # in one go: others read it meanwhile

    def close(self) -> None:
        """Write what waits."""
        for log in self._logs.values():
            log.close()

    def write(self, seen: Seen) -> None:
        """Keep what was seen, in the log of the model that answered, where it has one."""
        log = self._logs.get(seen.model)
        if log is None:
            return
        log.write(seen)
        self._models[seen.id] = seen.model
        if len(self._models) > REMEMBERED:
            self._models.popitem(last=False)

    def judge(self, answer_id: str, judgement: Judgement) -> bool:
        """Keep a judgement in the log of the answer; of an answer of long ago in every log, where it waits for it."""
        model = self._models.get(answer_id)
        chosen = list(self._logs.values()) if model is None else [self._logs[model]]
        return all([log.judge(answer_id, judgement) for log in chosen])


@contextmanager
def watched(paths: Mapping[str, str], file: Path | None = None) -> Iterator[Logs]:
    """The logs while the context lasts, then closed; models that come later may be watched too.

    paths: of each model its run or base; file: where the log lies of the one run that keeps something. Raises Misuse
    where several do, or none, and a file is named.
    """
    logs = Logs()
    try:
        for name, path in paths.items():
            logs.watch(name, Path(path), file)
        if file is not None and len(logs) != 1:
            raise Misuse("serve.log", f"`--log` is for one run that keeps what it is asked, and {len(logs)} here do",
                         "--log", "leave it out: each run then writes into its own folder" if logs else
                         "set `monitoring.keep` in the run's recipe")
        yield logs
    finally:
        logs.close()


def announcing(app: FastAPI, models: Registry, logs: Logs) -> Callable[[str, Path], None]:
    """Lets the app's routes tell these logs what they are asked, and gives what serves and watches one more model."""
    app.state.log = logs or None

    def come(name: str, path: Path) -> None:
        models.add(name, path)
        logs.watch(name, path)
        app.state.log = logs or None

    return come
