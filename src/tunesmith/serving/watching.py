"""The logs of the runs that a server answers with, as one: each run's rows go into its own file."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from ..errors import Misuse
from ..monitoring.log import Judgement, Log, Seen
from ..workflow.monitoring.watching import log_of

REMEMBERED = 10_000  # answers whose model is known when they are judged


class Logs:
    """Satisfies what the routes ask of `app.state.log`. The event loop alone calls it."""

    def __init__(self, logs: Mapping[str, Log]) -> None:
        self._logs = logs
        self._models: OrderedDict[str, str] = OrderedDict()

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
def watched(paths: Mapping[str, str], file: Path | None = None) -> Iterator[Logs | None]:
    """The logs while the context lasts, then closed; None where no run keeps anything.

    paths: of each model its run or base; file: where the log lies of the one run that keeps something. Raises Misuse
    where several do, or none, and a file is named.
    """
    logs: dict[str, Log] = {}
    try:
        for name, path in paths.items():
            log = log_of(Path(path), file) if (Path(path) / "recipe.yaml").is_file() else None
            if log is not None:
                logs[name] = log
        if file is not None and len(logs) != 1:
            raise Misuse("serve.log", f"`--log` is for one run that keeps what it is asked, and {len(logs)} here do",
                         "--log", "leave it out: each run then writes into its own folder" if logs else
                         "set `monitoring.keep` in the run's recipe")
        yield Logs(logs) if logs else None
    finally:
        for log in logs.values():
            log.close()
