"""Every published template: what docs/templates.md promises of it is true, and no proof lets a wrong mask pass."""

from __future__ import annotations

import pytest

import templates
from tunesmith.encoding.tokens import codec

QUICK = 6


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("TUNESMITH_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


def test_the_table_has_a_row_for_every_template_and_no_other(shared):
    assert sorted(templates.table()) == sorted(templates.FAMILIES) == templates.names()
    assert templates.counts(templates.table()) in templates.DOCUMENT.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", templates.FAMILIES)
def test_what_is_promised_of_a_template_holds(name, shared, monkeypatch):
    monkeypatch.setattr(codec, "vet", lambda *given: None)  # a child process each; the long tier has it
    found = templates.measured(name, QUICK)
    assert found.wrong == []
    word, _, tools, thoughts = [cell.strip() for cell in templates.table()[name].split("|")[3:7]]
    assert found.plain.proven == word.startswith("proven")
    assert found.tools.proven or tools != "yes"
    assert found.thoughts.proven or not thoughts.startswith("learnt")


@pytest.mark.long
@pytest.mark.parametrize("name", templates.FAMILIES)
def test_two_hundred_dialogues_give_the_line_of_the_table(name, shared):
    found = templates.measured(name)
    assert found.wrong == []
    assert templates.row(found) == templates.table()[name]
