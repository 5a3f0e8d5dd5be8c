"""A folder that `docker build` makes an image of: a run, its base, tunesmith itself, and an entry point that serves.

It has no network at its start, no root, and no key inside. Source: Docker's reference of Dockerfile and its advice on
building images; the rules of hadolint 2.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path

import torch
from pydantic import BaseModel, ConfigDict, Field

from ..contracts import Lossy
from ..errors import Misuse
from ..models.model import LanguageModel
from ..recipe.sources import MAIN
from ..runs.card import Use
from . import _carried, _pinned
from ._own import Own
from ._source import Source

library = "tunesmith"
CODE, RUN, PORT, KEY = "code", _carried.RUN, 8000, "TUNESMITH_KEY"
HEALTH = f"import urllib.request; urllib.request.urlopen(\'http://127.0.0.1:{PORT}/health\', timeout=3)"
DOCKERFILE = """\
FROM {image}

ENV HF_HUB_OFFLINE=1 \\
    HF_HUB_DISABLE_TELEMETRY=1 \\
    DO_NOT_TRACK=1 \\
    HOME=/tmp \\
    PYTHONDONTWRITEBYTECODE=1 \\
    PYTHONPATH=/srv/code \\
    PYTHONUNBUFFERED=1

WORKDIR /srv
COPY requirements.txt ./
RUN pip install --no-cache-dir --extra-index-url https://download.pytorch.org/whl/cpu --requirement requirements.txt \\
    && useradd --system --uid 10001 --user-group --no-create-home tunesmith
COPY {code} ./{code}
RUN python -m compileall -q {code}
{models}
# what a run saw in service is kept in its folder, where its recipe says so
COPY --chown=10001:10001 {run} ./{run}

USER 10001:10001
EXPOSE {port}
HEALTHCHECK --interval=30s --timeout=5s --start-period=120s CMD {health}
# the key is no part of an image: docker run --env {key}
ENTRYPOINT {entry}
"""


class Settings(BaseModel):
    """What the image is made on."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True)

    image: str = Field(default="", pattern=r"^$|^[a-z0-9][a-z0-9._/:-]*:[\w][\w.-]*(@sha256:[0-9a-f]{64})?$",
                       examples=["python:3.11.7-slim-bookworm"])
    """The image that the Dockerfile begins with, with its tag; it must have Python, pip and `useradd`.

    By default the slim one of the Python that runs here, to its last number. Try one with a digest
    (`python:3.11.7-slim-bookworm@sha256:…`), which nobody can change behind your back.
    """


def refuse(source: Source, settings: Settings) -> None:
    """Raise Misuse for a part of a run, and where what serves is not installed."""
    if source.part != MAIN:
        raise Misuse("export.part", "an image serves a run whole, with all its parts", "--part", "leave it out")
    if settings.image.rpartition(":")[2] == "latest":
        raise Misuse("export.image", f"`{settings.image}` is another image every day", "image", "name a version")
    _pinned.requirements()


def lossy(settings: Settings) -> Lossy | None:
    """None: it is the run."""
    return None


def precision(source: Source, settings: Settings) -> torch.dtype:
    """What was learnt is in float32; the base stays as it is."""
    return torch.float32


def meant(source: Source, settings: Settings) -> LanguageModel:
    """The model as it was learnt: nothing is merged or rounded."""
    return source.adapted()


def write(model: LanguageModel, source: Source, folder: Path, settings: Settings) -> None:
    """Put Dockerfile, requirements.txt, .dockerignore, the run, its base and our own code into an empty folder."""
    _carried.carry(source.run, folder)
    own = shutil.ignore_patterns("__pycache__")
    shutil.copytree(Path(__file__).parents[1], folder / CODE / "tunesmith", ignore=own)
    (folder / "requirements.txt").write_text(_pinned.requirements(), encoding="utf-8")
    below = sorted(path.name for path in folder.iterdir() if path.is_dir() and path.name not in (CODE, RUN))
    allowed = ("requirements.txt", CODE, RUN, *below)
    (folder / ".dockerignore").write_text("*\n" + "".join(f"!{name}\n" for name in allowed), encoding="utf-8")
    (folder / "Dockerfile").write_text(_dockerfile(source, settings, below), encoding="utf-8")


def _dockerfile(source: Source, settings: Settings, below: list[str]) -> str:
    version = ".".join(map(str, sys.version_info[:3]))
    entry = ["python", "-m", "tunesmith", "serve", f"{served_as(source)}={RUN}", "--host", "0.0.0.0",  # noqa: S104
             "--port", str(PORT), "--key-from", KEY]
    return DOCKERFILE.format(
        image=settings.image or f"python:{version}-slim-bookworm", code=CODE, run=RUN, port=PORT, key=KEY,
        models="\n".join(f"COPY {name} ./{name}" for name in below), entry=json.dumps(entry),
        health=json.dumps(["python", "-c", HEALTH]))


def served_as(source: Source) -> str:
    """The name that requests say: the run's, without its date and its letters that tell it from others."""
    found = re.fullmatch(r"\d{4}-\d\d-\d\d-(.+)-[0-9a-f]{4}", source.name)
    return found[1] if found else source.name


def reload(folder: Path, source: Source) -> Own:
    """The copied run as the server opens it, from the folder's files alone, in float32."""
    return Own(folder / RUN, source.part)


def uses(source: Source) -> tuple[Use, ...]:
    """How the image is made and run."""
    name = served_as(source)
    return (Use("Docker", "sh", f"""\
docker build --tag {name} "{source.name}"
export {KEY}=$(openssl rand -hex 24)
docker run --rm --publish 127.0.0.1:{PORT}:{PORT} --env {KEY} {name}
curl --header "Authorization: Bearer ${KEY}" http://127.0.0.1:{PORT}/v1/models"""),)
