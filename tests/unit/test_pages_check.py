"""The check's page: all that was found stands on it, data stays text, and figures are drawn where they belong."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from checked import CHECKS, TEXTS, checked
from judged import HOSTILE
from seen import Seen
from tunesmith.pages import noticed
from tunesmith.pages.check import Check, check_page
from tunesmith.pages.figures import MOST_NAMES, figure
from tunesmith.records import Figure, Finding, Looked, Noticed
from tunesmith.records import Seen as Row

NETWORK = {"src", "href", "action", "formaction", "srcset", "poster", "background", "ping", "data", "style"}


def one(severity="warning", *, count=1, rows=(), remedy="", what="it is so") -> Noticed:
    return Noticed(Finding(severity, "audit.x", what, "a.csv:2", remedy), count, rows)


def test_the_page_says_the_word_the_amounts_and_how_much_was_found() -> None:
    seen = Seen(check_page(checked())).text
    assert "Can be trained" in seen
    assert "Nothing refuses these rows, but look at what was found: 6 warnings and 7 notes." in seen
    assert "rows to learn from 8,000 rows held out 1,000 tokens to read 120,000" in seen
    assert "train 8,000 8,000 120,000 8,000 6.7 % 700" in seen


def test_a_refused_page_says_so_and_puts_the_error_first() -> None:
    page = check_page(checked(ok=False))
    seen = Seen(page).text
    assert "Refused" in seen and "Nothing is trained before the errors are set right: 1 error, 6 warnings" in seen
    assert re.findall(r'<section class="check" id="check-([^"]*)', page)[0] == "copies"


def test_rows_of_which_nothing_bad_was_found_are_told_so() -> None:
    told = checked()
    clean = replace(told, findings=(), checks=[replace(each, looked=Looked()) for each in told.checks])
    seen = Seen(check_page(clean)).text
    assert "Nothing was found that is wrong with these rows." in seen
    assert seen.count("nothing") >= len(CHECKS), "it was looked for, and that is told"


def test_every_check_has_a_line_and_every_link_an_end() -> None:
    page = check_page(checked())
    ends = set(re.findall(r'id="([^"]*)"', page))
    links = re.findall(r'<a href="#([^"]*)"', page)
    assert len(links) == 14 and set(links) <= ends
    for name in CHECKS:
        assert f"What is looked for by {name}" in page


def test_a_finding_shows_its_rows_and_counts_the_others() -> None:
    rows = tuple(Row(f"data/a.csv:{number}", f"text {number}") for number in range(8))
    seen = Seen(noticed.noticed([one(count=38, rows=rows)])).text
    assert "a.csv:0 text 0" in seen and "a.csv:7 text 7" in seen
    assert "38 rows" in seen and "3 rows more" in seen and "30 more rows like these." in seen


def test_a_row_of_ten_thousand_letters_is_cut_and_an_empty_one_is_called_empty() -> None:
    rows = (Row("a:1", TEXTS[4]), Row("a:2", " "))
    shown = noticed.noticed([one(rows=rows)])
    assert len(shown) < 2000
    assert f"and {len(TEXTS[4]) - noticed.LONGEST:,} characters more" in shown and "(empty)" in shown


def test_commands_and_options_can_be_copied_and_names_of_options_cannot() -> None:
    said = noticed.remedy("run `tunesmith clean a.csv --output b.jsonl`, set `data.too_long: cut`, raise "
                          "`training.max_length`, or say `training.max_length=512` for <b>`x`</b>")
    assert re.findall(r'aria-label="Copy ([^"]*)"', said) == [
        "tunesmith clean a.csv --output b.jsonl", "data.too_long: cut", "training.max_length=512"]
    assert "<code>training.max_length</code>" in said and "&lt;b&gt;" in said


def test_what_comes_from_data_stays_text() -> None:
    plain, hostile = Seen(check_page(checked())), Seen(check_page(checked(hostile=True)))
    ours = [name for name, _ in plain.tags if name not in ("wbr", "span")]
    assert ours == [name for name, _ in hostile.tags if name not in ("wbr", "span")]
    assert not [attribute for _, attributes in hostile.tags for attribute in attributes if attribute.startswith("on")]
    for words in HOSTILE[:4]:
        assert " ".join(words.split()) in hostile.text


def test_what_turns_text_round_is_spelt_out() -> None:
    page = check_page(checked(hostile=True))
    assert page.encode()
    assert not re.search("[\x00-\x08\u202a-\u202e\u2066-\u2069]", page) and r"\u202egnp.exe" in page


def test_nothing_on_the_page_can_be_loaded_or_sent() -> None:
    asks = {(name, key, value) for name, attributes in Seen(check_page(checked(hostile=True))).tags
            for key, value in attributes.items() if key in NETWORK and not str(value).startswith("#check-")}
    assert asks == {("link", "href", "data:,")}


def test_a_bar_is_as_long_as_its_number() -> None:
    drawn = figure(Figure("Labels", "rows", {"train": (200.0, 50.0), "test": (20.0, 0.0)}, names=("a_b", "")))
    assert re.findall(r'width="([\d.]+)%"', drawn) == ["100.00", "10.00", "25.00"]
    assert Seen(drawn).text == "Labels rows name train test a_ b 200 20 (empty) 50 0"


def test_names_beyond_those_that_are_drawn_are_counted() -> None:
    names = tuple(f"label {number}" for number in range(MOST_NAMES + 31))
    drawn = figure(Figure("Labels", "rows", {"train": (1.0,) * len(names)}, names=names))
    assert drawn.count("<tr>") == MOST_NAMES + 1
    assert "31 more names are in the report" in drawn


def test_a_histogram_tells_every_bin_in_words_and_numbers() -> None:
    drawn = figure(Figure("Lengths", "rows", {"train": (3.0, 0.0, 1.0), "test": (0.0, 0.0, 0.0)},
                          edges=(0, 10, 20, 30), across="tokens", marks={"training.max_length": 15}))
    seen = Seen(drawn).text
    assert "<title>0 to 10 tokens: 3 rows</title>" in drawn and "<title>20 to 30 tokens: 1 rows</title>" in drawn
    assert "training.max_length 15" in seen and 'x1="50.00%"' in drawn
    assert "4 rows; the fullest bar, 0 to 10 tokens, has 3" in seen
    assert "test" not in seen, "a side without rows has no panel"


@pytest.mark.parametrize(("value", "place"), [(0, "0.00"), (8, "50.00"), (12, "75.00"), (16, "100.00")])
def test_the_limit_is_right_where_bins_are_not_of_one_width(value, place) -> None:
    drawn = figure(Figure("Lengths", "rows", {"train": (1.0, 1.0)}, edges=(0, 8, 16), marks={"limit": value}))
    assert f'x1="{place}%"' in drawn
    wide = figure(Figure("Lengths", "rows", {"train": (1.0, 1.0)}, edges=(0, 8, 1000), marks={"limit": 8 + 496}))
    assert 'x1="75.00%"' in wide


def test_a_limit_that_lies_outside_is_told_in_words() -> None:
    drawn = figure(Figure("Lengths", "rows", {"": (1.0,)}, edges=(0, 8), marks={"training.max_length": 512}))
    assert "<line" not in drawn and "Outside of what is drawn: training.max_length (512)." in drawn


def test_a_figure_without_a_number_is_not_drawn_and_its_check_has_no_section() -> None:
    empty = (Figure("Labels", "rows", {"train": (0.0, 0.0)}, names=("a", "b")), Figure("Labels", "rows", {}))
    page = check_page(replace(checked(), checks=[Check("labels", "How often each stands.", Looked((), empty))]))
    assert "How often each stands." in page and 'id="check-labels"' not in page and "#check-labels" not in page


def test_a_thousand_findings_with_rows_stay_a_page_that_opens() -> None:
    rows = tuple(Row(f"a.csv:{number}", "x" * 5000) for number in range(20))
    many = Looked(tuple(one(count=20, rows=rows, what=f"finding {number}") for number in range(60)))
    assert len(check_page(replace(checked(), checks=[replace(checked().checks[0], looked=many)]))) < 1_500_000


def test_notes_of_the_reading_stand_behind_the_checks_and_warnings_of_it_before_them() -> None:
    told = checked()
    page = check_page(told)
    assert page.index("Reading the rows</h2>") > page.index('id="check-unicode"')
    warned = check_page(replace(told, findings=[Finding("warning", "data.bytes", "bytes"), *told.findings]))
    assert warned.index("Reading the rows</h2>") < warned.index('id="check-answers"')
