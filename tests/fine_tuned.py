"""A server of jobs on 127.0.0.1 in this process, as OpenAI's own client asks it.

Tests say `from fine_tuned import asked, rows`, and mark themselves with `hub.allowed`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import openai
from fastapi import FastAPI

from tunesmith.jobs import service
from tunesmith.serving import files, fine_tuning, refusals
from tunesmith.serving.checks import Door
from wire import running


def rows(count: int = 24) -> bytes:
    """Conversations as OpenAI has them."""
    return b"".join(json.dumps({"messages": [
        {"role": "user", "content": f"How many hats after {n}?"},
        {"role": "assistant", "content": f"{n + 1} hats."}]}).encode() + b"\n" for n in range(count))


@contextmanager
def asked(folder: Path, bases: Sequence[str]) -> Iterator[tuple[openai.OpenAI, service.Jobs]]:
    """A client of a folder of jobs, which nobody takes further."""
    app = FastAPI()
    refusals.installed(app)
    with service.opened(folder, bases) as jobs:
        app.include_router(files.router(jobs.store))
        app.include_router(fine_tuning.router(jobs))
        with running(app, Door()) as port, openai.OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="none",
                                                         max_retries=0) as client:
            yield client, jobs
