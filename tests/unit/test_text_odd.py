"""Odd characters and left-overs of other formats are told, and what is meant is left alone."""

from __future__ import annotations

from collections import Counter

import pytest

from tunesmith.data.load import load
from tunesmith.data.texts import texts
from tunesmith.text.odd import mojibake_tools, odd, of_one_script, redecoded

PLANTED = [
    ("control", "a\x00b"), ("control", "salam\x1b dünya"), ("invisible", "sa\u200blam"), ("invisible", "\ufeffsalam"),
    ("invisible", "so\u00adlution"), ("invisible", "abc\u202edef"), ("invisible", "a\u200db"),
    ("private", "a \ue012 b"), ("lost", "s\ufffdz"), ("homoglyphs", "kit\u0430b"), ("homoglyphs", "g\u04d9l"),
    ("homoglyphs", "\u043a\u043d\u0438a"),
    ("decomposed", "s\u0327eker"), ("dotted", "i\u0307stanbul"), ("mojibake", "gÃ¼nÉ™ÅŸ"), ("mojibake", "donâ€™t"),
    ("mojibake", "gГјnЙ™Еџ"), ("mojibake", "РџСЂРёРІРµС‚"),
    ("tags", "one<br />two"), ("tags", "<p class='x'>one"), ("tags", "so <b>big</b>"), ("tags", "<a href=\"/x\">x</a>"),
    ("entities", "A&nbsp;B"), ("entities", "I&#39;m"), ("entities", "a &lt; b"), ("bytes", "b'caf\\xc3\\xa9'"),
    ("bytes", ' b"it\'s" '), ("escapes", "One.\\nTwo.\\nThree."),
]
MEANT = [
    "a < b and c > d", "vector<int> v;", "#include <map>", "List<object> x", "<input> and <output>",
    "Dictionary<string, object>", "x = a<b>(c)", "if (p&amplitude) q", "scanf(\"%d\", &sum);", "int *p = &sum;",
    "?a=1&copy=2", "use `<br>` here", "```html\n<p>x</p>\n```", "əla, İstanbul, Iğdır, ısınmaq, iş", "Çünkü şöyle",
    "café", "naïve", "👩‍👩‍👧", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "می‌خواهم", "שלום \u200fabc", "SMSка",
    "Г§", "Ґрунт і Їжак", "Дəдə", "Привет world", "print('a\\nb\\nc')",
    "C:\\new\\name\\next", "\\nabla \\neq \\nu", "a\\nb", "real\nbreak\\nand\\nTyped", "b'x' and b'y'", "10³ ≠ 103",
    "½ ﬁ", "<s> </s> <pad>", "<think>so</think>", "R&D; x",
]


@pytest.mark.parametrize(("kind", "text"), PLANTED)
def test_each_oddity_is_told_by_its_kind(kind, text):
    assert kind in set(odd(text))


@pytest.mark.parametrize("text", MEANT)
def test_what_is_meant_is_left_alone(text):
    assert list(odd(text)) == []


def test_a_word_of_two_scripts_is_written_in_the_one_that_most_of_it_is():
    mixed = "g\u04d9l, v\u0259f\u0430t, \u043c\u043ep\u0435"
    assert of_one_script(mixed) == "g\u0259l, v\u0259fat, \u043c\u043e\u0440\u0435"
    assert of_one_script("SMSка и Wi-Fi") == "SMSка и Wi-Fi"


@pytest.mark.parametrize(("file", "expected"), [
    ("imdb_html/train.csv", {"bytes": 700, "tags": 420}),
    ("text_az/ted_az.txt", {"invisible": 2}),
    ("sib200/azj_Latn/train.tsv", {}),
    ("sentiment_az/train.csv", {"decomposed": 1, "homoglyphs": 4, "dotted": 1}),
    ("gsm8k/train.jsonl", {"invisible": 1}),
])
def test_what_stands_in_published_sets_is_told_and_no_more(shared, file, expected):
    counts: Counter[str] = Counter()
    for example in load(file, base_folder=shared / "data").examples:
        counts.update({kind for text in texts(example) for kind in odd(text)})
    assert counts == expected


def test_code_is_no_markup_unless_it_is_html(shared):
    told = [example for example in load("alpaca/code_alpaca_2k.json", base_folder=shared / "data").examples
            if any(kind in ("tags", "entities") for text in texts(example) for kind in odd(text))]
    html = [example for example in told if any(word in " ".join(texts(example)).lower() for word in (
        "html", "</", "css"))]
    assert len(told) == 103 and len(html) == 102  # one more has a tag in its prompt


@pytest.mark.parametrize(("codec", "least"), [
    ("latin-1", 1.0), ("sloppy-windows-1252", 1.0), ("sloppy-windows-1254", 1.0), ("sloppy-windows-1251", 1.0)])
def test_azerbaijani_that_is_decoded_wrongly_is_told_and_put_right(shared, codec, least):
    mojibake_tools()  # registers the sloppy codecs
    good = [example.text for example in load("sib200/azj_Latn/test.tsv", base_folder=shared / "data").examples]
    wrong = [text.encode().decode(codec) for text in good]
    assert sum("mojibake" in set(odd(text)) for text in wrong) >= least * len(good)
    assert sum(map(str.__eq__, map(redecoded, wrong), good)) >= least * len(good)
    assert not any("mojibake" in set(odd(text)) for text in good)
