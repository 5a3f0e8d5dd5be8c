"""The folder of jobs: what lies where in it.

    .lock            whose lock owns the folder: one server
    jobs.sqlite      files, jobs and events
    files/           contents, each under its own digest
    incoming/        contents that are still being sent
    work/ftjob-…/    a job: its recipe, its rows (the contents, linked), what its processes said, and its run

Nothing in it is called as a client says: ids and digests are of our own making.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from ..runs import folder
from ..runs.folder import Run

DIGEST = re.compile(r"[0-9a-f]{64}")
JOB = re.compile(r"ftjob-[0-9a-f]{24}")
SIDES = ("training_file", "validation_file")


@dataclass(frozen=True, slots=True)
class Work:
    """The folder of one job."""

    path: Path

    @property
    def recipe(self) -> Path:
        """The recipe that the job stands for."""
        return self.path / "recipe.yaml"

    def rows(self, side: str) -> Path:
        """The rows of a parameter: `training_file` or `validation_file`."""
        return self.path / f"{side}.jsonl"

    @property
    def lock(self) -> Path:
        """The file whose lock the job's process holds, as long as it lives."""
        return self.path / ".lock"

    @property
    def answer(self) -> Path:
        """The JSON value that the newest process answered with."""
        return self.path / "answer.json"

    @property
    def log(self) -> Path:
        """What all processes told."""
        return self.path / "log.txt"

    @property
    def runs(self) -> Path:
        """The folder that the run is made in."""
        return self.path / "runs"

    def run(self) -> Run | None:
        """The job's run, once there is one."""
        found = folder.list_runs(self.runs)
        return max(found, key=lambda run: folder.status(run).steps) if found else None


@dataclass(frozen=True, slots=True)
class Place:
    """A folder of jobs, as an absolute path."""

    path: Path

    @property
    def database(self) -> Path:
        """Files, jobs and events."""
        return self.path / "jobs.sqlite"

    @property
    def files(self) -> Path:
        """The contents."""
        return self.path / "files"

    @property
    def incoming(self) -> Path:
        """Contents that are still being sent."""
        return self.path / "incoming"

    @property
    def works(self) -> Path:
        """The folders of the jobs."""
        return self.path / "work"

    def content(self, digest: str) -> Path:
        """Where the content of that digest lies."""
        if not DIGEST.fullmatch(digest):
            raise ValueError(f"`{digest}` is no digest")
        return self.files / digest

    def work(self, job: str) -> Work:
        """The folder of a job, by its id."""
        if not JOB.fullmatch(job):
            raise ValueError(f"`{job}` is no job's id")
        return Work(self.works / job)
