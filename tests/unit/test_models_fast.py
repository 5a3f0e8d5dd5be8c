"""Layers by hand: the same numbers whatever idea is left out, no more memory than needed, and own ways where needed."""

from __future__ import annotations

from contextlib import nullcontext
from types import SimpleNamespace
from unittest import mock

import pytest
import torch

import architectures
from tunesmith.kernels import attention, build, products
from tunesmith.models import load
from tunesmith.models.adapters import full, lora
from tunesmith.models.fast import layers as fast_layers
from tunesmith.models.fast import trial
from tunesmith.models.fast.buffers import Buffers
from tunesmith.models.model import LanguageModel

SETTINGS = {lora: lora.Settings(rank=4), full: full.Settings()}
LENGTHS = (9, 12, 5, 11)


def network(name="Llama", dtype=torch.float64, **changes):
    made = architectures.network_of(name, **changes).to(dtype)
    load.transformers()
    load.register_attention(load.transformers())
    made.config._attn_implementation = "tunesmith"
    return made


def opened(adapter, name="Llama", dtype=torch.float64, **changes):
    """A model whose low-rank additions are not at zero."""
    settings = changes.pop("settings", SETTINGS[adapter])
    model = LanguageModel(network(name, dtype, **changes), adapter, settings, seed=0)
    if adapter is lora:
        generator = torch.Generator().manual_seed(1)
        with torch.no_grad():
            for weight in model.learns.values():
                weight.add_(torch.randn(weight.shape, generator=generator).to(weight) * 0.1)
        model.publish()
    return model


def learnt(model, batch, times=1):
    """Loss and gradients of one step; `times`: how often the batch is computed before the one backward pass."""
    model.zero()
    loss = sum(-model.log_probabilities(batch).sum() for _ in range(times)) / times
    loss.backward()
    model.gradients()
    return float(loss.detach()), {name: master.grad.clone() for name, master in model.learns.items()}


def error(one, other):
    """The largest difference of a gradient, as a share of the largest number in it."""
    assert one.keys() == other.keys()
    return max(float((one[name] - other[name]).abs().max() / other[name].abs().max()) for name in one)


@pytest.mark.parametrize("adapter", [lora, full], ids=["lora", "full"])
@pytest.mark.parametrize("without", ["block", "tail", "buffers", "native", "tiles", "attention"])
def test_an_idea_that_is_left_out_changes_no_gradient(monkeypatch, adapter, without):
    batch = architectures.batch_of(LENGTHS)
    with architectures.Wide():
        loss, gradients = learnt(opened(adapter), batch)
        monkeypatch.setenv("TUNESMITH_WITHOUT", without)
        other_loss, others = learnt(opened(adapter), batch)
    assert loss == pytest.approx(other_loss, rel=1e-12)
    assert error(gradients, others) < 1e-10


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("adapter", [lora, full], ids=["lora", "full"])
@pytest.mark.parametrize("name", ["Llama", "Qwen3", "Gemma 2, window of 4, soft caps"])
def test_in_few_digits_the_gradients_are_those_of_many_within_rounding(name, adapter, dtype):
    batch = architectures.batch_of(LENGTHS)
    exact_loss, exact = learnt(opened(adapter, name), batch)
    loss, gradients = learnt(opened(adapter, name, dtype), batch)
    allowed = {torch.float32: 1e-4, torch.bfloat16: 0.25}[dtype]
    assert loss == pytest.approx(exact_loss, rel=allowed / 10)
    whole, others = (torch.cat([each[name].double().flatten() for name in exact]) for each in (gradients, exact))
    assert float((whole - others).norm() / others.norm()) < allowed


@pytest.mark.skipif(build.library() is None, reason=build.reason())
@pytest.mark.parametrize("without", ["native", "tiles"])
def test_kernels_and_their_twins_agree_within_rounding(monkeypatch, without):
    batch = architectures.batch_of(LENGTHS)
    _, gradients = learnt(opened(lora, dtype=torch.float32), batch)
    monkeypatch.setenv("TUNESMITH_WITHOUT", without)
    _, others = learnt(opened(lora, dtype=torch.float32), batch)
    assert error(gradients, others) < 1e-4


def test_a_layer_that_does_more_than_its_parts_say_keeps_its_own_way_and_the_others_do_not(monkeypatch):
    made = network(num_hidden_layers=3)

    class Louder(type(made.model.layers[1])):
        def forward(self, hidden_states, **named):
            return 1.5 * super().forward(hidden_states, **named)

    made.model.layers[1].__class__ = Louder
    model = LanguageModel(made, full, full.Settings(), seed=0)
    assert [path.fast for path in model.paths] == [True, False, True]
    assert "something else" in model.paths[1].reason
    batch = architectures.batch_of(LENGTHS)
    _, gradients = learnt(model, batch)
    monkeypatch.setenv("TUNESMITH_WITHOUT", "block")
    _, others = learnt(model, batch)
    assert error(gradients, others) < 1e-5  # the norms of that layer are transformers', in float32


def test_a_layer_without_positions_is_known_from_its_neighbours():
    import transformers

    config = transformers.SmolLM3Config(**architectures.SMALL | {"num_hidden_layers": 4}, no_rope_layer_interval=2)
    made = transformers.SmolLM3ForCausalLM(config).double()
    load.register_attention(load.transformers())
    made.config._attn_implementation = "tunesmith"
    model = LanguageModel(made, full, full.Settings(), seed=0)
    blocks = [layer.forward.args[0].block for layer in made.model.layers]
    assert [path.fast for path in model.paths] == [True] * 4
    assert [block.rotary for block in blocks] == [True, False, True, False]


DROPPING = lora.Settings(rank=4, dropout=0.3)


def learnt_dropping(model, batch, seed=7):
    """As `learnt`, with dropout on, from a seed."""
    torch.manual_seed(seed)
    with model.learning():
        return learnt(model, batch)


def test_dropout_by_hand_drops_what_the_layers_by_themselves_drop(monkeypatch):
    batch = architectures.batch_of(LENGTHS)
    monkeypatch.setenv("TUNESMITH_WITHOUT", "tail")  # else the last layer draws for the rows that are wanted alone
    with architectures.Wide():
        model = opened(lora, settings=DROPPING)
        assert all(path.fast for path in model.paths)
        loss, gradients = learnt_dropping(model, batch)
        monkeypatch.setenv("TUNESMITH_WITHOUT", "block")
        other_loss, others = learnt_dropping(opened(lora, settings=DROPPING), batch)
        still, _ = learnt(opened(lora, settings=DROPPING), batch)
    assert loss == pytest.approx(other_loss, rel=1e-12) and loss != pytest.approx(still, rel=1e-3)
    assert error(gradients, others) < 1e-10


@pytest.mark.parametrize("short", [False, True], ids=["kept", "computed again"])
def test_dropout_follows_the_seed_bit_for_bit(monkeypatch, short):
    batch = architectures.batch_of(LENGTHS)
    loss, gradients = learnt_dropping(opened(lora, settings=DROPPING), batch)
    other, _ = learnt_dropping(opened(lora, settings=DROPPING), batch, seed=8)
    if short:
        monkeypatch.setattr(fast_layers, "free_bytes", lambda: 0)
    again_loss, again = learnt_dropping(opened(lora, settings=DROPPING), batch)
    assert loss == again_loss != other and all(torch.equal(gradients[name], again[name]) for name in gradients)


def test_dropout_drops_its_share_and_keeps_the_sum():
    rows = torch.ones(1000, 1000)
    torch.manual_seed(0)
    for share in (1e-9, 0.05, 0.3, 0.9, 1 - 1e-9):
        kept = lora.drawn(rows, share)
        assert float(kept.float().mean()) == pytest.approx(1 - share, abs=2e-3)
        if 0.01 < share < 0.99:
            assert float(kept.float().mean()) * lora.grown(share) == pytest.approx(1, rel=2e-2)
    columns = lora.drawn(rows, 0.3).float()
    assert float((columns.mean(0) - 0.7).abs().max()) < 0.08  # no place in a row is dropped more than another


@pytest.mark.parametrize("adapter", [lora, full], ids=["lora", "full"])
def test_where_memory_is_short_blocks_are_computed_again_with_the_same_bits(monkeypatch, adapter):
    batch = architectures.batch_of(LENGTHS)
    with products.counted() as once:
        loss, gradients = learnt(opened(adapter), batch)
    monkeypatch.setattr(fast_layers, "free_bytes", lambda: 0)
    with products.counted() as twice:
        other_loss, others = learnt(opened(adapter), batch)
    assert loss == other_loss and all(torch.equal(gradients[name], others[name]) for name in gradients)
    assert twice.calls > once.calls


def test_a_batch_computed_twice_before_its_backward_pass_keeps_its_buffers_apart():
    batch, model = architectures.batch_of(LENGTHS), opened(lora)
    _, once = learnt(model, batch)
    _, twice = learnt(model, batch, times=2)
    assert error(once, twice) < 1e-10


def test_a_graph_that_was_used_once_is_not_used_again():
    model = opened(lora)
    loss = -model.log_probabilities(architectures.batch_of(LENGTHS)).sum()
    loss.backward(retain_graph=True)
    with pytest.raises(RuntimeError, match="second time"):
        loss.backward()


def test_after_the_first_step_no_buffer_is_made(monkeypatch):
    made = []
    monkeypatch.setattr(Buffers, "_make", lambda self, rows, columns, like, own=Buffers._make: (
        made.append(rows), own(self, rows, columns, like))[1])
    model, batch = opened(lora), architectures.batch_of(LENGTHS)
    learnt(model, batch)
    made.clear()
    learnt(model, batch)
    learnt(model, architectures.batch_of(LENGTHS[:2]))
    assert made == []


def test_nothing_below_the_lowest_layer_that_learns_is_sent_backward():
    settings = lora.Settings(rank=4, targets=("layers.1.mlp.down_proj",))
    model, batch = opened(lora, settings=settings), architectures.batch_of(LENGTHS)
    loss = -model.log_probabilities(batch).sum()
    with products.counted() as counts:
        loss.backward()
    assert counts.calls == 6  # of that layer alone: down (with its A and B: three), gate, up, and output
    assert set(model.learns) == set(model.unreached()) | {name for name in model.learns if "layers.1.mlp.down" in name}


def test_products_of_a_step_are_those_of_the_formula():
    """engine.md's formula: 2 a weight forward and back, low-rank parts 2 and 4, the head on supervised rows alone."""
    model, batch = opened(lora), architectures.batch_of(LENGTHS)
    rows, wanted = batch.tokens, len(batch.supervised)
    with products.counted() as counts:
        learnt(model, batch)
    layers = model.network.model.layers
    first, last = _weights(layers[0]), _weights(layers[1])
    tail = sum(weights for name, weights in last.items() if name[:2] in ("o_", "ga", "up", "do"))
    own = rows * (sum(first.values()) + sum(last.values())) - (rows - wanted) * tail
    unsent = rows * sum(weights for name, weights in first.items() if name[0] in "qkv")  # the embedding is frozen
    assert counts.flops == 2 * (2 * own - unsent + 3 * _low(layers, rows, wanted) - _unsent_low(layers, rows)
                                + 2 * wanted * model.network.lm_head.weight.numel())


def _weights(layer):
    """Numbers in each linear layer's own weight."""
    return {name.rsplit(".")[-1]: module.weight.numel() for name, module in layer.named_modules()
            if isinstance(module, lora.LoraLinear)}


def _low(layers, rows, wanted):
    """Numbers in the low-rank factors, each for the rows that it sees."""
    total = 0
    for number, layer in enumerate(layers):
        for name, module in layer.named_modules():
            if isinstance(module, lora.LoraLinear):
                few = number == len(layers) - 1 and name.rsplit(".")[-1][0] not in "qkv"
                total += (wanted if few else rows) * (module.lora_A.weight.numel() + module.lora_B.weight.numel())
    return total


def _unsent_low(layers, rows):
    """What the first layer's queries, keys and values need not send on to a frozen embedding."""
    attention = layers[0].self_attn
    return rows * sum(getattr(attention, f"{name}_proj").lora_A.weight.numel() for name in "qkv")


def test_spent_memory_is_never_taken_for_a_layer_that_nobody_knows(monkeypatch):
    spent = RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 64 bytes.")
    network = SimpleNamespace(config=SimpleNamespace(_attn_implementation=attention.NAME))
    monkeypatch.setattr(trial, "_recorded", nullcontext)
    monkeypatch.setattr(trial, "_show", mock.Mock(side_effect=spent))
    with pytest.raises(RuntimeError, match="can't allocate"):
        trial.watch(network, [])
    monkeypatch.setattr(trial, "_show", mock.Mock(side_effect=RuntimeError("shapes differ")))
    assert trial.watch(network, []) == {}
