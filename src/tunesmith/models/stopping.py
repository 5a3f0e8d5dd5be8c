"""What stands beside a tuned model so that every program stops where the training taught it to.

A chat model learns to end its turn with the template's token, and programs that serve it read elsewhere where to stop:
vLLM and transformers in `generation_config.json` and `config.json`, converters to GGUF in the tokenizer's `eos_token`.
Left as the base had them, the model is never heard to stop.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..encoding.tokens.codec import Codec
from . import load
from .pretrained import Base


def write(folder: Path, base: Base, codec: Codec, *, turns: bool) -> None:
    """Put tokenizer, template and `generation_config.json` into a model's or an adapter's folder.

    Where `config.json` stands there already, its ids are set too. codec: the one that the run was proved with; turns:
    whether the task teaches turns (`Conversation in task.takes`), whose end is the template's, or texts.
    """
    tokenizer(base, codec, turns=turns).save_pretrained(folder)
    _write_json(folder / "generation_config.json", generation_config(base, codec, turns=turns))
    config = folder / "config.json"
    if config.is_file():
        found = json.loads(config.read_text(encoding="utf-8"))
        _write_json(config, {**found, **token_ids(codec, turns=turns)})


def generation_config(base: Base, codec: Codec, *, turns: bool) -> dict[str, Any]:
    """The base's own generation settings, which stop on what was trained first and on all that the base stops on."""
    own = load.json_of(base, "generation_config.json")
    own.pop("_from_model_config", None)  # transformers would make the rest anew from config.json
    return {**own, **token_ids(codec, turns=turns)}


def token_ids(codec: Codec, *, turns: bool) -> dict[str, Any]:
    """`eos_token_id`, one id or several, and the others that there are, under transformers' names.

    The end that was trained comes first: some programs read no further.
    """
    last = end(codec, turns=turns)
    stop = [*([] if last is None else [last]), *sorted(codec.stop - {last})]
    ids = {"bos_token_id": codec.bos, "eos_token_id": stop[0] if len(stop) == 1 else stop, "pad_token_id": codec.pad}
    return {name: value for name, value in ids.items() if value is not None and value != []}


def end(codec: Codec, *, turns: bool) -> int | None:
    """The id that was taught to end an answer, or a text."""
    return codec.control[codec.end_of_turn] if turns and codec.end_of_turn else codec.eos


def tokenizer(base: Base, codec: Codec, *, turns: bool) -> Any:
    """The base's tokenizer as the tuned model needs it: with the run's template, and its end as `eos_token`.

    A template that itself writes `eos_token` would change with it, and keeps the one that it was proved with.
    """
    found = load.tokenizer(base)
    template = codec.template
    if template is not None and (found.chat_template is None or found.get_chat_template() != template.source):
        found.chat_template = template.source
    if turns and codec.end_of_turn and template is not None and "eos_token" not in template.source:
        found.eos_token = codec.end_of_turn
    return found


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
