"""Tokens that were proved, kept from one start to the next under everything that decides what they are.

A key is a digest of the bytes of the data files, of all that the base's folder holds but weights, of the template, of
the options that reading, splitting and encoding look at, of the code that does it, and of the libraries' versions; of
the date where a template may ask for it. Whatever changes, the key is another one, and the data is prepared anew.
"""

from __future__ import annotations

import hashlib
import json
import platform
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...cache import cache_folder
from ...data import remembered
from ...data.remembered import Keeping
from ...encoding.batches import cache as kept_files
from ...encoding.batches.flat import Flat
from ...encoding.tokens.vocabulary import Pieces
from ...kernels import ideas
from ...reading.files import find, locate
from ...recipe import located
from ...recipe.write import leaves
from ...records import SIDES, Finding, Head, Side
from ...runs import lineage
from ...runs.digests import digest_file
from .encode import Encoded
from .vocabulary import Learnt

if TYPE_CHECKING:
    from ...models.pretrained import Base
    from ...recipe.sections import Recipe

PACKAGE = Path(__file__).resolve().parents[2]
CODE = ("reading", "text", "data", "encoding", "tasks", "workflow", "contracts", "records.py", "examples.py",
        "verdicts.py")
LIBRARIES = ("tokenizers", "transformers", "jinja2", "numpy")
OPTIONS = ("base.vocabulary.", "task.", "data.", "evaluation.also.", "training.max_length", "training.seed")
WEIGHTS = frozenset({".safetensors", ".gguf", ".bin", ".pt", ".pth", ".ckpt", ".h5", ".msgpack", ".onnx", ".ot"})
KEPT_SIDES = ("groups", "sides", "known")
TEMPLATES = "additional_chat_templates"
JSON_LIMIT_BYTES = 64 << 20  # beyond which no file of a base is read as JSON, nor a template
# The function that tells templates the date, or letters so written in JSON that they could be its name
CLOCK = re.compile(rb"strftime_now|\\u00(?:5[fF]|6[1-9a-fA-F]|7[0-9aA])")


def key(recipe: Recipe, base: Base, date: str) -> str | None:
    """What the tokens are kept under; None where a task or a format that is not ours makes them.

    Raises Misuse for data files that are missing, and for models that rows are made with.
    """
    from ...models import bases

    rows = (*recipe.data.mix.values(), *recipe.evaluation.also.values())
    sections = [recipe.task, recipe.data.format, *recipe.data.audit, *recipe.data.augment,
                *(each.format for each in rows), *(each.task for each in recipe.evaluation.also.values())]
    if not all(_ours(section.module) for section in sections if section is not None):
        return None
    named, files = _template(recipe, base), _tokenizer_files(base.folder)
    asks = [named] if named else (path.read_bytes() for path in files if path.stat().st_size <= JSON_LIMIT_BYTES)
    told = {
        "data": {side: _digests(wanted) for side, wanted in _named(recipe).items()},
        "folder": {str(path.relative_to(base.folder)): digest_file(path) for path in files},
        "tools": digest_file(Path(recipe.data.tools)) if recipe.data.tools else None,
        "beside": {file: digest_file(Path(file)) for section in sections if section is not None
                   for _, file in located.files(section.settings) if Path(file).is_file()},
        "asked": {name: bases.find(name, "data.augment").digest for way in recipe.data.augment
                  for _, name in located.models(way.settings)},
        "template": hashlib.sha256(named).hexdigest(),
        "context": base.context,
        "added": [each.as_json() if isinstance(each, Pieces) else each.model_dump() for each in base.added],
        "options": {path: value for path, value in leaves(recipe).items() if path.startswith(OPTIONS)},
        "code": code(),
        "versions": {"python": platform.python_version(), **{name: metadata.version(name) for name in LIBRARIES}},
        "date": date if any(CLOCK.search(content) for content in asks) else None,
    }
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class KeptOther:
    """Of an entry of `evaluation.also` the type of its task, the digest of its examples, and how many rows are left."""

    task: str
    digest: str
    left: int
    encoded: Encoded


@dataclass(frozen=True)
class Kept:
    """What is kept. digests: of data, tokenizer and template; sources: as `Prepared` has them; findings: in order.

    also: the entries of `evaluation.also`; head: with the labels of the training side; held: as `Prepared` has it;
    learnt: new pieces; audit: what the checks of the rows found, as `check --json` has it; keeping, split: as `Read`
    has them.
    """

    sides: Mapping[Side, Encoded]
    also: Mapping[str, KeptOther]
    sources: Mapping[str, int]
    digests: Mapping[str, str]
    findings: Sequence[Finding]
    head: Head
    held: Mapping[str, int]
    learnt: Learnt | None = None
    audit: Mapping[str, Any] = field(default_factory=dict)
    keeping: Keeping | None = None
    split: Mapping[str, Any] = field(default_factory=dict)


def read(under: str | None) -> Kept | None:
    """What was kept under a key; None where nothing whole is, or a file of sides says otherwise now."""
    kept = kept_files.read(_folder(), under) if under and ideas.on("cache") else None
    if kept is None:
        return None
    notes, arrays = kept
    sides = {side: Encoded(_below(f"{side}/", arrays), (), notes["supervised"][side]) for side in SIDES}
    also = {name: KeptOther(**one, encoded=Encoded(_below(f"also/{name}/", arrays), (), {}))
            for name, one in notes["also"].items()}
    findings = [Finding(**told) for told in notes["findings"]]
    learnt = Learnt.from_json(notes["learnt"]) if notes["learnt"] else None
    keeping = _keeping(notes["keeping"], arrays)
    if keeping is not None and not keeping.agrees(remembered.read(keeping.path)):
        return None
    return Kept(sides, also, notes["sources"], notes["digests"], findings, Head.from_json(notes["head"]),
                notes["held"], learnt, notes["audit"], keeping, notes["split"])


def _keeping(told: Mapping[str, Any] | None, arrays: Mapping[str, Any]) -> Keeping | None:
    if told is None:
        return None
    groups, sides, known = (arrays[f"keeping/{name}"] for name in KEPT_SIDES)
    return Keeping(Path(told["path"]), told["facts"], groups, sides, known, told["begun"])


def _below(prefix: str, arrays: Mapping[str, Any]) -> Flat:
    return Flat({name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)})


def write(under: str | None, kept: Kept) -> None:
    """Keep what was proved. What was refused is not kept."""
    if not under or not ideas.on("cache") or any(finding.severity == "error" for finding in kept.findings):
        return
    notes = {
        "findings": [finding.as_json() for finding in kept.findings],
        "digests": dict(kept.digests),
        "supervised": {side: dict(encoded.supervised) for side, encoded in kept.sides.items()},
        "sources": dict(kept.sources),
        "held": dict(kept.held),
        "head": kept.head.as_json(),
        "audit": dict(kept.audit),
        "learnt": kept.learnt.as_json() if kept.learnt else None,
        "split": dict(kept.split),
        "keeping": kept.keeping and {"path": str(kept.keeping.path), "facts": dict(kept.keeping.facts),
                                     "begun": kept.keeping.begun},
        "also": {name: {"task": other.task, "digest": other.digest, "left": other.left}
                 for name, other in kept.also.items()},
    }
    parts: dict[str, Encoded] = {side: encoded for side, encoded in kept.sides.items()}
    parts |= {f"also/{name}": other.encoded for name, other in kept.also.items()}
    arrays = {f"{part}/{name}": array for part, encoded in parts.items()
              for name, array in encoded.documents.arrays.items()}
    if kept.keeping is not None:
        arrays |= {f"keeping/{name}": getattr(kept.keeping, name) for name in KEPT_SIDES}
    kept_files.write(_folder(), under, notes, arrays)


@cache
def code() -> str:
    """A digest of the code that makes documents of files."""
    total = hashlib.sha256()
    for place in CODE:
        path = PACKAGE / place
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            total.update(f"{file.relative_to(PACKAGE)} {hashlib.sha256(file.read_bytes()).hexdigest()}\n".encode())
    return total.hexdigest()


def _folder() -> Path:
    return cache_folder() / "tokens"


def _ours(module: Any) -> bool:
    """Whether a module is of this package: what another one imports, nobody knows."""
    return Path(str(module.__file__)).resolve().is_relative_to(PACKAGE)


def _named(recipe: Recipe) -> dict[str, Sequence[str]]:
    sides: dict[str, Sequence[str] | float] = {
        "train": recipe.data.train, "validation": recipe.data.validation, "test": recipe.data.test}
    sides |= {f"mix.{name}": rows.files for name, rows in recipe.data.mix.items()}
    sides |= {f"also.{name}": rows.files for name, rows in recipe.evaluation.also.items()}
    sides |= {"vocabulary": recipe.base.vocabulary.texts} if recipe.base.vocabulary.texts else {}
    return {side: wanted for side, wanted in sides.items() if not isinstance(wanted, float)}


def _digests(wanted: Sequence[str]) -> list[tuple[str, str]]:
    """Each file that is meant, as it is called in findings, and the SHA-256 of its bytes."""
    return [(written, lineage.digest_file(locate(written, Path()))) for written in find(wanted, Path())[0]]


def _template(recipe: Recipe, base: Base) -> bytes:
    """The template that takes the place of the base's own; nothing where none does."""
    from ...models import earlier

    named = recipe.data.template
    if named is None and base.run is not None:
        named = earlier.recipe_of(base.run).data.template
    if named is None:
        return b""
    if not Path(named).is_absolute():
        return named.encode()
    try:
        return Path(named).read_bytes()
    except OSError:
        return b""  # whoever opens the codec says so


def _tokenizer_files(folder: Path) -> list[Path]:
    """Every file of a base that may decide about its tokens: all but weights."""
    found = sorted([*folder.iterdir(), *(folder / TEMPLATES).glob("*")])
    return [path for path in found if path.is_file() and path.suffix not in WEIGHTS]
