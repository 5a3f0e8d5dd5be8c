"""How an export of a network that reads one text and writes another seeks its answers: as the run did."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ..contracts import Model
from ..encoding.documents import source_target
from ..generation import beams
from ._source import Source

FILE = "generation_config.json"


def write(folder: Path, model: Model, source: Source) -> None:
    """Put what the decoder begins with, and the run's beams, into the folder's `generation_config.json`."""
    settings = source.task.settings
    marked = source_target.marks_languages(source.codec)
    before, after = source_target.opening(settings.target_language if marked else "", source.codec)
    search = beams.Search(1, settings.beams, settings.length_penalty)
    told = beams.settings_of(source.codec, beams.opening(model, before, after), search)
    file = folder / FILE
    own: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    content = {name: value for name, value in {**own, **told, "eos_token_id": own["eos_token_id"]}.items()
               if value is not None}
    file.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
