r"""What llama.cpp calls the way in which a byte-level tokenizer cuts a text before it merges.

llama.cpp has no pattern in a GGUF file but a name, `tokenizer.ggml.pre`, for one of those that it was compiled with.
Its own converter finds the name by the ids of one long text, so that only tokenizers whose ids it has seen have one.
Here that rule comes first, and for every other vocabulary (a tiny one, or one that a run extended) the pattern that the
tokenizer really cuts by. Source: llama.cpp, `convert_hf_to_gguf_update.py` and `src/llama-vocab.cpp`, 2026-08.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import Misuse

ASKED = (
    "\n \n\n \n\n\n \t \t\t \t\n  \n   \n    \n     \n🚀 (normal) 😶\u200d🌫️ (multiple emojis concatenated) "
    "✅ 🦙🦙 3 33 333 3333 33333 333333 3333333 33333333 3.3 3..3 3...3 "
    "កាន់តែពិសេសអាច😁 ?我想在apple工作1314151天～ ------======= нещо на "
    "Български ''''''```````\"\"\"\"......!!!!!!?????? I've been 'told he's there, 'RE you sure? 'M not sure I'll make "
    "it, 'D you like some tea? We'Ve a'lL"
)
# SHA-256 of the ids of that text, as a Python list is written
SEEN = {
    "855059429035d75a914d1eda9f10a876752e281a054a7a3d421ef0533e5b6249": "smollm",
    "0ef9807a4087ebef797fc749390439009c3b9eda9ad1a097abbe738f486c01e5": "llama-bpe",
    "c136ed14d01c2745d4f60a9596ae66800e2b61fa45643e72436041855ad4089d": "smaug-bpe",
    "9d032fcbd5501f4a38150912590928bfb36091efb5df11b8e2124b0390e3fb1e": "falcon3",
    "63b97e4253352e6f357cc59ea5b583e3a680eaeaf2632188c2b952de2588485e": "tekken",
    "d4540891389ea895b53b399da6ac824becc30f2fba0e9ddbb98f92e55ca0e97c": "qwen2",
    "e636dc30a262dcc0d8c323492e32ae2b70728f4df7dfe9737d9f920a282b8aea": "qwen2",
    "b3f499bb4255f8ca19fccd664443283318f2fd2414d5e0b040fbdd0cc195d6c5": "deepseek-r1-qwen",
    "877081d19cf6996e2c4ff0e1236341e9b7bde288f5311a56a937f0afbbb3aeb5": "deepseek-v3",
    "35d91631860c815f952d711435f48d356ebac988362536bed955d43bfa436e34": "starcoder",
    "3ce83efda5659b07b1ad37ca97ca5797ea4285d9b9ab0dc679e4a720c9da7454": "gpt-2",
    "fcace8b9cac38ce847670c970cd5892031a753a1ef381abd1d9af00f713da085": "phi-2",
    "ccc2ef013c104be7bae2965776d611e1d7a8a2a9c547dd93a682c9a9fc80352e": "gpt-4o",
}
QWEN2 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
         r"|\s+(?!\S)|\s+")
LLAMA3 = QWEN2.replace(r"\p{N}|", r"\p{N}{1,3}|", 1)
LETTERS = (r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+%s"
           r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*%s")
ENDING = r" ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
TEKKEN = LETTERS % ("", "") + r"|\p{N}|" + ENDING
SHORT = "(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
GPT4O = LETTERS % (SHORT, SHORT) + r"|\p{N}{1,3}|" + ENDING


def name(tokenizer: Any, state: Mapping[str, Any], *, own: bool) -> str:
    """The name of the cut. own: whether the vocabulary is still that which the base came with.

    state: the tokenizer as `tokenizer.json` has it. Raises Misuse where llama.cpp has no name for it.
    """
    digest = hashlib.sha256(str(tokenizer.encode(ASKED)).encode()).hexdigest()
    if own and digest in SEEN:
        return SEEN[digest]
    found = _by_pattern(_steps(state["pre_tokenizer"]), ignores_merges=bool(state["model"].get("ignore_merges")))
    if found is None:
        raise Misuse("export.tokenizer", "llama.cpp has no name for the way in which this base's tokenizer cuts a text",
                     "tokenizer.json: pre_tokenizer", "use `tunesmith export RUN merged`")
    return found


def _steps(cut: Mapping[str, Any] | None) -> Sequence[Mapping[str, Any]]:
    if cut is None:
        return ()
    return cut["pretokenizers"] if cut["type"] == "Sequence" else [cut]


def _by_pattern(steps: Sequence[Mapping[str, Any]], *, ignores_merges: bool) -> str | None:
    """The name for these steps; those that look a whole word up first have names of their own in llama.cpp."""
    kinds = [step["type"] for step in steps]
    if not steps or kinds[-1] != "ByteLevel" or steps[-1]["add_prefix_space"]:
        return None
    if steps[-1]["use_regex"]:
        if ignores_merges:
            return None
        digits = kinds == ["Digits", "ByteLevel"] and steps[0]["individual_digits"]
        return "gpt-2" if kinds == ["ByteLevel"] else "smollm" if digits else None
    if kinds != ["Split", "ByteLevel"] or steps[0]["behavior"] != "Isolated":
        return None
    names = {(QWEN2, False): "qwen2", (LLAMA3, True): "llama-bpe", (LLAMA3, False): "dbrx", (TEKKEN, True): "tekken",
             (GPT4O, False): "gpt-4o"}
    return names.get((steps[0]["pattern"].get("Regex", ""), ignores_merges))
