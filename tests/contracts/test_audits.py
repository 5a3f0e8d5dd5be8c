"""What every file of `data/audit/` promises."""

from __future__ import annotations

import importlib
import json
import math
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from pydantic import BaseModel, ValidationError

from planted import CLEAN, PLANTED, Planted, pair, sentence, sides_of
from tunesmith import catalog
from tunesmith.contracts import Looking
from tunesmith.errors import SHOWN_IN_FULL
from tunesmith.recipe.options import every
from tunesmith.recipe.read import load, parse
from tunesmith.recipe.starred import Choice
from tunesmith.records import Alike, Example, Figure, Looked, Side
from tunesmith.workflow.rows import audit as auditing

CHECKS = catalog.names("audit")
CASES = [(name, planted) for name in CHECKS for planted in PLANTED.get(name, ())]
PLACE = re.compile(r".+:\d+\Z")
TEXT = "base: b\ntask: chat\ndata: {train: a.jsonl}\n"


class Rows(Sequence[Example]):
    """Rows that can be read in their order as often as wanted, and a few of them by their place."""

    def __init__(self, examples: Sequence[Example]) -> None:
        self.examples, self.fetched = examples, 0

    def __len__(self) -> int:
        return len(self.examples)

    def __iter__(self) -> Iterator[Example]:
        return iter(self.examples)

    def __getitem__(self, place: Any) -> Any:
        assert isinstance(place, int), "a part of the rows is held"
        self.fetched += 1
        return self.examples[place]


def look(name: str, planted: Planted, sides: Mapping[Side, Sequence[Example]] | None = None, **options: Any) -> Looked:
    section = Choice("audit").validate({"type": name, **(planted.options or {}), **options})
    given = Looking(planted.task, 200, lambda texts: np.array([len(text.split()) for text in texts]), planted.alike)
    found: Looked = section.module.look(planted.sides if sides is None else sides, section.settings, given)
    return found


def told(looked: Looked) -> list[str]:
    return [each.finding.kind for each in looked.noticed]


def named(case: tuple[str, Planted]) -> str:
    return f"{case[0]}-{case[1].kind}"


planted_cases = pytest.mark.parametrize(("name", "planted"), CASES, ids=map(named, CASES))


@pytest.mark.parametrize("name", CHECKS)
def test_every_check_has_planted_cases(name):
    assert PLANTED.get(name), f"plant something for {name} in tests/planted.py"


@pytest.mark.parametrize("name", CHECKS)
def test_settings_say_how_grave_a_finding_is(name):
    settings = importlib.import_module(f"tunesmith.data.audit.{name}").Settings
    assert issubclass(settings, BaseModel) and all(field.description for field in settings.model_fields.values())
    for severity in ("off", "note", "warning", "error"):
        assert settings(severity=severity).severity == severity
    for wrong in ({"severity": "grave"}, {"no such option": 1}):
        with pytest.raises(ValidationError):
            settings.model_validate(wrong)
    assert settings().severity in ("note", "warning"), "what the rows of many are like refuses no run"


@pytest.mark.parametrize("kind", CLEAN)
@pytest.mark.parametrize("name", CHECKS)
def test_clean_rows_are_passed_over_in_silence(name, kind):
    planted = Planted("", 0, CLEAN[kind])
    assert told(look(name, planted, sides_of(CLEAN[kind]))) == []
    assert look(name, planted, {"train": (), "validation": (), "test": ()}) == Looked()


@planted_cases
def test_what_is_planted_is_found_and_counted(name, planted):
    looked = look(name, planted)
    assert told(looked) == [planted.kind]
    [noticed] = looked.noticed
    assert noticed.count == planted.count
    assert 1 <= len(noticed.rows) <= SHOWN_IN_FULL


@planted_cases
def test_findings_have_a_place_and_rows_of_one_line_each(name, planted):
    for noticed in look(name, planted).noticed:
        finding = noticed.finding
        assert re.fullmatch(r"audit\.[a-z_]+", finding.kind)
        assert PLACE.match(finding.where) and finding.where == noticed.rows[0].where
        assert finding.what and "\n" not in finding.what and not finding.what.endswith(".")
        assert len(finding.what) < 500
        for row in noticed.rows:
            assert PLACE.match(row.where) and "\n" not in row.text and "\0" not in row.text and 0 < len(row.text) < 300


@planted_cases
def test_a_check_is_as_grave_as_its_settings_say(name, planted):
    for severity in ("note", "error"):
        graver = {"answers": severity} if name == "contradictions" else {}
        found = look(name, planted, severity=severity, **graver)
        assert {each.finding.severity for each in found.noticed} == {severity}


@planted_cases
def test_figures_are_finite_and_fit_together(name, planted):
    for figure in look(name, planted).figures:
        assert set(figure.series) <= set(planted.sides) and figure.title and figure.unit
        wanted = len(figure.edges) - 1 if figure.edges else len(figure.names)
        assert bool(figure.edges) != bool(figure.names)
        assert bool(figure.across) == bool(figure.edges), "a histogram says what its edges count"
        for numbers in figure.series.values():
            assert len(numbers) == wanted and all(math.isfinite(number) and number >= 0 for number in numbers)
        assert all(low < high for low, high in zip(figure.edges, figure.edges[1:], strict=False))
        assert all(figure.edges[0] <= place <= figure.edges[-1] for place in figure.marks.values())
        assert Figure.from_json(json.loads(json.dumps(figure.as_json()))) == figure


@planted_cases
def test_the_order_of_the_rows_changes_no_count_and_no_figure(name, planted):
    sides = {side: random.Random(3).sample(examples, len(examples)) for side, examples in planted.sides.items()}
    one, other = look(name, planted), look(name, planted, sides)
    assert [(each.finding.kind, each.count) for each in one.noticed] == \
        [(each.finding.kind, each.count) for each in other.noticed]
    for each, again in zip(one.figures, other.figures, strict=True):
        assert each == again


@planted_cases
def test_rows_are_read_in_their_order_and_never_held(name, planted):
    sides = {side: Rows(examples) for side, examples in planted.sides.items()}
    assert told(look(name, planted, sides)) == [planted.kind]
    assert sum(side.fetched for side in sides.values()) <= 3 * SHOWN_IN_FULL


@planted_cases
def test_a_finding_does_not_grow_with_the_rows(name, planted):
    """Of a hundred times as many no more are shown."""
    looked = look(name, planted, {side: [*examples] * 100 for side, examples in planted.sides.items()})
    for noticed in looked.noticed:
        assert len(noticed.rows) <= SHOWN_IN_FULL and len(noticed.finding.what) < 500
    for figure in looked.figures:
        assert max(len(figure.names), len(figure.edges)) <= 100


@planted_cases
def test_the_remedy_names_an_option_or_a_command_that_exists(name, planted):
    for noticed in look(name, planted).noticed:
        quoted = re.findall(r"`([^`]+)`", noticed.finding.remedy)
        assert quoted and all(exists(words) for words in quoted if "`" not in words), noticed.finding.remedy


@pytest.mark.parametrize("name", CHECKS)
def test_personal_data_is_masked_wherever_rows_are_told(name):
    signed = [pair(number, answer=f"{sentence(number)} Yours, anna.lee@example.com of the whole team") for number in
              range(40)]
    same = [pair(100 + number, answer="Write to anna.lee@example.com") for number in range(20)]
    rows = [*signed, *signed[:5], *same, pair(200, signed[0].prompt, "anna.lee@example.com"),
            pair(201, same[0].prompt, "anna.lee@example.com "), *(pair(300 + number) for number in range(240))]
    told_of = look(name, Planted("", 0, rows, alike=[Alike(rows[41], rows[1], 0.9)])).as_json()
    assert "anna" not in json.dumps(told_of)


def exists(words: str) -> bool:
    """Whether a command, an option or a line of a recipe is one; other words are none of these, and pass."""
    options = {".".join(map(str, path)) for path in every({})}
    if words.startswith("tunesmith "):
        verb, *rest = words.split()[1:]
        steps = rest[rest.index("--steps") + 1].split(",") if "--steps" in rest else []
        return verb in verbs() and set(steps) <= set(catalog.names("clean"))
    if re.fullmatch(r"[a-z]+(\.[a-z_]+)+", words):
        return words in options
    if ": " in words:
        section = words.partition(": ")[0]
        text = TEXT.replace("task: chat\n", "") + words if section == "task" else TEXT
        return bool(load(text, [words.replace(": ", "=", 1)] if section != "task" else []))
    return True


def verbs() -> set[str]:
    import tunesmith.cli

    return {path.stem for path in Path(tunesmith.cli.__file__).parent.glob("[a-z]*.py")}


def test_a_check_that_is_off_looks_at_nothing():
    recipe = parse({"base": "b", "task": "chat", "data": {"train": "a.jsonl", "audit": [
        {"type": name, "severity": "off"} for name in CHECKS]}}, source="here")
    codec: Any = SimpleNamespace()
    assert auditing.audit(recipe, codec, {"train": CLEAN["chat"]}, also={}) == {}
