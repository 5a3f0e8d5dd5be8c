"""A tiny random Llama in the Hub's layout, with a byte-level BPE tokenizer and the ChatML template; and a tiny BERT.

Made in well under a second, the same bytes for the same arguments. Tests say `from tiny import tiny_base`.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import torch

SENTENCES = (
    "The order of two red shirts and one blue hat goes to Anna in Baku.",
    "Natalia sold clips to 48 of her friends in April, and then half as many clips in May.",
    "What is the capital of France? The capital of France is Paris.",
    '{"name": "Anna", "city": "Baku", "items": [{"what": "shirt", "count": 2}], "total": 30}',
    "user assistant system You are a helpful assistant. Please answer the question.",
)
AZERBAIJANI = (
    "Hamının maraqlandığı suala mənim cavabım var.", "Sual budur ki, niyə görə hərfi məchulluq işarəsidir?",
    "Bilirəm, biz onu riyaziyyat dərsində öyrənmişik, lakin bu gün mədəniyyətin hər sahəsində rastlaşırıq.",
    "Təqribən 2013 il əvvəl mən qərara gəldim ki, dili öyrənəcəyəm. 2013 2013",
)
SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
MARKS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' "
    "+ '\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
CONTEXT = 512


@cache
def tiny_tokenizer(vocabulary: int = 320, sentences: tuple[str, ...] = SENTENCES) -> Any:
    """A transformers fast tokenizer: byte-level BPE, ids 0 to 2 are `SPECIAL`, end of turn `<|im_end|>`."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=list(SPECIAL),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(sentences, trainer)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<|im_start|>",
        eos_token="<|im_end|>",
        pad_token="<|im_end|>",
        unk_token="<|endoftext|>",
        model_max_length=CONTEXT,
        clean_up_tokenization_spaces=False,
    )
    fast.chat_template = CHATML
    return fast


def tiny_network(*, seed: int = 0, dtype: torch.dtype = torch.float32, **changes: Any) -> Any:
    """A random LlamaForCausalLM: hidden 32, 2 layers, 4 heads over 2 key/value heads, tied embeddings."""
    from transformers import LlamaConfig, LlamaForCausalLM

    settings: dict[str, Any] = {
        "vocab_size": len(tiny_tokenizer()),
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": CONTEXT,
        "tie_word_embeddings": True,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "pad_token_id": 2,
        "initializer_range": 0.15,
    } | changes
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = LlamaForCausalLM(LlamaConfig(**settings))
    return network.to(dtype).eval()


def tiny_base(folder: Path, *, seed: int = 0, dtype: torch.dtype = torch.float32, **changes: Any) -> Path:
    """Write the tiny model into `folder` and return it. `changes` go into its configuration."""
    folder.mkdir(parents=True, exist_ok=True)
    tiny_network(seed=seed, dtype=dtype, **changes).save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    return folder


def tiny_pieces(sentences: tuple[str, ...] = SENTENCES) -> Any:
    """A transformers fast tokenizer as BERT has it: lower case, word pieces, `[CLS] … [SEP] … [SEP]`.

    Its pieces are the sentences' words, the long ones' two parts, and every ASCII letter: no trainer, whose ties fall
    otherwise in every process. Made anew each time, since transformers' tokenizers remember how they last truncated.
    """
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    words = sorted({word for sentence in sentences for word in re.findall(r"[a-z]+|[0-9]+", sentence.lower())})
    parts = sorted({part for word in words if len(word) > 4 for part in (word[:3], f"##{word[3:]}")} - set(words))
    letters = [chr(code) for code in range(33, 127) if not chr(code).isupper()]
    pieces = dict.fromkeys([*MARKS, *letters, *(f"##{letter}" for letter in letters), *words, *parts])
    tokenizer = Tokenizer(models.WordPiece({piece: place for place, piece in enumerate(pieces)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[(mark, tokenizer.token_to_id(mark)) for mark in ("[CLS]", "[SEP]")])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]",
        mask_token="[MASK]", model_max_length=CONTEXT, clean_up_tokenization_spaces=False,
        model_input_names=["input_ids", "token_type_ids", "attention_mask"])


def tiny_encoder(folder: Path, *, seed: int = 0, dtype: torch.dtype = torch.float32, **changes: Any) -> Path:
    """Write a tiny random BERT without any head into `folder` and return it; it has no dropout unless told.

    Hidden 32, 2 layers, 4 heads. `changes` go into its configuration.
    """
    from transformers import BertConfig, BertModel

    settings: dict[str, Any] = {
        "vocab_size": len(tiny_pieces()),
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "max_position_embeddings": CONTEXT,
        "initializer_range": 0.15,
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
        "pad_token_id": 0,
    } | changes
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = BertModel(BertConfig(**settings))
    folder.mkdir(parents=True, exist_ok=True)
    network.to(dtype).save_pretrained(folder)
    tiny_pieces().save_pretrained(folder)
    return folder


@cache
def tiny_letters(sentinels: int = 0) -> Any:
    """A transformers fast tokenizer as T5 has it, of the unigram kind, whose pieces are single characters.

    sentinels: how many tokens it has for gaps, `<extra_id_0>` and so on.
    """
    from transformers import T5Tokenizer

    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0)]
    pieces += [(letter, -3.0) for letter in "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,:?!-'"]
    return T5Tokenizer(vocab=pieces, extra_ids=sentinels, model_max_length=CONTEXT, clean_up_tokenization_spaces=False)


def tiny_t5(
    folder: Path, *, seed: int = 0, dtype: torch.dtype = torch.float32, sentinels: int = 0, **changes: Any,
) -> Path:
    """Write a tiny random T5 into `folder` and return it; it has no dropout unless told.

    Hidden 32, 2 layers on each side, 4 heads. `changes` go into its configuration.
    """
    from transformers import T5Config, T5ForConditionalGeneration

    settings: dict[str, Any] = {
        "vocab_size": len(tiny_letters(sentinels)),
        "d_model": 32,
        "d_kv": 8,
        "d_ff": 64,
        "num_layers": 2,
        "num_heads": 4,
        "relative_attention_num_buckets": 8,
        "dropout_rate": 0.0,
        "decoder_start_token_id": 0,
    } | changes
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = T5ForConditionalGeneration(T5Config(**settings))
    folder.mkdir(parents=True, exist_ok=True)
    network.to(dtype).save_pretrained(folder)
    tiny_letters(sentinels).save_pretrained(folder)
    return folder
