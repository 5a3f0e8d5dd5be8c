"""The reference pages are what the code says today."""

from __future__ import annotations

import re

import pytest

import reference
from tunesmith import catalog, cli, kinds
from tunesmith.recipe.explain import names


@pytest.fixture(scope="module")
def made() -> dict[str, str]:
    return reference.pages()


@pytest.mark.parametrize("page", ["options.md", "commands.md", "python.md", "problems.md"])
def test_a_page_is_not_stale(page, made):
    """White space apart, which argparse and Python's versions set differently."""
    written = (reference.FOLDER / page).read_text(encoding="utf-8")
    assert written.split() == made[page].split(), "run `make docs`"


def test_there_are_no_other_pages(made):
    assert {file.name for file in reference.FOLDER.iterdir()} == made.keys()


def test_every_option_verb_kind_and_choice_is_there(made):
    headings = set(re.findall(r"^##+ (.+)$", "\n".join(made.values()), re.MULTILINE))
    assert set(cli.verbs()) <= headings
    assert set(kinds.names()) <= headings
    assert {f"{kind}: {name}" for kind in catalog.KINDS for name in catalog.names(kind)} <= headings
    inside = re.findall(r"^- `(\w+)` \(default", made["options.md"], re.MULTILINE)
    last = {name.split(".")[-1] for name in names()} - {"type"}
    assert last <= {heading.split(".")[-1] for heading in headings} | set(inside)
