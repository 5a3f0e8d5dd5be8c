"""Tiny random networks that read one text and write another, each family with its own way to frame a text."""

from __future__ import annotations

import string
from pathlib import Path
from typing import Any

import torch

from tiny import CONTEXT, tiny_letters

LETTERS = string.ascii_letters + string.digits + ".,:?!-'"
SMALL = {
    "d_model": 32, "encoder_layers": 2, "decoder_layers": 2, "encoder_attention_heads": 4, "decoder_attention_heads": 4,
    "encoder_ffn_dim": 48, "decoder_ffn_dim": 48, "max_position_embeddings": 64, "dropout": 0.0, "init_std": 0.2,
    "attention_dropout": 0.0, "activation_dropout": 0.0, "encoder_layerdrop": 0.0, "decoder_layerdrop": 0.0,
    "pad_token_id": 1, "eos_token_id": 2, "bos_token_id": 0,
}
# Of each family: transformers' stem of the network, its settings, and in which languages its pairs are
FAMILIES: dict[str, tuple[str, dict[str, Any], tuple[str, str]]] = {
    "T5": ("T5", {"d_model": 32, "d_kv": 8, "d_ff": 48, "num_layers": 2, "num_heads": 4, "dropout_rate": 0.0,
                  "relative_attention_num_buckets": 8, "decoder_start_token_id": 0, "initializer_factor": 2.0},
           ("", "")),
    "T5 1.1, its head not tied": ("T5", {
        "d_model": 32, "d_kv": 8, "d_ff": 48, "num_layers": 2, "num_heads": 4, "dropout_rate": 0.0,
        "relative_attention_num_buckets": 8, "decoder_start_token_id": 0, "feed_forward_proj": "gated-gelu",
        "tie_word_embeddings": False, "initializer_factor": 3.0}, ("", "")),
    "BART": ("Bart", SMALL | {"decoder_start_token_id": 2}, ("", "")),
    "mBART": ("MBart", SMALL, ("en_XX", "tr_TR")),
    "mBART-50": ("MBart", SMALL | {"decoder_start_token_id": 2}, ("en_XX", "az_AZ")),
    "NLLB": ("M2M100", SMALL | {"decoder_start_token_id": 2}, ("eng_Latn", "azj_Latn")),
}


def tokenizer_of(family: str) -> Any:
    """The family's own fast tokenizer, with a piece for each letter."""
    from transformers import BartTokenizer, MBart50Tokenizer, MBartTokenizer, NllbTokenizer

    if family.startswith("T5"):
        return tiny_letters()
    pieces = ["<s>", "<pad>", "</s>", "<unk>", "▁", *LETTERS]
    places = {piece: place for place, piece in enumerate(pieces)}
    if family == "BART":
        return BartTokenizer(vocab=places | {"Ġ": len(pieces)}, merges=[], model_max_length=CONTEXT)
    if family == "NLLB":
        return NllbTokenizer(vocab=places, merges=[], extra_special_tokens=["eng_Latn", "azj_Latn"])
    scored = [(piece, -float(place > 3)) for piece, place in places.items()]
    if family == "mBART":
        return MBartTokenizer(vocab=scored)
    return MBart50Tokenizer(vocab=[("<unk>", 0.0), ("<s>", 0.0), ("</s>", 0.0), *scored[4:]])


def base_of(family: str, folder: Path) -> Path:
    """A folder with a network of the family and its tokenizer."""
    import transformers

    stem, settings, _ = FAMILIES[family]
    tokenizer = tokenizer_of(family)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        config = getattr(transformers, f"{stem}Config")(**settings | {"vocab_size": len(tokenizer)})
        network = getattr(transformers, f"{stem}ForConditionalGeneration")(config).double()
    folder.mkdir(parents=True, exist_ok=True)
    network.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
