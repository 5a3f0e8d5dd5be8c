"""A folder of jobs in use: owned by one server, its jobs taken further by a thread."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..runs import durable, lock
from ..runs.folder import Run
from . import asking, files
from .asking import Offered
from .place import Place
from .runner import Announce, Runner
from .store import Store

CLOSING_SECONDS = 30.0  # for a step and a save; a process that takes longer ends by itself, and goes on the next time


@dataclass(frozen=True)
class Jobs:
    """What the routes need: the store, and the bases that may be tuned, by the names that clients use.

    at_once: how many jobs are trained beside each other.
    """

    store: Store
    bases: Mapping[str, Offered]
    at_once: int = 1


@contextmanager
def opened(folder: Path, bases: Sequence[str], at_once: int = 1) -> Iterator[Jobs]:
    """The jobs of a folder, which is made where it is missing.

    Raises Busy where another server has the folder, Misuse for a base that is missing, Failure for a full disk.
    """
    place = Place(folder.absolute())
    for path in (place.path, place.files, place.incoming, place.works):
        durable.make_folder(path)
    place.path.chmod(0o700)  # rows may be anybody's; nobody else has to read them
    with lock.hold(Run(place.path), called="the folder of jobs"):
        offered = asking.offered(bases)
        store = Store(place)
        try:
            files.tidy(store)
            asking.tidy(store)
            yield Jobs(store, offered, at_once)
        finally:
            store.close()


@contextmanager
def running(jobs: Jobs, announce: Announce) -> Iterator[Runner]:
    """Take the jobs further while the context lasts; then let each save what it has."""
    runner = Runner(jobs.store, announce, jobs.at_once)
    runner.announce_finished()
    thread = threading.Thread(target=runner.run, name="jobs")
    thread.start()
    try:
        yield runner
    finally:
        runner.end()
        thread.join()
        runner.close(CLOSING_SECONDS)
