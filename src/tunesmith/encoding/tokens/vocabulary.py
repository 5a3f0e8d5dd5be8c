"""New pieces for a tokenizer, learnt from texts: what it already knows goes on being merged, so nothing is unlearnt.

The texts are spelt in the tokenizer's own tokens, and the most frequent neighbours within a word are merged again and
again, as in byte-pair encoding. The merges are put after all that the tokenizer has, so it first does what it always
did. Characters that it lacks become pieces before that. Sources: Sennrich 2016 (arXiv:1508.07909) for the merges; the
pieces that a new one replaces, whose mean is its first row, are those of Gee 2022, "Fast Vocabulary Transfer for
Language Model Compression" (arXiv:2402.09977).
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Literal

from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from ...errors import Refusal

BLANK = "▁"  # how SentencePiece writes the blank before a word
BYTE = re.compile(r"<0x[0-9A-F]{2}>")
DIGIT, NUMBER = re.compile(r"\d"), re.compile(r"\d\d")
PRIVATE = (*range(0xF0000, 0xFFFFE), *range(0x100000, 0x10FFFE))  # a character for each token that stands in the texts
SPARE = 1.25  # merges that give no new piece are learnt on top
TOGETHER = 1000  # texts

Kind = Literal["bytes", "fallback", "wordpiece"]


@dataclass(frozen=True, slots=True)
class Pieces:
    """What is new in a vocabulary, in the order of its ids.

    replaces: each new piece as the vocabulary spells it, and the ids, of those before it, that spelt it so far; merges:
    pairs of spellings, in their order; none where a tokenizer takes the longest piece that fits.
    """

    replaces: Mapping[str, tuple[int, ...]]
    merges: tuple[tuple[str, str], ...] = ()

    def as_json(self) -> dict[str, Any]:
        """For a run's folder, which is opened with them; in lists, for their order counts."""
        return {"replaces": [[piece, list(ids)] for piece, ids in self.replaces.items()],
                "merges": [list(pair) for pair in self.merges]}

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Pieces:
        """The pieces that `as_json` told of."""
        return cls({piece: tuple(ids) for piece, ids in told["replaces"]},
                   tuple((left, right) for left, right in told["merges"]))


def learn(state: str, texts: Sequence[str], *, tokens: int, at_least: int) -> Pieces:
    """At most `tokens` new pieces, each of which stands `at_least` times in the texts.

    state: the tokenizer as JSON. Raises Refusal for a kind of tokenizer that cannot be extended so.
    """
    told = json.loads(state)
    kind = _kind(told)
    known: dict[str, int] = told["model"]["vocab"]
    single = _characters(told, kind, texts, at_least)
    pieces = {piece: ids for piece, ids in list(single.items())[:tokens]}
    spelt = extended(state, Pieces(pieces))
    ids_of = {**{piece: (index,) for piece, index in known.items()}, **pieces}
    merges: list[tuple[str, str]] = []
    had = set(map(tuple, told["model"].get("merges", ())))
    for left, right in _merged(spelt, kind, texts, wanted=tokens - len(pieces), at_least=at_least):
        if len(pieces) == tokens:
            break
        whole = _joined((left, right), _continued(told))
        if (left, right) in had:
            continue
        had.add((left, right))
        merges.append((left, right))
        if whole not in ids_of:
            pieces[whole] = ids_of[whole] = ids_of[left] + ids_of[right]
    return Pieces(pieces, () if kind == "wordpiece" else tuple(merges))


def extended(state: str, pieces: Pieces) -> str:
    """The tokenizer with the pieces, as JSON; every id that it had stays what it was."""
    told = json.loads(state)
    vocabulary: dict[str, int] = told["model"]["vocab"]
    # the library numbers added tokens by the size of the vocabulary, unless they stand in it
    vocabulary |= {token["content"]: token["id"] for token in told["added_tokens"]}
    first = max(vocabulary.values()) + 1
    vocabulary |= {piece: first + place for place, piece in enumerate(pieces.replaces)}
    if pieces.merges:
        told["model"]["merges"] += [list(pair) for pair in pieces.merges]
    return json.dumps(told, ensure_ascii=False)


def _kind(told: Mapping[str, Any]) -> Kind:
    """What sort of tokenizer it is. Raises Refusal for one that cannot be extended."""
    model = told["model"]
    if model["type"] == "WordPiece":
        return "wordpiece"
    if model["type"] == "BPE" and not model.get("end_of_word_suffix") and not model.get("continuing_subword_prefix"):
        if model.get("byte_fallback"):
            return "fallback"
        if '"ByteLevel"' in json.dumps(told["pre_tokenizer"]):
            return "bytes"
    raise Refusal(
        "base.vocabulary_kind", f"this base's tokenizer is of a kind ({model['type']}) whose vocabulary cannot be "
        "extended", "base.vocabulary", "leave `base.vocabulary` out, or use a base with byte-level BPE (SmolLM2, Llama "
        "3, Qwen), BPE with bytes to fall back on (Llama 2, Mistral) or WordPiece (BERT)")


def _continued(told: Mapping[str, Any]) -> Any:
    """What WordPiece writes before a piece that goes on with a word; nothing in other kinds."""
    return told["model"]["continuing_subword_prefix"] or ""


def _characters(told: Mapping[str, Any], kind: Kind, texts: Iterable[str], at_least: int) -> dict[str, tuple[int, ...]]:
    """Characters that the vocabulary lacks, the most frequent first, and the ids that stood for them."""
    if kind == "bytes":
        return {}
    tokenizer = _bare(told)
    seen: Counter[str] = Counter()
    for text in texts:
        seen.update(text if tokenizer.normalizer is None else tokenizer.normalizer.normalize_str(text))
    known = told["model"]["vocab"]
    often = [character for character, times in sorted(seen.items(), key=lambda each: (-each[1], each[0]))
             if times >= at_least and not character.isspace()]
    if kind == "fallback":
        bytes_of = {character: [f"<0x{byte:02X}>" for byte in character.encode()] for character in often}
        return {character: tuple(known[byte] for byte in bytes_of[character]) for character in often
                if character not in known and all(byte in known for byte in bytes_of[character])}
    unknown = known[told["model"]["unk_token"]]
    found: dict[str, tuple[int, ...]] = {}
    for character in often:
        forms = (character, _continued(told) + character)
        instead = next((known[form] for form in forms if form in known), unknown)
        found |= {form: (instead,) for form in forms if form not in known}
    return found


def _merged(
    state: str, kind: Kind, texts: Sequence[str], *, wanted: int, at_least: int
) -> Iterator[tuple[str, str]]:
    """Pairs of spellings to merge, the most useful first, learnt by the library's own trainer.

    It is shown each token as one character of a plane that no text uses.
    """
    told = json.loads(state)
    spelling = {index: piece for piece, index in told["model"]["vocab"].items()}
    tokenizer = _bare(told)
    used = sorted({index for words in _words(tokenizer, kind, told, texts) for word in words for index in word})
    private = {index: chr(code) for index, code in zip(used, PRIVATE, strict=False)}
    public = {character: spelling[index] for index, character in private.items()}
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    trainer = trainers.BpeTrainer(
        vocab_size=len(private) + int(max(wanted, 0) * SPARE), min_frequency=at_least, show_progress=False)
    made.train_from_iterator(
        (" ".join("".join(private.get(index, " ") for index in word) for word in words)
         for words in _words(tokenizer, kind, told, texts)), trainer)
    continued = _continued(told)

    for pair in json.loads(made.to_str())["model"]["merges"]:
        left, right = ([public[character] for character in part] for part in pair)
        yield _joined(left, continued), _joined(right, continued)


def _joined(parts: Sequence[str], continued: str) -> str:
    """The spelling of pieces that stand one after another in a word, as of one."""
    return parts[0] + "".join(part.removeprefix(continued) for part in parts[1:])


def _words(
    tokenizer: Tokenizer, kind: Kind, told: Mapping[str, Any], texts: Sequence[str]
) -> Iterator[list[list[int]]]:
    """Of each text its words of at least two tokens, as ids. What the vocabulary cannot spell parts a word."""
    known = told["model"]["vocab"]
    barred = {index for piece, index in known.items() if kind == "fallback" and BYTE.fullmatch(piece)}
    barred |= {token["id"] for token in told["added_tokens"]} | {known.get(told["model"].get("unk_token"))}
    if not any(NUMBER.search(piece) for piece in known if not BYTE.fullmatch(piece)):  # it reads digit by digit
        barred |= {index for piece, index in known.items() if DIGIT.search(piece)}
    begins = {index for piece, index in known.items() if kind == "fallback" and piece.startswith(BLANK)}
    for start in range(0, len(texts), TOGETHER):
        for found in tokenizer.encode_batch(list(texts[start : start + TOGETHER]), add_special_tokens=False):
            words: list[list[int]] = []
            for _, together in groupby(zip(found.word_ids, found.ids, strict=True), key=lambda each: each[0]):
                words.append([])
                for _, index in together:
                    if index in barred or index in begins:
                        words.append([])
                    if index not in barred:
                        words[-1].append(index)
            yield [word for word in words if len(word) > 1]


def _bare(told: Mapping[str, Any]) -> Tokenizer:
    tokenizer = Tokenizer.from_str(json.dumps({**told, "added_tokens": []}))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def tokens_per_word(state: str, texts: Sequence[str]) -> float:
    """How many tokens the texts take for each word between blanks."""
    tokenizer = _bare(json.loads(state))
    words = sum(len(text.split()) for text in texts)
    return sum(len(found.ids) for start in range(0, len(texts), TOGETHER) for found in tokenizer.encode_batch(
        list(texts[start : start + TOGETHER]), add_special_tokens=False)) / max(words, 1)
