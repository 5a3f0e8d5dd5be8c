"""Published chat templates, each on a tokenizer that knows its control tokens."""

from __future__ import annotations

import copy
import re
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path

from tiny import tiny_tokenizer
from tunesmith.encoding.tokens import codec

SHARED = Path(__file__).resolve().parents[2] / "shared"
DATE = datetime(2026, 7, 26)
LLAMA3 = ("<|begin_of_text|>", "<|eot_id|>")
COHERE = ("<BOS_TOKEN>", "<|END_OF_TURN_TOKEN|>")
DEEPSEEK = ("<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>")
MISTRAL = ("<s>", "</s>")
QWEN = ("", "<|im_end|>")
GLM = ("", "<|endoftext|>", "<|user|>", "<|observation|>")
GEMMA = ("<bos>", "<eos>", "<end_of_turn>")
# Family; the published model's BOS, EOS, and what else its generation config stops on
FAMILIES = {
    "more/SmolLM2-135M-Instruct": ("SmolLM 2", ("<|im_start|>", "<|im_end|>")),
    "more/alpaca": ("Alpaca", MISTRAL),
    "more/aya": ("Command-R (Aya)", COHERE),
    "more/chatml": ("ChatML", QWEN),
    "more/cohere": ("Command-R", COHERE),
    "more/deepseekv3": ("DeepSeek V3", DEEPSEEK),
    "more/exaone4": ("EXAONE 4", ("[BOS]", "[|endofturn|]")),
    "more/falcon-instruct": ("Falcon", ("", "<|endoftext|>")),
    "more/falcon_h1": ("Falcon H1", ("<|begin_of_text|>", "<|im_end|>")),
    "more/gemma-it": ("Gemma", GEMMA),
    "more/gemma3": ("Gemma 3", GEMMA),
    "more/granite-3.0-instruct": ("Granite 3.0", ("", "<|end_of_text|>")),
    "more/jamba": ("Jamba", ("<|startoftext|>", "<|eom|>")),
    "more/llama-2-chat": ("Llama 2", MISTRAL),
    "more/llama3": ("Llama 3", LLAMA3),
    "more/llama4": ("Llama 4", ("<|begin_of_text|>", "<|eot|>", "<|eom|>")),
    "more/metharme": ("Metharme", MISTRAL),
    "more/mistral-instruct": ("Mistral v1", MISTRAL),
    "more/mistral_v1": ("Mistral v1", MISTRAL),
    "more/mistral_v2v3": ("Mistral v2, v3", MISTRAL),
    "more/mistral_v3_tekken": ("Mistral v3 (Tekken)", MISTRAL),
    "more/mistral_v7_tekken": ("Mistral v7 (Tekken)", MISTRAL),
    "more/openchat-3.5": ("OpenChat 3.5", ("<s>", "<|end_of_turn|>")),
    "more/phi-3-small": ("Phi 3", ("<|endoftext|>", "<|endoftext|>", "<|end|>")),
    "more/phi3": ("Phi 3", ("<s>", "<|endoftext|>", "<|end|>")),
    "more/phi_4": ("Phi 4", ("<|endoftext|>", "<|im_end|>")),
    "more/qwen3_instruct_2507": ("Qwen 3 (2507)", QWEN),
    "more/solar-instruct": ("Solar", MISTRAL),
    "more/vicuna": ("Vicuna", MISTRAL),
    "more/zephyr": ("Zephyr", MISTRAL),
    "release/Apertus-8B-Instruct": ("Apertus", ("<s>", "<|assistant_end|>", "<|tools_suffix|>")),
    "release/Apriel-1.6-15b-Thinker-fixed": ("Apriel 1.6", ("<s>", "<|end|>")),
    "release/Bielik-11B-v3.0-Instruct": ("Bielik 3", ("<s>", "<|im_end|>")),
    "release/ByteDance-Seed-OSS": ("Seed-OSS", ("<seed:bos>", "<seed:eos>")),
    "release/Cohere2MoE": ("Command-A", COHERE),
    "release/CohereForAI-c4ai-command-r-plus-tool_use": ("Command-R+ (tools)", COHERE),
    "release/CohereForAI-c4ai-command-r7b-12-2024-tool_use": ("Command-R7B (tools)", COHERE),
    "release/GLM-4.6": ("GLM 4.6", GLM),
    "release/GLM-4.7-Flash": ("GLM 4.7", GLM),
    "release/GigaChat3-10B-A1.8B": ("GigaChat 3", ("<s>", "</s>", "<|message_sep|>")),
    "release/GigaChat3.1-10B-A1.8B": ("GigaChat 3.1", ("<s>", "</s>", "<|message_sep|>")),
    "release/HuggingFaceTB-SmolLM3-3B": ("SmolLM 3", QWEN),
    "release/Kimi-K2-Instruct": ("Kimi K2", ("[BOS]", "[EOS]", "<|im_end|>")),
    "release/Kimi-K2-Thinking": ("Kimi K2 (thinking)", ("[BOS]", "[EOS]", "<|im_end|>")),
    "release/Kimi-K3": ("Kimi K3", ("[BOS]", "[EOS]", "<|end_of_msg|>")),
    "release/LFM2-8B-A1B": ("LFM2", ("<|startoftext|>", "<|im_end|>")),
    "release/LFM2.5-8B-A1B": ("LFM2.5", ("<|startoftext|>", "<|im_end|>")),
    "release/LFM2.5-Instruct": ("LFM2.5", ("<|startoftext|>", "<|im_end|>")),
    "release/MiMo-VL": ("MiMo", QWEN),
    "release/MiniMax-M1": ("MiniMax M1", ("<beginning_of_sentence>", "<end_of_sentence>")),
    "release/MiniMax-M2": ("MiniMax M2", ("]~!b[", "[e~[")),
    "release/MiniMax-M3": ("MiniMax M3", ("]~!b[", "[e~[")),
    "release/Mistral-Small-3.2-24B-Instruct-2506": ("Mistral Small 3.2", MISTRAL),
    "release/NVIDIA-Nemotron-3-Nano-30B-A3B-BF16": ("Nemotron 3", ("<s>", "<|im_end|>")),
    "release/NVIDIA-Nemotron-Nano-v2": ("Nemotron Nano 2", ("<s>", "<SPECIAL_12>")),
    "release/NousResearch-Hermes-2-Pro-Llama-3-8B-tool_use": ("Hermes 2 (tools)", ("<|begin_of_text|>", "<|im_end|>")),
    "release/NousResearch-Hermes-3-Llama-3.1-8B-tool_use": ("Hermes 3 (tools)", ("<|begin_of_text|>", "<|im_end|>")),
    "release/Qwen-QwQ-32B": ("QwQ", QWEN),
    "release/Qwen-Qwen2.5-7B-Instruct": ("Qwen 2.5", QWEN),
    "release/Qwen-Qwen3-0.6B": ("Qwen 3", QWEN),
    "release/Qwen3-Coder": ("Qwen 3 Coder", QWEN),
    "release/Qwen3.5-4B": ("Qwen 3.5", QWEN),
    "release/Reka-Edge": ("Reka", ("", "<sep>")),
    "release/StepFun3.5-Flash": ("Step 3.5", (DEEPSEEK[0], "<|im_end|>")),
    "release/deepseek-ai-DeepSeek-R1-Distill-Llama-8B": ("DeepSeek R1", DEEPSEEK),
    "release/deepseek-ai-DeepSeek-R1-Distill-Qwen-32B": ("DeepSeek R1", DEEPSEEK),
    "release/deepseek-ai-DeepSeek-V3.1": ("DeepSeek V3.1", DEEPSEEK),
    "release/deepseek-ai-DeepSeek-V3.2": ("DeepSeek V3.2", DEEPSEEK),
    "release/deepseek-ai-DeepSeek-V4": ("DeepSeek V4", DEEPSEEK),
    "release/deepseek-ai-DeepSeek-V4-Flash-0731": ("DeepSeek V4", DEEPSEEK),
    "release/fireworks-ai-llama-3-firefunction-v2": ("Firefunction (tools)", LLAMA3),
    "release/google-gemma-2-2b-it": ("Gemma 2", GEMMA),
    "release/google-gemma-4-31B-it": ("Gemma 4", ("<bos>", "<eos>", "<turn|>", "<|tool_response>")),
    "release/google-gemma-4-31B-it-interleaved": ("Gemma 4", ("<bos>", "<eos>", "<turn|>", "<|tool_response>")),
    "release/ibm-granite-granite-3.3-2B-Instruct": ("Granite 3.3", ("", "<|end_of_text|>")),
    "release/ibm-granite-granite-4.0": ("Granite 4.0", ("", "<|end_of_text|>")),
    "release/ibm-granite-granite-4.1": ("Granite 4.1", ("", "<|end_of_text|>")),
    "release/llama-cpp-deepseek-r1": ("DeepSeek R1", DEEPSEEK),
    "release/llama-cpp-rwkv-world": ("RWKV World", ("", "<|rwkv_tokenizer_end_of_text|>")),
    "release/meetkai-functionary-medium-v3.1": ("Functionary 3.1", (*LLAMA3, "<|eom_id|>")),
    "release/meetkai-functionary-medium-v3.2": ("Functionary 3.2", (*LLAMA3, "<|eom_id|>")),
    "release/meta-llama-Llama-3.1-8B-Instruct": ("Llama 3.1", (*LLAMA3, "<|eom_id|>")),
    "release/meta-llama-Llama-3.2-3B-Instruct": ("Llama 3.2", (*LLAMA3, "<|eom_id|>")),
    "release/meta-llama-Llama-3.3-70B-Instruct": ("Llama 3.3", (*LLAMA3, "<|eom_id|>")),
    "release/microsoft-Phi-3.5-mini-instruct": ("Phi 3.5", ("<s>", "<|endoftext|>", "<|end|>")),
    "release/mistralai-Ministral-3-14B-Reasoning-2512": ("Ministral 3", MISTRAL),
    "release/mistralai-Mistral-Nemo-Instruct-2407": ("Mistral Nemo", MISTRAL),
    "release/moonshotai-Kimi-K2": ("Kimi K2", ("[BOS]", "[EOS]", "<|im_end|>")),
    "release/muse-glimmer": ("Muse Glimmer", ("<|begin_of_text|>", "<|eot|>")),
    "release/openai-gpt-oss-120b": ("gpt-oss", ("<|startoftext|>", "<|return|>", "<|call|>")),
    "release/openbmb-MiniCPM5-1B": ("MiniCPM 5", ("<s>", "<|im_end|>")),
    "release/poolside-Laguna-S-2.1": ("Laguna", ("〈|EOS|〉", "〈|EOS|〉", "</assistant>")),
    "release/poolside-Laguna-XS-2.1": ("Laguna", ("〈|EOS|〉", "〈|EOS|〉", "</assistant>")),
    "release/poolside-Laguna-XS.2": ("Laguna", ("〈|EOS|〉", "〈|EOS|〉", "</assistant>")),
    "release/tencent-Hy3": ("Hunyuan 3", ("<｜hy_begin_of_sentence:opensource｜>", "<｜hy_eos:opensource｜>")),
    "release/unsloth-Apriel-1.5": ("Apriel 1.5", ("<s>", "<|end|>")),
    "release/unsloth-mistral-Devstral-Small-2507": ("Devstral", MISTRAL),
    "release/upstage-Solar-Open-100B": ("Solar Open", ("<s>", "<|end|>", "<|calls|>")),
}
CONTROL = re.compile(
    r"<\|[\w:]{1,40}\|?>|<[\w:]{1,40}\|>|<｜[^<>｜{}]{1,40}｜>|〈\|\w+\|〉|\[/?[A-Z_]{3,}\]|\[gMASK\]|<sop>|\[\|\w+\|\]"
    r"|</?s>|<(?:start|end)_of_turn>|</?think(?::\w+)?>|</?tool_call>|</?tool_response>|<SPECIAL_\d+>|</?seed:\w+>"
    r"|</?mm:think>|\]~!?b\[|\]~b\]|\[e~\[|<sep>|</?(?:beginning|end)_of_sentence>|</?assistant>|<(?:BOS|EOS)_TOKEN>")
PLAIN = re.compile(r"</?(?:think|tool|mm:|seed:think|seed:tool)\w*")  # added tokens that models do not count as special


@dataclass(frozen=True)
class Subject:
    """A template with a tokenizer that knows its control tokens, and the codec over both."""

    name: str
    tokenizer: object
    made: codec.Codec
    switches: dict


def names() -> list[str]:
    """All templates, by folder and name."""
    folder = SHARED / "models/chat_templates"
    return sorted(str(path.relative_to(folder).with_suffix("")) for path in folder.glob("*/*.jinja"))


@cache
def source(name: str) -> str:
    """The Jinja text of a template."""
    return (SHARED / "models/chat_templates" / f"{name}.jinja").read_text()


def subject(name: str, switches: dict | None = None) -> Subject:
    """A template on a byte-level tokenizer that has the template's control tokens, and the published model's ends."""
    _, (bos, eos, *stops) = FAMILIES[name]
    tokenizer = copy.deepcopy(tiny_tokenizer())
    found = set(CONTROL.findall(source(name)))
    if ":opensource" in eos:  # built by the template from pieces
        found |= {f"<｜hy_{each}:opensource｜>" for each in ("User", "Assistant", "place▁holder▁no▁2")}
        found |= {"<think:opensource>", "</think:opensource>"}
    found |= {each for each in (bos, eos, *stops) if each}
    tokenizer.add_special_tokens({"additional_special_tokens": sorted(
        each for each in found if not PLAIN.match(each))})
    tokenizer.add_tokens(sorted(each for each in found if PLAIN.match(each)))
    tokenizer.bos_token, tokenizer.eos_token = bos or None, eos
    tokenizer.chat_template = source(name)
    tokenizer.chat_control_tokens = []  # transformers then marks special tokens only, as typed ones are drawn here
    made = codec.build(tokenizer, name=name, date=DATE, switches=switches or {}, context=1 << 20,
                       generation_stop=[tokenizer.convert_tokens_to_ids(each) for each in stops])
    return Subject(name, tokenizer, made, switches or {})
