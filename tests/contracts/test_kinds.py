"""Kinds of problems and findings: read from where they are made, and explained, every one."""

from __future__ import annotations

import ast

import pytest

from trees import files, spelt
from tunesmith import kinds
from tunesmith.whys import FAMILIES, REMEDIES, WHATS, WHYS

MADE = {"Misuse": 0, "Refusal": 0, "Failure": 0, "Busy": 0, "Finding": 1}
HANDED_ON = ("kind", "*", "found")  # the kind is another place's: `problem.kind`, `Finding(**told)`


@pytest.mark.parametrize("kind", kinds.names())
def test_every_kind_tells_what_why_and_what_to_do(kind):
    text = kinds.explain(kind)
    assert text.startswith(f"{kind}: ")
    assert kinds.whats(kind) or kinds.remedies(kind), f"write what it says into WHATS of whys.py: {kind}"
    assert kinds.why(kind), f"say why the family `{kind.split('.')[0]}` matters, in FAMILIES of whys.py"
    graver = {site.weight for site in kinds.sites() if site.kind == kind} - {"note", "warning"}
    assert kinds.remedies(kind) or not graver, f"write what to do into REMEDIES of whys.py: {kind}"


def test_every_place_that_makes_a_problem_is_read():
    read = {(site.file, site.kind) for site in kinds.sites()}
    missed = []
    for file in files():
        for call in file.calls():
            name = spelt(call).split(".")[-1]
            place = MADE.get(name)
            if place is None or len(call.args) <= place:
                continue
            given = call.args[place]
            if isinstance(given, ast.Constant) and (file.name, given.value) not in read:
                missed.append(f"{file.at(call)} {given.value}")
            if not isinstance(given, ast.Constant) and not any(word in ast.unparse(given) for word in HANDED_ON) and \
                    not any(site.file == file.name for site in kinds.sites()):
                missed.append(f"{file.at(call)} {ast.unparse(given)}")
    assert not missed


def test_no_reason_is_left_of_a_kind_that_nobody_makes():
    made = set(kinds.names())
    assert not [kind for kind in (*WHYS, *WHATS, *REMEDIES) if kind not in made]


def test_the_texts_are_those_of_the_place_that_raises():
    assert kinds.whats("recipe.exists") == ["the recipe exists already"]
    assert kinds.remedies("recipe.exists") == ["name another file with `--output`"]
    assert kinds.weight("recipe.exists") == "wrong command line or recipe, exit code 2"


@pytest.mark.parametrize("kind", ["task.unknown", "metric.unknown", "run.template", "runs.fsync_failed",
                                  "template.unsafe", "data.doubled_key", "bug"])
def test_kinds_whose_name_is_not_spelt_where_they_are_made_are_known_too(kind):
    assert kind in kinds.names()


def test_reasons_are_sentences():
    for text in (*FAMILIES.values(), *WHYS.values()):
        assert text.endswith("."), text
