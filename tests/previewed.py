"""Facts of a preview's page, made up, and hostile where a test wants it."""

from __future__ import annotations

from judged import HOSTILE
from tunesmith.pages.preview import Amount, Previewed, Seen
from tunesmith.pages.tokens import Token
from tunesmith.records import Finding


def previewed(*, documents: int = 6, tokens: int = 24, hostile: bool = False) -> Previewed:
    """A few documents of both sides, half of each supervised, one of them cut."""

    def said(text: str, number: int) -> str:
        return f"{text} {HOSTILE[number % len(HOSTILE)]}" if hostile else text

    def token(place: int) -> Token:
        if place == 0:
            return Token(1, "<|im_start|>", 0.0, True, "<|im_start|>")
        if place == 3:
            return Token(7, "", 0.0, False, said("Ã", 1))
        text = said((" hat", "\n", "\tß ")[place % 3], place)
        return Token(100 + place, text, float(place * 2 >= tokens), False, "Ġhat")

    made = tuple(map(token, range(tokens)))
    odd = Token(9, said("half", 0), 0.5, False, "half")
    return Previewed(
        said("hats.yaml", 0), {"base": said("tiny", 1), "task": "chat"},
        {"train": Amount(5, (tokens,) * 4 + (3 * tokens,), 60), "validation": Amount(1, (tokens,), 12),
         "test": Amount(0, (), 0)},
        {"assistant": 60},
        (Finding("warning", "row.empty", said("row `2` is empty", 2), said("hats.jsonl", 3) + ":2", "give it a text"),),
        tuple(
            Seen(said("hats.jsonl", place) + f":{place}", "train" if place else "validation", "conversation",
                 said("general", 5), ("longest of train",) if place == 1 else (), (*made, odd), "",
                 3 * tokens if place == 1 else tokens)
            for place in range(documents)),
        tokens, "cut",
    )
