"""Vectors of documents: computed in pieces, with the gradients of the whole."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
import torch

from tiny import SENTENCES, tiny_encoder
from tunesmith.encoding.documents import sentences
from tunesmith.losses import contrast
from tunesmith.models import bases, load, vectors
from tunesmith.models.adapters import full
from tunesmith.models.model import LanguageModel
from tunesmith.records import Head

WORDS = " ".join(SENTENCES).split()
TEXTS = [" ".join(WORDS[start : start + 2 + start % 7]) for start in range(24)]
KEYS = torch.arange(24).view(12, 2)


def opened(folder: Path, *, dropout: float = 0.0) -> LanguageModel:
    base = bases.find(str(tiny_encoder(folder)))
    network = load.network(base, dtype=torch.float64, device=torch.device("cpu"), head=Head("none"), dropout=dropout)
    return LanguageModel(network, full, full.Settings(), seed=0, head=Head("none"))


@pytest.fixture
def codec(tmp_path):
    return load.codec(bases.find(str(tiny_encoder(tmp_path / "codec"))), None, datetime(2026, 1, 1))


@pytest.fixture
def documents(codec):
    return sentences.documents(TEXTS, codec, "mean")


def learnt(model: LanguageModel, found: torch.Tensor) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """The loss of these vectors and the gradients that it leaves."""
    model.zero()
    terms = contrast.in_batch(found[0::2], found[1::2], KEYS, temperature=0.05, symmetric=True)
    terms.sum().backward()
    model.gradients()
    return terms.detach(), {name: weight.grad for name, weight in model.learns.items()}


def assert_same(one, other, tolerance=1e-10):
    torch.testing.assert_close(one[0], other[0], rtol=tolerance, atol=tolerance)
    assert one[1].keys() == other[1].keys()
    for name, gradient in one[1].items():
        torch.testing.assert_close(gradient, other[1][name], rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("tokens", [1, 13, 40, 100])
def test_pieces_of_any_size_give_the_gradients_of_the_whole(tmp_path, documents, tokens):
    model = opened(tmp_path / "base")
    whole = learnt(model, vectors.of_documents(model, documents, tokens=10_000))
    assert_same(learnt(model, vectors.of_documents(model, documents, tokens=tokens)), whole)


def test_both_passes_of_a_piece_draw_the_same_random_numbers(tmp_path, documents):
    model = opened(tmp_path / "base", dropout=0.3)

    def drawn(found_of) -> tuple:
        torch.manual_seed(3)
        with model.learning():
            return learnt(model, found_of())

    in_pieces = drawn(lambda: vectors.of_documents(model, documents, tokens=40))
    held, vectors._InPieces = vectors._InPieces, Held
    try:
        assert_same(in_pieces, drawn(lambda: vectors.of_documents(model, documents, tokens=40)))
    finally:
        vectors._InPieces = held
    without = learnt(model, vectors.of_documents(model, documents, tokens=40))
    assert not torch.allclose(in_pieces[0], without[0])


class Held:
    """The same pieces, their graphs all kept."""

    @staticmethod
    def apply(reached, model, pieces):
        return torch.cat([vectors._vectors(model, piece) for piece in pieces])


def test_random_numbers_after_a_batch_are_those_of_one_pass(tmp_path, documents):
    model = opened(tmp_path / "base", dropout=0.3)
    torch.manual_seed(3)
    with model.learning():
        found = vectors.of_documents(model, documents, tokens=40)
        before = torch.get_rng_state()
        found.sum().backward()
    assert torch.equal(torch.get_rng_state(), before)


def test_the_graph_that_is_held_does_not_grow_with_the_batch(tmp_path, documents):
    model = opened(tmp_path / "base")
    held = []
    for count in (4, 24):
        kept: list[int] = []
        with torch.autograd.graph.saved_tensors_hooks(lambda tensor, kept=kept: kept.append(tensor.numel()) or tensor,
                                                      lambda tensor: tensor):
            found = vectors.of_documents(model, documents[:count], tokens=20)
        assert found.requires_grad
        held.append(sum(kept))
    assert held == [4, 24]  # the documents' places


@pytest.mark.parametrize(("pooling", "part"), [("mean", slice(None)), ("cls", slice(0, 1)), ("last", slice(-1, None))])
def test_a_vector_is_transformers_states_brought_to_length_1(tmp_path, codec, pooling, part):
    from transformers import AutoModel

    model = opened(tmp_path / "base")
    plain = AutoModel.from_pretrained(tmp_path / "base", dtype=torch.float64).eval()
    documents = sentences.documents(TEXTS, codec, pooling)
    found = vectors.of_documents(model, documents, tokens=50)
    for document, vector in zip(documents, found, strict=True):
        states = plain(torch.tensor(document.ids)[None]).last_hidden_state[0, part].mean(0)
        torch.testing.assert_close(vector, states / states.norm(), rtol=1e-6, atol=1e-6)


def test_vectors_stand_in_the_order_of_their_documents(tmp_path, documents):
    model = opened(tmp_path / "base")
    turned = [replace(document, example=7) for document in documents[::-1]]
    one, other = (vectors.of_documents(model, each, tokens=30) for each in (documents, turned))
    np.testing.assert_allclose(one.detach().numpy(), other.detach().numpy()[::-1], atol=1e-10)
