"""Documents to batches: nothing lost, nothing mixed, and an order that resumes anywhere."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tunesmith.encoding.batches.flat import Flat
from tunesmith.encoding.batches.packing import batches, cut, pack
from tunesmith.encoding.documents.shift import document
from tunesmith.encoding.order import epoch_order, seed_for, total_steps
from tunesmith.errors import Failure
from tunesmith.records import Document, Order, Position


def make(example: int, length: int, *spans: tuple[int, int]) -> Document:
    return document(list(range(example * 100, example * 100 + length)), spans, text="", ends=[0] * length,
                    example=example)


DOCUMENTS = [make(0, 6, (3, 6)), make(1, 8, (2, 4)), make(1, 5, (4, 5)), make(2, 4, (1, 4))]


def test_a_batch_is_the_documents_without_the_rows_after_the_last_supervised_one():
    batch = pack(DOCUMENTS)
    assert batch.borders == (0, 5, 8, 12, 15)
    assert batch.ids.tolist() == [0, 1, 2, 3, 4, 100, 101, 102, 100, 101, 102, 103, 200, 201, 202]
    assert batch.positions.tolist() == [0, 1, 2, 3, 4, 0, 1, 2, 0, 1, 2, 3, 0, 1, 2]
    assert batch.document_of.tolist() == [0] * 5 + [1] * 3 + [2] * 4 + [3] * 3
    assert batch.targets[batch.supervised].tolist() == [3, 4, 5, 102, 103, 104, 201, 202, 203]
    assert (batch.example_ids, batch.examples.tolist()) == ((0, 1, 2), [0, 1, 1, 2])
    assert (batch.ids.dtype, batch.weights.dtype) == (torch.int64, torch.float32)
    assert batch.tokens == 15


def test_columns_travel_with_their_rows():
    plain = DOCUMENTS[0]
    told = Document(plain.ids, plain.targets, plain.weights, 0, token_columns={"old": np.arange(6.0)},
                    document_columns={"label": np.array(3)})
    batch = pack([told, told])
    assert batch.token_columns["old"].tolist() == [0, 1, 2, 3, 4] * 2
    assert batch.document_columns["label"].tolist() == [3, 3]


def test_a_document_without_weights_is_kept_whole():
    assert pack([make(0, 4)]).tokens == 4


@given(st.integers(1, 40))
def test_pieces_are_cut_between_examples_and_together_are_the_batch(tokens):
    batch = pack(DOCUMENTS, after=Position({"step": 1}))
    pieces = cut(batch, tokens)
    assert [example for piece in pieces for example in piece.example_ids] == [0, 1, 2]
    assert torch.cat([piece.ids for piece in pieces]).tolist() == batch.ids.tolist()
    assert all(piece.tokens <= tokens or len(piece.example_ids) == 1 for piece in pieces)
    assert all(piece.after == batch.after for piece in pieces)


def taken(examples: int, order: Order, position: Position | None = None):
    documents = [make(example, 4, (1, 3)) for example in range(examples)]
    found = batches(None, documents, None, order, position or Position({}))
    return [([int(start) // 100 for start in batch.ids[list(batch.borders[:-1])]], batch.after) for batch in found]


@settings(deadline=None)
@given(st.integers(1, 9), st.integers(1, 5), st.integers(1, 8), st.integers(0, 3))
def test_training_goes_on_from_any_position_as_if_it_had_not_stopped(examples, size, steps, seed):
    order = Order(batch_size=size, seed=seed, epochs=3, steps=steps)
    whole = taken(examples, order)
    assert len(whole) == steps
    for stopped in range(steps):
        assert taken(examples, order, whole[stopped][1]) == whole[stopped + 1 :]


def test_every_step_has_the_full_number_of_examples_and_each_epoch_every_example():
    order = Order(batch_size=4, seed=1, epochs=2, steps=5)
    found = taken(10, order)
    flat = [example for examples, _ in found for example in examples]
    assert all(len(examples) == 4 for examples, _ in found)
    assert sorted(flat[:10]) == sorted(flat[10:]) == list(range(10))
    assert flat[:10] != flat[10:]
    assert [after.done_share for _, after in found] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])


def test_examples_set_aside_are_passed_over_without_shuffling_anew():
    order = Order(batch_size=1, seed=1, epochs=1, steps=6)
    apart = Order(batch_size=1, seed=1, epochs=1, steps=5, set_aside=frozenset({3}))
    assert [found[0] for found in taken(6, apart)] == [found[0] for found in taken(6, order) if found[0] != [3]]


def test_nothing_left_to_train_on_is_said():
    with pytest.raises(Failure):
        taken(1, Order(batch_size=1, seed=1, epochs=1, steps=1, set_aside=frozenset({0})))


def test_documents_of_one_example_are_never_parted():
    order = Order(batch_size=1, seed=0, epochs=1, steps=3)
    found = list(batches(None, DOCUMENTS, None, order, Position({})))
    assert sorted(len(batch.documents) for batch in found) == [1, 1, 2]


@pytest.mark.parametrize(("examples", "size", "epochs", "steps", "expected"), [
    (10, 4, 1, None, 3), (10, 5, 3, None, 6), (10, 4, 0.1, None, 1), (100, 8, 3, 20, 20), (3, 8, 1, None, 1),
])
def test_the_steps_of_a_training_are_known_beforehand(examples, size, epochs, steps, expected):
    assert total_steps(examples, size, epochs, steps) == expected


def test_seeds_depend_on_their_names_and_on_nothing_else():
    assert seed_for(0, "shuffle", 1) == seed_for(0, "shuffle", 1)
    others = [(0, "shuffle", 2), (1, "shuffle", 1), (0, "dropout", 1), (0, "shuffle", 1)]
    assert len({seed_for(*names) for names in others}) == 4


def test_each_epoch_has_every_example_in_another_order():
    assert epoch_order(range(50), 3, 4) != epoch_order(range(50), 3, 5)
    assert sorted(epoch_order(range(50), 3, 4)) == list(range(50))


def synthetic(rows: int) -> Flat:
    """As many examples of eight tokens, every third of two documents."""
    examples = np.repeat(np.arange(rows), 1 + (np.arange(rows) % 3 == 0))
    count = len(examples)
    weights = np.tile(np.array([0, 0, 1, 1, 1, 1, 1, 0], np.uint8), count)
    return Flat({"ids": np.arange(8 * count, dtype=np.int32), "borders": np.arange(count + 1) * 8,
                 "examples": examples, "weights": weights})


def calls(rows: int) -> list[int]:
    """How many functions are called for each of three steps after the first."""
    order = Order(batch_size=8, seed=0, epochs=1, steps=5, set_aside=frozenset({1}))
    made = batches(None, synthetic(rows), None, order, Position({}))
    for piece in cut(next(made), 20):
        assert piece.tokens <= 20
    counts = []
    for _ in range(3):
        seen = [0]
        sys.setprofile(lambda frame, event, _, seen=seen: seen.__setitem__(0, seen[0] + (event in ("call", "c_call"))))
        try:
            batch = next(made)
            pieces = cut(batch, 20)
        finally:
            sys.setprofile(None)
        counts.append(seen[0] // len(batch.documents))
        assert sum(piece.tokens for piece in pieces) == batch.tokens
    return counts


def test_a_step_costs_the_same_however_many_rows_there_are():
    few, many = calls(1_000), calls(100_000)
    assert max(many) <= 1.1 * max(few)


def test_flat_documents_are_packed_as_the_documents_themselves():
    order = Order(batch_size=3, seed=2, epochs=2, steps=9)
    documents = synthetic(13)
    for flat, plain in zip(batches(None, documents, None, order, Position({})),
                           batches(None, list(documents), None, order, Position({})), strict=True):
        assert flat.ids.tolist() == plain.ids.tolist()
        assert flat.targets.tolist() == plain.targets.tolist()
        assert (flat.borders, flat.example_ids, flat.after) == (plain.borders, plain.example_ids, plain.after)
