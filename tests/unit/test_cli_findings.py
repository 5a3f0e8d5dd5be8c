"""Fifteen checks that all say something, on a terminal of 80 and 120 letters and in a pipe."""

from __future__ import annotations

import unicodedata

import pytest

from checked import checked
from judged import HOSTILE
from tunesmith.cli import _findings
from tunesmith.records import Finding, Looked, Noticed, Seen


def shown(width: int | None, *, hostile: bool = False) -> list[str]:
    told = checked(ok=False, hostile=hostile)
    looked = {check.name: check.looked for check in told.checks}
    lines: list[str] = []
    _findings.show([each.finding for one in looked.values() for each in one.noticed],
                   lambda text, style: lines.append(text), looked=looked, width=width)
    return lines


def of(noticed: Noticed, *, width: int | None = None) -> list[str]:
    lines: list[str] = []
    _findings.show([noticed.finding], lambda text, style: lines.append(text),
                   looked={"copies": Looked((noticed,))}, width=width)
    return lines


@pytest.mark.parametrize("width", [80, 120])
def test_no_line_is_wider_than_the_terminal_but_a_command(width):
    for line in shown(width):
        cells = sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in line)
        assert cells <= width or "`tunesmith clean" in line


@pytest.mark.parametrize("width", [80, 120, None])
def test_fifteen_checks_fit_onto_a_page_or_two_and_the_gravest_come_first(width):
    lines = shown(width)
    assert len(lines) <= 60
    severities = [line.partition(":")[0] for line in lines if line.startswith(("error", "warning", "note"))]
    assert severities == sorted(severities, key=["error", "warning", "note"].index)
    assert len(severities) == 12


def test_in_a_pipe_each_sentence_is_one_line_to_search_in():
    lines = shown(None)
    assert "warning: 7 rows stand in train and in test too: `contradictions` [contradictions]" in lines
    assert "note: 4 rows stand in train and in test too: `bias` [bias] (data/cards.csv:3 and 37 more)" in lines


def test_places_stand_in_a_column_and_rows_are_cut_where_the_line_ends():
    rows = (Seen("a.csv:7", "short"), Seen("a.csv:1234", "x" * 500), Seen("a.csv:8", "我" * 500), Seen("a.csv:9", "no"))
    finding = Finding("warning", "audit.copies", "rows stand twice", "a.csv:7", "take them out")
    assert of(Noticed(finding, 12, rows), width=40) == [
        "warning: rows stand twice [copies]", "  at:  a.csv:7     short", f"       a.csv:1234  {'x' * 20}…",
        f"       a.csv:8     {'我' * 10}…", "       … 9 more", "  fix: take them out"]


def test_of_notes_of_one_kind_three_are_told_and_a_place_is_named_once():
    lines: list[str] = []
    notes = [Finding("note", "row.too_long", f"{number} tokens, cut to 64", f"a.csv:{number}") for number in range(60)]
    last = Finding("note", "data.format", "`data.train` holds 60 rows", "data.train", "say so if not")
    _findings.show([*notes, last], lambda text, style: lines.append(text))
    assert lines == [
        "note: 0 tokens, cut to 64 (a.csv:0)", "note: 1 tokens, cut to 64 (a.csv:1)",
        "note: 59 tokens, cut to 64 (a.csv:59)", "note: `data.train` holds 60 rows", "  fix: say so if not",
        "… and 57 more of `row.too_long`"]


def test_files_are_named_as_short_as_they_can_be_told_apart(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    finding = Finding("warning", "audit.x", "so it is", f"{tmp_path}/data/a.csv:1",
                      f"take them out: `tunesmith clean {tmp_path}/data/a.csv --output b.jsonl`")
    assert of(Noticed(finding, 2, (Seen(f"{tmp_path}/data/a.csv:1", "one"), Seen("/far/away/b.csv:22", "two")))) == [
        "warning: so it is [copies]", "  at:  data/a.csv:1  one", "       b.csv:22      two",
        "  fix: take them out: `tunesmith clean data/a.csv --output b.jsonl`"]
    assert of(Noticed(finding, 2, (Seen("/far/a.csv:1", "one"), Seen("/near/a.csv:1", "two"))))[1:3] == [
        "  at:  /far/a.csv:1   one", "       /near/a.csv:1  two"]


def test_rows_steer_no_terminal_and_stay_in_their_line():
    rows = tuple(Seen(f"a.csv:{number}", f"one\ntwo {words}") for number, words in enumerate(HOSTILE[2:5]))
    lines = of(Noticed(Finding("error", "audit.x", "so it is", "a.csv:0", ""), 3, rows))
    assert len(lines) == 4
    assert not any(unicodedata.category(letter) == "Cc" or letter == "\u202e" for line in lines for letter in line)


def test_a_finding_about_no_row_tells_its_place():
    lines = of(Noticed(Finding("warning", "audit.x", "no row is in Azerbaijani", "data.train", "say so"), 0))
    assert lines == ["warning: no row is in Azerbaijani [copies]", "  at:  data.train", "  fix: say so"]


def test_how_many_there_are_of_each_severity():
    one = Finding("note", "n", "n")
    assert _findings.counted([one, one, Finding("error", "e", "e")]) == "1 error   2 notes"
    assert _findings.counted([]) == ""
