"""What the checks of texts say of published sets, all of it looked at by eye; and where a package is missing."""

from __future__ import annotations

import math
import re
import sys
from dataclasses import replace

import pytest
from scipy.stats import chi2_contingency

from tunesmith.data.audit import bias, characters, language, personal
from tunesmith.data.load import load
from tunesmith.errors import Misuse
from tunesmith.records import Labelled, Pair
from tunesmith.text.language import language_model
from tunesmith.text.odd import mojibake_tools


def look(module, examples, **options):
    return module.look({"train": examples, "validation": (), "test": ()}, module.Settings(**options), None)


def told(module, shared, file, **options):
    looked = look(module, load(file, base_folder=shared / "data").examples, **options)
    return {each.finding.kind: each for each in looked.noticed}


def rows(*texts, label="l"):
    return [Labelled(text, (label,), f"a.csv:{number}", text) for number, text in enumerate(texts, 2)]


@pytest.mark.parametrize(("file", "counts"), [
    ("imdb_html/train.csv", {"audit.markup": 420, "audit.literals": 700}),
    ("wnut17/train.conll", {"audit.markup": 248}),
    ("sentiment_az/train.csv", {"audit.letters": 6}),
    ("tquad/dev-v0.1.json", {"audit.letters": 14, "audit.unseen": 20}),
    ("text_az/ted_az.txt", {"audit.unseen": 2}),
    ("html_faq/faq_covidbert.csv", {}), ("chat_sgd/train.jsonl", {}), ("banking77/train.csv", {}),
])
def test_odd_characters_of_published_sets_are_counted(shared, file, counts):
    assert {kind: each.count for kind, each in told(characters, shared, file).items()} == counts


def test_the_remedy_is_the_step_that_mends_it_or_the_file_where_no_step_may(shared):
    imdb, wnut = (told(characters, shared, file)["audit.markup"].finding.remedy
                  for file in ("imdb_html/train.csv", "wnut17/train.conll"))
    assert imdb.startswith("`tunesmith clean DATA --output CLEAN.jsonl --steps html`")
    assert " takes the markup out; where it is meant, `data.audit: " in imdb
    assert wnut.startswith("mend the file itself: tags and answers point into these texts")


def test_what_nobody_sees_is_spelt_out_where_it_stands():
    (found,) = look(characters, rows("a" * 300 + " zero\u200bwidth " + "b" * 300)).noticed
    assert found.rows[0].text.startswith("…a") and " zero\\u200bwidth b" in found.rows[0].text


def test_markup_that_a_prompt_asks_for_is_no_left_over():
    page, left = Pair("Write an HTML page.", "<p>x</p>", "a.jsonl:1", "g"), Pair("Say x.", "<p>x</p>", "a.jsonl:2", "g")
    (found,) = look(characters, [page, left]).noticed
    assert (found.count, found.rows[0].where) == (1, "a.jsonl:2")


def test_the_phones_of_chat_sgd_are_told_and_never_shown(shared):
    found = told(personal, shared, "chat_sgd/train.jsonl")["audit.personal"]
    assert found.count == 126 and "133 `phone`" in found.finding.what and len(found.rows) == 20
    assert all("[PHONE]" in row.text and not re.search(r"\d{3}-\d{4}", row.text) for row in found.rows)


def test_what_is_shown_of_a_row_is_masked_even_where_it_would_be_cut_in_two():
    text = "x" * 150 + " 4111 1111 1111 1111 " + "y" * 150 + " 5500 0055 5555 5559 " + "anna@mail.az"
    (found,) = look(personal, rows(text)).noticed
    assert "[CARD]" in found.rows[0].text and not re.search(r"\d{4}", found.rows[0].text)


@pytest.mark.parametrize(("file", "count", "codes"), [
    ("sentiment_az/train.csv", 27, {"tr", "en", "hu"}), ("chat_oasst/train.jsonl", 3, {"es", "is"}),
    ("tquad/dev-v0.1.json", 0, set()), ("sib200/azj_Latn/train.tsv", 0, set()), ("tatoeba_aze_eng/aze.txt", 0, set()),
])
def test_the_few_rows_of_another_language_are_told(shared, file, count, codes):
    found = told(language, shared, file).get("audit.language")
    assert (found.count if found else 0) == count
    assert set(re.findall(r"\d in `(\w+)`", found.finding.what) if found else ()) == codes


def test_rows_are_held_against_the_languages_that_are_expected_and_those_that_they_name():
    text = "The weather is lovely today, let us all walk to the park."
    (found,) = look(language, rows(text), expected=("az",)).noticed
    assert found.finding.what.startswith("1 row(s) are surely in another language")
    assert "1 in `en`" in found.finding.what
    assert look(language, rows(text), expected=("az", "en")).noticed == () and look(language, rows(text)).noticed == ()
    declared = [Pair("Salam, necəsən, dostum, sən nə edirsən?", text, "a.jsonl:1", "g", language=name)
                for name in ("eng_Latn", "azj_Latn") for _ in range(20)]
    (found,) = look(language, declared).noticed
    assert found.count == 20 and "1 in" not in found.finding.what


def test_a_mixture_that_somebody_wanted_is_no_finding(shared):
    mixed = [*load("sib200/azj_Latn/dev.tsv", base_folder=shared / "data").examples,
             *load("sib200/eng_Latn/dev.tsv", base_folder=shared / "data").examples]
    looked = look(language, mixed)
    assert looked.noticed == () and set(looked.figures[0].names) >= {"az", "en"}


def test_rows_beyond_the_most_are_drawn_evenly_and_that_is_said(shared):
    found = told(language, shared, "sentiment_az/train.csv", rows=1000)["audit.language"]
    assert found.finding.what.endswith("; one row in 4 was looked at") and 1 <= found.count <= 15


def test_an_unknown_language_is_a_mistake_of_the_recipe():
    with pytest.raises(Misuse, match="azeri"):
        look(language, rows("x"), expected=("azeri",))


@pytest.mark.parametrize(("module", "package"), [(language, "py3langid"), (characters, "ftfy")])
def test_a_package_that_is_missing_is_told_in_one_note_and_fails_nothing(monkeypatch, module, package):
    language_model.cache_clear()
    mojibake_tools.cache_clear()
    monkeypatch.setitem(sys.modules, package, None)
    (found,) = look(module, rows(*["Salam, gÃ¼nÉ™ÅŸ"] * 30)).noticed
    assert (found.finding.severity, found.finding.kind) == ("note", "audit.not_looked")
    assert found.finding.remedy == "pip install 'tunesmith[data]'" and package in found.finding.what


def test_the_twins_of_sick_agree_and_a_label_that_is_turned_is_found_at_both_places(shared):
    examples = list(load("sick2014/SICK_train.txt", base_folder=shared / "data").examples)
    assert look(bias, examples).noticed == ()  # 21 of its rows have a twin, each with the same label
    place = next(index for index, one in enumerate(examples) if one.text == "A woman is slicing an onion")
    examples[place] = replace(examples[place], labels=("NEUTRAL",))
    (found,) = look(bias, examples).noticed
    assert found.finding.what.startswith("2 of 21 rows that have a twin, the same text but for words of gender, ")
    assert [row.where.rpartition(":")[2] for row in found.rows] == ["760", "1301"]
    assert found.rows[1].text.startswith("NEUTRAL, where SICK_train.txt:760 has ENTAILMENT: A woman is slicing")


@pytest.mark.parametrize("file", [
    "sst2/train.tsv", "imdb_html/train.csv", "sentiment_az/train.csv", "goemotions/dev.tsv"])
def test_no_difference_is_told_that_is_not_clear(shared, file):
    assert told(bias, shared, file) == {}


def test_labels_that_go_with_a_group_in_banking77_are_told(shared):
    found = told(bias, shared, "banking77/train.csv")["audit.label_rates"]
    share = "96% of the 27 rows with `young` or its like have `age_limit`, of the rows with others 49%"
    assert share in found.finding.what
    assert "child" in found.rows[0].text


def test_rates_are_of_rows_that_mention_one_group_alone():
    many = [Labelled(f"{'He' if number % 2 else 'She'} did it {number} times", ("bad" if number % 2 else "good",),
                     f"a.csv:{number}", "g") for number in range(100)]
    both = [Labelled(f"He and she did it {number} times", ("good",), f"b.csv:{number}", "g") for number in range(100)]
    (found,) = look(bias, [*many, *both]).noticed
    assert found.finding.what.startswith("in the rows, labels go with the gender that a text mentions: ")
    assert "100% of the 50 rows with `he` or its like have `bad`, of the rows with others 0%" in found.finding.what
    assert look(bias, [*many, *both], groups={"animals": (("cat", "dog"),)}).noticed == ()


def test_a_twin_is_swapped_whole_and_in_any_language():
    one = rows("Kişi onu qardaşına verdi.", label="pis") + rows("Qadın onu bacısına verdi.", label="yaxşı")
    assert [each.finding.kind for each in look(bias, one).noticed] == ["audit.twins"]
    half = rows("A man sees a man.", label="pis") + rows("A man sees a woman.", label="yaxşı")
    assert look(bias, half).noticed == ()


@pytest.mark.parametrize("cells", [(30, 50, 20, 60), (5, 100, 9, 80), (7, 7, 1, 40), (500, 900, 480, 1000)])
def test_the_test_of_two_shares_is_the_chi_square_test_of_a_table(cells):
    one, of_one, other, of_other = cells
    wanted = chi2_contingency([[one, of_one - one], [other, of_other - other]], correction=False).pvalue
    assert math.isclose(bias.two_shares(*cells), wanted, rel_tol=1e-9)


@pytest.mark.parametrize("groups", [{"g": ()}, {"g": (("one",),)}, {"g": (("a", "b"), ("c",))}])
def test_lists_of_groups_have_a_word_for_each_group(groups):
    with pytest.raises(ValueError, match="`g` needs lists"):
        bias.Settings(groups=groups)
