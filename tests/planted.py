"""Rows in which nothing is wrong, and for each check of rows some in which something is: what it must find there.

A new check needs a line in PLANTED: the kind that it must tell, the training rows, and the others where it needs any.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from tunesmith.records import (
    SIDES,
    Alike,
    Answer,
    Conversation,
    Example,
    Labelled,
    Message,
    Pair,
    Question,
    Side,
    Tagged,
    Text,
)

NOUNS = ("river", "window", "garden", "lantern", "harbour", "orchard", "violin", "teacher", "mountain", "engine")
VERBS = ("paints", "repairs", "follows", "measures", "carries", "forgets", "borrows", "polishes", "weighs", "visits")
TIMES = ("yesterday", "tomorrow", "slowly", "twice", "quietly", "again", "today", "seldom", "together", "gladly")


@dataclass(frozen=True)
class Planted:
    """A kind that has to be told of some rows, and about how many of them it is."""

    kind: str
    count: int
    train: Sequence[Example]
    test: Sequence[Example] = ()
    alike: Sequence[Alike] = ()
    task: str = "chat"
    options: Mapping[str, object] | None = None

    @property
    def sides(self) -> dict[Side, Sequence[Example]]:
        return {"train": self.train, "validation": (), "test": self.test}


def sentence(number: int) -> str:
    """A sentence of its own for each number."""
    chance = random.Random(number)
    one, other, third = chance.sample(NOUNS, 3)
    return f"The {one} {chance.choice(VERBS)} a {other} and {number} times the {third} {chance.choice(TIMES)}."


def pair(number: int, prompt: str = "", answer: str = "") -> Pair:
    prompt = prompt or f"What does number {number} do? {sentence(number)}"
    return Pair(prompt, answer or f"{sentence(number + 1000)} {sentence(number + 2000)}", f"p.jsonl:{number}", prompt)


def chat(number: int, prompt: str = "", answer: str = "") -> Conversation:
    made = pair(number, prompt, answer)
    return Conversation((Message("system", "Be kind."), Message("user", made.prompt),
                         Message("assistant", made.answer)), f"c.jsonl:{number}", made.prompt)


def labelled(number: int, text: str = "", label: str = "") -> Labelled:
    text = text or sentence(number)
    return Labelled(text, (label or ("good", "bad")[number % 2],), f"l.csv:{number}", text)


def tagged(number: int, tag: str = "B-PER") -> Tagged:
    words = tuple(sentence(number)[:-1].split())
    return Tagged(words, tuple(tag if place == 1 else "O" for place in range(len(words))), f"t.conll:{number}",
                  " ".join(words))


def question(number: int, answer: str = "number") -> Question:
    context = f"{sentence(number)} {sentence(number + 500)}"
    words = context.split()[1] if answer == "number" else answer
    return Question(f"What is told of {number}?", context, (Answer(words, context.index(words)),) if words else (),
                    f"q.json:{number}", context)


def text(number: int) -> Text:
    return Text(" ".join(sentence(number * 10 + place) for place in range(4)), f"x.txt:{number}", sentence(number))


CLEAN: Mapping[str, Sequence[Example]] = {
    made.__name__: tuple(made(number) for number in range(60))
    for made in (pair, chat, labelled, tagged, question, text)
}
PAIRS, CHATS, LABELLED, TAGGED, QUESTIONS = (
    CLEAN[name] for name in ("pair", "chat", "labelled", "tagged", "question"))
LONG = " ".join(sentence(number) for number in range(40))
NINE = len(TAGGED[4].words)
TOPIC = "A model is asked about a thing. It answers at some length, and tells what it knows of it. Then it goes on"
OVER = "all work and no play makes him a dull boy " * 12


def upper(example: Pair) -> Pair:
    return replace(example, prompt=f" {example.prompt.upper()}", where=f"{example.where}0", group="another")


AZ = ("Bu gün hava çox gözəldir və biz parka gedirik.", "Kitabı oxuyandan sonra müəllimə qaytarmaq lazımdır.")
TWINS = [labelled(90, "The man asked for his money.", "bad"), labelled(91, "The woman asked for her money.", "good"),
         labelled(92, "The man sang to the king.", "good"), labelled(93, "The woman sang to the queen.", "good")]


def named(number: int, group: str, label: str) -> Labelled:
    return labelled(number, f"{group} says: {sentence(number)}", label)


PLANTED: Mapping[str, Sequence[Planted]] = {
    "answers": [
        Planted("audit.hollow_answers", 3, [*PAIRS, pair(91, answer="N/A"), chat(92, answer="I don't know."),
                                            pair(93, answer="Не знаю")]),
        Planted("audit.model_talk", 2, [*PAIRS, pair(91, answer="As an AI language model, I cannot dream."),
                                        chat(92, answer="Well. I’m just an AI assistant.")]),
        Planted("audit.refusals", 2, [*PAIRS, pair(91, answer="I'm sorry, but I can't help with that."),
                                      pair(92, answer="I cannot assist you here.")]),
        Planted("audit.echoes", 2, [*PAIRS, pair(91, LONG, LONG.upper()), chat(92, "One two", "one  two")]),
        Planted("audit.cut_answers", 8, [*PAIRS, *(
            pair(90 + number, answer=f"{sentence(number)} {TOPIC} {'and so' * 20}") for number in range(8))]),
        Planted("audit.same_answers", 20, [*PAIRS, *(pair(100 + number) for number in range(180)),
                                           *(pair(300 + number, answer="You are welcome!") for number in range(20))]),
        Planted("audit.unwanted_phrases", 1, [*PAIRS, pair(91, answer="Call our Hotline now.")],
                options={"phrases": ["our hotline"]}),
    ],
    "bias": [
        Planted("audit.twins", 2, [*LABELLED, *TWINS], task="classify"),
        Planted("audit.twins", 2, [*LABELLED, labelled(91, "A cat sits here.", "bad")],
                [labelled(92, "A DOG sits here.")], options={"groups": {"pets": [["cat", "dog"]]}}),
        Planted("audit.label_rates", 40, [
            named(100 + number, *(("She", "good") if number % 2 else ("He", ("good", "bad")[number % 4 == 0])))
            for number in range(160)], task="classify"),
    ],
    "characters": [
        Planted("audit.markup", 2, [*PAIRS, pair(91, answer="one<br />two"), labelled(92, "A &amp; B")]),
        Planted("audit.literals", 2, [*LABELLED, labelled(91, "b'caf\\xc3\\xa9'"),
                                      labelled(92, "One.\\nTwo.\\nThree.")]),
        Planted("audit.mojibake", 1, [*PAIRS, pair(91, answer="gÃ¼nÉ™ÅŸ Ã§Ä±xdÄ±")]),
        Planted("audit.unseen", 2, [*TAGGED, text(1), replace(text(2), text="a\u200bb"), pair(93, "a\x00b")]),
        Planted("audit.letters", 3, [*QUESTIONS, pair(91, "kit\u0430b"), chat(92, "s\u0327eker"),
                                     pair(93, "i\u0307stanbul")]),
        Planted("audit.lost", 1, [*PAIRS, chat(91, answer="s\ufffdz")]),
    ],
    "contamination": [
        Planted("audit.contamination", 2, PAIRS, [
            pair(91, answer=f"It is said that {PAIRS[3].answer}"), pair(92, prompt=PAIRS[4].answer), pair(93)]),
        Planted("audit.contamination", 1, LABELLED, [labelled(91, LABELLED[7].text.upper()), labelled(92)]),
    ],
    "contradictions": [
        Planted("audit.contradiction", 2, [*LABELLED, labelled(91, sentence(3).upper(), "neutral")]),
        Planted("audit.contradiction", 2, TAGGED, [replace(TAGGED[4], tags=("O",) * NINE, where="u:7")]),
        Planted("audit.contradiction", 2, [*QUESTIONS, replace(question(5, ""), where="q.json:99")]),
        Planted("audit.contradiction", 2, [
            Labelled(sentence(number), (str(number / 10),), f"n.csv:{number}", "g") for number in range(50)] + [
            Labelled(sentence(3), ("4.9",), "n.csv:98", "g"), Labelled(sentence(4), ("0.5",), "n.csv:99", "g")]),
        Planted("audit.answers_differ", 3, [*PAIRS, *(pair(90 + number, "Capital of Peru?", answer)
                                                      for number, answer in enumerate(["Lima", "Quito", "lima"]))]),
        Planted("audit.several_answers", 2, [*CHATS, chat(91, CHATS[3].messages[1].content, LONG)]),
    ],
    "copies": [
        Planted("audit.copies", 3, [*PAIRS, upper(PAIRS[2]), replace(PAIRS[3], where="p.jsonl:91"), upper(PAIRS[3])]),
        Planted("audit.copies_across", 2, PAIRS, [upper(PAIRS[2]), upper(PAIRS[5]), pair(99)]),
    ],
    "labels": [
        Planted("audit.rare_label", 3, [*LABELLED, *LABELLED, *LABELLED, *(labelled(90 + number, label="odd")
                                                                           for number in range(3))]),
        Planted("audit.label_spelling", 2, [*LABELLED, labelled(91, label="Good "), labelled(92, label="BAD")]),
    ],
    "language": [
        Planted("audit.language", 2, [*LABELLED, labelled(91, AZ[0]), labelled(92, AZ[1])]),
        Planted("audit.language", 1, [*PAIRS, pair(91, answer=AZ[0])],
                options={"expected": ["en"], "among": ["en", "az"]}),
        Planted("audit.language", 1, [*(replace(one, language="eng_Latn") for one in PAIRS),
                                      replace(pair(91), language="az")]),
    ],
    "near": [
        Planted("audit.near", 1, [*PAIRS, pair(91)], alike=[Alike(pair(91), PAIRS[3], 0.875)]),
        Planted("audit.near", 2, PAIRS, [pair(91), pair(92)], [Alike(pair(91), PAIRS[3], 1.0),
                                                               Alike(pair(92), PAIRS[4], 0.8)]),
    ],
    "personal": [
        Planted("audit.personal", 3, [*PAIRS, pair(91, answer="Write to anna@mail.az, or call 415-555-0123."),
                                      labelled(92, "+994 50 123 45 67"), chat(93, "my key is AKIAIOSFODNN7EXAMPLE")]),
        Planted("audit.personal", 1, TAGGED, [text(1), replace(text(2), text="4111 1111 1111 1111")],
                options={"kinds": ["card"]}),
    ],
    "repetition": [
        Planted("audit.repetition", 2, [*PAIRS, pair(91, answer=OVER), replace(text(1), text=OVER * 2)]),
        Planted("audit.same_phrases", 30, [*PAIRS, *(
            pair(90 + number, answer=f"Thank you for your question! {sentence(number)}") for number in range(30))]),
        Planted("audit.same_phrases", 30, [*CHATS, *(
            chat(90 + number, answer=f"{sentence(number)} Yours, the team of Acme Ltd") for number in range(30))]),
    ],
    "sizes": [
        Planted("audit.long_rows", 2, [*PAIRS, pair(91, answer=LONG), chat(92, LONG)]),
        Planted("audit.long_rows", 1, [*PAIRS, pair(91, answer=LONG)], task="seq2seq"),
    ],
}


def sides_of(examples: Sequence[Example]) -> dict[Side, Sequence[Example]]:
    """The rows on three sides."""
    third = len(examples) // 3
    return dict(zip(SIDES, (examples[third:], examples[:third // 2], examples[third // 2 : third]), strict=True))
