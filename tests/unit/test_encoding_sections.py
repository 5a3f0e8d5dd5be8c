"""Texts encoded in sections have the ids of the whole, whatever tokens a tokenizer has; none is encoded twice."""

from __future__ import annotations

import copy
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_encoding_families import FAMILIES, WORDS, tokenizer_of, tokenizers_folder  # noqa: F401
from tokenizers import AddedToken, Tokenizer

from tiny import SPECIAL, tiny_tokenizer
from tunesmith.encoding.tokens.codec import _bare
from tunesmith.encoding.tokens.sections import Sections


def tiny(*tokens: AddedToken) -> Tokenizer:
    tokenizer = copy.deepcopy(tiny_tokenizer())
    tokenizer.add_tokens(list(tokens))
    return _bare(tokenizer.backend_tokenizer.to_str())


def whole(tokenizer: Tokenizer, text: str) -> list[int]:
    return tokenizer.encode(text, add_special_tokens=False).ids


PART = st.sampled_from([*SPECIAL, "<|im_", "a b", " ", "\n", "Anna é🙂", "<mask>", "  ", "[X]", "x"])
PARTS = st.lists(PART, max_size=12)
STRANGE = (
    (),
    (AddedToken("<mask>", lstrip=True, rstrip=True, normalized=False),),
    (AddedToken("<mask>", normalized=True), AddedToken("[X]", normalized=False)),
    (AddedToken("<mask>", single_word=True, normalized=False),),
    (AddedToken("<|im_end|>\n", normalized=False), AddedToken("  ", normalized=False)),
    (AddedToken("x<|im_", normalized=False), AddedToken("<|im_end|> <|im_start|>", normalized=False)),
)


@pytest.mark.parametrize("tokens", STRANGE, ids=range(len(STRANGE)))
@settings(max_examples=60, deadline=None)
@given(parts=st.lists(PARTS, min_size=1, max_size=4))
def test_ids_are_those_of_the_whole_text_however_it_grew(tokens, parts):
    tokenizer = tiny(*tokens)
    sections = Sections(tokenizer)
    text = ""
    for part in parts:
        text += "".join(part)
        assert sections.ids(text) == whole(tokenizer, text)
        assert sections.ids(text[: len(text) // 2]) == whole(tokenizer, text[: len(text) // 2])


@pytest.mark.parametrize("name", FAMILIES)
def test_real_tokenizers_are_cut_where_they_cut_themselves(name, shared, tokenizers_folder):  # noqa: F811
    full = tokenizer_of(FAMILIES[name], shared, tokenizers_folder)
    tokenizer = _bare(full.backend_tokenizer.to_str())
    sections, draw = Sections(tokenizer), random.Random(f"sections {name}")
    control = [token.content for token in full.added_tokens_decoder.values()][:40]
    for _ in range(40):
        text = "".join(draw.choice((*WORDS, *control, " ", "\n")) for _ in range(draw.randint(0, 30)))
        assert sections.ids(text) == whole(tokenizer, text), text


class Counting:
    """A tokenizer that counts the characters it is given."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer, self.characters = tokenizer, 0

    def get_added_tokens_decoder(self):
        return self.tokenizer.get_added_tokens_decoder()

    def encode(self, text, *, add_special_tokens):
        self.characters += len(text)
        return self.tokenizer.encode(text, add_special_tokens=add_special_tokens)

    def encode_batch_fast(self, texts, *, add_special_tokens):
        self.characters += sum(map(len, texts))
        return self.tokenizer.encode_batch_fast(texts, add_special_tokens=add_special_tokens)


def test_what_rows_share_and_what_grows_is_encoded_once():
    counting = Counting(tiny())
    sections = Sections(counting)  # type: ignore[arg-type]
    counting.characters = 0
    turns = [f"<|im_start|>user\nnumber {turn}<|im_end|>\n" for turn in range(50)]
    sections.foresee(["".join(turns)])
    for end in range(51):
        sections.ids("".join(turns[:end]))
    assert counting.characters <= len("".join(turns))
