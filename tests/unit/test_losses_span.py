"""The loss of start and end, held to transformers' own."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from questions import codec_of, model_of, questions
from tiny import tiny_encoder
from tunesmith.encoding.batches.packing import pack
from tunesmith.tasks import extract

SETTINGS = extract.Settings(stride=4)


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return tiny_encoder(tmp_path_factory.mktemp("span") / "base")


def windows(base, longest):
    """The windows of the questions, each with the index of its question."""
    examples = questions()
    codec = codec_of(base, longest)
    head = extract.head(examples, SETTINGS)
    encoded = enumerate(extract.encode(examples, codec, SETTINGS, head))
    return head, [replace(document, example=index) for index, (made, _) in encoded for document in made]


@pytest.mark.parametrize("longest", [512, 24])
def test_loss_and_gradients_are_those_of_transformers_in_double_precision(base, longest):
    head, documents = windows(base, longest)
    model = model_of(base, head, dtype=torch.float64)
    loss = extract.loss(model, pack(documents), SETTINGS)
    ours = loss.terms.sum() / loss.weights.sum()
    ours.backward()
    gradients = {name: weight.grad.clone() for name, weight in model.learns.items()}

    network = model.network
    network.zero_grad()
    theirs = sum(network(  # each window by itself, so that no padding takes part in their softmax
        input_ids=torch.from_numpy(document.ids)[None],
        token_type_ids=torch.from_numpy(document.token_columns["segment"])[None],
        start_positions=torch.tensor([int(document.document_columns["start"])]),
        end_positions=torch.tensor([int(document.document_columns["end"])]),
    ).loss for document in documents) / len(documents)
    theirs.backward()
    assert float(loss.weights.sum()) == len(documents)
    assert ours.item() == pytest.approx(theirs.item(), abs=1e-10)
    compared = {name: weight.grad for name, weight in network.named_parameters() if weight.grad is not None}
    assert set(compared) == {name for name, found in gradients.items() if found.abs().max() > 0}
    for name, gradient in compared.items():
        assert (gradients[name] - gradient).abs().max() <= 1e-10


def test_a_question_has_one_term_and_counts_as_many_windows_as_it_has(base):
    head, documents = windows(base, 24)
    loss = extract.loss(model_of(base, head), pack(documents), SETTINGS)
    count = [sum(document.example == index for document in documents) for index in range(len(questions()))]
    assert loss.weights.tolist() == count and max(count) > 1 and len(loss.terms) == len(count)
    assert all(document.weights.sum() == pytest.approx(1) for document in documents)
