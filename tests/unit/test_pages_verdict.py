"""The verdict's page: what stands on it, that data stays text, and that it is bounded and whole by itself."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import replace

import pytest

from judged import HOSTILE, METRICS, judged, kept_row
from seen import Seen
from tunesmith.evaluation.answers import Answer, worst_first
from tunesmith.evaluation.predictions import Kept
from tunesmith.metrics import exact_match, loss
from tunesmith.pages import answers, curves, differences
from tunesmith.pages.findings import findings
from tunesmith.pages.markup import Markup, data, prose, tag, text
from tunesmith.pages.shell import ASSETS
from tunesmith.pages.verdict import verdict_page
from tunesmith.records import Finding, Measured, Pair, Prediction

NETWORK = {"src", "href", "action", "formaction", "srcset", "poster", "background", "ping", "data", "style"}


def test_the_page_says_the_word_what_it_means_and_the_numbers() -> None:
    seen = Seen(verdict_page(judged())).text
    assert "Better" in seen
    assert "does better than its base, by more than chance would bring about" in seen
    assert re.search(r"exact_match decides share of answers, higher is better 0\.1 0\.75 \+0\.65", seen)
    assert "40 rows, 40 groups" in seen
    assert "Elsewhere" in seen and "stories worse" in seen


@pytest.mark.parametrize("word", ["better", "worse", "not proven"])
def test_every_word_has_a_sentence(word: str) -> None:
    told = judged()
    page = Seen(verdict_page(replace(told, verdict=replace(told.verdict, word=word)))).text
    assert word.capitalize() in page
    assert "{against}" not in page


def test_no_difference_at_all_is_not_called_a_small_one() -> None:
    told = judged()
    none = {name: replace(one, difference=0.0, low=0.0, high=0.0) for name, one in told.verdict.metrics.items()}
    page = Seen(verdict_page(replace(told, verdict=replace(told.verdict, word="not proven", metrics=none)))).text
    assert "did equally well by exact_match" in page and "too small" not in page


def test_what_comes_from_data_stays_text() -> None:
    plain, hostile = Seen(verdict_page(judged())), Seen(verdict_page(judged(hostile=True)))
    without_marks = [name for name, _ in plain.tags if name != "mark"]
    assert without_marks == [name for name, _ in hostile.tags if name != "mark"]
    assert not [attribute for _, attributes in hostile.tags for attribute in attributes if attribute.startswith("on")]
    for words in HOSTILE[:4]:
        assert " ".join(words.split()) in hostile.text


def test_what_nobody_could_see_is_spelt_out_and_the_page_is_utf8() -> None:
    page = verdict_page(judged(hostile=True))
    assert page.encode()
    assert not re.search("[\x00-\x08\u202a-\u202e\u2066-\u2069]", page)
    assert r"\x00\x08\u202egnp.exe\u2066 \ud800" in Seen(page).text


def test_nothing_on_the_page_can_be_loaded_or_sent() -> None:
    asks = [(name, key, value) for name, attributes in Seen(verdict_page(judged(hostile=True))).tags
            for key, value in attributes.items() if key in NETWORK]
    assert asks == [("link", "href", "data:,")]


def test_the_policy_names_every_script_and_style_by_its_digest() -> None:
    page = verdict_page(judged())
    [policy] = re.findall(r'Content-Security-Policy" content="([^"]*)"', page)
    assert policy.startswith("default-src 'none';") and "unsafe" not in policy
    for kind in ("script", "style"):
        for content in re.findall(rf"<{kind}>(.*?)</{kind}>", page, re.DOTALL):
            assert base64.b64encode(hashlib.sha256(content.encode()).digest()).decode() in policy


def test_what_tuning_lost_stands_first_then_the_poorest() -> None:
    def row(place: int, base: str, tuned: str) -> Kept:
        return kept_row(place, {
            "base": Prediction(place, 1.0, 1.0, "?", base, "yes", "end"),
            "tuned": Prediction(place, 1.0 + place, 1.0, "?", tuned, "yes", "end")},
            Pair("?", "yes", f"f.jsonl:{place}", ""))

    rows = [row(1, "yes", "yes"), row(2, "no", "yes"), row(3, "yes", "no"), row(4, "no", "no"), row(5, "no", "no")]
    ranked = worst_first(rows, "exact_match", exact_match)
    assert [(one.where[-1], one.change) for one in ranked] == [
        ("3", "lost"), ("5", "same"), ("4", "same"), ("2", "won"), ("1", "same")]
    assert worst_first(rows, "loss", loss)[0].where[-1] == "5"


def test_many_answers_are_bounded_and_counted() -> None:
    page = verdict_page(judged(rows=500))
    assert page.count('<li class="answer') == answers.MOST_ANSWERS
    assert "The first 200 of 500 answers are here; predictions.jsonl has all." in Seen(page).text


def test_long_answers_are_cut_and_the_rest_is_counted() -> None:
    long = [Answer(f"f.jsonl:{row}", "p" * 9000, "r", "a", "t" * 50_000, 0.0, 0.0, "same", ()) for row in range(200)]
    section = answers.answers(long, "loss", "base")
    assert len(section) < 1_500_000
    assert f"and {50_000 - answers.LONGEST_TEXT:,} characters more" in section


def test_a_wrong_answer_shows_where_it_departs_from_the_reference() -> None:
    assert answers.compared("7 white vases", "7 blue vases") == (
        "7 <mark>white</mark> vases", "7 <mark>blue</mark> vases")
    assert answers.compared("same", "same ") == (None, None)
    assert answers.compared("wholly", "another thing, really") == (None, None)


def test_a_long_curve_keeps_its_spikes_and_every_point_that_is_drawn() -> None:
    points = [(step, 1.0 / step) for step in range(1, 100_001)]
    points[54_321] = (54_322, 9.0)
    points[65_432] = (65_433, -9.0)
    kept = curves.thinned(points)
    assert len(kept) <= 1000
    assert set(kept) <= set(points)
    assert {points[0], points[-1], points[54_321], points[65_432]} <= set(kept)
    assert kept == sorted(kept)
    page = verdict_page(replace(judged(), losses=points))
    assert len(page) < 400_000
    assert "no spike is lost" in page


def test_a_short_curve_is_drawn_whole() -> None:
    points = [(step, 1.0) for step in range(1, 1001)]
    assert curves.thinned(points) == points


def test_the_numbers_for_the_script_are_those_of_the_run() -> None:
    told = judged()
    [written] = re.findall(r'id="loss-data">(.*?)</script>', verdict_page(told))
    value = json.loads(written)
    assert value["steps"] == [step for step, _ in told.losses]
    assert value["curves"][0]["losses"] == pytest.approx([loss for _, loss in told.losses], rel=1e-5)
    assert [loss for loss in value["curves"][-1]["losses"] if loss is not None] == pytest.approx(
        [loss for _, loss in told.held_out], rel=1e-5)


def test_the_ticks_are_round_and_enclose_the_curve() -> None:
    assert curves.ticks(0.13, 1.02) == [0, 0.2, 0.4, 0.6, 0.8, 1.0, 1.2]
    assert curves.ticks(5, 5)[0] <= 5 <= curves.ticks(5, 5)[-1]
    for low, high in ((1e-9, 2e-9), (0, 1e6), (-3, -2.999), (2, 2.0000001)):
        marks = curves.ticks(low, high)
        assert marks[0] <= low <= high <= marks[-1] and 2 <= len(marks) <= 8


@pytest.mark.parametrize("metric", ["loss", "exact_match"])
def test_right_of_the_zero_line_is_better_however_the_metric_counts(metric: str) -> None:
    sign = 1 if METRICS[metric].higher_is_better else -1
    better = Measured(1.0, 1.0 + sign, float(sign), *sorted((0.5 * sign, 1.5 * sign)), 10, 10)
    [left] = re.findall(r'<rect class="bar" x="([0-9.]+)"', differences.drawing(better, METRICS[metric]))
    assert float(left) > differences.HALF
    assert differences.kind(better, METRICS[metric]) == "better"


def test_a_run_without_curves_answers_or_findings_still_has_a_page() -> None:
    told = judged()
    bare = replace(told, losses=[], held_out=[], best=None, answers=(), lineage={}, recipe="",
                   verdict=replace(told.verdict, findings=(), examples=()))
    seen = Seen(verdict_page(bare)).text
    assert "Differences" in seen and "Answers side by side" not in seen


def test_many_findings_of_a_kind_are_folded_and_counted() -> None:
    def found(kind: str, count: int) -> list[Finding]:
        return [Finding("note", kind, f"{kind} {number}", f"f.jsonl:{number}") for number in range(count)]

    listed = Seen(findings([*found("row.cut", 120), *found("row.empty", 3)]))
    assert "117 more of row.cut, the first 97 of them here" in listed.text
    assert "row.cut 99" in listed.text and "row.cut 100" not in listed.text
    assert "more of row.empty" not in listed.text and "row.empty 2" in listed.text


def test_text_is_escaped_unless_it_was_made_here() -> None:
    assert tag("p", "<b>", Markup("<i>")) == "<p>&lt;b&gt;<i></p>"
    assert tag("a.x", at={"title": '"<', "hidden": True, "id": None}) == '<a class="x" title="&quot;&lt;" hidden></a>'
    assert prose("`a<b` & c") == "<code>a&lt;b</code> &amp; c"
    assert "</script><" not in data("x", "</script><script>") and text("\ud800") == r"\ud800"


def test_the_vendored_files_are_those_that_were_recorded() -> None:
    recorded = json.loads((ASSETS / "uplot" / "VENDORED.json").read_text())
    assert recorded["licence"] == "MIT" and re.fullmatch(r"\d+\.\d+\.\d+", recorded["version"])
    for name, digest in recorded["sha256"].items():
        assert hashlib.sha256((ASSETS / "uplot" / name).read_bytes()).hexdigest() == digest
    assert f"v{recorded['version']}" in (ASSETS / "uplot" / "uPlot.iife.min.js").read_text()[:100]
