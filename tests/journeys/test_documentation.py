"""Every block of the documentation does what it says, from its first line to its last, as a new user would go."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from pages import STARTER, Block, Reader, blocks, follow, held, starter
from tunesmith.models import bases

PROJECT = Path(__file__).resolve().parents[2]
PAGES = [PROJECT / "README.md", PROJECT / "CONTRIBUTING.md",
         *(page for page in sorted((PROJECT / "docs").rglob("*.md"))
           if page.name not in ("log.md", "architectures.md") and page.parent.name != "reference")]
LEAST_RUN = 40  # blocks: a page whose blocks are all set aside would say nothing


@pytest.fixture(scope="session")
def stand_in(tmp_path_factory) -> Path:
    texts = tuple(page.read_text(encoding="utf-8") for page in PAGES)
    return starter(tmp_path_factory.mktemp("starter") / "base", texts)


@pytest.fixture
def reader(tmp_path, monkeypatch) -> Reader:
    """A folder like a clone's with a file of the user's own, and the command line in it."""
    for name in ("examples", "recipes"):
        shutil.copytree(PROJECT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    rows = [{"prompt": f"{n} mugs to Oslo, please.", "answer": json.dumps({"mug": n})} for n in range(24)]
    (tmp_path / "orders.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TUNESMITH_CACHE", str(tmp_path / ".cache"))
    return Reader(tmp_path)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(PROJECT).as_posix())
def test_every_block_of_a_page_does_what_it_says(page, reader, stand_in, monkeypatch):
    monkeypatch.setitem(bases.STARTERS, STARTER, bases.Starter("tunesmith", str(stand_in), "it is here"))
    done = list(follow(page, reader))
    assert all(len(block.reason) > 10 for block in done if block.info.startswith("not run"))


@pytest.mark.long
def test_the_first_evening_goes_so_with_the_real_starter(reader):
    assert list(follow(PROJECT / "docs" / "start.md", reader))


def test_nearly_all_blocks_are_run():
    all_of_them = [block for page in PAGES for block in blocks(page)]
    aside = [block for block in all_of_them if block.reason]
    assert len(all_of_them) - len(aside) >= LEAST_RUN
    assert len(aside) <= len(all_of_them) / 5, [block.text for block in aside]


def test_a_line_that_nothing_printed_is_found():
    held("rows  train 12\n…\nok\n", "rows   train 28\nmore\nok\n")
    with pytest.raises(AssertionError, match="nothing printed: sure"):
        held("ok\nsure\n", "sure\nok\n")


def test_a_file_and_a_reason_are_told_from_each_other():
    assert Block("csv", "a/rows.csv", "", 1).file == "a/rows.csv"
    assert Block("sh", "not run: it installs things", "", 1).reason == "it installs things"
    assert not Block("sh", "exit 2", "", 1).file
