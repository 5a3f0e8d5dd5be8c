"""The steps that rewrite texts: characters, markup, personal data; and the one that keeps languages apart."""

from __future__ import annotations

import csv
import re
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sacrebleu.metrics import CHRF

from tunesmith.data.clean import html, language, pii, unicode
from tunesmith.data.load import load
from tunesmith.data.texts import texts
from tunesmith.errors import Misuse
from tunesmith.text.markup import is_markup
from tunesmith.text.odd import odd


def cleaned(module, text, **options):
    return module.cleaner(module.Settings(**options), ())((text,))


def made(module, text, **options):
    return cleaned(module, text, **options).texts[0]


@pytest.mark.parametrize(("before", "after"), [
    ("s\u0327eker", "şeker"), ("sa\u200blam\ufeff", "salam"), ("a\x00b\x0cc", "ab\nc"),
    ("\x1b[31mqırmızı\x1b[0m", "qırmızı"),
    ("gÃ¼nÉ™ÅŸ", "günəş"), ("donâ€™t", "don’t"), ("gГјnЙ™Еџ", "günəş"),
    ("i\u0307stanbul", "istanbul"), ("İIıi", "İIıi"), ("I\u0307", "İ"),
    ("kit\u0430b", "kitab"), ("b'caf\\xc3\\xa9 \\'x\\''", "café 'x'"),
    ("One.\\nTwo.\\r\\nThree.", "One.\nTwo.\nThree."),
    ("b'not closed", "b'not closed"), ("b'ə'", "b'ə'"), ("print('a\\nb\\nc')", "print('a\\nb\\nc')"),
    ("“curly” ﬁ 10³ &amp; …", "“curly” ﬁ 10³ &amp; …"), ("👩‍👩‍👧 می‌خواهم", "👩‍👩‍👧 می‌خواهم"),
    ("a\tb\r\nc", "a\tb\r\nc"),
])
def test_characters_are_put_right_and_no_more(before, after):
    assert made(unicode, before) == after


def test_the_form_is_the_one_that_is_asked_for_and_the_letters_of_azerbaijani_survive_it():
    alphabet = "AaBbCcÇçDdEeƏəFfGgĞğHhXxIıİiJjKkQqLlMmNnOoÖöPpRrSsŞşTtUuÜüVvYyZz"
    assert made(unicode, alphabet) == made(unicode, alphabet, form="NFKC") == alphabet
    assert unicodedata.normalize("NFC", made(unicode, alphabet, form="NFKD")) == alphabet
    assert made(unicode, "ﬁ 10³", form="NFKC") == "fi 103"


def test_the_ledger_hears_what_was_put_right_and_never_the_words():
    assert cleaned(unicode, "s\u0327e\u200bker").why == "characters that nobody sees taken out; written in NFC"
    assert cleaned(unicode, "şeker").why == ""
    found = cleaned(pii, "anna@mail.az, 415-555-0123, bob@mail.az")
    assert (found.why, found.texts) == ("masked: 2 email, 1 phone", ("[EMAIL], [PHONE], [EMAIL]",))
    assert cleaned(pii, "anna@mail.az", way="drop").dropped and cleaned(pii, "415-555-0123", kinds=("email",)).why == ""


@pytest.mark.parametrize(("before", "after"), [
    ("one<br /><br />two, a<b", "one\n\ntwo, a<b"), ("<p>a</p>\n<p>b\nc</p>", "a\n\nb c"),
    ("<b>x</b>\n\ny  z", "x\n\ny  z"),
    ("<ul><li>x</li><li><p>y</p></li></ul>end", "- x\n- y\n\nend"), ("<ul><li>x<ul><li>y</ul></ul>", "- x\n  - y"),
    ("A&nbsp;B &amp; C&#39;s", "A B & C's"), ("a &amp;lt;b&amp;gt;big&amp;lt;/b&amp;gt;", "a big"),
    ("<script>if (a<b) {}</script>z<br><style>p {}</style><!-- no -->", "z"),
    ("<a href='/x'>link</a> text", "link text"),
    ("List<object> x;<br>a<b>(c) ?a=1&copy=2", "List<object> x;\na<b>(c) ?a=1&copy=2"),
    ("use `<br>` and<br>so", "use `<br>` and\nso"),
    ("<pre>a\n  &lt;br&gt;</pre>", "```\na\n  <br>\n```"), ("<code>&lt;br&gt;</code> x<br>", "`<br>` x"),
    ("<table><tr><th>A</th><th>B</th></tr><tr><td>1</td><td>2</td></tr></table>", "A B\n1 2"),
    ("<p>never ended <i>at</i> all", "never ended at all"), ("<title>T</title><p>x", "T\n\nx"),
])
def test_markup_becomes_the_text_that_a_reader_sees(before, after):
    assert made(html, before) == after


def test_links_keep_their_address_where_it_is_asked_for():
    assert made(html, "<a href='https://a.az'>here</a>.", links=True) == "here (https://a.az)."


@pytest.mark.parametrize("text", [
    "a < b and c > d", "vector<int> v;", "#include <map>\nint x;", "List<object> x", "<input> <output>",
    "&sum; ?a=1&copy=2",
    "```html\n<p>x</p>\n```", "use `<br>`", "  two  blanks \n", "<s> </s>", "1 <2> 3", "<think>so</think>", "<3", "",
])
def test_what_is_no_markup_survives_untouched(text):
    found = cleaned(html, text)
    assert (found.texts, found.why) == ((text,), "")


def test_code_without_markup_survives_untouched(shared):
    step = html.cleaner(html.Settings(), ())
    every = [text for example in load("alpaca/code_alpaca_2k.json", base_folder=shared / "data").examples
             for text in texts(example)]
    touched = [text for text in every if step((text,)).texts != (text,)]
    assert len(touched) == 118 and all(map(is_markup, touched))
    assert [text for text in every if "vector<" in text or "#include <" in text or " < " in text]
    assert not [text for text in touched if not re.search(r"</\w|<\w+[ />]|&\w+;", text)]


def test_the_answers_of_html_faq_become_those_that_people_wrote_beside_them(shared):
    with open(shared / "data/html_faq/faq_covidbert.csv", encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["answer_html"].strip()]
    plain = [" ".join(re.sub(r"^\s*- ", "", made(html, row["answer_html"]), flags=re.M).split()) for row in rows]
    wanted = [" ".join(row["answer"].split()) for row in rows]
    chrf = CHRF()
    assert len(rows) == 212 and sum(map(str.__eq__, plain, wanted)) >= 170
    scores = [chrf.sentence_score(one, [other]).score for one, other in zip(plain, wanted, strict=True)]
    assert sum(scores) / len(scores) > 99


def test_the_reviews_of_imdb_are_neither_bytes_nor_markup_any_more(shared):
    steps = [unicode.cleaner(unicode.Settings(), ()), html.cleaner(html.Settings(), ())]
    for example in load("imdb_html/train.csv", base_folder=shared / "data").examples[:200]:
        text = steps[1](steps[0]((example.text,)).texts).texts[0]
        assert not {"bytes", "tags", "entities", "mojibake", "control", "escapes"} & set(odd(text))
        assert "\\x" not in text


PIECES = [
    "<b>", "</b>", "<br/>", "<p>", "</p>", "<ul><li>", "&amp;", "&lt;", "&amp;lt;", "br&gt;", "<!--", "-->", "`",
    "```", "\n", "\\n", "<", ">", "a", "ə", "İ", "i\u0307", "\u0327", "s", "\u200b", "\u200d", "\u00ad", "Ã¼", "â€™",
    "É™", "b'", "'", "\\xc3\\xa9", "к", "ab", "а", "\x0b", "\x1b[", "31m", "\ufdd0", "0", "\ufdd1", "&nbsp;", "<pre>",
    "</pre>", "<code>", "</code>", "@", "mail.az", " ", "415-555-0123", "tel ", "1234567", "<a href='x@y.az'>",
    "</a>", "<table><tr><td>", "]]>", "<svg>", "<title>", "\ufdd11\ufdd1",
]


@pytest.mark.parametrize(("module", "options"), [
    (unicode, {}), (unicode, {"form": "NFKC"}), (unicode, {"form": "NFKD"}), (html, {}), (html, {"links": True}),
    (pii, {})])
@settings(max_examples=150, deadline=None)
@given(parts=st.lists(st.sampled_from(PIECES) | st.text(max_size=4), max_size=14))
def test_cleaning_twice_is_cleaning_once(module, options, parts):
    once = made(module, "".join(parts), **options)
    again = cleaned(module, once, **options)
    assert (again.texts[0], again.why) == (once, "")


def test_rows_of_another_language_go_and_what_tells_nothing_stays():
    step = language.cleaner(language.Settings(languages=("az",)), ())
    assert step(("The weather is lovely today, let us all walk there.",)).why == "a text is in another language, `en`"
    assert not step(("Bu gün hava çox gözəldir, gəlin parka gedək.", "Salam")).dropped and not step(("12 34",)).dropped
    assert step(("Bu gün hava çox gözəldir.", "The weather is lovely today, let us all walk there.")).dropped


@pytest.mark.parametrize("options", [{}, {"languages": ("xx",)}, {"languages": ("az",), "among": ("azeri",)}])
def test_languages_that_are_not_named_or_not_known_are_refused_with_those_that_are(options):
    with pytest.raises(Misuse) as caught:
        language.cleaner(language.Settings(**options), ())
    assert caught.value.kind == "clean.languages"
    assert ("az, " if options else "[az]") in caught.value.remedy
