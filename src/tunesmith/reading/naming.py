"""Which of the usual names a row's columns have, as the formats share them: what one claims, another must not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

PROMPTS = ("prompt", "question", "input")
ANSWERS = ("answer", "completion", "response", "output")
WORDS = ("tokens", "words")
TAGS = ("tags", "ner_tags", "labels", "pos_tags", "chunk_tags")
TEXTS = ("text", "sentence", "review", "comment", "tweet", "utterance", "question", "query", "title")
SECONDS = {
    "text": "second", "sentence1": "sentence2", "sentence_A": "sentence_B", "premise": "hypothesis",
    "question1": "question2", "text1": "text2", "text_a": "text_b", "#1 String": "#2 String",  # the last are MRPC's
}
LABELS = (
    "label", "labels", "category", "categories", "class", "intent", "sentiment", "emotion", "emotions", "topic",
    "topics", "gold_label", "entailment_judgment", "relatedness_score", "is_duplicate", "Quality",
)
OFTEN_LABELS = ("type", "kind", "target", "rating", "stars", "polarity", "stance", "tag", "annotation", "output", "y")
FROM_ROW = "from_row"  # what tunesmith writes into rows that it hands on: where each stood
KNOWN = frozenset({
    *PROMPTS, *ANSWERS, *WORDS, *TAGS, *TEXTS, *SECONDS, *SECONDS.values(), *LABELS, "context", "instruction", "system",
    "source", "target", "messages", "conversations", "id", FROM_ROW,
})


def is_talk(fields: Mapping[str, Any]) -> bool:
    """Whether a row has a list of turns, or should."""
    return "messages" in fields or "conversations" in fields


def is_instruction(fields: Mapping[str, Any]) -> bool:
    """Whether a row has an instruction and an output, and no list of turns."""
    return {"instruction", "output"} <= fields.keys() and not is_talk(fields)


def is_squad(fields: Mapping[str, Any]) -> bool:
    """Whether a row has a question, its context, and answers with offsets."""
    if not {"question", "context", "answers"} <= fields.keys() or is_talk(fields) or is_instruction(fields):
        return False
    answers = fields["answers"]
    if isinstance(answers, Mapping):
        return "answer_start" in answers
    return isinstance(answers, list) and all(isinstance(one, Mapping) for one in answers)


def pair_of(fields: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """The columns that could be the prompt, and those that could be the answer.

    `source` and `target` count where there are none of the others: `source` mostly says where a row is from.
    """
    if "prompt" in fields and "answer" in fields:
        return ["prompt"], ["answer"]
    prompts, answers = [name for name in PROMPTS if name in fields], [name for name in ANSWERS if name in fields]
    if "target" in fields and "text" not in fields and not answers:
        return prompts or [name for name in ("source",) if name in fields], ["target"]
    return prompts, answers


def is_pair(fields: Mapping[str, Any]) -> bool:
    """Whether a row has a prompt and an answer, be it not told which of several."""
    return all(pair_of(fields)) or is_translation(fields)


def is_translation(fields: Mapping[str, Any]) -> bool:
    """Whether a row has a text in several languages, by their codes."""
    texts = fields.get("translation")
    return isinstance(texts, Mapping) and sum(isinstance(text, str) for text in texts.values()) > 1


def is_question(fields: Mapping[str, Any]) -> bool:
    """Whether a row has a prompt, its answer, and a context."""
    other = is_talk(fields) or is_squad(fields) or "instruction" in fields or is_translation(fields)
    return "context" in fields and not other and all(len(names) == 1 for names in pair_of(fields))


def is_tagged(fields: Mapping[str, Any]) -> bool:
    """Whether a row has a list of words and one of tags, or nothing but the columns of a block of lines."""
    if is_talk(fields) or is_instruction(fields) or is_squad(fields) or is_pair(fields):
        return False
    word, tag = first(fields, WORDS), first(fields, TAGS)
    if word is not None and tag is not None:
        return isinstance(fields[word], list) and isinstance(fields[tag], list)
    lines = columns_of_lines(fields)
    named = [name for name in fields if name in WORDS or name in TAGS]
    own = [value for name, value in fields.items() if name != FROM_ROW]
    return bool(lines) and len(lines) + len(named) == len(own) > 1 and all(isinstance(value, list) for value in own)


def columns_of_lines(fields: Mapping[str, Any]) -> list[str]:
    """The columns of a block of lines, or of a table without header: `column 1` and so on."""
    return [name for name in fields if name.startswith("column ") and name[7:].isdigit()]


def is_unnamed(fields: Mapping[str, Any]) -> bool:
    """Whether a row is one of a table whose columns have no names."""
    lines = columns_of_lines(fields)
    return bool(lines) and len(lines) == len(fields) - (FROM_ROW in fields) and not any(
        isinstance(value, list) for value in fields.values())


def first(fields: Mapping[str, Any], names: tuple[str, ...]) -> str | None:
    """The first of the names that is a column."""
    return next((name for name in names if name in fields), None)
