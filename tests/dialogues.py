"""Seeded random dialogues: with typed control tokens, thoughts and calls of tools."""

from __future__ import annotations

import random

from tunesmith.encoding.templates import thinking
from tunesmith.records import Call, Conversation, Message

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
