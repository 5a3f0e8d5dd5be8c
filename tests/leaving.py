"""Tiny networks of the families that leave as GGUF, and what an export of them is made from, without a run."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch

from tiny import CONTEXT, tiny_tokenizer
from tunesmith.models import bases, load
from tunesmith.models.offline import transformers
from tunesmith.records import Head

SMALL = {"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 3, "num_attention_heads": 4,
         "num_key_value_heads": 2, "max_position_embeddings": CONTEXT, "initializer_range": 0.15, "bos_token_id": 1,
         "eos_token_id": 2, "pad_token_id": 2}
GEMMA = {"head_dim": 32, "query_pre_attn_scalar": 32, "sliding_window": 16, "num_hidden_layers": 7}
LLAMA3 = {"rope_type": "llama3", "rope_theta": 10000.0, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
          "original_max_position_embeddings": 64}
YARN = {"rope_type": "yarn", "rope_theta": 10000.0, "factor": 4.0, "original_max_position_embeddings": 128}
# Name for a person: transformers' name, its configuration beside SMALL, whether transformers reads all of its file
FAMILIES: dict[str, tuple[str, dict[str, Any], bool]] = {
    "Llama": ("Llama", {}, True),
    "Llama, tied, wide heads": ("Llama", {"tie_word_embeddings": True, "head_dim": 32}, True),
    "Llama 3.1's positions": ("Llama", {"rope_parameters": LLAMA3}, False),
    "Qwen2": ("Qwen2", {}, True),
    "Qwen2, yarn": ("Qwen2", {"rope_parameters": YARN}, False),
    "Qwen3": ("Qwen3", {"head_dim": 128, "tie_word_embeddings": True}, True),
    "Qwen3, narrow heads": ("Qwen3", {"head_dim": 16}, False),
    "Gemma": ("Gemma", {"head_dim": 16}, False),
    "Gemma 2": ("Gemma2", {**GEMMA, "attn_logit_softcapping": 5.0, "final_logit_softcapping": 9.0}, False),
    "Gemma 2 as published": ("Gemma2", {**GEMMA, "head_dim": 256, "query_pre_attn_scalar": 256}, True),
    "Gemma 3": ("Gemma3Text", GEMMA, False),
    "Gemma 3 as published": ("Gemma3Text", {**GEMMA, "head_dim": 256, "query_pre_attn_scalar": 256}, True),
    "Phi-3": ("Phi3", {"original_max_position_embeddings": CONTEXT}, True),
}


def base_of(name: str, folder: Path, *, tokenizer: Any = None, **changes: Any) -> Path:
    """A random network of the family with norms and biases that are neither one nor zero, in the Hub's layout."""
    stem, settings, _ = FAMILIES[name]
    library, words = transformers(), tokenizer or tiny_tokenizer()
    config = getattr(library, f"{stem}Config")(**(SMALL | {"vocab_size": len(words)} | settings | changes))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = getattr(library, f"{stem.removesuffix('Text')}ForCausalLM")._from_config(config, dtype=torch.float32)
        with torch.no_grad():
            for weight in network.parameters():
                if weight.ndim == 1:
                    weight.add_(torch.randn_like(weight) * 0.1)
    folder.mkdir(parents=True, exist_ok=True)
    network.save_pretrained(folder)
    words.save_pretrained(folder)
    return folder


def source_of(folder: Path, *, turns: bool = True, template: str | None = None) -> Any:
    """What an export of that base, which learnt nothing, is made from."""
    base = bases.find(str(folder))
    codec = load.codec(base, template, datetime(2026, 11, 22, tzinfo=UTC))
    return SimpleNamespace(
        base=base, codec=codec, turns=turns, head=Head("causal"), name="hats",
        task=SimpleNamespace(type="chat"), merged=lambda: load.network(base, dtype=torch.float32,
                                                                       device=torch.device("cpu")))
