"""A second start on the same data prepares nothing; a start on anything else prepares anew."""

from __future__ import annotations

import json
import multiprocessing
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tiny import CHATML, tiny_base
from tunesmith.encoding.templates import template
from tunesmith.errors import Misuse, Problems, Refusal
from tunesmith.models import load
from tunesmith.recipe.read import parse
from tunesmith.recipe.sections import Recipe
from tunesmith.records import SIDES
from tunesmith.workflow.checking.preview import preview
from tunesmith.workflow.preparing import prepare as preparing
from tunesmith.workflow.preparing import tokens
from tunesmith.workflow.preparing.prepare import Prepared, prepare
from tunesmith.workflow.rows import sides

DAY = "2026-11-21"
ROWS = [{"prompt": f"what is {n} and {n + 1}? ", "answer": f"it is {2 * n + 1} apples"} for n in range(40)]


@pytest.fixture(scope="module")
def shared_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_base(tmp_path_factory.mktemp("tokens") / "base")


@pytest.fixture
def place(shared_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a base of its own, rows, and an empty cache."""
    monkeypatch.setenv("TUNESMITH_CACHE", str(tmp_path / "cache"))
    shutil.copytree(shared_base, tmp_path / "base")
    write_rows(tmp_path / "rows.jsonl", ROWS)
    return tmp_path


def write_rows(path: Path, rows: list[dict[str, str]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def recipe(place: Path, *overrides: str) -> Recipe:
    return parse({
        "base": str(place / "base"), "task": "chat",
        "data": {"train": str(place / "rows.jsonl"), "validation": 0.2, "test": 0.2},
        "training": {"max_length": 128}, "run": {"folder": str(place / "runs")},
    }, source="test", overrides=overrides)


@pytest.fixture
def began(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was done for real: `read` for each reading of the rows, `codec` for each tokenizer opened."""
    done: list[str] = []

    def watched(module: Any, name: str, what: str) -> None:
        own: Callable[..., Any] = getattr(module, name)
        monkeypatch.setattr(module, name, lambda *given, **named: done.append(what) or own(*given, **named))

    watched(preparing, "read_sides", "read")
    watched(load, "codec", "codec")
    return done


def same(one: Prepared, other: Prepared) -> bool:
    for side in SIDES:
        ours, theirs = one.documents[side].arrays, other.documents[side].arrays
        if ours.keys() != theirs.keys() or not all(np.array_equal(ours[name], theirs[name]) for name in ours):
            return False
    return (one.findings, one.supervised, one.digests, one.date) == (
        other.findings, other.supervised, other.digests, other.date)


def test_a_second_start_opens_no_tokenizer_reads_no_row_and_gives_the_same(place: Path, began: list[str]) -> None:
    first = prepare(recipe(place), date=DAY)
    assert began == ["codec", "read"]
    assert any(finding.kind == "data.format" for finding in first.findings)
    second = prepare(recipe(place), date=DAY)
    assert began == ["codec", "read"]
    assert same(first, second)
    assert dict(second.examples) == dict(first.examples)
    assert second.codec.digests() == first.codec.digests()
    assert began == ["codec", "read", "read", "codec"]


def test_what_learns_nothing_of_the_tokens_does_not_count(place: Path, began: list[str]) -> None:
    prepare(recipe(place), date=DAY)
    other = recipe(place, "training.learning_rate=1e-3", "training.epochs=9", "adapter.rank=2", "evaluation.generate=0",
                   "run.name=other")
    prepare(other, date="2027-01-01")
    assert began == ["codec", "read"]


CHANGES: dict[str, Callable[[Path], list[str]]] = {
    "a row": lambda place: write_rows(place / "rows.jsonl", [*ROWS[:-1], {**ROWS[-1], "answer": "it is 80 apples"}]),
    "a row more": lambda place: write_rows(place / "rows.jsonl", [*ROWS, ROWS[0]]),
    "the name of a file": lambda place: [f"data.train={shutil.copy(place / 'rows.jsonl', place / 'others.jsonl')}"],
    "a file of its own for a side": lambda place: [
        f"data.test={shutil.copy(place / 'rows.jsonl', place / 'others.jsonl')}"],
    "the template's name": lambda place: ["data.template=chatml"],
    "the base's template": lambda place: edit(place / "base", "chat_template.jinja", "assistant", "assistant "),
    "the tokenizer": lambda place: edit(place / "base", "tokenizer.json", '"BPE"', '"BPE" '),
    "the tokenizer's settings": lambda place: edit(place / "base", "tokenizer_config.json", "{", "{ "),
    "where generation stops": lambda place: edit(place / "base", "generation_config.json", "{", "{ "),
    "a file beside the tokenizer": lambda place: (place / "base" / "merges.txt").write_text("a b"),
    "the task": lambda place: ["task=completion"],
    "max_length": lambda place: ["training.max_length=100"],
    "too_long": lambda place: ["data.too_long=cut"],
    "the system prompt": lambda place: ["data.system=Be kind."],
    "the columns": lambda place: ["data.columns.prompt=prompt"],
    "the format": lambda place: ["data.format=pair"],
    "the group": lambda place: ["data.group=answer"],
    "the seed": lambda place: ["training.seed=7"],
    "a share": lambda place: ["data.validation=0.25"],
}


def edit(folder: Path, name: str, old: str, new: str) -> None:
    text = (folder / name).read_text()
    assert old in text
    (folder / name).write_text(text.replace(old, new, 1))


@pytest.mark.parametrize("change", CHANGES)
def test_a_start_on_anything_else_prepares_anew(place: Path, began: list[str], change: str) -> None:
    (place / "base" / "generation_config.json").touch()
    if not (place / "base" / "generation_config.json").read_text():
        (place / "base" / "generation_config.json").write_text("{}")
    prepare(recipe(place), date=DAY)
    overrides = CHANGES[change](place)
    prepare(recipe(place, *(overrides if isinstance(overrides, list) else [])), date=DAY)
    assert began == ["codec", "read"] * 2


def test_the_tasks_settings_count(place: Path, began: list[str]) -> None:
    prepare(recipe(place, "task=completion"), date=DAY)
    learns = prepare(recipe(place, "task=completion", "task.learn=all"), date=DAY)
    assert began == ["codec", "read"] * 2
    assert learns.supervised["share"] > 0.9


def test_other_code_and_other_libraries_count(place: Path, began: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    prepare(recipe(place), date=DAY)
    with monkeypatch.context() as patched:
        patched.setattr(tokens, "code", lambda: "other")
        prepare(recipe(place), date=DAY)
    with monkeypatch.context() as patched:
        patched.setattr(tokens.metadata, "version", lambda name: "99")
        prepare(recipe(place), date=DAY)
    assert began == ["codec", "read"] * 3


def test_the_code_is_all_that_makes_documents_of_files() -> None:
    covered = {tokens.PACKAGE / place for place in tokens.CODE}
    for module in (preparing, sides, tokens, template):
        file = Path(module.__file__)
        assert file in covered or covered & set(file.parents), file
    assert len(tokens.code()) == 64


@pytest.mark.parametrize("where", ["the recipe", "the base", "the base, in escapes"])
def test_the_date_counts_where_a_template_asks_for_it(place: Path, began: list[str], where: str) -> None:
    dated = CHATML.replace("{% for", "{{ strftime_now('%d') }}{% for", 1)
    named = []
    if where == "the recipe":
        (place / "dated.jinja").write_text(dated)
        named = [f"data.template={place / 'dated.jinja'}"]
    elif where == "the base":
        (place / "base" / "chat_template.jinja").write_text(dated)
    else:
        (place / "base" / "chat_template.jinja").unlink()
        told = json.loads((place / "base" / "tokenizer_config.json").read_text())
        text = json.dumps({**told, "chat_template": dated})
        (place / "base" / "tokenizer_config.json").write_text(text.replace("strftime_now", "\\u0073trftime_now"))
    days = [prepare(recipe(place, *named), date=date) for date in (DAY, DAY, "2026-11-22")]
    assert began == ["codec", "read"] * 2
    assert [day.date for day in days] == [DAY, DAY, "2026-11-22"]
    first, other = (bytes(day.documents["train"].arrays["ids"]) for day in days[1:])
    assert first != other


@pytest.mark.parametrize("damage", ["torn", "flipped", "emptied", "a folder"])
def test_a_damaged_file_is_not_believed_and_made_anew(place: Path, began: list[str], damage: str) -> None:
    first = prepare(recipe(place), date=DAY)
    [file] = (place / "cache" / "tokens").iterdir()
    content = bytearray(file.read_bytes())
    content[-500] ^= 1
    if damage == "a folder":
        file.unlink()
        file.mkdir()
    else:
        file.write_bytes({"torn": content[:-100], "flipped": content, "emptied": b""}[damage])
    assert same(first, prepare(recipe(place), date=DAY))
    assert same(first, prepare(recipe(place), date=DAY))
    assert began == ["codec", "read"] * (3 if damage == "a folder" else 2)


def test_a_cache_that_cannot_be_written_costs_time_only(place: Path, began: list[str]) -> None:
    (place / "cache").mkdir(exist_ok=True)
    (place / "cache" / "tokens").write_text("no folder")
    assert same(prepare(recipe(place), date=DAY), prepare(recipe(place), date=DAY))
    assert began == ["codec", "read"] * 2


def test_rows_that_change_while_they_are_prepared_are_not_kept(
    place: Path, began: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    own = preparing.encode

    def slow(*given: Any, **more: Any) -> Any:
        write_rows(place / "rows.jsonl", ROWS[:30])
        return own(*given, **more)

    with monkeypatch.context() as patched:
        patched.setattr(preparing, "encode", slow)
        assert len(prepare(recipe(place), date=DAY).examples["train"]) > 18
    assert not (place / "cache" / "tokens").exists()
    assert sum(map(len, prepare(recipe(place), date=DAY).examples.values())) == 30


def test_rows_that_change_after_a_start_refuse_the_verdict(place: Path) -> None:
    prepare(recipe(place), date=DAY)
    prepared = prepare(recipe(place), date=DAY)
    write_rows(place / "rows.jsonl", [*ROWS, {"prompt": "and now?", "answer": "more"}])
    with pytest.raises((Refusal, Problems), match="not those that this run began with"):
        prepared.examples["test"]


def test_a_template_that_is_missing_is_told_as_ever(place: Path) -> None:
    with pytest.raises(Misuse) as caught:
        prepare(recipe(place, f"data.template={place / 'missing.jinja'}"), date=DAY)
    assert caught.value.kind == "template.unreadable"


def test_what_is_refused_is_not_kept(place: Path, began: list[str]) -> None:
    write_rows(place / "rows.jsonl", [*ROWS, {"prompt": "no answer", "answer": " "}])
    for _ in range(2):
        assert not prepare(recipe(place), date=DAY).ok
    assert began == ["codec", "read"] * 2


def test_tokens_of_a_task_that_is_not_ours_are_not_kept(place: Path, began: list[str]) -> None:
    from tunesmith.tasks import chat

    (place / "mine").mkdir()
    (place / "mine" / "__init__.py").touch()
    (place / "mine" / "task.py").write_text(Path(chat.__file__).read_text().replace("from ..", "from tunesmith."))
    with pytest.MonkeyPatch.context() as patched:
        patched.syspath_prepend(str(place))
        for _ in range(2):
            prepare(recipe(place, "task=mine.task"), date=DAY)
    assert began == ["codec", "read"] * 2


def test_a_preview_of_kept_tokens_shows_the_texts(place: Path) -> None:
    first = preview(recipe(place), rows=50)
    assert len(first) == len(ROWS)
    assert preview(recipe(place), rows=50) == first
    for shown in first:
        assert "".join(token["text"] for token in shown["tokens"]) == shown["text"]
        assert any(token["supervised"] for token in shown["tokens"])


def start(place: str, barrier: Any, results: Any) -> None:
    barrier.wait()
    found = prepare(recipe(Path(place)), date=DAY)
    results.put((found.digests, bytes(found.documents["train"].arrays["ids"])))


def test_two_processes_may_start_at_once(place: Path) -> None:
    context = multiprocessing.get_context("fork")
    barrier, results = context.Barrier(2), context.Queue()
    processes = [context.Process(target=start, args=(str(place), barrier, results)) for _ in range(2)]
    for process in processes:
        process.start()
    one, other = results.get(timeout=60), results.get(timeout=60)
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    kept = prepare(recipe(place), date=DAY)
    assert one == other == (kept.digests, bytes(kept.documents["train"].arrays["ids"]))
    assert len(list((place / "cache" / "tokens").iterdir())) == 1
