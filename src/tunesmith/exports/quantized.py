"""A transformers model whose layers' products are held in 8 or 4 bits, by bitsandbytes, which undoes it as it computes.

`int8`: a scale a row, and columns with outliers in 16 bits (Dettmers 2022, "LLM.int8()", arXiv:2208.07339). `nf4`: four
bits a number, a scale for 64 of them, and the scales themselves in 8 bits (Dettmers 2023, "QLoRA", arXiv:2305.14314).
Opens with `AutoModelForCausalLM.from_pretrained`, or the class of the run's head: `config.json` says the rest.
Embeddings, norms and heads stay as the base has them.
"""

from __future__ import annotations

import contextlib
import io
import logging
import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field

from ..contracts import Lossy
from ..errors import Misuse
from ..models import heads
from ..models.model import LanguageModel
from ..models.offline import transformers
from ..runs.card import Use
from . import merged
from ._lossy import Worst
from ._opened import Opened
from ._reading import Reading
from ._source import Source

library = "transformers"
BLOCK, PORTION = 64, 32  # bitsandbytes 0.50 ends with a RuntimeError at other sizes, on a CPU with AVX512-BF16
NEEDED: Final = ("bitsandbytes", "accelerate")
WHOLE: Final = merged.Settings(dtype="float32")  # what is quantised: the sum of base and adapter, not rounded before


class Settings(BaseModel):
    """How many bits a number has."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True)

    kind: Literal["int8", "nf4"] = "int8"
    """The numbers that the layers' weights become: `int8` or `nf4`.

    `int8` loses little, at a byte a number; `nf4` takes half the room and loses more, small models most. Try
    `nf4` where the verdict on it is still good.
    """
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """The number format of what is not quantised, of a small model most: embeddings, norms, heads; `auto`: the base's.

    Try `bfloat16` where the base has float32 and room is what is wanted.
    """
    shard: str = Field(default="5GB", pattern=r"^[1-9]\d*(KB|MB|GB)$", examples=["5GB"])
    """The largest file of weights, such as `5GB`; a larger model is written as several files with an index."""
    worst: Worst = None


def refuse(source: Source, settings: Settings) -> None:
    """Raise Misuse where bitsandbytes, or what transformers opens it with, is missing."""
    if missing := [name for name in NEEDED if find_spec(name) is None]:
        raise Misuse("export.no_bitsandbytes", f"weights are quantised by bitsandbytes, and `{missing[0]}` is not "
                     "installed", "", "pip install 'tunesmith[quantized]', or use `tunesmith export RUN merged`")
    network = source.shapes() if settings.kind == "nf4" else torch.nn.Module()
    kept = set(_kept(network)) if settings.kind == "nf4" else set()
    for name, module in network.named_modules():
        if isinstance(module, torch.nn.Linear) and name not in kept and (
                module.in_features % BLOCK or module.out_features % PORTION):
            raise Misuse("export.odd_sizes", f"`{name}` leads from {module.in_features} numbers to "
                         f"{module.out_features}, and bitsandbytes computes in 4 bits on a CPU only where these are "
                         f"multiples of {BLOCK} and of {PORTION}", "command line: kind", "use `kind=int8`")


def lossy(settings: Settings) -> Lossy:
    """Every number is rounded coarsely."""
    return Lossy(settings.worst)


def precision(source: Source, settings: Settings) -> str:
    """What the layers' weights become."""
    return settings.kind


def meant(source: Source, settings: Settings) -> LanguageModel:
    """The adapter folded in, in float32: what is quantised when it is written."""
    return merged.meant(source, WHOLE)


def write(model: LanguageModel, source: Source, folder: Path, settings: Settings) -> None:
    """Put the quantised weights, config.json, tokenizer, template and generation_config.json into an empty folder."""
    whole = folder / "whole"
    whole.mkdir()
    merged.write(model, source, whole, WHOLE)
    network = _opener(source).from_pretrained(
        whole, quantization_config=_configuration(model.network, settings),
        dtype=merged.precision(source, merged.Settings(dtype=settings.dtype)), **_here())
    with contextlib.redirect_stderr(io.StringIO()):  # a progress bar that cannot be told to be quiet
        network.save_pretrained(folder, max_shard_size=settings.shard)
    for path in whole.iterdir():
        if not path.name.startswith("model") and path.name != "config.json":
            path.replace(folder / path.name)
    shutil.rmtree(whole)


def _configuration(network: Any, settings: Settings) -> Any:
    """How bitsandbytes is to go about it."""
    kept = _kept(network)
    config = transformers().BitsAndBytesConfig
    if settings.kind == "int8":
        return config(load_in_8bit=True, llm_int8_skip_modules=kept)
    return config(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True,
                  bnb_4bit_compute_dtype=torch.float32, llm_int8_skip_modules=kept)


def _kept(network: Any) -> list[str]:
    """The linear layers that stand on the network: they are left as they are, for they are small and decide."""
    under, output = network.base_model, network.get_output_embeddings()
    inside = set() if under is network else {id(module) for module in under.modules()}
    return [name for name, module in network.named_modules() if isinstance(module, torch.nn.Linear)
            and (module is output or (under is not network and id(module) not in inside))]


def _opener(source: Source) -> Any:
    """The class of transformers for the run's head, with bitsandbytes at hand and silent."""
    found = getattr(transformers(), heads.AUTO[source.head.kind])
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)  # it tells of every product that it rounds
    return found


def _here() -> dict[str, Any]:
    """Opened from files alone, where the export is held against the run."""
    return {"local_files_only": True, "trust_remote_code": False, "use_safetensors": True, "device_map": {"": "cpu"}}


def reload(folder: Path, source: Source) -> Opened | Reading:
    """The folder as `AutoModelFor…` and `AutoTokenizer` open it; what is not quantised computes in float32."""
    network = _opener(source).from_pretrained(folder, dtype=torch.float32, **_here())
    for weight in network.parameters():  # of a quantised folder transformers 5.23 moves biases to `dtype`, not weights
        if weight.is_floating_point():
            weight.data = weight.data.float()
    return Opened(network, folder) if source.head.kind == "causal" else Reading(network, folder, source.head)


def uses(source: Source) -> tuple[Use, ...]:
    """How the folder is used, for its card."""
    return Use("the libraries that it needs", "sh", f"pip install {' '.join(NEEDED)}"), merged.uses(source)[0]
