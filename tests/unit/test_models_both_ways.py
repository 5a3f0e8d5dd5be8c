"""Networks that read both ways: however their documents are laid, they say what transformers says of each alone."""

from __future__ import annotations

from contextlib import nullcontext

import pytest
import torch

import architectures
from architectures import HEAD
from tunesmith.errors import Refusal
from tunesmith.kernels import attention
from tunesmith.models import bases, heads, layouts, load
from tunesmith.models.adapters import full, lora
from tunesmith.models.layouts import Layout
from tunesmith.models.model import LanguageModel
from tunesmith.records import Head

CPU = torch.device("cpu")
LENGTHS = (3, 9, 1, 30, 12, 5, 21, 8, 11)  # more rows than the networks have positions
HEADS = {"sequence": Head("sequence", HEAD.labels, "single"), "token": HEAD, "span": Head("span"), "none": Head("none")}


def opened(folder, name, head=HEAD, dtype=torch.float64, adapter=full, dropout=0.0):
    """A model of a tiny network with a head, and the network as transformers made it; additions are not at zero."""
    with architectures.Wide():
        network = architectures.network_of(name).to(dtype)
    network.save_pretrained(folder)
    loaded = load.network(bases.find(str(folder)), dtype=dtype, device=CPU, head=head, dropout=dropout)
    with architectures.Wide() if dtype == torch.float64 else nullcontext():
        model = LanguageModel(loaded, adapter, adapter.Settings(), seed=0, head=head)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for key, weight in model.learns.items():
            if "lora_" in key:
                weight.copy_(torch.randn(weight.shape, generator=generator) * 0.1)
    model.publish()
    return model, network


def learnt(model, batch):
    """The loss of a batch, and the gradients it leaves."""
    model.zero()
    with architectures.Wide() if model.network.dtype == torch.float64 else nullcontext():
        loss = architectures.loss_of(model, batch)
        loss.backward()
    model.gradients()
    return loss.item(), {name: master.grad.clone() for name, master in model.learns.items()}


@pytest.mark.parametrize("name", ["BERT", "RoBERTa", "XLM-RoBERTa", "DistilBERT", "ALBERT"])
def test_packed_padded_and_one_at_a_time_are_transformers_own_in_loss_and_gradients(tmp_path, name):
    model, network = opened(tmp_path, name)
    batch = architectures.batch_of(LENGTHS)
    assert model.layout.kind == "packed" and batch.tokens > network.config.max_position_embeddings
    with architectures.Wide():
        wanted = architectures.transformers_own(network, batch, name)
    gradients = {key: weight.grad for key, weight in network.named_parameters()}
    for kind in ("packed", "padded", "apart"):
        model.layout = Layout(kind, "")
        layouts.prepare(model.network, model.layout)
        loss, found = learnt(model, batch)
        assert loss == pytest.approx(wanted, rel=1e-12)
        assert architectures.error_of(found, gradients) < 1e-10


@pytest.mark.parametrize("kind", HEADS)
@pytest.mark.parametrize("name", ["BERT", "RoBERTa", "ALBERT"])
def test_outputs_and_states_are_those_of_each_document_alone(tmp_path, name, kind):
    head, batch = HEADS[kind], architectures.batch_of(LENGTHS)
    model, _ = opened(tmp_path, name, head, dtype=torch.float32)
    assert model.layout.kind == "packed"
    network = model.network
    states, outputs = model.states(batch), None if kind == "none" else model.outputs(batch)
    with torch.no_grad(), layouts.eager(network):
        for number, (start, end) in enumerate(zip(batch.borders, batch.borders[1:], strict=False)):
            segments = layouts.segments(network, batch)
            told = {} if segments is None else {"token_type_ids": segments[None, start:end]}
            under = network.base_model(input_ids=batch.ids[None, start:end], **told)
            torch.testing.assert_close(states[start:end], under.last_hidden_state[0], rtol=0, atol=2e-5)
            if outputs is None:
                continue
            said = network(input_ids=batch.ids[None, start:end], **told)
            own = torch.stack([said.start_logits[0], said.end_logits[0]], -1) if kind == "span" else said.logits[0]
            ours = outputs[number] if kind == "sequence" else outputs[start:end]
            torch.testing.assert_close(ours, own, rtol=0, atol=2e-5)


def test_a_causal_base_without_padding_can_carry_a_head_that_reads_the_last_row(tmp_path):
    architectures.network_of("Llama", pad_token_id=None).float().save_pretrained(tmp_path)
    head = HEADS["sequence"]
    network = load.network(bases.find(str(tmp_path)), dtype=torch.float32, device=CPU, head=head)
    model = LanguageModel.frozen(network, head)
    assert model.layout.kind == "packed"
    batch = architectures.batch_of((4, 7))
    wanted = [network(input_ids=batch.ids[None, a:b]).logits[0] for a, b in ((0, 4), (4, 11))]
    torch.testing.assert_close(model.outputs(batch), torch.stack(wanted), rtol=0, atol=1e-5)


def test_segments_reach_the_network_packed_and_padded(tmp_path):
    model, _ = opened(tmp_path, "BERT")
    batch = architectures.batch_of((6, 9))
    before = model.states(batch)
    batch.token_columns["segment"].zero_()
    assert not torch.allclose(before, model.states(batch))
    packed = model.states(batch)
    model.layout = Layout("padded", "")
    layouts.prepare(model.network, model.layout)
    torch.testing.assert_close(model.states(batch), packed, rtol=0, atol=1e-12)


def test_attention_that_takes_both_ways_for_one_is_told_and_the_documents_are_padded(tmp_path, monkeypatch):
    monkeypatch.setattr(attention, "is_causal", lambda module: True)
    model, _ = opened(tmp_path, "BERT", dtype=torch.float32)
    assert model.layout.kind == "padded" and "packed, its answers differ by" in model.layout.why


def test_a_head_that_is_read_in_another_way_than_its_network_does_is_refused(tmp_path, monkeypatch):
    read = heads.read
    monkeypatch.setattr(heads, "read", lambda network, states, head: read(network, states * 1.1, head))
    with pytest.raises(Refusal, match="its answers differ by"):
        opened(tmp_path, "BERT", dtype=torch.float32)


def test_what_is_likely_is_said_of_a_base_with_a_head(tmp_path):
    for name in ("BERT", "MPNet"):
        architectures.network_of(name).save_pretrained(tmp_path / name)
    said = {name: layouts.of_base(bases.find(str(tmp_path / name)), HEAD).kind for name in ("BERT", "MPNet")}
    assert said == {"BERT": "packed", "MPNet": "padded"}


def test_a_base_that_was_saved_without_a_pooler_is_given_one(tmp_path):
    import transformers

    config = transformers.BertConfig(**architectures.SMALL)
    transformers.BertForMaskedLM(config).save_pretrained(tmp_path)
    head = HEADS["sequence"]
    network = load.network(bases.find(str(tmp_path)), dtype=torch.float32, device=CPU, head=head)
    assert LanguageModel.frozen(network, head).layout.kind == "packed"


@pytest.mark.parametrize("adapter", [lora, full], ids=["lora", "full"])
@pytest.mark.parametrize("without", ["block", "tail", "buffers", "native", "attention"])
def test_an_idea_that_is_left_out_changes_no_gradient(tmp_path, monkeypatch, adapter, without):
    batch = architectures.batch_of(LENGTHS)
    model, _ = opened(tmp_path / "with", "BERT", adapter=adapter)
    assert [path.reason for path in model.paths] == ["of BERT's family"] * 2
    loss, gradients = learnt(model, batch)
    monkeypatch.setenv("TUNESMITH_WITHOUT", without)
    other_loss, others = learnt(opened(tmp_path / "without", "BERT", adapter=adapter)[0], batch)
    assert loss == pytest.approx(other_loss, rel=1e-12)
    assert architectures.error_of(gradients, others) < 1e-10


@pytest.mark.parametrize("adapter", [lora, full], ids=["lora", "full"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_in_few_digits_the_gradients_are_those_of_many_within_rounding(tmp_path, adapter, dtype):
    batch = architectures.batch_of(LENGTHS)
    exact_loss, exact = learnt(opened(tmp_path / "exact", "BERT", adapter=adapter)[0], batch)
    loss, gradients = learnt(opened(tmp_path / "short", "BERT", adapter=adapter, dtype=dtype)[0], batch)
    allowed = {torch.float32: 1e-4, torch.bfloat16: 0.1}[dtype]
    assert loss == pytest.approx(exact_loss, rel=allowed / 5)
    whole, others = (torch.cat([each[name].double().flatten() for name in exact]) for each in (gradients, exact))
    assert float((whole - others).norm() / others.norm()) < allowed


def test_only_the_rows_wanted_pass_the_last_layer_and_all_their_gradients_are_right(tmp_path):
    batch, rows = architectures.batch_of(LENGTHS), torch.tensor([40, 0, 70])
    model, _ = opened(tmp_path, "DistilBERT")
    found = []
    with architectures.Wide():
        for states in (lambda: model.states(batch, rows), lambda: model.states(batch)[rows]):
            model.zero()
            states().square().sum().backward()
            found.append({name: weight.grad for name, weight in model.learns.items() if weight.grad is not None})
    assert architectures.error_of(*found) < 1e-10


def test_a_base_with_dropout_computes_as_transformers_does_and_drops_while_it_learns_only(tmp_path):
    model, _ = opened(tmp_path, "BERT", dtype=torch.float32, dropout=0.3)
    assert {path.fast for path in model.paths} == {False} and "has dropout" in model.paths[0].reason
    batch = architectures.batch_of(LENGTHS)
    with torch.no_grad():
        said = model.states(batch)
        with model.learning():
            torch.manual_seed(1)
            first, second = model.states(batch), model.states(batch)
            torch.manual_seed(1)
            again = model.states(batch)
    assert torch.equal(said, model.states(batch)) and torch.equal(first, again) and not torch.equal(first, second)


def test_a_base_drops_what_the_recipe_says_and_by_itself_nothing(tmp_path):
    import transformers

    config = transformers.BertConfig(**architectures.SMALL, hidden_dropout_prob=0.2)
    transformers.BertModel(config).save_pretrained(tmp_path)
    base = bases.find(str(tmp_path))
    for dropout, wanted in ((0.0, {0.0}), (0.4, {0.4}), (None, {0.1, 0.2})):
        network = load.network(base, dtype=torch.float32, device=CPU, head=HEAD, dropout=dropout)
        assert {each.p for each in network.modules() if isinstance(each, torch.nn.Dropout)} == wanted


def test_a_base_tuned_for_other_labels_can_be_tuned_for_these(tmp_path):
    architectures.network_of("BERT").float().save_pretrained(tmp_path)
    head = Head("token", ("x", "y"))
    network = load.network(bases.find(str(tmp_path)), dtype=torch.float32, device=CPU, head=head)
    assert network.classifier.weight.shape == (2, 32) and network.config.id2label == {0: "x", 1: "y"}
