"""What every file of `tasks/` promises."""

from __future__ import annotations

import importlib
import json
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import get_args

import pytest
import torch
from pydantic import BaseModel

import tunesmith
from tiny import tiny_base, tiny_encoder, tiny_t5
from tunesmith import catalog
from tunesmith.contracts import Given
from tunesmith.encoding.batches.packing import cut as pieces
from tunesmith.encoding.batches.packing import pack
from tunesmith.encoding.documents.masking import PART
from tunesmith.inference.scoring import loss_of
from tunesmith.records import OF_TARGET, Conversation, Example, Labelled, Order, Pair, Position, Question, Tagged, Text

TASKS = {name: importlib.import_module(f"tunesmith.tasks.{name}") for name in catalog.names("task")}
ROWS = {
    Pair: [{"prompt": f"Day {n}?", "answer": f"On day {n} we count {n} hats."} for n in range(20)],
    Text: [{"text": f"On day {n} we count {n} hats, and {n + 1} shoes."} for n in range(20)],
    Conversation: [{"messages": [{"role": "user", "content": f"Day {n}?"},
                                 {"role": "assistant", "content": f"We count {n} hats."}]} for n in range(20)],
    Labelled: [{"text": ("Two red shirts go to Anna in May.", "What is the capital of France?")[n % 2] * (1 + n % 3),
                "label": ("order", "question")[n % 2]} for n in range(20)],
    Tagged: [{"tokens": ["On", "day", str(n), "Anna" if n % 2 else "we", "count", "hats"],
              "ner_tags": ["O", "O", "O", "B-PER" if n % 2 else "O", "O", "O"]} for n in range(20)],
    Question: [{"question": "What do we count?", "context": f"On day {n} we count {n} hats in Baku.",
                "answers": {"text": [f"{n} hats"], "answer_start": [17 + len(str(n))]}} for n in range(20)],
}
TASKS = {name: module for name, module in TASKS.items() if ROWS.keys() & set(module.takes)}
OPTIONS = {"several": {"parts": {"train": "completion"}}}  # what a task cannot do without
START = Position(cursor={"epoch": 0, "index": 0, "step": 0})


@pytest.fixture(scope="module")
def bases(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("tasks")
    return {"writes": tiny_base(folder / "writes"), "reads both ways": tiny_encoder(folder / "reads"),
            "seq2seq": tiny_t5(folder / "both"), "denoise": tiny_t5(folder / "gaps", sentinels=12)}


@pytest.fixture(params=TASKS)
def task(request) -> str:
    return request.param


@pytest.fixture
def steps(task, bases, tmp_path) -> tunesmith.Steps:
    """The training of a toy of 20 rows, in double precision's stead float32, without dropout."""
    rows = next(rows for kind, rows in ROWS.items() if kind in TASKS[task].takes)
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    writes = TASKS[task].generates or task == "several"
    base = bases[task if task in bases else "writes" if writes else "reads both ways"]
    return tunesmith.steps(tunesmith.load_recipe({
        "base": {"name": str(base), "dtype": "float32"}, "task": {"type": task, **OPTIONS.get(task, {})},
        "data": {"train": str(tmp_path / "rows.jsonl"), "validation": 0, "test": 0},
        "adapter": {"type": "full"},
        "training": {"learning_rate": 1e-2 if TASKS[task].generates or task == "masked" else 3e-3, "steps": 30,
                     "epochs": 99, "batch_size": 5, "max_length": 128},
    }))


def test_a_task_offers_what_the_contract_names(task):
    module = TASKS[task]
    assert module.takes and set(module.takes) <= set(get_args(Example))
    assert module.cut in ("between examples", "whole")
    assert module.metrics or task == "several"
    assert all(metric.needs in ("loss", "text", "output") for metric in module.metrics)
    assert issubclass(module.Settings, BaseModel) and module.Settings.__doc__
    assert isinstance(module.generates, bool)
    for name in ("head", "encode", "proof", "prepare", "batches", "loss", "predict", "baselines"):
        assert callable(vars(module)[name])


def test_a_toy_is_learnt(steps):
    before = steps.measure("train")
    for step in steps:
        assert step.weight > 0
    assert steps.measure("train") < before / 2


def test_every_document_has_something_to_learn_and_targets_that_are_its_next_tokens_or_labels(steps):
    labels = len(steps._session.prepared.head.labels)
    for document in steps._session.documents:
        assert document.weights.any()
        if OF_TARGET in document.token_columns:
            learnt = document.weights > 0
            assert (document.targets[learnt] == document.ids[learnt]).all()
            continue
        if PART in document.token_columns:  # hidden words: targets are the tokens that stand there
            seen = document.weights == 0
            assert (document.targets[seen] == document.ids[seen]).all()
            continue
        if document.both_ways:
            assert (document.targets[document.weights > 0] < max(labels, 1)).all()
            continue
        learnt = document.weights[:-1] > 0
        assert (document.targets[:-1][learnt] == document.ids[1:][learnt]).all()


def test_the_terms_are_the_same_however_a_batch_is_packed_or_cut(steps, task):
    session = steps._session
    if TASKS[task].cut == "whole":
        assert session.cut(batch := pack(session.documents)) == [batch]
        return
    loss = loss_of(session.model, session.recipe.task.module, session.recipe.task.settings)
    whole = loss(pack(session.documents))
    alone = [loss(pack([document])) for document in session.documents]
    apart = [loss(piece) for piece in pieces(pack(session.documents), 64)]
    assert len(apart) > 2
    for parts in (alone, apart):
        torch.testing.assert_close(torch.cat([part.terms for part in parts]), whole.terms, rtol=2e-4, atol=2e-4)
        assert torch.cat([part.weights for part in parts]).tolist() == whole.weights.tolist()


def test_the_data_goes_on_from_any_position_as_if_nothing_had_happened(steps):
    session = steps._session
    module, settings = session.recipe.task.module, session.recipe.task.settings
    order: Order = replace(session.order, steps=8)

    def after(position: Position) -> list[tuple[int, ...]]:
        found = module.batches(session.model, session.documents, settings, order, position,
                               given=Given(lambda: session.prepared.codec))
        return [(batch.example_ids, batch.after) for batch in islice(found, 8)]

    whole = after(START)
    for number, (_, position) in enumerate(whole, 1):
        written = replace(position, cursor=json.loads(json.dumps(position.cursor)))
        assert after(written)[: len(whole) - number] == whole[number:]


def test_answers_come_for_examples_that_have_one(steps, task):
    session = steps._session
    examples = [example for example in session.prepared.examples["train"] if not isinstance(example, Text)][:3]
    found = list(TASKS[task].predict(
        session.model, examples, session.recipe.task.settings, given=Given(lambda: session.prepared.codec),
        max_new_tokens=4, batch_size=2))
    assert sorted(each.example for each in found) == list(range(len(examples)))
    assert all(each.reference and each.answered and each.tokens <= 4 for each in found)
    writes = TASKS[task].generates or task == "several"
    assert all(each.stopped_by in (("end", "length") if writes else ("",)) for each in found)
