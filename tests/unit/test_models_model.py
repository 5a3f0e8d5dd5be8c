"""Packed and chunked computing against transformers' own, one document at a time."""

from __future__ import annotations

import copy

import pytest
import torch

from tiny import tiny_base, tiny_network
from tunesmith.errors import Misuse, Refusal
from tunesmith.models import bases, load
from tunesmith.models.adapters import full, lora
from tunesmith.models.fast import block
from tunesmith.models.model import LanguageModel
from tunesmith.records import Batch

LENGTHS = (3, 9, 1, 30, 12, 5, 21, 8)
CPU = torch.device("cpu")


def batch_of(numbers, seed=0):
    """The documents of those numbers, packed; two thirds of their rows are supervised."""
    parts = []
    for number in numbers:
        generator = torch.Generator().manual_seed(seed + number)
        ids = torch.randint(3, 300, (LENGTHS[number] + 1,), generator=generator)
        weights = (torch.rand(LENGTHS[number], generator=generator) < 0.67).float()
        weights[-1] = 1.0
        parts.append((ids[:-1], ids[1:], weights))
    lengths = torch.tensor([len(ids) for ids, _, _ in parts])
    weights = torch.cat([weights for _, _, weights in parts])
    borders = (0, *lengths.cumsum(0).tolist())
    return Batch(
        ids=torch.cat([ids for ids, _, _ in parts]), targets=torch.cat([targets for _, targets, _ in parts]),
        positions=torch.cat([torch.arange(int(length)) for length in lengths]), weights=weights,
        document_of=torch.arange(len(numbers)).repeat_interleave(lengths), borders=borders,
        supervised=weights.nonzero()[:, 0], examples=torch.arange(len(numbers)), example_ids=tuple(numbers),
        documents=(),
    )


def loss_of(model, pieces):
    """The summed loss of the pieces, its gradients left on what learns."""
    model.zero()
    total = 0.0
    for piece in pieces:
        loss = -model.log_probabilities(piece).sum()
        loss.backward()
        total += loss.item()
    model.gradients()
    return total, {name: master.grad.clone() for name, master in model.learns.items()}


def transformers_own(network, names, padded):
    """The same loss and gradients from transformers' forward pass, with padding or one document at a time."""
    network.zero_grad()
    whole = batch_of(range(8))
    total = 0.0
    if padded:
        ids = torch.zeros(8, max(LENGTHS), dtype=torch.long)
        mask = torch.zeros_like(ids)
        for row, (start, end) in enumerate(zip(whole.borders, whole.borders[1:], strict=False)):
            ids[row, : end - start], mask[row, : end - start] = whole.ids[start:end], 1
        logits = network(input_ids=ids, attention_mask=mask, use_cache=False).logits
        logits = torch.cat([logits[row, : LENGTHS[row]] for row in range(8)])
        total = own_loss(logits, whole)
        total.backward()
        total = total.item()
    else:
        for number in range(8):
            one = batch_of([number])
            loss = own_loss(network(input_ids=one.ids[None], use_cache=False).logits[0], one)
            loss.backward()
            total += loss.item()
    return total, {name: weight.grad for name, weight in network.named_parameters() if name in names}


def own_loss(logits, batch):
    wide = logits if logits.dtype == torch.float64 else logits.float()
    return torch.nn.functional.cross_entropy(
        wide[batch.supervised], batch.targets[batch.supervised], reduction="sum"
    )


@pytest.fixture
def float64_norms(monkeypatch):
    """Transformers' RMSNorm computes in float32 whatever the network's dtype: here it does not."""
    from transformers.models.llama import modeling_llama
    from transformers.models.qwen3 import modeling_qwen3

    def forward(self, hidden):
        scale = torch.rsqrt(hidden.pow(2).mean(-1, keepdim=True) + self.variance_epsilon)
        return self.weight * (hidden * scale)

    monkeypatch.setattr(modeling_llama.LlamaRMSNorm, "forward", forward)
    monkeypatch.setattr(modeling_qwen3.Qwen3RMSNorm, "forward", forward)


def opened(tmp_path, dtype, adapter, **changes):
    """A model with its B away from zero, and a copy of its network that still computes as transformers does."""
    base = bases.find(str(tiny_base(tmp_path / "base", **changes)))
    model = LanguageModel(load.network(base, dtype=dtype, device=CPU), adapter, adapter.Settings(), seed=1)
    generator = torch.Generator().manual_seed(5)
    for name, master in model.learns.items():
        if "lora_B" in name:
            master.data.copy_(torch.randn(master.shape, generator=generator) * 0.1)
    model.publish()
    return model, with_sdpa(copy.deepcopy(model.network))


def with_sdpa(network):
    network.set_attn_implementation("sdpa")
    return network


CUTS = {
    "1x8": [[0, 1, 2, 3, 4, 5, 6, 7]],
    "8x1": [[0], [1], [2], [3], [4], [5], [6], [7]],
    "mixed": [[7, 2, 0], [1, 4], [6, 5, 3]],
}


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("tied", [True, False], ids=["tied", "untied"])
@pytest.mark.parametrize("adapter", [lora, full], ids=["lora", "full"])
@pytest.mark.parametrize("padded", [False, True], ids=["one at a time", "padded"])
def test_loss_and_gradients_equal_transformers_own_to_1e_10(tmp_path, float64_norms, adapter, tied, cut, padded):
    model, own = opened(tmp_path, torch.float64, adapter, tie_word_embeddings=tied)
    expected, wanted = transformers_own(own, set(model.learns), padded)
    found, given = loss_of(model, [batch_of(numbers) for numbers in CUTS[cut]])
    assert found == pytest.approx(expected, abs=1e-10 * abs(expected))
    assert set(given) == set(wanted)
    for name in given:
        torch.testing.assert_close(given[name], wanted[name], rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("adapter", [lora, full], ids=["lora", "full"])
def test_bfloat16_is_as_near_to_float32_as_transformers_own_bfloat16(tmp_path, adapter):
    """Within rounding means: the error against float32 is at most a quarter larger than that of transformers' own."""
    changes = {"hidden_size": 128, "intermediate_size": 256, "initializer_range": 0.06}
    exact, own_exact = opened(tmp_path, torch.float32, adapter, **changes)
    expected, wanted = transformers_own(own_exact, set(exact.learns), padded=False)
    half, own_half = opened(tmp_path, torch.bfloat16, adapter, **changes)
    own_loss_half, own_half_gradients = transformers_own(own_half, set(half.learns), padded=False)
    found, given = loss_of(half, [batch_of(range(8))])

    def error(gradients):
        squares = [((gradients[name].float() - wanted[name]).norm() ** 2, wanted[name].norm() ** 2) for name in wanted]
        return (sum(one for one, _ in squares) / sum(two for _, two in squares)).sqrt().item()

    assert error(given) < 1.25 * error(own_half_gradients)
    assert abs(found - expected) < 1.25 * abs(own_loss_half - expected) + 1e-3 * expected


def test_gradients_of_a_bfloat16_network_are_added_up_in_float32(tmp_path):
    model, _ = opened(tmp_path, torch.bfloat16, lora)
    _, given = loss_of(model, [batch_of([number]) for number in range(8)])
    assert {gradient.dtype for gradient in given.values()} == {torch.float32}
    assert any((gradient != gradient.bfloat16().float()).any() for gradient in given.values())


def test_a_step_smaller_than_bfloat16_can_hold_is_not_lost(tmp_path):
    model, _ = opened(tmp_path, torch.bfloat16, full)
    name = "model.layers.0.mlp.up_proj.weight"
    begun = model.learns[name].detach().clone()
    for _ in range(64):
        with torch.no_grad():
            model.learns[name].mul_(1 + 2**-12)
        model.publish()
    computing = dict(model.network.named_parameters())[name]
    assert computing.dtype == torch.bfloat16
    torch.testing.assert_close(computing.float(), begun * (1 + 2**-12) ** 64, rtol=2**-8, atol=0)
    assert not torch.equal(computing.float(), begun)


def test_only_the_wanted_rows_of_the_states_come_back(tmp_path):
    model, _ = opened(tmp_path, torch.float32, lora)
    batch = batch_of([1, 4])
    everything = model.states(batch)
    assert everything.shape == (21, 32)
    torch.testing.assert_close(model.states(batch, torch.tensor([3, 20])), everything[[3, 20]], rtol=1e-5, atol=1e-6)


def test_every_tensor_that_learns_is_reached_and_a_cut_off_one_is_named(tmp_path):
    model, _ = opened(tmp_path, torch.float32, lora)
    assert set(model.unreached()) == set(model.learns)
    loss_of(model, [batch_of([3])])
    assert model.unreached() == []
    model.zero()
    layer = model.network.model.layers[1].mlp.up_proj
    layer.active = False
    loss_of_reached = -model.log_probabilities(batch_of([3])).sum()
    loss_of_reached.backward()
    assert model.unreached() == [f"model.layers.1.mlp.up_proj.lora_{part}.weight" for part in "AB"]


def test_what_is_loaded_is_what_was_saved(tmp_path):
    model, _ = opened(tmp_path / "one", torch.bfloat16, lora)
    other, _ = opened(tmp_path / "two", torch.bfloat16, lora)
    for master in other.learns.values():
        master.data.zero_()
    other.load({name: tensor.clone() for name, tensor in model.tensors().items()})
    batch = batch_of([3, 1])
    assert torch.equal(model.log_probabilities(batch), other.log_probabilities(batch))


def test_weights_of_another_shape_are_refused_by_name(tmp_path):
    model, _ = opened(tmp_path, torch.float32, lora)
    wrong = dict(model.tensors())
    name = next(iter(wrong))
    wrong[name] = torch.zeros(3)
    with pytest.raises(Refusal, match=name.replace(".", r"\.")):
        model.load(wrong)
    with pytest.raises(Refusal, match="do not fit"):
        model.load({})


def test_how_much_learns_is_told_for_each_kind_of_layer(tmp_path):
    model, _ = opened(tmp_path, torch.float32, lora)
    shares = model.learnt_share()
    assert shares["q_proj"] == (2 * 16 * 64, 2 * (16 * 64 + 32 * 32))
    assert shares["embed_tokens"] == (0, 320 * 32)
    assert sum(learning for learning, _ in shares.values()) == sum(m.numel() for m in model.learns.values())


def test_untuned_gives_the_base_and_full_tuning_says_that_it_cannot(tmp_path):
    model, _ = opened(tmp_path, torch.float32, lora)
    plain = LanguageModel.frozen(load.network(bases.find(str(tmp_path / "base")), dtype=torch.float32, device=CPU))
    batch = batch_of([3, 1])
    with model.untuned():
        assert torch.equal(model.log_probabilities(batch), plain.log_probabilities(batch))
    assert not torch.equal(model.log_probabilities(batch), plain.log_probabilities(batch))
    with plain.untuned():
        assert dict(plain.learns) == {}
    tuned, _ = opened(tmp_path, torch.float32, full)
    with pytest.raises(Misuse, match="full tuning"):
        tuned.untuned()


def test_a_network_whose_logits_are_not_what_its_head_says_is_refused(tmp_path):
    base = bases.find(str(tiny_base(tmp_path)))
    network = load.network(base, dtype=torch.float32, device=CPU)
    network.lm_head.register_forward_hook(lambda module, inputs, output: output * 0.5)
    with pytest.raises(Refusal, match="differ by"):
        LanguageModel.frozen(network)


def family(name):
    import transformers

    small = {
        "vocab_size": 320, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 128, "head_dim": 8,
    }
    kinds = {
        "qwen2": ("Qwen2", {}), "qwen3": ("Qwen3", {}), "mistral, window 4": ("Mistral", {"sliding_window": 4}),
        "gemma2, softcaps": ("Gemma2", {"sliding_window": 4, "attn_logit_softcapping": 2.0,
                                        "final_logit_softcapping": 1.0, "query_pre_attn_scalar": 8}),
        "gemma3": ("Gemma3", {"sliding_window": 4}), "phi3": ("Phi3", {"pad_token_id": 0}),
        "cohere": ("Cohere", {"logit_scale": 0.3}), "granite": ("Granite", {"logits_scaling": 3.0}),
        "olmo2": ("Olmo2", {}), "smollm3": ("SmolLM3", {"pad_token_id": 0}),
    }
    stem, changes = kinds[name]
    prefix = "Gemma3Text" if stem == "Gemma3" else stem
    settings = {key: value for key, value in small.items() if not (stem == "Phi3" and key == "head_dim")}
    config = getattr(transformers, f"{prefix}Config")(**settings | {"initializer_range": 0.2} | changes)
    return getattr(transformers, f"{stem}ForCausalLM")(config)


@pytest.mark.parametrize("name", ["qwen2", "qwen3", "mistral, window 4", "gemma2, softcaps", "gemma3", "phi3",
                                  "cohere", "granite", "olmo2", "smollm3"])
def test_other_families_answer_packed_as_they_do_by_themselves(tmp_path, name):
    torch.manual_seed(0)
    reference = family(name).eval()
    reference.save_pretrained(tmp_path)
    model = LanguageModel.frozen(load.network(bases.find(str(tmp_path)), dtype=torch.float32, device=CPU))
    reference.set_attn_implementation("eager")
    found = model.log_probabilities(batch_of([3, 1, 4]))
    expected = []
    with torch.no_grad():
        for number in (3, 1, 4):
            one = batch_of([number])
            logits = reference(input_ids=one.ids[None], use_cache=False).logits[0][one.supervised]
            expected.append(torch.log_softmax(logits, -1).gather(1, one.targets[one.supervised, None])[:, 0])
    torch.testing.assert_close(found, torch.cat(expected), rtol=1e-4, atol=1e-4)


def test_the_tiny_network_is_the_same_every_time():
    one, two = tiny_network(), tiny_network()
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))


@pytest.mark.parametrize(("adapter", "settings"), [
    (lora, {"layers": "2-"}), (full, {"freeze": ["embeddings", 2]}),
], ids=["lora", "full"])
def test_nothing_is_sent_back_through_frozen_layers_and_they_keep_their_bytes(tmp_path, monkeypatch, adapter, settings):
    """Four layers, of which the lower two are frozen: two ways back, and the lower of them for its weights alone."""
    folder = tiny_base(tmp_path / "deep", num_hidden_layers=4, head_dim=16, tie_word_embeddings=False)
    network = load.network(bases.find(str(folder)), dtype=torch.float32, device=CPU)
    model = LanguageModel(network, adapter, adapter.Settings(**settings), seed=0)
    assert all(path.fast for path in model.paths)
    before = {name: weight.clone() for name, weight in network.state_dict().items()}
    back, wanted = block.backward, []

    def counted(*values, **named):
        wanted.append(named["wanted"])
        return back(*values, **named)

    monkeypatch.setattr(block, "backward", counted)
    optimiser = torch.optim.AdamW(model.learns.values(), lr=1e-2, weight_decay=0.1)
    for _ in range(2):
        wanted.clear()
        loss_of(model, [batch_of([3, 7])])
        assert wanted == [True, False] and not model.unreached()
        optimiser.step()
        model.publish()
    changed = {name for name, weight in network.state_dict().items() if not torch.equal(weight, before[name])}
    assert changed == set(model.learns)
