"""The families of networks that leave as GGUF: their numbers under llama.cpp's keys, their weights as it holds them.

Held key by key and tensor by tensor against llama.cpp's own converter. Source: llama.cpp, `conversion/llama.py`,
`qwen.py`, `gemma.py`, `phi.py` of 2026-08, and what `src/models/*.cpp` computes with them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from ..errors import Misuse

if TYPE_CHECKING:
    from gguf import GGUFWriter

SCALINGS = ("default", "linear", "yarn", "llama3")
MERGED = "use `tunesmith export RUN merged`, and llama.cpp's own converter on that folder"


@dataclass(frozen=True)
class Family:
    """A kind of network that llama.cpp computes.

    arch: its name there; activation: the only one that is compiled in; permuted: whether rows of queries and keys
    stand in another order; shifted: whether norms are stored plus one, as they are multiplied with.
    """

    arch: str
    activation: str
    permuted: bool = False
    shifted: bool = False


GEMMA = "gelu_pytorch_tanh"
FAMILIES = {
    "llama": Family("llama", "silu", permuted=True),
    "qwen2": Family("qwen2", "silu"),
    "qwen3": Family("qwen3", "silu"),
    "phi3": Family("phi3", "silu"),
    "gemma": Family("gemma", GEMMA, shifted=True),
    "gemma2": Family("gemma2", GEMMA, shifted=True),
    "gemma3_text": Family("gemma3", GEMMA, shifted=True),
}


def of(config: Mapping[str, Any], where: str) -> Family:
    """The family of a `config.json`. Raises Misuse for another, and for what llama.cpp would compute otherwise."""
    kind = str(config["model_type"])
    if kind not in FAMILIES:
        raise Misuse("export.family", f"a network of the kind `{kind}` does not leave as GGUF from here; these do: "
                     f"{', '.join(FAMILIES)}", where, MERGED)
    for fault in _differs(kind, config):
        raise Misuse("export.family", f"llama.cpp would compute this `{kind}` otherwise: {fault}", where, MERGED)
    return FAMILIES[kind]


def _differs(kind: str, config: Mapping[str, Any]) -> Iterator[str]:
    """What of a configuration llama.cpp has no key for and computes in one way only."""
    activation = config.get("hidden_activation") or config.get("hidden_act")
    if activation not in (FAMILIES[kind].activation, "gelu" if kind == "gemma" else None):
        yield f"its activation is `{activation}`"
    rope = _rope(config)
    scaling = rope.get("rope_type", "default")
    if scaling not in (("default",) if kind == "phi3" else SCALINGS) or (scaling == "llama3" and kind != "llama"):
        yield f"its positions are scaled by `{scaling}`"
    if rope.get("partial_rotary_factor", 1.0) != 1.0 and kind != "phi3":
        yield "it turns only a part of each head by its position"
    types = config.get("layer_types") or []
    if kind.startswith("qwen") and "sliding_attention" in types:
        yield "some of its layers look back a fixed number of tokens only"
    every = {"gemma2": 2, "gemma3_text": 6}.get(kind)
    if every and any((name == "full_attention") != ((place + 1) % every == 0) for place, name in enumerate(types)):
        yield f"not every {every}th of its layers, and no other, looks back without end"
    if kind in ("gemma2", "gemma3_text") and config["query_pre_attn_scalar"] != config["head_dim"]:
        yield f"it divides by the root of {config['query_pre_attn_scalar']}, not of a head's width"
    if kind == "gemma3_text" and config.get("attn_logit_softcapping"):
        yield "it caps the logits of its attention"


def unread_by_transformers(config: Mapping[str, Any]) -> str | None:
    """What transformers does not read from a GGUF file of this network and takes its own default for, in words."""
    kind = config["model_type"]
    if kind == "gemma":
        return "files of the family `gemma`"
    if _rope(config).get("rope_type", "default") != "default":
        return f"positions scaled by `{_rope(config)['rope_type']}`"
    known: Mapping[str, Mapping[str, Any]] = {
        "llama": {"attention_bias": False, "mlp_bias": False},
        "qwen3": {"head_dim": 128, "attention_bias": False},
        "gemma2": {"query_pre_attn_scalar": 256, "attn_logit_softcapping": 50.0, "final_logit_softcapping": 30.0},
        "gemma3_text": {"query_pre_attn_scalar": 256, "final_logit_softcapping": None},
    }
    return next((f"a `{name}` of {config.get(name)}" for name, value in known.get(kind, {}).items()
                 if config.get(name) != value), None)


def _rope(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """How positions turn the heads, in layers that look back without end where there are two kinds."""
    rope = config["rope_parameters"]
    found: Mapping[str, Any] = rope.get("full_attention", rope)
    return found


def write(config: Mapping[str, Any], writer: GGUFWriter) -> None:
    """Put a network's numbers among a file's keys."""
    kind, heads = config["model_type"], config["num_attention_heads"]
    width = config.get("head_dim") or config["hidden_size"] // heads
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(heads)
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_vocab_size(config["vocab_size"])
    rope = _rope(config)
    if kind == "phi3":
        turned = int(rope.get("partial_rotary_factor", 1.0) * config["hidden_size"]) // heads
        writer.add_rope_dimension_count(turned)
        writer.add_rope_scaling_orig_ctx_len(config["original_max_position_embeddings"])
    else:
        writer.add_key_length(width)
        writer.add_value_length(width)
    if kind == "llama":
        writer.add_rope_dimension_count(width)
    writer.add_rope_freq_base(rope["rope_theta"])
    _scaling(rope, writer)
    _windows(config, writer)


def _scaling(rope: Mapping[str, Any], writer: GGUFWriter) -> None:
    from gguf import RopeScalingType

    kind = rope.get("rope_type", "default")
    if kind in ("linear", "yarn"):
        writer.add_rope_scaling_type(RopeScalingType.LINEAR if kind == "linear" else RopeScalingType.YARN)
        writer.add_rope_scaling_factor(rope["factor"])
    if kind == "yarn":
        writer.add_rope_scaling_orig_ctx_len(rope["original_max_position_embeddings"])
        told = {"attention_factor": writer.add_rope_scaling_yarn_attn_factor,
                "beta_fast": writer.add_rope_scaling_yarn_beta_fast,
                "beta_slow": writer.add_rope_scaling_yarn_beta_slow}
        for name, add in told.items():
            if rope.get(name) is not None:
                add(rope[name])


def _windows(config: Mapping[str, Any], writer: GGUFWriter) -> None:
    """What Gemma and Phi-3 have beside: how far layers look back, and what logits are capped at."""
    kind = config["model_type"]
    if kind in ("gemma2", "gemma3_text"):
        writer.add_sliding_window(config["sliding_window"])
    elif kind == "phi3":
        writer.add_sliding_window(config.get("sliding_window") or 0)  # the key's presence tells Phi-3 from Phi-4
    if kind == "gemma2" and config["attn_logit_softcapping"]:
        writer.add_attn_logit_softcapping(config["attn_logit_softcapping"])
    if kind.startswith("gemma") and config.get("final_logit_softcapping"):
        writer.add_final_logit_softcapping(config["final_logit_softcapping"])
    near = config["rope_parameters"].get("sliding_attention")
    if near is not None:
        writer.add_rope_freq_base_swa(near["rope_theta"])


def tensors(
    family: Family, config: Mapping[str, Any], weights: Mapping[str, torch.Tensor]
) -> Iterator[tuple[str, torch.Tensor]]:
    """Every weight under llama.cpp's name and in its order of rows, in float32; those that are tied once."""
    from gguf import MODEL_ARCH_NAMES, get_tensor_name_map

    arch = next(arch for arch, name in MODEL_ARCH_NAMES.items() if name == family.arch)
    names = get_tensor_name_map(arch, config["num_hidden_layers"])
    if scale := _stretches(config):
        yield "rope_freqs.weight", torch.tensor(scale)
    for name, weight in weights.items():
        if name == "lm_head.weight" and config["tie_word_embeddings"]:
            continue
        found = names.get_name(name, try_suffixes=(".weight", ".bias"))
        if found is None:
            raise Misuse("export.family", f"llama.cpp has no name for the weight `{name}`", config["model_type"],
                         MERGED)
        yield found, _as_held(family, config, name, weight)


def _as_held(family: Family, config: Mapping[str, Any], name: str, weight: torch.Tensor) -> torch.Tensor:
    """The weight as llama.cpp multiplies with it."""
    if family.shifted and name.endswith("norm.weight"):
        return weight + 1
    if family.permuted and ".q_proj." in name:
        return _interleaved(weight, config["num_attention_heads"])
    if family.permuted and ".k_proj." in name:
        return _interleaved(weight, config["num_key_value_heads"])
    return weight


def _interleaved(weight: torch.Tensor, heads: int) -> torch.Tensor:
    """Rows of each head so that the two which are turned together stand side by side."""
    return weight.reshape(heads, 2, weight.shape[0] // heads // 2, *weight.shape[1:]).swapaxes(1, 2).reshape(
        weight.shape)


def _stretches(config: Mapping[str, Any]) -> list[float]:
    """By how much Llama 3.1 slows each pair of a head, slow ones the most; nothing where it does not."""
    rope = _rope(config)
    if rope.get("rope_type") != "llama3":
        return []
    width = config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"]
    speeds = 1.0 / (rope["rope_theta"] ** (torch.arange(0, width, 2, dtype=torch.float32) / width))
    slow, fast, factor = rope["low_freq_factor"], rope["high_freq_factor"], rope["factor"]
    known, found = rope["original_max_position_embeddings"], []
    for speed in speeds:
        turns = known / (2 * math.pi / float(speed))
        share = min(max((turns - slow) / (fast - slow), 0.0), 1.0)
        found.append(1 / ((1 - share) / factor + share))
    return found
