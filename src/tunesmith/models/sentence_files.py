"""What sentence-transformers keeps beside a network: how a text's states become its vector. Read, and written.

Written as its versions from 2.2 on read it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from ..errors import Refusal
from .pretrained import Base

MODES: Final = {"pooling_mode_mean_tokens": "mean", "pooling_mode_cls_token": "cls", "pooling_mode_lasttoken": "last"}
FOLDER: Final = "1_Pooling"
KNOWN: Final = ("Transformer", "Pooling", "Normalize")
TYPES: Final = "sentence_transformers.models."


def pooling(base: Base) -> str:
    """How a base makes a vector: `mean`, `cls`, `last`, something else by its name; "" where it does not say.

    An earlier run's is what it was tuned with.
    """
    if base.run is not None and base.under is not None:
        from .earlier import recipe_of

        settings = recipe_of(base.run).task.settings.model_dump()
        own = str(settings.get("pooling", "auto"))
        return pooling(base.under) if own == "auto" else own
    told = _read(base.folder / FOLDER / "config.json")
    modes = [MODES.get(name, name.removeprefix("pooling_mode_")) for name, value in told.items()
             if name.startswith("pooling_mode_") and value is True]
    if "pooling_mode" in told:
        modes = ["last" if told["pooling_mode"] == "lasttoken" else str(told["pooling_mode"])]
    modules = _read(base.folder / "modules.json") if modes else []
    kinds = [str(each["type"]).rpartition(".")[2] for each in modules if isinstance(each, dict) and "type" in each]
    return "+".join([*modes, *(kind for kind in kinds if kind not in KNOWN)])


def chosen(asked: str, of_base: str) -> str:
    """How vectors are made: as asked, or for `auto` as the base says, else by the mean.

    Raises Refusal where the base makes its vectors in a way that is not known here.
    """
    found = (of_base or "mean") if asked == "auto" else asked
    if found not in MODES.values():
        raise Refusal("base.pooling", f"the base makes its vectors by `{found}`, which this task does not do",
                      "task.pooling", f"set it to {', '.join(MODES.values())}: the base is then measured so")
    return found


def _read(file: Path) -> Any:
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}


def write(folder: Path, *, width: int, pooling: str, longest: int) -> None:
    """Put `modules.json` and the configurations that it names beside a network's own."""
    modules = [("", "Transformer"), (FOLDER, "Pooling"), ("2_Normalize", "Normalize")]
    _write(folder / "modules.json", [
        {"idx": place, "name": str(place), "path": path, "type": TYPES + kind}
        for place, (path, kind) in enumerate(modules)])
    _write(folder / FOLDER / "config.json", {"word_embedding_dimension": width, **{
        name: mode == pooling for name, mode in
        (MODES | dict.fromkeys(("pooling_mode_max_tokens", "pooling_mode_mean_sqrt_len_tokens"), "")).items()}})
    _write(folder / "2_Normalize" / "config.json", {})
    _write(folder / "sentence_bert_config.json", {"max_seq_length": longest, "do_lower_case": False})
    _write(folder / "config_sentence_transformers.json", {
        "prompts": {}, "default_prompt_name": None, "similarity_fn_name": "cosine"})


def _write(file: Path, content: Mapping[str, Any] | list[dict[str, Any]]) -> None:
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
