"""What can be said of a base to others: how it is called, its licence, its languages. Runs none of its code."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from ..recipe.hub_id import HubId, parse
from . import from_hub, gguf_header
from .bases import STARTERS, starter_file
from .pretrained import Base

WORD = re.compile(r"[A-Za-z0-9][\w.+-]{0,63}")
CARD_LIMIT_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class About:
    """reference: a Hub id where there is one, else a name without a path; revision: its commit, "" where there is none.

    licence, languages: as the base's files say; gguf: the name of the GGUF file that the base was read from.
    """

    reference: str
    revision: str
    licence: str | None
    languages: tuple[str, ...]
    gguf: str | None = None


def about(base: Base) -> About:
    """What a base's own files say of it, and a name for it that tells nothing of this machine."""
    if base.under is not None:
        return about(base.under)
    card = _front_matter(base.folder / "README.md")
    licence, spoken = card.get("license"), card.get("language")
    file, named = _gguf(base), _on_hub(base.name)
    if licence is None and file is not None:
        licence = gguf_header.read(file).metadata.get("general.license")
    languages = [spoken] if isinstance(spoken, str) else spoken if isinstance(spoken, list) else []
    return About(reference(base.name), named.revision if named else "", licence if _is_word(licence) else None,
                 tuple(filter(_is_word, languages)), file.name if file else None)


def reference(name: str) -> str:
    """A name for others: a starter's as it is, of a path the last part, of what is on the Hub its repository."""
    on_hub = _on_hub(name)
    return on_hub.repo if on_hub else Path(name).name


def _on_hub(name: str) -> HubId | None:
    """A name as the Hub's, where nothing on this machine has it."""
    return None if name in STARTERS or os.path.exists(name) else parse(name)  # noqa: PTH110 — pathlib's may raise


def _gguf(base: Base) -> Path | None:
    """The GGUF file that a base was read from; of one on the Hub, where it was put on this machine."""
    on_hub = _on_hub(base.name)
    if on_hub is not None:
        path = from_hub.fetched(on_hub, "base.name") if on_hub.part else Path(on_hub.repo)
    else:
        path = starter_file(base.name) if base.name in STARTERS else Path(base.name)
    return path if path.suffix.lower() == ".gguf" else None


def _front_matter(file: Path) -> dict[str, Any]:
    """The facts at the head of a model card; none where there is no card or where it cannot be read."""
    if not file.is_file() or file.stat().st_size > CARD_LIMIT_BYTES:
        return {}
    found = re.match(r"---\s*\n(.*?)\n---\s*(\n|$)", file.read_text(encoding="utf-8", errors="replace"), re.DOTALL)
    try:
        values = YAML(typ="safe", pure=True).load(found[1]) if found else None
    except (YAMLError, ValueError):
        return {}
    return values if isinstance(values, dict) else {}


def _is_word(value: Any) -> bool:
    return isinstance(value, str) and WORD.fullmatch(value) is not None
