"""One GGUF file, as llama.cpp, Ollama and LM Studio read it, and an Ollama Modelfile beside it.

The weights are those of `merged`; the tokenizer, the tokens that end an answer and the template that was proved stand
inside. Source: ggml `docs/gguf.md`; blocks of numbers by the `gguf` library.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field

from ..contracts import Lossy
from ..errors import Misuse, Refusal
from ..models import about, load
from ..models.model import LanguageModel
from ..runs.card import Use
from . import _gguf_families, _gguf_opened, _gguf_words, _ollama
from ._lossy import Worst
from ._source import Source

if TYPE_CHECKING:
    from gguf import GGMLQuantizationType, GGUFWriter

library = "gguf"
Kind = Literal["f16", "bf16", "f32", "q8_0", "q5_1", "q5_0", "q4_1", "q4_0"]
EXACT = {"f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16}
EMBEDDINGS = ("token_embd.weight", "output.weight")


class Settings(BaseModel):
    """How the weights are written, and what Ollama is told."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True)

    type: Kind = "f16"
    """The kind of numbers: `f32`, `f16`, `bf16`, or blocks of 32 in 8, 5 or 4 bits: `q8_0`, `q5_1`, `q5_0`, `q4_1`,
    `q4_0`.

    `q8_0` is half the size of `f16` and rarely tells; `q4_0` is a third, and its cost is measured. Norms stay in
    float32, and with 4 and 5 bits the embedding has 8. K kinds (`q4_k_m`) are made by llama.cpp's own
    `llama-quantize` from the `f16` file.
    """
    system: str | None = Field(default=None, min_length=1)
    """What Ollama tells the model before a conversation that brings no system message. Default: as the template."""
    temperature: float = Field(default=0.0, ge=0.0, le=2.0)
    """Ollama's temperature, 0 to 2. At 0 it answers as the run was measured; try 0.7 for variety."""
    worst: Worst = None


def lossy(settings: Settings) -> Lossy | None:
    """Of numbers that are coarser than any run's own, only measuring tells what they cost."""
    return None if settings.type in EXACT else Lossy(settings.worst)


def refuse(source: Source, settings: Settings) -> None:
    """Raise Misuse where the network, its tokenizer or what ends its answers has no place in such a file."""
    if find_spec("gguf") is None:
        raise Misuse("export.no_gguf", "writing GGUF files needs the package `gguf`", "",
                     "pip install 'tunesmith[gguf]'")
    if source.head.kind != "causal":
        raise Misuse("export.head", f"a run with `task: {source.task.type}` does not leave as GGUF: llama.cpp goes on "
                     "with texts", f"{source.name}/recipe.yaml: task.type", "use `tunesmith export RUN merged`")
    if settings.worst is not None and settings.type in EXACT:
        raise Misuse("export.not_lossy", f"`type={settings.type}` loses nothing that `worst` could be held against",
                     "worst", "leave `worst` out, or choose a type of 8 bits or fewer")
    config = load.configuration(source.base)
    _gguf_families.of(config, f"{source.base.name}: config.json")
    words = _gguf_words.read(source, max(config["vocab_size"], source.codec.vocabulary))
    _ollama.read(source, settings.system, adds_bos=words.flags["add_bos_token"])
    unread = _gguf_families.unread_by_transformers(config)
    if unread is not None and not _gguf_opened.has_llama_cpp():
        raise Misuse("export.no_llama_cpp", "a GGUF file is proved by a program that reads it, and transformers does "
                     f"not read {unread}", "", "pip install xllamacpp, which is llama.cpp")


def precision(source: Source, settings: Settings) -> torch.dtype | str:
    """The numbers that the weights are written in, but vectors, which stay in float32."""
    return EXACT.get(settings.type, settings.type)


def meant(source: Source, settings: Settings) -> LanguageModel:
    """The adapter folded in, and every weight rounded to what the file will hold; it computes in float32."""
    from gguf import quants

    network = source.merged()
    ends = {id(layer.weight) for layer in (network.get_input_embeddings(), network.get_output_embeddings())}
    with torch.no_grad():
        for weight in network.parameters():
            held = weight.float().cpu().numpy()
            kind = _kind(held.shape, settings, embeds=id(weight) in ends)
            with np.errstate(over="ignore"):
                rounded = torch.from_numpy(np.array(quants.dequantize(quants.quantize(held, kind), kind)))
            if not rounded.isfinite().all():
                raise Refusal("export.range", f"a weight is larger than `{settings.type}` can hold", source.name,
                              "use `type=bf16`")
            weight.copy_(rounded)
    return LanguageModel.frozen(network, source.head)


def _kind(shape: tuple[int, ...], settings: Settings, *, embeds: bool) -> GGMLQuantizationType:
    """The numbers of a weight: vectors stay exact, rows that no block fits into are halves.

    embeds: whether it is the embedding or the head, whose error every token meets.
    """
    from gguf import GGML_QUANT_SIZES, GGMLQuantizationType

    if len(shape) == 1:
        return GGMLQuantizationType.F32
    coarse = settings.type not in EXACT
    chosen = GGMLQuantizationType.Q8_0 if coarse and embeds else GGMLQuantizationType[settings.type.upper()]
    return GGMLQuantizationType.F16 if shape[-1] % GGML_QUANT_SIZES[chosen][0] else chosen


def write(model: LanguageModel, source: Source, folder: Path, settings: Settings) -> None:
    """Put the file and the Modelfile into an empty folder; one weight at a time is laid into blocks."""
    from gguf import GGUFWriter, quants

    config = model.network.config.to_dict()
    family = _gguf_families.of(config, source.base.name)
    words = _gguf_words.read(source, config["vocab_size"])
    file = folder / f"{source.name}-{settings.type}.gguf"
    writer = GGUFWriter(file, family.arch)
    weights = dict(_gguf_families.tensors(family, config, model.network.state_dict()))
    kinds = {name: _kind(tuple(weight.shape), settings, embeds=name in EMBEDDINGS) for name, weight in weights.items()}
    _announce(writer, weights, kinds)
    _describe(writer, source, settings, sum(weight.numel() for weight in weights.values()))
    _gguf_families.write(config, writer)
    _gguf_words.write(words, writer)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    for name, weight in weights.items():
        writer.write_tensor_data(quants.quantize(weight.float().cpu().contiguous().numpy(), kinds[name]))
    writer.close()
    turns = _ollama.read(source, settings.system, adds_bos=words.flags["add_bos_token"])
    _ollama.write(folder, _ollama.lines(file.name, source, turns, settings))


def _announce(
    writer: GGUFWriter, weights: Mapping[str, torch.Tensor], kinds: Mapping[str, GGMLQuantizationType]
) -> None:
    """Say what weights will follow, and how many bytes each takes."""
    from gguf import quant_shape_to_byte_shape

    for name, weight in weights.items():
        taken = math.prod(quant_shape_to_byte_shape(tuple(weight.shape), kinds[name]))
        writer.add_tensor_info(name, tuple(weight.shape), np.dtype(np.float32), taken, kinds[name])


def _describe(writer: GGUFWriter, source: Source, settings: Settings, numbers: int) -> None:
    """What the file says of itself."""
    from gguf import GGML_QUANT_VERSION, LlamaFileType, size_label

    writer.add_type("model")
    writer.add_name(source.name)
    writer.add_size_label(size_label(numbers, 0, 0, 0))
    if licence := about.about(source.base).licence:
        writer.add_license(licence)
    named = "ALL_F32" if settings.type == "f32" else f"MOSTLY_{settings.type.upper()}"
    writer.add_file_type(LlamaFileType[named])
    writer.add_quantization_version(GGML_QUANT_VERSION)


def reload(folder: Path, source: Source) -> _gguf_opened.InLlamaCpp | _gguf_opened.InTransformers:
    """The file as llama.cpp opens it where that is installed, else as transformers does, unpacked to float32."""
    return _gguf_opened.open_file(folder, source.codec.context)


def uses(source: Source) -> tuple[Use, ...]:
    """How the file is used, for its card."""
    name = source.name.lower()
    opened = f"""\
from pathlib import Path
from transformers import AutoModelForCausalLM, AutoTokenizer

[file] = Path("{source.name}").glob("*.gguf")
model = AutoModelForCausalLM.from_pretrained("{source.name}", gguf_file=file.name)
tokenizer = AutoTokenizer.from_pretrained("{source.name}", gguf_file=file.name)"""
    return (Use("Ollama", "sh", f"ollama create {name} -f {_ollama.FILE}\nollama run {name}"),
            Use("llama.cpp", "sh", "llama-server -m *.gguf --jinja"), Use("transformers", "python", opened))
