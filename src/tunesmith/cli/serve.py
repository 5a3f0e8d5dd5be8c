"""Serve runs and bases over HTTP, as OpenAI's clients speak it.

`--jobs FOLDER --base NAME` takes fine-tuning jobs as well; each finished model is served beside the others.

It answers until it is asked to stop (Ctrl-C, SIGTERM); answers that have begun are then finished.
"""

from __future__ import annotations

import argparse
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from ..errors import DONE, Misuse
from ..runs import signals
from . import _arguments
from ._output import Screen

if TYPE_CHECKING:
    from ..jobs.service import Jobs
    from ..serving.checks import Door
    from ..serving.registry import Registry
    from ..serving.settings import Settings
    from ..serving.watching import Logs

LOOPBACK = "127.0.0.1"


def add(parser: argparse.ArgumentParser) -> None:
    """Take runs or bases, an address, and how much is answered at once."""
    parser.add_argument("runs", metavar="RUN", nargs="*", help="a run's folder or a base; `NAME=RUN` names it for "
                        "requests, which else say the folder's own name")
    parser.add_argument("--host", metavar="ADDRESS", default=LOOPBACK, help="where to listen; by default this machine "
                        "alone")
    parser.add_argument("--port", metavar="N", type=int, default=8000, help="0 takes any that is free")
    parser.add_argument("--key-from", metavar="VARIABLE", default="", help="the variable of the environment that holds "
                        "the key which every request but `/health` must bring; needed where others reach `--host`")
    parser.add_argument("--key-file", metavar="FILE", type=Path, help="the same from a file")
    parser.add_argument("--allow-host", metavar="NAME", action="append", default=[], help="a further name that the "
                        "server may be called by; may be repeated")
    parser.add_argument("--engine", choices=("tunesmith", "vllm"), default="tunesmith", help="`vllm` hands the run to "
                        "vLLM, where that is installed")
    parser.add_argument("--log", metavar="FILE", type=Path, help="where a run that keeps what it is asked writes it "
                        "(default: seen.sqlite in its folder); `monitoring.keep` of its recipe says whether it does")
    parser.add_argument("--rows", metavar="N", type=int, help="how many answers of one model are written at once")
    parser.add_argument("--queue", metavar="N", type=int, help="how many more may wait")
    parser.add_argument("--timeout", metavar="SECONDS", type=float, help="after which an answer is given up")
    parser.add_argument("--drain", metavar="SECONDS", type=float, help="that answers have to end in once it stops")
    parser.add_argument("--jobs", metavar="FOLDER", type=Path, help="take fine-tuning jobs, and keep them here")
    parser.add_argument("--jobs-at-once", metavar="N", type=_arguments.count, default=1, help="how many are trained "
                        "beside each other; the others wait")
    parser.add_argument("--base", metavar="NAME", action="append", default=[], help="a base that jobs may tune; may be "
                        "repeated")


@signals.at_once("while nothing was served")
def run(arguments: argparse.Namespace) -> int:
    """Serve until asked to stop."""
    screen: Screen = arguments.screen
    _jobs_make_sense(arguments)
    if arguments.engine == "vllm":
        _hand_over(arguments, screen)
    _extra()
    settings = _settings(arguments)
    door = _door(arguments, settings.drain)
    with _bound(arguments.host, arguments.port) as listening, _jobs(arguments) as jobs, _watched(arguments) as logs:
        models = _opened(arguments.runs, settings, screen)
        host, port = listening.getsockname()[:2]
        url = f"http://{f'[{host}]' if ':' in host else host}:{port}"
        with _server(models, settings, door, port, jobs, logs=logs) as serve:
            _told(url, models, jobs, screen)
            serve(sockets=[listening])
    screen.tell("stopped")
    return DONE


def _extra() -> None:
    """Raise Misuse where what serves is not installed."""
    try:
        import fastapi  # noqa: F401
        import prometheus_client  # noqa: F401
        import uvicorn  # noqa: F401
    except ModuleNotFoundError as error:
        raise Misuse("serve.not_installed", f"serving needs the package `{error.name}`", "",
                     "pip install 'tunesmith[serve]'") from error


def _settings(arguments: argparse.Namespace) -> Settings:
    """What was said, within its limits. Raises Misuse."""
    from pydantic import ValidationError

    from ..serving.settings import Settings

    said = {name: getattr(arguments, name) for name in Settings.model_fields}
    try:
        return Settings(**{name: value for name, value in said.items() if value is not None})
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        raise Misuse("serve.setting", f"`--{name}` is {said[name]}: {first['msg'].lower()}", f"--{name}",
                     f"give what it takes: {Settings.model_fields[name].description}") from error


def _hand_over(arguments: argparse.Namespace, screen: Screen) -> NoReturn:
    """Become vLLM. Raises Misuse for what vLLM is not told, and where it cannot serve the run."""
    from ..serving import vllm

    ours = [f"--{name}" for name in ("rows", "queue", "timeout", "drain", "jobs")
            if getattr(arguments, name) is not None]
    if arguments.allow_host:
        ours.append("--allow-host")
    if arguments.log:
        ours.append("--log")
    if ours or len(arguments.runs) > 1:
        what = f"{', '.join(ours)} {'is' if len(ours) == 1 else 'are'} tunesmith's own" if ours else "one run goes over"
        raise Misuse("serve.engine", f"vLLM serves by its own settings: {what}", "--engine",
                     "leave that out, or leave `--engine` out")
    name, path = _named(arguments.runs[0])
    screen.flush()
    vllm.hand_over(Path(path), name, _door(arguments), arguments.port)


def _door(arguments: argparse.Namespace, drain: float = 30) -> Door:
    """Who is let in. Raises Misuse where others could come in without a key."""
    from ..serving import keys
    from ..serving.checks import Door
    from ..serving.limits import Limits

    key = keys.read(arguments.host, variable=arguments.key_from, file=arguments.key_file)
    return Door(arguments.host, key, frozenset(name.lower() for name in arguments.allow_host),
                Limits(drain_seconds=round(drain)))


def _bound(host: str, port: int) -> socket.socket:
    """A socket at that address, before anything is loaded. Raises Misuse where it is taken or none of this machine."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=2048)
    except (OSError, OverflowError) as error:
        why = (getattr(error, "strerror", "") or str(error)).partition(" (while")[0]  # asyncio's words repeat ours
        raise Misuse("serve.address", f"nothing can listen at {host}, port {port}: {why.lower()}", "--port",
                     "name another `--port`, or 0 for any that is free") from error


def _opened(words: Sequence[str], settings: Settings, screen: Screen) -> Registry:
    """The models by their names."""
    from ..serving.registry import Registry

    models = Registry(settings)
    try:
        for word in words:
            screen.tell(f"opening {word}")  # which takes seconds, of a large model minutes
            models.add(*_named(word))
    except BaseException:  # a request to stop, too: what is open already has threads
        models.close()
        raise
    return models


def _watched(arguments: argparse.Namespace) -> AbstractContextManager[Logs]:
    """The logs of the runs that keep what they are asked, open while it serves."""
    from ..serving.watching import watched

    return watched(dict(map(_named, arguments.runs)), arguments.log)


def _named(word: str) -> tuple[str, str]:
    """The name that requests say, and the run or base."""
    name, equals, path = word.partition("=")
    return (name, path) if equals and not Path(word).exists() else (Path(word).name, word)


def _told(url: str, models: Registry, jobs: Jobs | None, screen: Screen) -> None:
    bases = list(jobs.bases) if jobs is not None else []
    if screen.as_json:
        screen.answer({"url": url, "models": list(models), "bases": bases})
        screen.flush()
        return
    screen.say(f"serving at {url}")
    for name, served in models.items():
        screen.say(f"  {name}  ({served.kind})")
    if jobs is not None:
        screen.say(f"  jobs may tune {', '.join(bases)}; they are kept in {jobs.store.place.path}")


def _jobs_make_sense(arguments: argparse.Namespace) -> None:
    """Raise Misuse where there is nothing to serve, or half of what jobs need."""
    if arguments.jobs is None and not arguments.runs:
        raise Misuse("serve.nothing", "there is no run to serve", "`tunesmith serve`",
                     "name a run or a base, or take jobs with `--jobs FOLDER --base NAME`")
    if (arguments.jobs is None) == bool(arguments.base):
        raise Misuse("serve.jobs", "`--jobs` and `--base` need each other", "`tunesmith serve`",
                     "say where jobs are kept (`--jobs FOLDER`) and which bases they may tune (`--base NAME`)")
    if arguments.jobs_at_once < 1:
        raise Misuse("serve.jobs_at_once", "no job would ever be trained", "--jobs-at-once", "give 1 or more")


@contextmanager
def _jobs(arguments: argparse.Namespace) -> Iterator[Jobs | None]:
    """The folder of jobs, owned while the context lasts; None where none is named."""
    if arguments.jobs is None:
        yield None
        return
    from ..jobs import service

    with service.opened(arguments.jobs, arguments.base, arguments.jobs_at_once) as jobs:
        yield jobs


@contextmanager
def _server(
    models: Registry, settings: Settings, door: Door, port: int, jobs: Jobs | None, *, logs: Logs,
) -> Iterator[Callable[..., None]]:
    """What serves until a signal comes; then what runs is finished, within the time that the settings give it."""
    import uvicorn

    from ..jobs import service
    from ..serving.app import application
    from ..serving.guard import Guard
    from ..serving.protocol import configured
    from ..serving.watching import announcing

    class Server(uvicorn.Server):
        """Leaves signals to us, who end with an exit code and not by the signal."""

        def capture_signals(self) -> Any:
            return nullcontext()

    app = application(models, settings, jobs)
    server = Server(configured(Guard(app, door), door, port))

    def stop(signal: str) -> None:
        app.state.service.draining = True
        server.should_exit = True

    come = announcing(app, models, logs)
    with signals.listening(stop), service.running(jobs, come) if jobs is not None else nullcontext():
        yield server.run
