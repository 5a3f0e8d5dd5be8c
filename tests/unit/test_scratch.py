"""Arrays that grow: the same numbers in memory and in a file, and documents that lie in one."""

from __future__ import annotations

import numpy as np
import pytest

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
