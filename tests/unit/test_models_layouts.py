"""How documents are laid before a network: packed, padded or one by one, and who decides."""

from __future__ import annotations

import json

import pytest
import torch

import architectures
from tiny import tiny_base
from tunesmith.errors import Refusal
from tunesmith.kernels import attention
from tunesmith.models import bases, layouts, load, padded, probe
from tunesmith.models.adapters import lora
from tunesmith.models.layouts import Layout
from tunesmith.models.model import LanguageModel

CPU = torch.device("cpu")
LENGTHS = (3, 9, 1, 30, 12, 5, 21, 8, 11)


def opened(folder, name, dtype=torch.float32, **changes):
    architectures.network_of(name, **changes).to(dtype).save_pretrained(folder)
    return load.network(bases.find(str(folder)), dtype=dtype, device=CPU)


def test_every_document_is_in_one_group_and_at_most_a_quarter_is_padding():
    groups = padded.grouped(LENGTHS)
    assert sorted(number for group in groups for number in group) == list(range(len(LENGTHS)))
    for group in groups:
        rows = [LENGTHS[number] for number in group]
        assert min(rows) >= 0.75 * max(rows)
    assert padded.grouped([7, 7, 7]) == [[0, 1, 2]] and padded.grouped([]) == []


@pytest.mark.parametrize("kind", ["padded", "apart"])
def test_however_documents_are_laid_answers_states_and_gradients_are_the_same(tmp_path, kind):
    network = load.network(bases.find(str(tiny_base(tmp_path))), dtype=torch.float64, device=CPU)
    batch, rows = architectures.batch_of(LENGTHS), torch.tensor([4, 0, 70])
    found = {}
    with architectures.Wide():
        model = LanguageModel(network, lora, lora.Settings(), seed=0)
        for layout in (model.layout, Layout(kind, "")):
            model.layout = layout
            model.zero()
            answers = model.log_probabilities(batch)
            answers.sum().backward()
            model.gradients()
            found[layout.kind] = [answers, model.states(batch), model.states(batch, rows)]
            found[layout.kind] += [master.grad for master in model.learns.values()]
            torch.testing.assert_close(found[layout.kind][1][rows], found[layout.kind][2], rtol=0, atol=1e-12)
    for one, other in zip(found["packed"], found[kind], strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-10)


def test_a_padded_network_has_its_own_attention_back_and_a_packed_one_ours(tmp_path):
    packed = LanguageModel.frozen(opened(tmp_path / "llama", "Llama"))
    assert packed.network.config._attn_implementation == attention.NAME
    own = LanguageModel.frozen(opened(tmp_path / "lfm2", "LFM2, with convolutions"))
    assert own.network.config._attn_implementation == "sdpa"


def test_attention_that_fails_on_packed_documents_is_told_and_the_documents_are_padded(tmp_path, monkeypatch):
    monkeypatch.setenv("TUNESMITH_WITHOUT", "block")

    def refuses(*inputs, **options):
        raise Refusal("model.attention", "this attention is strange", "", "")

    monkeypatch.setattr(attention, "packed_attention", refuses)
    model = LanguageModel.frozen(opened(tmp_path, "Llama"))
    assert str(model.layout) == "padded, in groups of like length: packed, it fails: this attention is strange"


def test_a_window_that_only_masks_know_is_found_however_wide_it_is(tmp_path):
    """Transformers' Qwen2-MoE does not tell its attention of the window: packed, longer documents would be wrong."""
    import transformers

    config = transformers.Qwen2MoeConfig(**architectures.SMALL | {
        "use_sliding_window": True, "sliding_window": 60, "max_window_layers": 0, "num_experts": 2,
        "num_experts_per_tok": 1, "moe_intermediate_size": 16, "shared_expert_intermediate_size": 16,
        "layer_types": ["sliding_attention", "sliding_attention"],
    })
    transformers.Qwen2MoeForCausalLM(config).save_pretrained(tmp_path)
    network = load.network(bases.find(str(tmp_path)), dtype=torch.float32, device=CPU)
    model = LanguageModel.frozen(network)
    assert model.layout.kind == "padded" and "differ by" in model.layout.why
    assert network.config.sliding_window == 60


def test_layers_by_hand_keep_the_window_of_their_base_though_it_was_narrowed_while_asking(tmp_path):
    name = "Mistral, window of 4"
    model = LanguageModel.frozen(opened(tmp_path, name, sliding_window=60))
    assert model.layout.kind == "packed"
    assert not model.paths or {path.fast for path in model.paths} == {True}


def test_one_document_that_changes_another_is_found_though_both_are_nearly_right(tmp_path, monkeypatch):
    monkeypatch.setenv("TUNESMITH_WITHOUT", "block")
    true = attention.packed_attention

    def leaking(module, query, key, value, mask, **options):
        answer, nothing = true(module, query, key, value, mask, **options)
        return answer + 0.01 * value[:, :, :1].mean(), nothing

    monkeypatch.setattr(attention, "packed_attention", leaking)
    model = LanguageModel.frozen(opened(tmp_path, "Llama", torch.bfloat16))
    assert model.layout == Layout("padded", "packed, one document changes what it says of another")


def test_what_is_likely_is_said_without_the_weights(tmp_path):
    for name in ("Llama", "Falcon", "Mamba"):
        architectures.network_of(name).save_pretrained(tmp_path / name)
    said = {name: layouts.of_base(bases.find(str(tmp_path / name))) for name in ("Llama", "Falcon", "Mamba")}
    assert {name: layout.kind for name, layout in said.items()} == {
        "Llama": "packed", "Falcon": "padded", "Mamba": "padded"}
    assert "state" in said["Mamba"].why and "borders" in said["Falcon"].why


def test_a_network_that_carries_a_state_reads_texts_of_any_length(tmp_path):
    architectures.network_of("Mamba").save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    del config["max_position_embeddings"]
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert bases.find(str(tmp_path)).context >= 1 << 20


def test_a_model_that_no_longer_answers_as_its_network_is_refused(tmp_path):
    model = LanguageModel.frozen(opened(tmp_path, "Llama"))
    own = probe.settle(model)
    probe.demand_same(model, own)
    states = model.states
    model.states = lambda batch, rows=None: states(batch, rows) * 1.01
    with pytest.raises(Refusal, match="differ by"):
        probe.demand_same(model, own)


@pytest.mark.parametrize(("everywhere", "dtype", "kind"), [
    (False, torch.bfloat16, "packed"), (True, torch.bfloat16, None), (False, torch.float32, None),
], ids=["one token, few digits", "every token", "one token, many digits"])
def test_a_token_that_answers_chaotically_in_few_digits_is_no_fault(tmp_path, monkeypatch, everywhere, dtype, kind):
    """As SmolLM2 in bfloat16: one token of 13 differs by 2.8 nats, and the documents of another turn do not."""
    model = LanguageModel.frozen(opened(tmp_path, "Llama", dtype))
    batches = [probe._probes(model, turn) for turn in range(probe.TURNS)]
    rare = next(i for i in batches[0].ids.tolist() if not any((batch.ids == i).any() for batch in batches[1:]))
    answers = model.log_probabilities

    def chaotic(batch):
        return answers(batch) + 9.0 * ((batch.ids == rare) | everywhere)

    monkeypatch.setattr(model, "log_probabilities", chaotic)
    if kind is None:
        with pytest.raises(Refusal, match="differ by"):
            probe.settle(model)
        return
    probe.settle(model)
    assert model.layout.kind == kind
