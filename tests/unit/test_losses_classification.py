"""Losses of classes, labels and numbers are transformers' own, and so are their gradients."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from architectures import Wide
from tunesmith.encoding.batches.packing import pack
from tunesmith.encoding.documents.shift import NO_TARGET
from tunesmith.models import bases, heads, load
from tunesmith.models.adapters import full
from tunesmith.models.model import LanguageModel
from tunesmith.records import SEGMENT, Document, Head
from tunesmith.tasks import classify

LENGTHS = (7, 12, 5, 9)
SMALL = {"vocab_size": 90, "num_hidden_layers": 2, "num_attention_heads": 4, "hidden_size": 32, "dim": 32,
         "intermediate_size": 48, "hidden_dim": 48, "max_position_embeddings": 40, "initializer_range": 0.2,
         "pad_token_id": 1, "n_layers": 2, "n_heads": 4, "seq_classif_dropout": 0.0, "hidden_dropout_prob": 0.0,
         "attention_probs_dropout_prob": 0.0, "dropout": 0.0, "attention_dropout": 0.0, "num_key_value_heads": 2}
NETWORKS = ("Bert", "DistilBert", "Roberta", "Llama")
NAMES = ("cat", "dog", "hat")
PROBLEMS = {
    "single": (np.int64, [2, 0, 1, 2]),
    "multi": (np.float32, [[1, 0, 1], [0, 0, 0], [1, 1, 1], [0, 1, 0]]),
    "regression": (np.float32, [0.5, -1.25, 3.0, 2.0]),
}


def network(name: str, head: Head):
    import transformers

    config = getattr(transformers, f"{name}Config")(**SMALL, **heads.configuration(head))
    torch.manual_seed(0)
    return getattr(transformers, f"{name}ForSequenceClassification")(config).double().eval()


def documents(problem: str, pairs: bool) -> list[Document]:
    rng = np.random.default_rng(1)
    dtype, learnt = PROBLEMS[problem]
    made = []
    for place, length in enumerate(LENGTHS):
        weights = np.zeros(length, np.float32)
        weights[0] = 1
        segments = (np.arange(length) >= length // 2).astype(np.int64) * pairs
        made.append(Document(
            rng.integers(3, 90, length), np.full(length, NO_TARGET), weights, place, both_ways=True,
            token_columns={SEGMENT: segments}, document_columns={"learnt": np.asarray(learnt[place], dtype)}))
    return made


def own_loss(alone, made: list[Document], problem: str) -> torch.Tensor:
    """What transformers says of a padded batch of the same rows."""
    dtype, learnt = PROBLEMS[problem]
    longest = max(LENGTHS)
    ids = torch.ones(len(made), longest, dtype=torch.long)
    mask, types = torch.zeros_like(ids), torch.zeros_like(ids)
    for place, each in enumerate(made):
        ids[place, : len(each)] = torch.from_numpy(each.ids)
        mask[place, : len(each)] = 1
        types[place, : len(each)] = torch.from_numpy(each.token_columns[SEGMENT])
    told = {"token_type_ids": types} if getattr(alone.config, "type_vocab_size", 0) > 1 else {}
    labels = torch.tensor(learnt, dtype=torch.long if dtype is np.int64 else torch.double)
    return alone(input_ids=ids, attention_mask=mask, labels=labels, **told).loss


@pytest.mark.parametrize("problem", PROBLEMS)
@pytest.mark.parametrize("name", NETWORKS)
def test_loss_and_gradients_are_those_of_transformers(name, problem, tmp_path):
    head = Head("sequence", () if problem == "regression" else NAMES, problem, counts=(1, 1, 2), rows=4)
    made = documents(problem, pairs=name == "Bert")
    alone = network(name, head)
    with Wide():  # Llama's norms and rotation compute in float32 else
        wanted = own_loss(alone, made, problem)
        wanted.backward()

    alone.save_pretrained(tmp_path)
    opened = load.network(bases.find(str(tmp_path)), dtype=torch.float64, device=torch.device("cpu"), head=head)
    ours = LanguageModel(opened, full, full.Settings(), seed=0, head=head)
    with Wide():
        found = classify.loss(ours, pack(made), classify.Settings())
        mean = found.terms.sum() / found.weights.sum()
        mean.backward()
    assert found.weights.tolist() == [1] * 4
    assert mean.item() == pytest.approx(wanted.item(), rel=1e-12)
    gradients = dict(ours.network.named_parameters())
    for weight, wanted in alone.named_parameters():
        if wanted.grad is not None:
            torch.testing.assert_close(gradients[weight].grad, wanted.grad, rtol=1e-9, atol=1e-12, msg=weight)


def test_weights_of_classes_count_as_in_torch():
    head = Head("sequence", NAMES, "single", counts=(1, 1, 2), rows=4)
    batch = pack(documents("single", pairs=False))
    outputs, classes = torch.randn(4, 3, dtype=torch.double), torch.tensor(PROBLEMS["single"][1])
    model = Said(head, outputs)
    for weights, wanted in ((  # balanced: rows / (classes * rows of the class)
            "balanced", [4 / 3, 4 / 3, 2 / 3]), ({"dog": 5.0}, [1, 5, 1])):
        found = classify.loss(model, batch, classify.Settings(weights=weights))
        torch.testing.assert_close(
            found.terms.sum() / found.weights.sum(),
            torch.nn.functional.cross_entropy(outputs, classes, torch.tensor(wanted, dtype=torch.double)))


def test_balanced_labels_weigh_the_rows_that_have_them_as_much_as_all_others():
    head = Head("sequence", NAMES, "multi", counts=(2, 2, 1), rows=4)
    batch = pack(documents("multi", pairs=False))
    outputs, right = torch.randn(4, 3, dtype=torch.double), torch.tensor(PROBLEMS["multi"][1], dtype=torch.double)
    found = classify.loss(Said(head, outputs), batch, classify.Settings(weights="balanced"))
    wanted = torch.nn.functional.binary_cross_entropy_with_logits(
        outputs, right, pos_weight=torch.tensor([1, 1, 3], dtype=torch.double))
    torch.testing.assert_close(found.terms.sum() / found.weights.sum(), wanted)


def test_an_example_that_a_batch_holds_twice_has_one_term_that_counts_twice():
    [first, second, *_] = documents("single", pairs=False)
    model = Said(Head("sequence", NAMES, "single"), torch.eye(3, dtype=torch.double))
    found = classify.loss(model, pack([first, second, first]), classify.Settings())
    assert found.terms.shape == (2,)
    assert found.weights.tolist() == [2, 1]


class Said:
    """A model that says what it is told to."""

    def __init__(self, head: Head, outputs: torch.Tensor) -> None:
        self.head, self._outputs = head, outputs

    def outputs(self, batch, rows=None):
        return self._outputs
