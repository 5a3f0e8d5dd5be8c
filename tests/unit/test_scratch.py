"""Arrays longer than memory should hold give the numbers that numpy gives of whole ones; documents lie in them."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from tunesmith import scratch
from tunesmith.encoding.batches.flat import Flattening
from tunesmith.encoding.documents.shift import NO_TARGET
from tunesmith.records import Document
from tunesmith.scratch import Growing


@pytest.mark.parametrize("held", [0, 50, 10**6])
@pytest.mark.parametrize("shape", [(), (3,)])
def test_rows_are_the_same_wherever_they_lie(held, shape):
    array, parts = Growing(np.int32, shape, held=held), [np.arange(6 * rows).reshape(-1, 3) for rows in (2, 0, 5)]
    parts = [part if shape else part[:, 0] for part in parts]
    for part in parts:
        array.append(part)
    array.zeros(4)
    wanted = np.concatenate([*parts, np.zeros((4, *shape))])
    assert array.whole().dtype == np.int32 and (array.whole() == wanted).all()
    array.append(parts[0])
    assert (array.whole() == np.concatenate([wanted, parts[0]])).all()
    assert Growing(np.uint8, shape, held=held).whole().shape == (0, *shape)


KEYS = st.one_of(arrays.arrays(np.uint64, st.integers(0, 40), elements=st.integers(0, (1 << 64) - 1)),
                 arrays.arrays(np.uint64, st.integers(0, 40), elements=st.integers(7, 12)),
                 arrays.arrays(np.int64, st.integers(0, 40), elements=st.integers(0, 60)))


@pytest.fixture(params=[(1, 0), (5, 0), (1 << 19, 1 << 22)], ids=["one by one", "in parts", "whole"])
def in_parts(request, monkeypatch):
    at_once, held = request.param
    monkeypatch.setattr(scratch, "AT_ONCE", at_once)
    monkeypatch.setattr(scratch, "HELD_BYTES", held)
    monkeypatch.setattr(scratch.Growing.__init__, "__kwdefaults__", {"held": held})


@pytest.mark.usefixtures("in_parts")
@given(KEYS, KEYS)
def test_what_is_done_in_parts_is_what_numpy_does_at_once(keys, others):
    first, which = scratch.distinct(keys)
    _, wanted, inverse = np.unique(keys, return_index=True, return_inverse=True)
    assert first.tolist() == wanted.tolist() and which.tolist() == inverse.tolist()
    assert scratch.common(keys, others.astype(keys.dtype)).tolist() == sorted({*keys.tolist()} & {*others.tolist()})
    assert scratch.taken(keys, first).tolist() == np.unique(keys).tolist()
    assert scratch.places(keys, lambda some: some > 9).tolist() == np.flatnonzero(keys > 9).tolist()
    assert scratch.collected(iter(keys.tolist()), keys.dtype).tolist() == keys.tolist()
    assert scratch.filled(len(keys), 3, np.int8).tolist() == [3] * len(keys)


@pytest.mark.usefixtures("in_parts")
@given(KEYS)
@example(np.array([0, 0, 1, 2, 3, 5, 7, 1 << 63, (1 << 64) - 1], np.uint64))
def test_ranges_hold_every_index_once_and_equal_keys_together(keys):
    found = list(scratch.ranges(keys))
    assert sorted(np.concatenate([*found, np.zeros(0, np.int64)]).tolist()) == list(range(len(keys)))
    assert all((np.diff(part) > 0).all() for part in found)
    ends = [(keys[part].min(), keys[part].max()) for part in found]
    assert all(before[1] < after[0] for before, after in pairwise(ends))


def documents() -> list[Document]:
    made = []
    for index, length in enumerate([3, 5, 1, 4]):
        ids = np.arange(length) + 10 * index
        weights = np.ones(length, np.float32) * (0.5 if index == 2 else 1)
        targets = np.append(ids[1:], NO_TARGET) if index != 1 else ids
        columns = {"segment": ids + 1} if index > 0 else {}
        of = {"label": np.float32(index)} if index != 3 else {}
        made.append(Document(ids, targets, weights, index, token_columns=columns, document_columns=of,
                             both_ways=index == 1))
    return made


def test_documents_come_back_from_memory_and_from_files_alike(monkeypatch):
    def flat():
        taken = Flattening()
        for document in documents():
            taken.take([document], document.example)
        return taken.flat()

    near = flat()
    monkeypatch.setattr(scratch.Growing.__init__, "__kwdefaults__", {"held": 0})
    far = flat()
    assert near.arrays.keys() == far.arrays.keys() >= {"targets", "token/segment", "document/label", "both_ways"}
    assert all((near.arrays[name] == far.arrays[name]).all() and near.arrays[name].dtype == far.arrays[name].dtype
               for name in near.arrays)
    for made, document in zip(far, documents(), strict=True):
        assert (made.ids == document.ids).all() and (made.targets == document.targets).all()
        assert (made.weights == document.weights).all() and made.both_ways == document.both_ways
        segment = document.token_columns.get("segment", np.zeros(len(document)))
        assert (made.token_columns["segment"] == segment).all()
        assert made.document_columns["label"] == document.document_columns.get("label", 0)


def test_what_follows_from_the_ids_is_not_kept():
    taken = Flattening()
    for document in documents()[3:]:
        taken.take([document], 0)
    assert taken.flat().arrays.keys() == {"ids", "weights", "borders", "examples", "token/segment"}
    assert taken.flat().arrays["weights"].dtype == np.uint8
