"""New pieces of a vocabulary: fewer tokens, every text whole, everything that was known as it was."""

from __future__ import annotations

import gzip
import json
import re
from functools import cache
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from tiny import AZERBAIJANI as LINES
from tiny import SENTENCES, tiny_pieces, tiny_tokenizer
from tunesmith.encoding.tokens import vocabulary
from tunesmith.encoding.tokens.vocabulary import Pieces
from tunesmith.errors import Refusal

ENGLISH = tuple(re.sub("[0-9]", "", sentence) for sentence in SENTENCES)
KINDS = ("bytes", "fallback", "wordpiece")


@cache
def state(kind: str) -> str:
    """A tokenizer of each kind that knows English."""
    if kind == "bytes":
        return tiny_tokenizer(sentences=ENGLISH).backend_tokenizer.to_str()
    if kind == "wordpiece":
        return tiny_pieces().backend_tokenizer.to_str()
    tokenizer = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(),
                                           decoders.Strip(" ", 1, 0)])
    tokenizer.pre_tokenizer = pre_tokenizers.Split("▁", "merged_with_next")  # as SentencePiece learns
    special = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    tokenizer.train_from_iterator(ENGLISH, trainers.BpeTrainer(
        vocab_size=400, special_tokens=special, show_progress=False, initial_alphabet=list("▁0123456789")))
    told = json.loads(tokenizer.to_str())
    told["added_tokens"], told["pre_tokenizer"] = told["added_tokens"][:3], None  # bytes are no control tokens
    return json.dumps(told)


@cache
def learnt(kind: str, tokens: int = 80) -> Pieces:
    return vocabulary.learn(state(kind), LINES * 3, tokens=tokens, at_least=3)


@cache
def opened(kind: str, *, grown: bool) -> Tokenizer:
    found = Tokenizer.from_str(vocabulary.extended(state(kind), learnt(kind)) if grown else state(kind))
    found.no_padding()
    return found


def ids(kind: str, text: str, *, grown: bool) -> list[int]:
    return opened(kind, grown=grown).encode(text, add_special_tokens=False).ids


@pytest.mark.parametrize("kind", KINDS)
def test_the_language_takes_fewer_tokens(kind):
    before, after = (sum(len(ids(kind, line, grown=grown)) for line in LINES) for grown in (False, True))
    if kind != "wordpiece":  # which had one [UNK] for each word that it did not know
        assert after < before * 0.75
    assert vocabulary.tokens_per_word(state(kind), LINES) == before / sum(len(line.split()) for line in LINES)


@pytest.mark.parametrize("kind", KINDS)
def test_there_are_as_many_pieces_as_wanted_and_their_ids_follow_on_the_others(kind):
    told, grown = json.loads(state(kind)), opened(kind, grown=True)
    first = max([*told["model"]["vocab"].values(), *(token["id"] for token in told["added_tokens"])]) + 1
    assert [grown.token_to_id(piece) for piece in learnt(kind).replaces] == list(range(first, first + 80))
    assert Pieces.from_json(json.loads(json.dumps(learnt(kind).as_json()))) == learnt(kind)


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_known_keeps_its_id_and_is_still_read_as_one(kind):
    before, after = opened(kind, grown=False), opened(kind, grown=True)
    assert {token: after.token_to_id(token) for token in before.get_vocab()} == before.get_vocab()
    words = {word for token in before.get_vocab() for word in (token, token.lstrip("▁"))}
    whole = [word for word in words if len(before.encode(word, add_special_tokens=False)) == 1]
    assert len(whole) > 25 and all(before.encode(token).ids == after.encode(token).ids for token in whole)


WORDS = st.sampled_from([*" ".join(LINES).split(), " ", "\n"])


@given(st.text(max_size=60) | st.lists(WORDS, max_size=12).map("".join))
def test_every_text_comes_back_as_it_did_before(text):
    for kind in KINDS:
        told = [opened(kind, grown=grown).decode(ids(kind, text, grown=grown), skip_special_tokens=False)
                for grown in (False, True)]
        assert told[1] == (text if kind == "bytes" else told[0] if "[UNK]" not in told[0] else told[1])


@pytest.mark.parametrize("kind", ["bytes", "fallback"])
def test_a_piece_replaces_tokens_that_spell_it(kind):
    told, before = state(kind), opened(kind, grown=False)
    for piece, replaced in learnt(kind).replaces.items():
        assert max(replaced) < len(json.loads(told)["model"]["vocab"])
        if kind == "bytes":
            assert "".join(before.id_to_token(index) for index in replaced) == piece


def test_a_character_that_word_pieces_lack_begins_as_what_is_unknown():
    unknown = opened("wordpiece", grown=False).token_to_id("[UNK]")
    assert learnt("wordpiece").replaces["ə"] == (unknown,) and learnt("wordpiece").replaces["##ə"] == (unknown,)
    assert "[UNK]" in opened("wordpiece", grown=False).encode(LINES[1]).tokens
    assert "[UNK]" not in opened("wordpiece", grown=True).encode(LINES[1]).tokens


@pytest.mark.parametrize("kind", ["bytes", "fallback"])
def test_numbers_stay_parted_into_digits_where_the_base_reads_them_so(kind):
    pairs = [pair for piece in learnt(kind, 400).replaces for pair in pairwise(piece)]
    assert pairs and not any(left.isdigit() and right.isdigit() for left, right in pairs)


def test_the_same_texts_give_the_same_pieces():
    again = vocabulary.learn(state("bytes"), LINES * 3, tokens=80, at_least=3)
    assert again == learnt("bytes") and list(again.replaces) == list(learnt("bytes").replaces)


def test_a_control_token_beyond_the_vocabulary_keeps_its_id_and_its_meaning():
    before = Tokenizer.from_str(state("bytes"))
    before.add_special_tokens(["<|more|>"])
    after = Tokenizer.from_str(vocabulary.extended(before.to_str(), learnt("bytes")))
    assert after.token_to_id("<|more|>") == before.token_to_id("<|more|>") == 320
    assert after.encode("a<|more|>b").ids == before.encode("a<|more|>b").ids
    assert after.encode(LINES[0]).ids != before.encode(LINES[0]).ids


@pytest.mark.parametrize("changes", [{"type": "Unigram"}, {"end_of_word_suffix": "</w>"}])
def test_a_kind_that_cannot_be_extended_is_refused_by_name(changes):
    told = json.loads(state("bytes"))
    told["model"] |= changes
    with pytest.raises(Refusal, match="cannot be extended"):
        vocabulary.learn(json.dumps(told), LINES, tokens=10, at_least=2)


def test_english_is_read_as_before_by_a_model_that_was_made_for_it(shared):
    from tunesmith.models import bases, load

    state = load.tokenizer(bases.find("smollm2-135m-instruct")).backend_tokenizer.to_str()
    lines = (shared / "data/text_az/ted_az.txt").read_text(encoding="utf-8").splitlines()
    learnt_from, held_out = lines[:-2000], lines[-2000:]
    grown = vocabulary.extended(state, vocabulary.learn(state, learnt_from, tokens=2000, at_least=10))
    assert vocabulary.tokens_per_word(grown, held_out) < 0.55 * vocabulary.tokens_per_word(state, held_out)
    english = [word for line in (shared / "data/text_en/wiki_demo_400k.txt").read_text(encoding="utf-8").splitlines()
               for word in line.split()]
    before, after = (Tokenizer.from_str(each).encode_batch(english) for each in (state, grown))
    assert sum(a.ids != b.ids for a, b in zip(before, after, strict=True)) < 30 < len(english) / 2000


@pytest.mark.parametrize("family", ["qwen3", "bert-multilingual-uncased"])
def test_transformers_opens_what_was_extended_with_the_same_ids(shared, family, tmp_path):
    from transformers import AutoTokenizer

    from tunesmith.models.growth import add_pieces

    source = shared / "models/tokenizers" / family
    for file in source.iterdir():
        content = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
        (tmp_path / file.name.removesuffix(".gz")).write_bytes(content)
    tokenizer: Any = AutoTokenizer.from_pretrained(tmp_path)
    had = {line: tokenizer(line)["input_ids"] for line in SENTENCES}
    lines = (shared / "data/text_az/ted_az.txt").read_text(encoding="utf-8").splitlines()[:4000]
    pieces = vocabulary.learn(tokenizer.backend_tokenizer.to_str(), lines, tokens=300, at_least=10)
    before = sum(map(len, tokenizer(lines)["input_ids"]))
    add_pieces(tokenizer, pieces)
    tokenizer.save_pretrained(tmp_path / "grown")
    again: Any = AutoTokenizer.from_pretrained(tmp_path / "grown")
    assert again(lines)["input_ids"] == tokenizer(lines)["input_ids"]
    assert sum(map(len, again(lines)["input_ids"])) < before * 0.9
    assert {line: again(line)["input_ids"] for line in SENTENCES} == had
    assert len(again) == len(tokenizer) and again.all_special_ids == tokenizer.all_special_ids
