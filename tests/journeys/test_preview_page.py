"""The preview's page: every token with its weight, the odd rows among those shown, and what was cut."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from judged import HOSTILE
from previewed import previewed
from seen import Seen
from telling import tunesmith
from tiny import tiny_base
from tunesmith.pages import preview, tokens
from tunesmith.pages.histogram import histogram
from tunesmith.pages.preview import preview_page
from tunesmith.pages.tokens import Token
from tunesmith.recipe.read import read
from tunesmith.workflow.checking.sample import choose
from tunesmith.workflow.preparing.prepare import prepare

WHOLE = "training.max_length=512"
LONG = "Anna has many hats. " * 12


@pytest.fixture(scope="module")
def recipe(tmp_path_factory) -> Path:
    """Sixty conversations: one long, one of many turns, one whose answer is a letter, one with strange text."""
    folder = tmp_path_factory.mktemp("preview")
    tiny_base(folder / "base")
    talks = [[{"role": "user", "content": f"How many hats after {n}?"},
              {"role": "assistant", "content": f"Anna has {n + 2} hats."}] for n in range(60)]
    talks[7][0]["content"] = f"Tell me. {LONG}"
    talks[11] = [turn for n in range(4) for turn in talks[12 + n]]
    talks[20] = [{"role": "user", "content": "How many hats has Anna in Baku, and how many shirts has Natalia?"},
                 {"role": "assistant", "content": "2"}]
    talks[30][1]["content"] = " ".join(HOSTILE[:4]) + " Grüße 👋\t\u202e"
    (folder / "talks.jsonl").write_text("".join(json.dumps({"messages": turns}) + "\n" for turns in talks))
    path = folder / "talks.yaml"
    path.write_text(f"""base: {folder / 'base'}
task: chat
data: {{train: talks.jsonl, validation: 0.1, test: 0.1}}
training: {{max_length: 100}}
""")
    return path


def written(recipe: Path, *words: object) -> str:
    page = recipe.parent / "page.html"
    told = tunesmith("preview", recipe, "--html", page, *words)
    assert told.code == 0, told.err
    assert told.out == f"page     {page}\n"
    return page.read_text(encoding="utf-8")


def test_the_page_shows_every_token_as_the_terminal_does(recipe) -> None:
    page = written(recipe, WHOLE, "--row", "talks.jsonl:31")
    [shown] = tunesmith("preview", recipe, WHOLE, "--row", "talks.jsonl:31", "--json").json
    on_page = re.findall(r"<(b|i)(?: class=c)? data-i=(\d+)", page)
    assert on_page == [("b" if token["supervised"] else "i", str(token["id"])) for token in shown["tokens"]]
    for words in HOSTILE[:4]:
        assert "".join(words.split()) in "".join(Seen(page).text.replace("·\u200b", "").split())
    assert r"\u202e" in page and "\u202e" not in page


def test_the_odd_rows_are_among_those_shown_and_come_first(recipe) -> None:
    page = written(recipe, "data.too_long=cut", "data.validation=0", "data.test=0", "--rows", 6)
    cards = re.findall(r"talks\.jsonl:(\d+)</h3>.*?</header>", page)
    told = re.findall(r"<h3[^>]*>talks\.jsonl:(\d+)</h3>(.*?)</header>", page)
    odd = {reason: int(line) for line, head in told for reason in re.findall(r'tagged why">([^<]*)', head)}
    assert (odd["most turns of train"], odd["lowest supervised share of train"]) == (12, 21)
    assert {"longest of train", "shortest of train"} <= odd.keys()
    assert len(cards) == 6
    assert set(map(int, cards[: len(set(odd.values()))])) == set(odd.values())


def test_rows_that_findings_name_are_among_those_shown(recipe) -> None:
    page = written(recipe, "data.too_long=cut", "data.validation=0", "data.test=0", "--rows", 3)
    heads = dict(re.findall(r"<h3[^>]*>talks\.jsonl:(\d+)</h3>(.*?)</header>", page))
    assert "named by a finding" in heads["12"], "the row of four turns is the longest before it is cut"


def test_the_same_recipe_shows_the_same_rows(recipe) -> None:
    assert written(recipe, "data.too_long=cut") == written(recipe, "data.too_long=cut")


def test_every_side_has_a_row_even_where_few_are_asked_for(recipe) -> None:
    prepared = prepare(read(recipe, [WHOLE]))
    chosen = choose(prepared.examples, prepared.documents, 3, seed=0)
    assert {each.side for each in chosen} == {"train", "validation", "test"}
    assert choose(prepared.examples, prepared.documents, 0, seed=0) == []
    everything = choose(prepared.examples, prepared.documents, 1000, seed=0)
    assert len(everything) == len({(each.side, each.index) for each in everything}) == 60


def test_rows_of_every_source_that_is_mixed_in_are_shown_with_its_name(recipe) -> None:
    mixed = recipe.with_name("mixed.yaml")
    (recipe.parent / "general.jsonl").write_text(json.dumps(
        {"messages": [{"role": "user", "content": "Where is Baku?"}, {"role": "assistant", "content": "By the sea."}]}
    ) + "\n")
    mixed.write_text(recipe.read_text().replace(
        "test: 0.1}", "test: 0.1, mix: {general: {files: general.jsonl, share: 0.1}}}"))
    page = written(mixed, WHOLE, "--rows", 6)
    assert '<span class="tagged">general</span>' in page
    assert re.search(r"rows of each source .*general \d", Seen(page).text)


def test_where_a_row_was_cut_or_split_is_said(recipe) -> None:
    cut = Seen(written(recipe, "data.too_long=cut", "--row", "talks.jsonl:12")).text
    assert re.search(r"Cut here, at 100 tokens: \d+ tokens are lost\.", cut)
    split = Seen(written(recipe, "data.too_long=split", "data.validation=0", "data.test=0",
                         "training.max_length=150", "--row", "talks.jsonl:12")).text
    assert re.search(r"part 1 of 2 .* part 2 of 2", split)
    assert re.search(r"The row has \d+ tokens; it was split to fit 150\.", split)


def test_a_refused_recipe_has_a_page_that_says_why_and_where(recipe) -> None:
    seen = Seen(written(recipe)).text
    assert "This data is refused: the findings say why." in seen
    assert re.search(r"error .* limit is 100 .*talks\.jsonl:\d+", seen)


def test_with_json_the_answer_is_where_the_page_is(recipe) -> None:
    page = recipe.parent / "other.html"
    told = tunesmith("preview", recipe, "data.too_long=cut", "--html", page, "--json").json
    assert told["page"] == str(page) and told["documents"] == 40 and page.is_file()


@pytest.mark.parametrize(("name", "kind"), [
    ("talks.jsonl", "page.in_the_way"), ("nowhere/page.html", "page.no_folder"), ("base", "page.folder")])
def test_nothing_but_a_page_is_ever_written_over(recipe, name, kind) -> None:
    before = (recipe.parent / "talks.jsonl").read_bytes()
    told = tunesmith("preview", recipe, "--html", recipe.parent / name, "--json")
    assert (told.code, told.json["errors"][0]["kind"]) == (2, kind)
    assert (recipe.parent / "talks.jsonl").read_bytes() == before


def test_a_count_that_is_none_is_a_mistake(recipe) -> None:
    assert tunesmith("preview", recipe, "--rows=-1").code == 2


def test_the_amounts_are_those_of_the_whole_data(recipe) -> None:
    seen = Seen(written(recipe, "data.too_long=cut", "--rows", 1)).text
    report = tunesmith("check", recipe, "data.too_long=cut", "--json").json
    assert f"{report['rows']['train']} rows to learn from: {report['supervised']['tokens']:,} tokens" in seen
    assert f"{100 * report['supervised']['share']:.1f} %" in seen


def test_blanks_control_tokens_and_weights_can_be_seen() -> None:
    shown = tokens.shown([Token(5, " a\n", 0.5, False, "x"), Token(6, "", 0, False, "Ã"), Token(7, "<e>", 1, True, "")])
    assert shown == ('<b data-i=5 data-w="0.5">·\u200ba↵\n</b><i data-i=6 data-t="Ã">▫</i>'
                     "<b class=c data-i=7>&lt;e&gt;</b>")


def test_a_long_document_shows_its_ends_and_counts_what_is_between() -> None:
    shown = tokens.shown([Token(place, "x", 0, False, "x") for place in range(5000)])
    assert shown.count("data-i") == tokens.LONGEST
    assert "3,400 tokens not shown" in shown and "data-i=4999" in shown


def test_the_page_is_bounded_and_says_so() -> None:
    page = preview_page(previewed(documents=100, tokens=1500))
    assert page.count("data-i") <= preview.MOST_TOKENS + 100
    assert "would not fit on the page" in page
    assert len(page) < 3_000_000


def test_the_bars_count_every_document_once() -> None:
    figure = histogram([1, 1, 2, 1000], 1024)
    assert figure.count("<rect") == 2
    assert "4 documents, from 1 to 1,000 tokens" in figure
    assert histogram([5], 8).count("<rect") == 1


def test_data_without_a_document_has_a_page() -> None:
    told = previewed()
    empty = replace(told, documents=(), sides={side: replace(amount, rows=0, lengths=(), supervised=0)
                                               for side, amount in told.sides.items()})
    assert "Findings" in Seen(preview_page(empty)).text
