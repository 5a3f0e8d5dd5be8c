"""The mask proof on eight families of chat templates, against transformers and an oracle of this file's own."""

from __future__ import annotations

import copy
import random
import unicodedata
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from tunesmith.encoding.documents import chat
from tunesmith.encoding.documents.shift import spans
from tunesmith.encoding.proofs import chat as proof
from tunesmith.encoding.tokens import codec
from tunesmith.records import Conversation, Message

QUICK, ALL = 30, 200


@dataclass(frozen=True)
class Family:
    """A template, the nearest tokenizer, and what its published model declares.

    exact: the tokenizer spells every text exactly, and does not swallow or add blanks beside control tokens.
    """

    template: str
    tokenizer: str
    end: str
    special: tuple[str, ...] = ()
    bos: str | None = None
    eos: str | None = None
    system: bool = True
    thinks: bool = False
    exact: bool = True


CHATML = ("<|im_start|>", "<|im_end|>")
TURNS = ("<start_of_turn>", "<end_of_turn>", "<bos>", "<eos>")
FAMILIES = {
    "Qwen2.5": Family("release/Qwen-Qwen2.5-7B-Instruct", "qwen3", "<|im_end|>"),
    "Qwen3 with thinking": Family("release/Qwen-Qwen3-0.6B", "qwen3", "<|im_end|>", thinks=True),
    "Llama 3": Family(
        "more/llama3", "qwen3", "<|eot_id|>",
        ("<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"),
        "<|begin_of_text|>", "<|end_of_text|>"),
    "Gemma 2": Family("release/google-gemma-2-2b-it", "llama-spm", "<end_of_turn>", TURNS, "<bos>", "<eos>", False),
    "Gemma 3": Family("more/gemma3", "llama-spm", "<end_of_turn>", TURNS, "<bos>", "<eos>"),
    "Mistral": Family("more/mistral_v1", "llama-spm", "</s>"),
    "Mistral Nemo": Family("release/mistralai-Mistral-Nemo-Instruct-2407", "llama-spm", "</s>", ("[INST]", "[/INST]")),
    "Phi 3.5": Family("release/microsoft-Phi-3.5-mini-instruct", "phi-3", "<|end|>", exact=False),
    "SmolLM2": Family("more/SmolLM2-135M-Instruct", "qwen3", "<|im_end|>", CHATML, "<|im_start|>", "<|im_end|>"),
    "Command-R": Family(
        "more/cohere", "qwen3", "<|END_OF_TURN_TOKEN|>",
        ("<BOS_TOKEN>", "<|START_OF_TURN_TOKEN|>", "<|END_OF_TURN_TOKEN|>", "<|USER_TOKEN|>", "<|CHATBOT_TOKEN|>",
         "<|SYSTEM_TOKEN|>"), "<BOS_TOKEN>", "<|END_OF_TURN_TOKEN|>"),
}

WORDS = ("order", "größe", "kitab", "çay", "числа", "数字", "🙂", "🇦🇿", "e\u0301", "x=1", "<b>", "{{", "%}", "\\n", "—")
BLANKS = ("", "", "", " ", "  ", "\n", "\n\n", "\t", " \n ")


@cache
def nearest(shared: Path, name: str, folder: Path):
    from transformers import AutoTokenizer

    if name == "qwen3":
        import gzip

        source = shared / "models/tokenizers/qwen3"
        (folder / "tokenizer.json").write_bytes(gzip.decompress((source / "tokenizer.json.gz").read_bytes()))
        (folder / "tokenizer_config.json").write_bytes((source / "tokenizer_config.json").read_bytes())
        return AutoTokenizer.from_pretrained(folder)
    pytest.importorskip("gguf")
    return AutoTokenizer.from_pretrained(shared / "models/vocab_gguf", gguf_file=f"ggml-vocab-{name}.gguf")


@pytest.fixture(scope="module")
def tokenizers_folder(tmp_path_factory):
    return tmp_path_factory.mktemp("tokenizers")


@cache
def tokenizer_of(family: Family, shared: Path, folder: Path):
    tokenizer = copy.deepcopy(nearest(shared, family.tokenizer, folder))
    if family.special:
        tokenizer.add_special_tokens({"additional_special_tokens": list(family.special)})
    if family.bos:
        tokenizer.bos_token = family.bos
    if family.eos:
        tokenizer.eos_token = family.eos
    tokenizer.chat_template = (shared / f"models/chat_templates/{family.template}.jinja").read_text()
    return tokenizer


def text(draw: random.Random, typed: list[str]) -> str:
    words = draw.choices(WORDS, k=draw.randint(1, 6))
    if typed and draw.random() < 0.25:
        words.insert(draw.randint(0, len(words)), draw.choice(typed))
    return draw.choice(BLANKS) + draw.choice((" ", "", "\n")).join(words) + draw.choice(BLANKS)


def dialogue(draw: random.Random, family: Family, typed: list[str], own: list[str], number: int) -> Conversation:
    messages = []
    if family.system and draw.random() < 0.4:
        messages.append(Message("system", text(draw, typed)))
    for _ in range(draw.randint(1, 8)):
        messages.append(Message("user", text(draw, typed)))
        answer = text(draw, own)
        if family.thinks and draw.random() < 0.5:
            answer = f"<think>\n{draw.choice(['', 'hm, 2', 'so'])}\n</think>\n\n{answer.lstrip()}"
        messages.append(Message("assistant", answer, train=draw.random() < 0.9))
    if not any(message.train for message in messages if message.role == "assistant"):
        messages[-1] = Message("assistant", messages[-1].content)
    return Conversation(tuple(messages), f"random.jsonl:{number + 1}", str(number))


def plain(messages) -> list[dict[str, str]]:
    return [{"role": message.role, "content": message.content} for message in messages]


def oracle(conversation: Conversation, tokenizer, family: Family):
    """For each trained turn: transformers' ids of its prompt, and the answer that the render ends with."""
    for turn, message in enumerate(conversation.messages):
        if message.role != "assistant" or not message.train:
            continue
        before, whole = plain(conversation.messages[:turn]), plain(conversation.messages[: turn + 1])
        ids = tokenizer.apply_chat_template(
            before, add_generation_prompt=True, sanitize_control_tokens=True, return_dict=False)
        asked = tokenizer.apply_chat_template(before, add_generation_prompt=True, tokenize=False)
        full = tokenizer.apply_chat_template(whole, add_generation_prompt=False, tokenize=False)
        full = full[: full.rindex(family.end) + len(family.end)]
        answer = full[len(asked) :] if full.startswith(asked) else message.content + family.end
        yield ids, answer


def spelt(tokenizer, document, start: int, end: int) -> str:
    before = tokenizer.decode(document.ids[max(start - 3, 0) : start])
    return tokenizer.decode(document.ids[max(start - 3, 0) : end])[len(before) :]


def same(left: str, right: str, exact: bool) -> bool:
    left, right = unicodedata.normalize("NFC", left), unicodedata.normalize("NFC", right)
    return left == right if exact else "".join(left.split()) == "".join(right.split())


def wrong_turns(example: Conversation, index: int, made, tokenizer, family: Family):
    """What differs from the oracle in one dialogue, and its documents."""
    documents, findings = chat.documents(example, made, example=index)
    found = [(document, *span) for document in documents for span in spans(document)]
    expected = list(oracle(example, tokenizer, family))
    if findings or len(found) != len(expected):
        return documents, [(example.where, findings)]
    wrong = []
    for (document, start, stop), (ids, answer) in zip(found, expected, strict=True):
        read = spelt(tokenizer, document, start, stop)
        text = document.text[document.ends[start - 1] : document.ends[stop - 1]]
        if (
            document.ids[:start].tolist() != ids
            or document.ids[stop - 1] != tokenizer.convert_tokens_to_ids(family.end)
            or not same(read, answer, family.exact)
            or not same(text, answer, family.exact)
        ):
            wrong.append((example.where, read, text, answer))
    return documents, wrong


def check(name: str, dialogues: int, shared: Path, folder: Path) -> None:
    family = FAMILIES[name]
    tokenizer = tokenizer_of(family, shared, folder)
    made = codec.build(tokenizer)
    # An assistant's `<think>` is the model's own token here; transformers marks it unless told which tokens count.
    tokenizer.chat_control_tokens = [] if family.thinks else None
    own = sorted(made.special)
    typed = own if family.thinks else sorted(made.control)
    draw = random.Random(f"families {name}")
    examples = [dialogue(draw, family, typed, own, number) for number in range(dialogues)]
    outcomes = [wrong_turns(example, index, made, tokenizer, family) for index, example in enumerate(examples)]
    assert [fault for _, faults in outcomes for fault in faults] == []
    assert tokenizer.convert_tokens_to_ids(family.end) in made.stop
    documents = [document for found, _ in outcomes for document in found]
    assert [finding for finding in proof.prove(documents, examples, made) if finding.severity == "error"] == []


@pytest.mark.parametrize("name", FAMILIES)
def test_what_is_learnt_is_the_answer_after_exactly_what_inference_gives(name, shared, tokenizers_folder):
    check(name, QUICK, shared, tokenizers_folder)


@pytest.mark.long
@pytest.mark.parametrize("name", FAMILIES)
def test_what_is_learnt_is_the_answer_in_two_hundred_dialogues(name, shared, tokenizers_folder):
    check(name, ALL, shared, tokenizers_folder)
