"""A PEFT adapter: what was learnt alone, to be laid over the base, under PEFT's file names.

Opens with `PeftModel.from_pretrained(base, folder)`. Weights are written in float32, as they were learnt. Source: PEFT
0.21, `save_pretrained` and `PeftConfig`.
"""

from __future__ import annotations

import json
import warnings
from importlib.util import find_spec
from pathlib import Path

import torch
from pydantic import BaseModel, ConfigDict, Field
from safetensors.torch import save_file

from ..contracts import Lossy
from ..errors import Misuse
from ..models import about, bases, heads, stopping
from ..models.model import LanguageModel
from ..models.offline import transformers
from ..runs.card import Use
from . import _searching
from ._opened import Opened
from ._reading import Reading
from ._source import Source

library = "peft"
WEIGHTS = "adapter_model.safetensors"


class Settings(BaseModel):
    """What the adapter says of itself."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True)

    base: str | None = Field(default=None, min_length=1)
    """The name of the base in `adapter_config.json`: a Hub id, or a path on the machine that will use the adapter.

    By default the base's Hub id where it has one, else the last part of its path.
    """


def refuse(source: Source, settings: Settings) -> None:
    """Raise Misuse where what was learnt is no adapter, its base is no file of its own, or PEFT is missing."""
    if source.adapter.module.weights_file != WEIGHTS:
        raise Misuse("export.no_adapter", f"this run has no adapter: `adapter: {source.adapter.type}` changed the "
                     "base's own weights", f"{source.name}/recipe.yaml: adapter.type",
                     "use `tunesmith export RUN merged`")
    if source.head.kind not in heads.WRITING:
        raise Misuse("export.head", f"the network of a run with `task: {source.task.type}` leaves whole, with what "
                     "stands on it", f"{source.name}/recipe.yaml: task.type", "use `tunesmith export RUN merged`")
    if source.base.run is not None:
        raise Misuse("export.base_is_a_run", "the base of this run is an earlier run, merged when it is opened: there "
                     "are no files that the adapter could be laid over", f"{source.name}/recipe.yaml: base.name",
                     "use `tunesmith export RUN merged`; for an adapter, export the earlier run merged first and train "
                     "with that folder as `base`")
    if find_spec("peft") is None:
        raise Misuse("export.no_peft", "an adapter is proved by the program that will use it, and `peft` is not "
                     "installed", "", "pip install 'tunesmith[peft]', or use `tunesmith export RUN merged`")


def lossy(settings: Settings) -> Lossy | None:
    """None: it says what the run says."""
    return None


def precision(source: Source, settings: Settings) -> torch.dtype:
    """float32, as the adapter was learnt."""
    return torch.float32


def meant(source: Source, settings: Settings) -> LanguageModel:
    """The model as it was learnt: nothing is merged or rounded."""
    return source.adapted()


def write(model: LanguageModel, source: Source, folder: Path, settings: Settings) -> None:
    """Put the adapter, its configuration, tokenizer, template and generation_config.json into an empty folder."""
    tensors = {name: tensor.float().cpu().contiguous() for name, tensor in model.tensors().items()}
    save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})
    known = about.about(source.base)
    named = settings.base or known.reference
    for name, found in model.adapter.configuration(model.network, source.adapter.settings, named).items():
        content = {**found, "revision": known.revision} if known.revision and not settings.base else found
        (folder / name).write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    stopping.write(folder, source.base, source.codec, turns=source.turns)
    if source.head.kind == "encoder-decoder":
        _searching.write(folder, model, source)


def reload(folder: Path, source: Source) -> Opened | Reading:
    """The folder as PEFT opens it over the base's own files, in float32."""
    library = transformers()
    base = getattr(library, heads.AUTO[source.head.kind]).from_pretrained(
        source.base.folder, dtype=torch.float32, local_files_only=True, trust_remote_code=False, use_safetensors=True)
    import peft

    rows = len(library.AutoTokenizer.from_pretrained(folder, local_files_only=True))
    if rows > base.get_input_embeddings().num_embeddings:  # tokens that the base lacks: as PEFT's own loader does
        base.resize_token_embeddings(rows)
    with warnings.catch_warnings(action="ignore", category=FutureWarning):  # PEFT reads what transformers renames
        network = peft.PeftModel.from_pretrained(base, folder, autocast_adapter_dtype=False, local_files_only=True)
    tuned = network.get_base_model()
    return Opened(tuned, folder) if source.head.kind == "causal" else Reading(tuned, folder, source.head)


def uses(source: Source) -> tuple[Use, ...]:
    """How the folder is used, for its card."""
    base, found = _base_in_code(source)
    opener = heads.AUTO[source.head.kind]
    grown = "\nbase.resize_token_embeddings(max(len(tokenizer), base.config.vocab_size))" if source.base.added else ""
    code = f"""\
from peft import PeftModel
from transformers import {opener}, AutoTokenizer, GenerationConfig
{found}
tokenizer = AutoTokenizer.from_pretrained("{source.name}")
base = {opener}.from_pretrained({base}){grown}
model = PeftModel.from_pretrained(base, "{source.name}")
stopping = GenerationConfig.from_pretrained("{source.name}")
{source.asking}
print(tokenizer.decode(model.generate(**ids, generation_config=stopping, max_new_tokens=256)[0]))"""
    return (Use("PEFT", "python", code),)


def _base_in_code(source: Source) -> tuple[str, str]:
    """What `from_pretrained` is given for the base, and the lines that this needs before it."""
    known, root = about.about(source.base), source.base
    while root.under is not None:
        root = root.under
    starter = bases.STARTERS.get(root.name)
    if known.gguf and starter is not None:
        return (f'carried, gguf_file="{starter.inside}"', "\nfrom importlib.util import find_spec\n"
                f'[carried] = find_spec("{starter.module}").submodule_search_locations  # {starter.install}; '
                "pip install gguf")
    return (f'"folder of {known.gguf}", gguf_file="{known.gguf}"' if known.gguf else f'"{known.reference}"'), ""
