"""What a run looks like while it is watched."""

from __future__ import annotations

import io

import pytest

from tunesmith.cli import _findings, _progress
from tunesmith.cli._output import Screen, clock, painted, sized
from tunesmith.records import Finding
from tunesmith.workflow.events import Answered, Found, Judged, Said, Stepped


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def terminal(monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")


def step(number: int, total: int) -> Stepped:
    return Stepped(number, total, 1.234, 1.8e-4, 0.5, 412.0, 6_100_000_000, 700.0)


def watched(err, *events) -> str:
    with _progress.watching(Screen(False, io.StringIO(), err)) as observe:
        for event in events:
            observe(event)
    return err.getvalue()


def test_a_step_is_one_aligned_line_with_units():
    assert _progress.line_of(step(120, 400)) == (
        "step 120/400   loss 1.2340    lr 1.8e-04      412 tok/s    6.1 GB   left 00:11:40")
    assert _progress.line_of(step(7, 400)).startswith("step   7/400   loss")


def test_into_a_pipe_come_plain_lines():
    events = (Said("begin"), step(1, 2), Judged(1, 0.5, True), Answered("base", 1, 2), Answered("base", 2, 2))
    said = watched(io.StringIO(), *events)
    assert said.splitlines() == ["begin", _progress.line_of(step(1, 2)),
                                 "held-out loss after step 1: 0.5000   best so far", "answers of base: 2"]
    assert "\x1b" not in said


def test_a_long_run_is_told_in_about_a_hundred_lines():
    lines = watched(io.StringIO(), *(step(number, 5000) for number in range(1, 5001))).splitlines()
    assert 100 <= len(lines) <= 102
    assert "5000/5000" in lines[-1]


def test_on_a_terminal_there_is_a_bar_with_loss_speed_memory_and_time_left():
    said = watched(Terminal(), Said("begin"), step(1, 2), step(2, 2))
    for part in ("training", "2/2", "loss 1.2340", "412 tok/s", "6.1 GB", "left 00:11:40", "begin"):
        assert part in said


def test_no_color_turns_the_bar_into_lines(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in watched(Terminal(), step(1, 1))


def test_a_finding_is_told_in_three_parts():
    finding = Finding("warning", "data.cut", "3 rows were cut", "a.jsonl:3", "raise `training.max_length`")
    assert watched(io.StringIO(), Found(finding)).splitlines() == [
        "warning: 3 rows were cut", "  at:  a.jsonl:3", "  fix: raise `training.max_length`"]


def test_the_gravest_findings_come_first_and_the_rest_is_counted_by_kind():
    findings = [Finding("warning", "n", f"note {number}") for number in range(30)] + [Finding("error", "e", "grave")]
    lines: list[str] = []
    _findings.show(findings, lambda text, style: lines.append(text))
    assert lines[0] == "error: grave"
    assert len(lines) == 21
    assert lines[-1] == "… and 11 more of `n`"


def said(findings: list[Finding]) -> list[str]:
    lines: list[str] = []
    _findings.show(findings, lambda text, style: lines.append(text))
    return lines


def test_findings_that_differ_in_their_place_alone_are_told_once():
    alike = [Finding("error", "row.empty", "`answer` is empty", f"a.csv:{number}", "fill it in") for number in (3, 9)]
    assert said([*alike, Finding("note", "data.format", "a note", "a.csv:2")]) == [
        "error: `answer` is empty", "  at:  a.csv:3", "       a.csv:9", "  fix: fill it in",
        "note: a note (a.csv:2)"]


def test_a_mistake_of_hundreds_of_rows_hides_no_other():
    lines = said([*(Finding("error", "row", f"wrong {number}", f"a:{number}") for number in range(150)),
                  Finding("error", "row", "and 480 more of this kind"), Finding("error", "length", "too long"),
                  Finding("warning", "copies", "copies")])
    assert {"error: and 480 more of this kind", "error: too long", "warning: copies"} < set(lines)
    assert sum(line.startswith(("error:", "warning:")) for line in lines) == 20
    assert lines[-1] == "… and 133 more of `row`"


def test_of_places_twenty_are_named_and_the_rest_counted():
    lines = said([Finding("error", "calls", "no calls", f"a:{number}", "fix it") for number in range(153)])
    assert len(lines) == 23 and lines[-1] == "… and 133 more of `calls`"


def test_sizes_and_spans_are_for_people():
    assert (sized(6_120_000_000), sized(40_000_000)) == ("6.1 GB", "40 MB")
    assert (clock(3723.4), clock(float("nan")), clock(-3)) == ("01:02:03", "00:00:00", "00:00:00")
    assert painted("", "31", True) == "" and painted("x", "31", True) == "\x1b[31mx\x1b[0m"
