"""A plain transformers model: the adapter folded into the base's weights, under the Hub's file names.

Opens with `AutoModelForCausalLM.from_pretrained`, or the class of the run's head, and with whatever else reads such
folders (vLLM, SGLang, MLX, llama.cpp's converter; sentence-transformers, where texts become vectors). Tied weights stay
tied: they are written once.
"""

from __future__ import annotations

import contextlib
import copy
import io
import json
from collections import Counter
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field

from ..contracts import Lossy
from ..errors import Refusal
from ..models import heads, load, sentence_files, stopping
from ..models.model import LanguageModel
from ..models.offline import transformers
from ..runs.card import Use
from . import _searching
from ._opened import Opened
from ._reading import Reading
from ._source import Source

library = "transformers"
FORMATS = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
STORED = {"F32": "float32", "BF16": "bfloat16", "F16": "float16"}


class Settings(BaseModel):
    """How the weights are written."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True)

    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """The number format of the weights: `auto`, `float32`, `bfloat16` or `float16`.

    `auto` takes the format that the base's own file has. The adapter is added in float32 and the sum rounded once;
    what the rounding changes is measured and stated. Try `float32` where that is too much.
    """
    shard: str = Field(default="5GB", pattern=r"^[1-9]\d*(KB|MB|GB)$", examples=["5GB"])
    """The largest file of weights, such as `5GB`; a larger model is written as several files with an index."""


def refuse(source: Source, settings: Settings) -> None:
    """Every run can be merged."""


def lossy(settings: Settings) -> Lossy | None:
    """None: it says what the run says."""
    return None


def precision(source: Source, settings: Settings) -> torch.dtype:
    """The number format that the weights will be written in."""
    return FORMATS[_stored(source.base.folder) if settings.dtype == "auto" else settings.dtype]


def _stored(folder: Path) -> str:
    """The format of most numbers in a folder's weights, float32 where they have another."""
    counted: Counter[str] = Counter()
    for file in folder.glob("*.safetensors"):
        with file.open("rb") as stream:
            header = json.loads(stream.read(int.from_bytes(stream.read(8), "little")))
        for name, entry in header.items():
            if name != "__metadata__":
                counted[entry["dtype"]] += entry["data_offsets"][1] - entry["data_offsets"][0]
    return STORED.get(counted.most_common(1)[0][0], "float32")


def meant(source: Source, settings: Settings) -> LanguageModel:
    """The adapter folded in, and every weight rounded to what will be written; it goes on computing in float32."""
    network, rounded = source.merged(), precision(source, settings)
    with torch.no_grad():
        for weight in network.parameters():
            weight.copy_(weight.to(rounded))
    return LanguageModel.frozen(network, source.head)


def write(model: LanguageModel, source: Source, folder: Path, settings: Settings) -> None:
    """Put config.json, the weights, tokenizer, template and generation_config.json into an empty folder."""
    network = _plain(model.network, precision(source, settings), source)
    with contextlib.redirect_stderr(io.StringIO()):  # a progress bar that cannot be told to be quiet
        network.save_pretrained(folder, max_shard_size=settings.shard)
    if source.head.kind in heads.WRITING:
        stopping.write(folder, source.base, source.codec, turns=source.turns)
        if source.head.kind == "encoder-decoder":
            _searching.write(folder, model, source)
    else:
        load.tokenizer(source.base).save_pretrained(folder)
    if source.head.kind == "none":
        pooling = sentence_files.chosen(source.task.settings.model_dump().get("pooling", "auto"), source.codec.pooling)
        sentence_files.write(folder, width=network.config.hidden_size, pooling=pooling, longest=source.codec.longest)


def _plain(network: Any, dtype: torch.dtype, source: Source) -> Any:
    """The same weights in a network of transformers' own, without what was laid into ours to compute faster."""
    config = copy.deepcopy(network.config)
    config.use_cache = load.json_of(source.base, "config.json").get("use_cache", True)
    weights = {name: weight.to(device="cpu", dtype=dtype) if weight.is_floating_point() else weight
               for name, weight in network.state_dict().items()}
    with torch.device("meta"):
        plain = type(network)(config)
    for name in heads.pooler(network) - plain.state_dict().keys():  # its host's, where it is a part of several
        del weights[name]
    plain.load_state_dict(weights, assign=True)
    plain.tie_weights()
    return plain


def reload(folder: Path, source: Source) -> Opened | Reading:
    """The folder as `AutoModelFor…` and `AutoTokenizer` open it, in float32."""
    opener = getattr(transformers(), heads.AUTO[source.head.kind])
    network, told = opener.from_pretrained(
        folder, dtype=torch.float32, local_files_only=True, trust_remote_code=False, use_safetensors=True,
        output_loading_info=True)
    if strange := sorted({*told["missing_keys"], *told["unexpected_keys"]}):
        raise Refusal("export.weights", f"{len(strange)} weights are missing or unknown, `{strange[0]}` first",
                      folder.name, "report this with the base's name; it is a fault of this export")
    return Opened(network, folder) if source.head.kind == "causal" else Reading(network, folder, source.head)


def uses(source: Source) -> tuple[Use, ...]:
    """How the folder is used, for its card."""
    if source.head.kind not in heads.WRITING:
        return _reading_uses(source)
    opener = heads.AUTO[source.head.kind]
    verb = f"chat {source.name}" if source.head.kind == "causal" else f"predict {source.name} rows.jsonl"
    code = f"""\
from transformers import {opener}, AutoTokenizer

model = {opener}.from_pretrained("{source.name}")
tokenizer = AutoTokenizer.from_pretrained("{source.name}")
{source.asking}
print(tokenizer.decode(model.generate(**ids, max_new_tokens=256)[0]))"""
    return Use("transformers", "python", code), Use("tunesmith", "sh", f"tunesmith {verb}")


def _reading_uses(source: Source) -> tuple[Use, ...]:
    """How a network that reads texts is used."""
    predicted = Use("tunesmith", "sh", f"tunesmith predict {source.name} rows.jsonl")
    if source.head.kind == "none":
        return Use("sentence-transformers", "python", f"""\
from sentence_transformers import SentenceTransformer

model = SentenceTransformer("{source.name}")
print(model.similarity(*model.encode(["…", "…"])))"""), predicted
    kind = heads.AUTO[source.head.kind]
    return Use("transformers", "python", f"""\
from transformers import AutoTokenizer, {kind}

model = {kind}.from_pretrained("{source.name}")
tokenizer = AutoTokenizer.from_pretrained("{source.name}")
print(model(**tokenizer("…", return_tensors="pt")))"""), predicted
