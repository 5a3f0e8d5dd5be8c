"""Short rows become longer texts and long ones shorter, and nothing of them is lost, doubled or put elsewhere."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunesmith.data.documents import shaped
from tunesmith.data.load import load
from tunesmith.errors import Misuse
from tunesmith.recipe.documents import Documents
from tunesmith.records import Pair, Text

LINE = st.text(st.characters(exclude_categories=("Zs", "Zl", "Zp", "Cc", "Cs")), min_size=1, max_size=30)


def rows(texts: list[str], file: str = "a.txt", group: str = "") -> list[Text]:
    return [Text(text, f"{file}:{number}", group or text) for number, text in enumerate(texts, 1)]


def joined(
    examples: list[Text], characters: int, *, sentences: str | None = None, by_group: bool = False
) -> list[Text]:
    wanted = Documents(characters=characters, sentences=sentences)
    found = shaped(examples, wanted, by_group=by_group)
    assert all(isinstance(each, Text) for each in found)
    return list(found)


@given(st.lists(LINE, max_size=20), st.integers(1, 100))
def test_lines_are_joined_in_their_order_and_none_is_cut(lines, characters):
    found = joined(rows(lines), characters)
    assert [line for each in found for line in each.text.split("\n")] == lines
    assert all(len(each.text) <= max(2 * characters, characters + 30) for each in found)
    assert all(len(each.text) <= characters or each.text in lines for each in found if "\n" not in each.text)


def test_rows_of_two_files_or_groups_are_never_joined():
    both = [*rows(["one", "two"], "a.txt", "x"), *rows(["three"], "b.txt", "x"), *rows(["four"], "b.txt", "y")]
    assert [each.text for each in joined(both, 1000)] == ["one\ntwo", "three\nfour"]
    apart = joined(both, 1000, by_group=True)
    assert [(each.text, each.group, each.where) for each in apart] == [
        ("one\ntwo", "x", "a.txt:1"), ("three", "x", "b.txt:1"), ("four", "y", "b.txt:1")]


def test_a_long_row_is_a_text_by_itself_and_stays_on_one_side_when_it_is_cut():
    long = "Bir cümlə. " * 30
    found = joined([*rows(["qısa"]), *rows([long], group="uzun"), *rows(["son"])], 100, sentences="az")
    assert found[0].text == "qısa" and found[-1].text == "son"
    assert {each.group for each in found[1:-1]} == {"uzun"} and len(found) > 4
    assert " ".join(each.text for each in found[1:-1]) == long.strip()
    for each in found[1:-1]:
        assert each.text.startswith("Bir") and each.text.endswith(".") and len(each.text) <= 110


@pytest.mark.parametrize(("language", "text", "first"), [
    ("az", "Dr. Əliyev 3.5 faiz dedi və s. getdi. Sonra qayıtdı.", "Dr. Əliyev 3.5 faiz dedi və s. getdi."),
    ("en", "Mr. Smith paid $3.50! Then he went.", "Mr. Smith paid $3.50!"),
])
def test_sentences_end_where_a_reader_of_the_language_ends_them(language, text, first):
    assert joined(rows([text]), 20, sentences=language)[0].text == first


def test_a_long_article_is_cut_between_its_sentences_and_whole(shared):
    articles = list(load("text_en/wiki_demo_400k.txt", base_folder=shared / "data").examples)
    found = joined(articles, 2000, sentences="en")
    assert sum(map(len, (each.text for each in articles))) - 2 * len(found) <= sum(len(each.text) for each in found)
    assert 180 < len(found) < 260 and {each.group for each in found} == {each.group for each in articles}


def test_subtitles_become_texts_of_the_length_that_is_wanted(shared):
    lines = list(load("text_az/ted_az.txt", base_folder=shared / "data").examples)
    found = joined(lines, 2000)
    assert 380 < len(found) < 450 and all(1500 < len(each.text) <= 2100 for each in found[:-1])
    assert "\n".join(each.text for each in found).split() == "\n".join(each.text for each in lines).split()


def test_rows_that_are_no_plain_text_are_refused_by_their_place():
    with pytest.raises(Misuse, match="joins plain texts"):
        shaped([Pair("?", "!", "a.jsonl:3", "g")], Documents(characters=100), by_group=False)
    assert shaped([Pair("?", "!", "a.jsonl:3", "g")], Documents(), by_group=False)


def test_a_missing_library_is_named_with_what_installs_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "sentencex", None)
    with pytest.raises(Misuse) as told:
        joined(rows(["Bir. İki. Üç."]), 5, sentences="az")
    assert told.value.remedy == 'pip install "tunesmith[sentences]"'
