"""Every published chat template on seeded random dialogues, held against transformers and the dialogues themselves.

`python tests/templates.py [DIALOGUES]` writes the table of docs/templates.md anew. Nothing here looks at how encoding
comes to a mask: the ids of a prompt are transformers' own, and what the supervised tokens spell must be the turn's own
text, between nothing but literals of the template.
"""

from __future__ import annotations

import copy
import json
import random
import re
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from pathlib import Path
from unittest import mock

from tiny import tiny_tokenizer
from tunesmith.encoding.documents import chat
from tunesmith.encoding.documents.shift import spans
from tunesmith.encoding.proofs import chat as proof
from tunesmith.encoding.templates import sandbox, thinking, views
from tunesmith.encoding.tokens import codec
from tunesmith.errors import Refusal
from tunesmith.records import Call, Conversation, Message

SHARED = Path(__file__).resolve().parents[2] / "shared"
DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "templates.md"
BEGIN, END = "<!-- table -->\n", "<!-- end -->\n"
DATE = datetime(2026, 7, 26)
DIALOGUES = 200
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
FRAME, FRAME_OF_CALLS = 130, 450  # characters that a template may write around an answer, and around a call
INSIDE = re.compile(r"(?:<think>(.*?)</think>)?(.*)", re.DOTALL)
WORDS = ("order", "größe", "kitab", "çay", "числа", "数字", "🙂", "🇦🇿", "e\u0301", "x=1", "<b>", "{{", "%}", "\\n", "—")
BLANKS = ("", "", "", " ", "  ", "\n", "\n\n", "\t", " \n ")
NAME = "find_order"
OWN = thinking.TOKENS | {"<|channel>"}  # an assistant that writes these thinks
TOOLS = (
    {"type": "function", "function": {
        "name": "find_order", "description": "Finds an order.", "parameters": {
            "type": "object", "properties": {
                "customer": {"type": "string", "description": "Whose order it is."},
                "count": {"type": "integer", "description": "How many at most."}},
            "required": ["customer"]}}},
    {"type": "function", "function": {
        "name": "weather", "description": "Tells the weather of a place.", "parameters": {
            "type": "object", "properties": {"place": {"type": "string", "description": "The place."}},
            "required": ["place"]}}},
)


class Clock:
    """Stands at DATE for transformers, which tells templates the time."""

    @staticmethod
    def now():
        return DATE


@dataclass
class Outcome:
    """What became of the dialogues of one kind: how many were right, and the faults and refusals of the others."""

    right: int = 0
    wrong: list = field(default_factory=list)
    refused: Counter = field(default_factory=Counter)

    @property
    def proven(self) -> bool:
        """Whether all of them were right, and there were some."""
        return bool(self.right) and not self.wrong and not self.refused

    @property
    def why(self) -> str:
        """The reason most often given."""
        return self.refused.most_common(1)[0][0] if self.refused else ""


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


def text(draw: random.Random, typed: list[str], number: int) -> str:
    """Random words, one of which stands nowhere else, now and then a control token, and blanks around."""
    words = [*draw.choices(WORDS, k=draw.randint(1, 6)), f"w{number}w"]
    draw.shuffle(words)
    if typed and draw.random() < 0.25:
        words.insert(draw.randint(0, len(words)), draw.choice(typed))
    return draw.choice(BLANKS) + draw.choice((" ", " ", "\n")).join(words) + draw.choice(BLANKS)


def dialogue(draw: random.Random, typed: list[str], number: int, kinds: set[str]) -> Conversation:
    """A random dialogue: a system prompt or none, one to eight rounds; thoughts, some empty, and tools on demand."""
    count = iter(range(number * 100, number * 100 + 100))

    def words() -> str:
        return text(draw, typed, next(count))

    def said() -> str:
        return text(draw, [each for each in typed if each not in OWN], next(count))

    def thought() -> str:
        return draw.choice(("", f"hm {next(count)}h, 2", f"so\n{next(count)}h")) if "thoughts" in kinds else ""

    messages = [Message("system", words())] if "system" in kinds and draw.random() < 0.4 else []
    for _ in range(draw.randint(1, 8)):
        messages.append(Message("user", words()))
        for _ in range(draw.choice((0, 0, 1, 2)) if "tools" in kinds else 0):
            identity = f"call{next(count):05d}"[:9]
            call = Call(NAME, {"customer": f"{words().strip()}", "count": next(count)}, identity)
            messages.append(Message("assistant", "", reasoning=thought(), calls=(call,), train=draw.random() < 0.9))
            messages.append(Message("tool", words(), name=NAME, call=identity))
        own = thought()
        if "inside" in kinds and draw.random() < 0.3:  # some rows have the thought, or an empty one, in the content
            messages.append(Message("assistant", f"<think>\n{own}\n</think>\n\n{said().lstrip()}"))
        else:
            messages.append(Message("assistant", said(), reasoning=own, train=draw.random() < 0.9))
    if not any(message.train for message in messages if message.role == "assistant"):
        messages[-1] = Message("assistant", messages[-1].content)
    return Conversation(tuple(messages), f"random.jsonl:{number + 1}", str(number),
                        tools=TOOLS if kinds & {"tools", "offered"} else ())


def rendered(conversation: Conversation, turns: int, given: Subject, *, asked: bool, ids: bool = False):
    """What transformers makes of the first turns."""
    messages = [views.turn(message, given.made.template.ways) for message in conversation.messages[:turns]]
    told = dict(given.switches)
    if conversation.tools:
        told |= {"functions": json.dumps(list(conversation.tools), ensure_ascii=False, indent=4),
                 "datetime": DATE.strftime("%Y-%m-%d %H:%M:%S")}
    with mock.patch("transformers.utils.chat_template_utils.datetime", Clock):
        return given.tokenizer.apply_chat_template(
            messages, tools=list(conversation.tools) or None, add_generation_prompt=asked, tokenize=ids,
            sanitize_control_tokens=ids, return_dict=False, **told)


def faults(conversation: Conversation, given: Subject, documents: list) -> list[str]:
    """What differs in the documents of a dialogue from transformers and from the dialogue itself."""
    found = [(document, *span) for document in documents for span in spans(document)]
    turns = [place for place, turn in enumerate(conversation.messages) if turn.role == "assistant" and turn.train]
    if len(found) != len(turns):
        return [f"{len(found)} stretches of {len(turns)} turns"]
    told = []
    last = {id(document): start for document, start, _ in found}
    for (document, start, stop), turn in zip(found, turns, strict=True):
        message = conversation.messages[turn]
        # transformers' marks around typed tokens do not survive a template that writes JSON in ASCII
        comparable = not (conversation.tools and "ensure_ascii=True" in source(given.name))
        comparable &= start == last[id(document)]  # the last prompt of a document holds those before it
        if comparable and document.ids[:start].tolist() != rendered(conversation, turn, given, asked=True, ids=True):
            told.append("the prompt is not transformers'")
        spelt = given.tokenizer.decode(document.ids[start:stop])
        told += spoken(message, spelt, given, conversation)
        end = spelt_end(spelt, given)
        if not end:
            told.append(f"it ends with {spelt[-20:]!r}")
        if turn != turns[-1] or not end:  # the last turn's render stands for those before it
            continue
        asked = rendered(conversation, turn, given, asked=True)
        full = rendered(conversation, turn + 1, given, asked=False)
        if full.startswith(asked) and not full[len(asked):].startswith(spelt.removesuffix(end)) and (
            "think" not in asked[-20:].lower()
        ):
            told.append(f"{spelt!r} is not in {full[len(asked):]!r}")
    return told


def spelt_end(spelt: str, given: Subject) -> str:
    """The token that ends a turn, if it is one that the published model stops on or that the template always writes."""
    _, (_, *ends) = FAMILIES[given.name]
    return next((end for end in sorted(ends, key=len, reverse=True) if spelt.endswith(end)), "")


def spoken(message: Message, spelt: str, given: Subject, conversation: Conversation) -> list[str]:
    """What is wrong with the text of a turn: its own parts, each once, and literals of the template around them."""
    rest, told = spelt, []
    inside, said = INSIDE.fullmatch(message.content).groups()
    wanted = [message.reasoning.strip(), (inside or "").strip(), said.strip()]
    for call in message.calls:
        wanted += [NAME, *(str(value) for value in call.arguments.values())]
    for part in wanted:
        spelling = next((each for each in (part, json.dumps(part, ensure_ascii=False)[1:-1], json.dumps(part)[1:-1])
                         if each in rest), None)
        if spelling is None:
            told.append(f"{part!r} is not in {spelt!r}")
        else:
            rest = rest.replace(spelling, " ", 1 if part is not NAME else -1)
    literals = source(given.name) + " ".join(str(each) for each in FAMILIES[given.name][1]) + message_frame(message)
    if len(rest) > (FRAME_OF_CALLS if message.calls else FRAME):
        told.append(f"{len(rest)} characters beside the answer in {spelt!r}")
    around = [word for word in re.findall(r"\w+", rest) if not (message.calls and word.isdigit())]  # calls are counted
    told += [f"{word!r} beside the answer in {spelt!r}" for word in around if word not in literals]
    return told


def message_frame(message: Message) -> str:
    """What a call is made of beside the tool's name and the arguments' texts."""
    return " ".join([*(key for call in message.calls for key in call.arguments), *(call.id for call in message.calls),
                     "name arguments parameters string true type function"]) if message.calls else " think opensource "


def tried(given: Subject, dialogues: int, kinds: set[str], seed: str) -> Outcome:
    """The dialogues of one kind."""
    draw, outcome, prover = random.Random(f"{given.name} {seed}"), Outcome(), proof.Proof(given.made)
    typed = sorted(given.made.special)
    for number in range(dialogues):
        conversation = dialogue(draw, typed, number, kinds)
        try:
            documents, findings = chat.documents(conversation, given.made)
        except Refusal as refusal:
            outcome.refused[f"{refusal.kind}: {refusal.what}"] += 1
            continue
        if findings:
            outcome.refused[f"{findings[0].kind}: {findings[0].what}"] += 1
            continue
        proved = [finding for finding in prover.prove(documents, conversation) if finding.severity == "error"]
        found = faults(conversation, given, documents)
        if proved:
            outcome.refused[f"{proved[0].kind}: {proved[0].what}"] += 1
        elif found:
            outcome.wrong.append((conversation.where, found[0]))
        else:
            outcome.right += 1
    return outcome


def takes_system(given: Subject) -> bool:
    """Whether the template takes a system prompt."""
    turns = [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}]
    for tools in ({}, sandbox.with_tools(TOOLS)):
        try:
            sandbox.run(given.made.template._compiled, turns, given.made.template.special, generation_prompt=True,
                        given=tools)
        except sandbox.RENDER_ERRORS:
            continue
        return True
    return False


@dataclass
class Result:
    """A line of the table: the outcome of plain dialogues, of thoughts and of tools.

    switch: the `data.thinking` that thoughts needed; offered: whether the template takes no dialogue without tools;
    kept: whether a prompt still holds the thoughts of earlier turns.
    """

    name: str
    plain: Outcome
    thoughts: Outcome
    tools: Outcome
    switch: str = ""
    offered: bool = False
    kept: bool = False

    @property
    def all(self) -> tuple[Outcome, Outcome, Outcome]:
        """Every kind of dialogue."""
        return self.plain, self.thoughts, self.tools

    @property
    def wrong(self) -> list:
        """What a proof let pass and should not have."""
        return [fault for outcome in self.all for fault in outcome.wrong]


def measured(name: str, dialogues: int = DIALOGUES) -> Result:
    """All kinds of dialogues with one template."""
    try:
        given = subject(name)
        given.made.require_template()
    except Refusal as refusal:
        outcome = Outcome(refused=Counter([f"{refusal.kind}: {refusal.what}"]))
        return Result(name, outcome, outcome, outcome)
    system = {"system"} if takes_system(given) else set()
    third = max(1, dialogues // 3)
    plain, offered = tried(given, dialogues - 2 * third, system, "plain"), False
    if not plain.right and not plain.wrong:  # a template that needs tools
        again = tried(given, dialogues - 2 * third, system | {"offered"}, "plain")
        if again.right or again.wrong:
            plain, offered, system = again, True, system | {"offered"}
    tools = tried(given, third, system | {"tools"}, "tools")
    kinds = system | {"thoughts"} | ({"inside"} if "</think>" in source(name) else set())
    thoughts, switch = tried(given, third, kinds, "thoughts"), ""
    if not thoughts.proven and not thoughts.wrong:
        thinking = subject(name, {"enable_thinking": True, "thinking": True})
        again = tried(thinking, third, kinds, "thoughts")
        if again.proven or again.wrong:
            given, thoughts, switch = thinking, again, "think"
    return Result(name, plain, thoughts, tools, switch, offered, keeps(given, offered))


def keeps(given: Subject, offered: bool) -> bool:
    """Whether the thought of an earlier turn stands in a later prompt."""
    said = (Message("user", "q"), Message("assistant", "a", reasoning="Thoughtprobe"), Message("user", "q"))
    try:
        return "Thoughtprobe" in given.made.template.render(
            said, generation_prompt=True, tools=TOOLS if offered else ())
    except Refusal:
        return False


WHY = {
    "template.no_end": "no token ends a turn",
    "template.calls": "calls are not written",
    "template.prefix": "after a call the prompt is not what the answer then follows",
    "template.unsafe": "it changes a list, which the sandbox (transformers' too) forbids",
    "mask.early_stop": "generation would stop within a turn",
    "mask.typed_control": "the template joins what was typed into a control token",
    "row.reasoning": "only empty thoughts are written",
}


def why(outcome: Outcome) -> str:
    """Why dialogues are refused, in a few words; the template's own where it speaks for itself."""
    kind, _, what = outcome.why.partition(": ")
    return WHY.get(kind) or f"\"{what.partition(' (template ')[0]}\""


def row(found: Result) -> str:
    """A line of the table."""
    word = "proven" + (", with tools" if found.offered else "") if found.plain.proven else "refused"
    if not found.plain.proven:
        return f"| {found.name} | {FAMILIES[found.name][0]} | {word} | {why(found.plain)} | | |"
    tools = "yes" if found.tools.proven else f"no: {why(found.tools)}"
    earlier = "earlier ones kept" if found.kept else "earlier ones stripped"
    with_switch = " with `think`" if found.switch else ""
    thoughts = f"learnt{with_switch}, {earlier}" if found.thoughts.proven else f"no: {why(found.thoughts)}"
    return f"| {found.name} | {FAMILIES[found.name][0]} | {word} | | {tools} | {thoughts} |"


def table() -> dict[str, str]:
    """The lines that docs/templates.md holds, by name."""
    text = DOCUMENT.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0]
    return {line.split("|")[1].strip(): line for line in text.splitlines()[2:] if line.startswith("|")}


def distinct() -> list[str]:
    """One name of each source."""
    return list({source(name): name for name in names()}.values())


def counts(lines: dict[str, str]) -> str:
    """What the table says, counted."""
    words = Counter(lines[name].split("|")[3].strip().split(",")[0] for name in distinct())
    tools = sum(lines[name].split("|")[5].strip() == "yes" for name in distinct())
    thoughts = sum(lines[name].split("|")[6].strip().startswith("learnt") for name in distinct())
    return (f"Of {len(distinct())} distinct templates ({len(names())} files) {words['proven']} are proven and "
            f"{words['refused']} refused; of the proven ones {tools} with calls of tools, {thoughts} with reasoning.\n")


def write(dialogues: int, wanted: Sequence[str]) -> None:
    """Measure templates and put their lines into the document; the counts are right once all are there."""
    head = ["| template | family | | why refused | calls of tools | reasoning |", "|---|---|---|---|---|---|"]
    for name in wanted:
        found = measured(name, dialogues)
        print(row(found), [each.right for each in found.all], found.wrong[:2], flush=True)
        lines = table() | {name: row(found)}
        counted = [counts(lines)] if lines.keys() >= set(names()) else []
        body = "\n".join([*head, *(lines[each] for each in sorted(lines)), "", *counted])
        before, _, rest = DOCUMENT.read_text(encoding="utf-8").partition(BEGIN)
        DOCUMENT.write_text(before + BEGIN + body + END + rest.partition(END)[2], encoding="utf-8")


if __name__ == "__main__":
    write(int(sys.argv[1]) if len(sys.argv) > 1 else DIALOGUES, sys.argv[2:] or names())
