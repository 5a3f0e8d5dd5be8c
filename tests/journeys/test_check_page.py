"""What `check` shows of its checks: a few rows on a terminal, all in JSON and on the page, warnings on the card."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from seen import Seen
from telling import tunesmith
from tiny import tiny_base
from tunesmith.pages.markup import prose

RARE = "data.audit=[{type: labels, rare: 0.5}]"


@pytest.fixture(scope="module")
def recipe(tmp_path_factory) -> Path:
    """A hundred and twenty texts, of which eight have a label that is rare."""
    folder = tmp_path_factory.mktemp("check")
    tiny_base(folder / "base")
    rows = [{"text": f"How many hats has Anna after {number}?", "label": "rare" if number % 15 == 0 else "hats"}
            for number in range(120)]
    (folder / "hats.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    path = folder / "hats.yaml"
    path.write_text(f"""base: {folder / 'base'}
task: classify
data: {{train: hats.jsonl, validation: 0.2, test: 0.2}}
training: {{max_length: 100, epochs: 1, batch_size: 32}}
run: {{folder: {folder / 'runs'}}}
""")
    return path


def lines(recipe: Path, *words: object) -> list[str]:
    told = tunesmith("check", recipe, *words)
    return str(told.out).splitlines()


def test_a_warning_names_its_check_shows_three_rows_and_counts_the_others(recipe) -> None:
    said = lines(recipe, RARE)
    [start] = [place for place, line in enumerate(said) if line.startswith("warning: 1 of 2 labels")]
    assert said[start].endswith("`rare` (5) [labels]")
    assert re.fullmatch(r"  at:  \S*hats\.jsonl:\d+ +How many hats has Anna after \d+\?", said[start + 1])
    assert re.fullmatch(r"       … [\d,]+ more", said[start + 4])
    assert said[start + 5].startswith("  fix: add rows with them")
    assert any(re.fullmatch(r"found       1 warning   \d notes?", line) for line in said)


def test_a_note_of_a_check_is_one_line(recipe) -> None:
    said = lines(recipe, "data.audit=[{type: labels, rare: 0.5, severity: note}]")
    [note] = [line for line in said if "[labels]" in line]
    assert re.fullmatch(r"note: 1 of 2 labels .* \[labels\] \(\S*hats\.jsonl:\d+ and \d+ more\)", note)


def test_an_error_of_a_check_refuses_with_3(recipe) -> None:
    told = tunesmith("check", recipe, "data.audit=[{type: labels, rare: 0.5, severity: error}]")
    assert told.code == 3 and "error: 1 of 2 labels" in told.out


def test_the_page_shows_what_json_says(recipe) -> None:
    page = recipe.parent / "check.html"
    told = tunesmith("check", recipe, RARE, "--html", page)
    assert told.code == 0 and f"page        {page}" in told.out
    report = tunesmith("check", recipe, RARE, "--json").json
    seen = Seen(page.read_text(encoding="utf-8")).text
    [noticed] = report["audit"]["labels"]["noticed"]
    assert Seen(prose(noticed["what"])).text in seen
    assert report["audit"]["labels"]["looks_for"] in seen
    for row in noticed["rows"]:
        assert row["text"] in seen
    assert f"train {report['rows']['train']} {report['amounts']['train']['documents']}" in seen


def test_a_check_that_the_recipe_leaves_out_is_named(recipe) -> None:
    page = recipe.parent / "without.html"
    off = "data.audit=[{type: labels, severity: off}]"
    report = tunesmith("check", recipe, off, "--html", page, "--json").json
    assert "labels" not in report["audit"] and report["facts"]["left_out"] == ["labels"]
    assert "The recipe leaves out: labels." in Seen(page.read_text()).text


def test_with_json_the_answer_says_where_the_page_is(recipe) -> None:
    page = recipe.parent / "other.html"
    assert tunesmith("check", recipe, "--html", page, "--json").json["page"] == str(page)
    assert page.read_text().startswith("<!doctype html>")


@pytest.mark.parametrize(("name", "kind"), [
    ("hats.jsonl", "page.in_the_way"), ("nowhere/page.html", "page.no_folder"), ("base", "page.folder")])
def test_nothing_but_a_page_is_ever_written_over(recipe, name, kind) -> None:
    before = (recipe.parent / "hats.jsonl").read_bytes()
    told = tunesmith("check", recipe, "--html", recipe.parent / name, "--json")
    assert (told.code, told.json["errors"][0]["kind"]) == (2, kind)
    assert (recipe.parent / "hats.jsonl").read_bytes() == before


def test_a_run_keeps_its_check_and_its_card_tells_the_warnings(recipe) -> None:
    told = tunesmith("train", recipe, RARE)
    assert told.code == 0
    assert "warning: 1 of 2 labels" in told.err
    assert "note:" not in told.err and re.search(r"^\d notes? about the rows", told.err, re.MULTILINE)
    [run] = (recipe.parent / "runs").iterdir()
    kept = json.loads((run / "check.json").read_text())
    assert kept["audit"]["labels"]["noticed"][0]["count"] > 3
    assert f"Check of {run.name}" in Seen((run / "check.html").read_text(encoding="utf-8")).text
    card = (run / "README.md").read_text()
    assert f"## Data\n\n{kept['rows']['train']} rows in train" in card
    assert "- 1 of 2 labels have less than 50% of the rows of `hats` (77): `rare` (5)" in card
    assert str(recipe.parent) not in card
