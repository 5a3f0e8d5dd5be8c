"""The language of a text: sure where it can be, undecided where it cannot."""

from __future__ import annotations

import pytest

from tunesmith.data.load import load
from tunesmith.text.language import codes, language, short


@pytest.mark.parametrize(("text", "code"), [
    ("Bu gün hava çox gözəldir, gəlin parka gedək.", "az"), ("The weather is lovely today, let us walk.", "en"),
    ("Bugün hava çok güzel, hadi parka gidelim.", "tr"), ("Сегодня очень хорошая погода, пойдём гулять.", "ru"),
    ("Salam", ""), ("12345 67890 !!! ???", ""), ("", ""), ("https://a.example/some/long/path/of/letters/only", ""),
    ("Men hec girmirem, istifade eden de olmadim, axi niye, baxmaq qadagan", ""),  # Azerbaijani without its letters
])
def test_a_text_tells_its_language_or_nothing(text, code):
    assert language(text).code == code


def test_a_language_is_looked_for_among_those_that_are_named():
    text = "Hello there, my very good old friend"
    assert language(text).code == "en" and language(text, ["en", "de"]).code == "en"
    assert language(text, ["en"]).share == 1
    assert language(text, ["az", "tr"]).code in ("az", "tr")


def test_languages_of_tables_have_short_names():
    names = ("azj_Latn", "eng", "az-AZ", "tr", "Rus_Cyrl", "xx")
    assert [short(name) for name in names] == ["az", "en", "az", "tr", "ru", "xx"]
    assert {"az", "tr", "en", "ru"} < codes()


@pytest.mark.parametrize(("file", "part", "code", "least", "wrong"), [
    ("sib200/azj_Latn/test.tsv", "text", "az", 1.0, 0.0), ("sib200/eng_Latn/test.tsv", "text", "en", 1.0, 0.0),
    ("tquad/dev-v0.1.json", "question", "tr", 0.98, 0.01), ("gsm8k/test.jsonl", "prompt", "en", 1.0, 0.0),
])
def test_published_sets_are_in_their_language(shared, file, part, code, least, wrong):
    found = {text: language(text).code for text in
             {getattr(example, part) for example in load(file, base_folder=shared / "data").examples}}
    assert sum(one == code for one in found.values()) >= least * len(found)
    assert sum(one not in (code, "") for one in found.values()) <= wrong * len(found)
