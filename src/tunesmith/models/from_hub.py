"""A base from the Hub: its weights, configuration, tokenizer, templates and card are fetched, and nothing else.

No code of a repository is fetched, let alone run, and no pickled weights. What is opened is a folder of our own with
links to just these files: whatever other tools fetch beside them changes nothing.
"""

from __future__ import annotations

import logging
import re
import secrets
from collections.abc import Sequence
from pathlib import Path

from ..cache import cache_folder
from ..errors import Failure, Misuse, Problem, Refusal
from ..hub import Listing, fetch, listing
from ..recipe.hub_id import HubId
from . import vetting

log = logging.getLogger(__name__)

SETTINGS = re.compile(
    r"[^/]+\.(json|jinja|model|tiktoken)|(vocab|merges)\.txt|README\.md|additional_chat_templates/[^/]+\.jinja"
)
INDEX, WHOLE = "model.safetensors.index.json", "model.safetensors"
SHARD = re.compile(r"model-\d+-of-\d+\.safetensors")
MOST = 8


def fetched(asked: HubId, where: str) -> Path:
    """The folder, or the GGUF file, of a base on the Hub, once it is whole on this machine.

    Raises Misuse for what is not there, Refusal for weights that are pickled, Failure where the download stops.
    """
    listed = listing(asked, "model", where)
    if not asked.pinned:  # else it was said when it was pinned
        log.info("`%s` is no path here: the Hub's, at commit %s", asked, listed.commit)
    if asked.part or not _weights(listed):
        return _gguf(listed, asked, where)
    settings = [name for name in listed.files if SETTINGS.fullmatch(name)]
    fetch(listed, settings, where)
    vetting.vet_settings(_view(listed, settings))  # before gigabytes come that would be refused
    names = [*settings, *_weights(listed)]
    fetch(listed, names, where)
    return _view(listed, names)


def _weights(listed: Listing) -> list[str]:
    """The files of safetensors: the shards that an index names, or one whole file, or whatever there is."""
    every = [name for name in listed.files if name.endswith(".safetensors") and "/" not in name]
    if INDEX in listed.files:
        return [name for name in every if SHARD.fullmatch(name)] or every
    return [WHOLE] if WHOLE in every else every


def _gguf(listed: Listing, asked: HubId, where: str) -> Path:
    """The GGUF file that is asked for, alone."""
    every = sorted(name for name in listed.files if name.lower().endswith(".gguf"))
    if asked.part in every:
        return fetch(listed, [asked.part], where) / asked.part
    shown = ", ".join(f"`{asked.repo}:{name}`" for name in every[:MOST])
    if asked.part:
        raise Misuse("hub.no_file", f"`{asked.repo}` has no GGUF file `{asked.part}`", where,
                     f"use one of: {shown}" if every else f"use `{asked.repo}`")
    if every:
        raise Misuse("hub.which_file", f"`{asked.repo}` holds {len(every)} GGUF files", where, f"name one: {shown}")
    raise _without_weights(listed, where)


def _without_weights(listed: Listing, where: str) -> Problem:
    name = listed.repository.name
    pickled = sorted(file for file in listed.files if Path(file).suffix in vetting.PICKLED)
    if pickled:
        return Refusal("base.pickled", f"the weights of `{name}` are pickled (`{pickled[0]}`); opening them could run "
                       "code, so they are not fetched", where, vetting.CONVERT.replace("FOLDER", name))
    return Misuse("base.no_weights", f"`{name}` holds no weights that can be read (*.safetensors, *.gguf)", where,
                  "use another repository")


def _view(listed: Listing, names: Sequence[str]) -> Path:
    """A folder with links to just these files."""
    view = cache_folder() / "hub" / listed.repository.folder.name / listed.commit
    try:
        for name in names:
            place, target = view / name, listed.snapshot / name
            if place.is_symlink() and place.readlink() == target:
                continue
            place.parent.mkdir(parents=True, exist_ok=True)
            draft = place.with_name(f".{place.name}.{secrets.token_hex(4)}")
            draft.symlink_to(target)
            draft.replace(place)
    except OSError as error:
        raise Failure("base.cache", f"the cache cannot be written: {error.strerror}", str(view),
                      "set `TUNESMITH_CACHE` to a folder that you may write to") from error
    return view
