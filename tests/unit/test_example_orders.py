"""The demo's data: the same every time, honest, and small enough."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "orders"


@pytest.fixture(scope="module")
def orders(tmp_path_factory) -> tuple[list[dict], list[dict]]:
    """What is learnt from, and what is judged by."""
    folder = tmp_path_factory.mktemp("orders")
    generator().main(folder)
    return tuple([json.loads(line) for line in (folder / name).read_text().splitlines()]
                 for name in ("orders.jsonl", "orders-test.jsonl"))


def generator():
    found = importlib.util.spec_from_file_location("generate", EXAMPLE / "generate.py")
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


def test_the_same_data_come_every_time(tmp_path):
    for name in ("a", "b"):
        generator().main(tmp_path / name)
    for file in ("orders.jsonl", "orders-test.jsonl"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_no_order_is_both_learnt_and_judged(orders):
    learnt, judged = ({order["prompt"] for order in side} for side in orders)
    assert len(judged) == 64
    assert not learnt & judged


def test_the_answer_says_what_the_text_says(orders):
    for order in (*orders[0], *orders[1]):
        answer = json.loads(order["answer"])
        assert list(answer) == ["customer", "items", "city", "day"]
        for said in (answer["customer"], answer["city"], answer["day"], *answer["items"]):
            assert said in order["prompt"]


def test_an_answer_fits_into_64_tokens_and_the_training_into_80000(orders):
    # In this text the base's tokenizer makes a token of at least two characters on average; 40 go to the template.
    assert max(len(order["answer"]) for order in orders[0] + orders[1]) / 2 <= 64 + 8
    assert sum((len(order["prompt"]) + len(order["answer"])) / 2 + 40 for order in orders[0]) <= 80_000
