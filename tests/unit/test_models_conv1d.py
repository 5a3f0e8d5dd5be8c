"""LoRA on GPT-2's linear layers, whose weights stand the other way round."""

from __future__ import annotations

import json

import pytest
import torch

import architectures
from tunesmith.models import bases, load
from tunesmith.models.adapters import lora
from tunesmith.models.model import LanguageModel

IDS = torch.randint(3, 150, (2, 13), generator=torch.Generator().manual_seed(0))


@pytest.fixture
def base(tmp_path):
    architectures.network_of("GPT-2").save_pretrained(tmp_path / "base")
    return bases.find(str(tmp_path / "base"))


@pytest.fixture
def model(base):
    network = load.network(base, dtype=torch.float64, device=torch.device("cpu"))
    model = LanguageModel(network, lora, lora.Settings(), seed=0)
    for name, master in model.learns.items():
        if "lora_B" in name:
            master.data.copy_(torch.randn(master.shape, generator=torch.Generator().manual_seed(4)) * 0.1)
    return model


def logits(network):
    with torch.no_grad():
        return network(input_ids=IDS, use_cache=False).logits


def test_every_layer_but_the_head_learns_as_counted_from_shapes(base, model):
    plain = load.network(base, dtype=torch.float64, device=torch.device("cpu"))
    shapes = {name: tuple(weight.shape) for name, weight in plain.named_parameters()}
    assert {name.split(".")[-3] for name in model.learns} == {"c_attn", "c_proj", "c_fc"}
    assert lora.parameters(shapes, lora.Settings()) == sum(master.numel() for master in model.learns.values())


def test_off_is_the_base_and_merged_answers_as_adapted_did(base, model):
    from transformers.pytorch_utils import Conv1D

    plain = load.network(base, dtype=torch.float64, device=torch.device("cpu"))
    with model.untuned():
        assert torch.equal(logits(model.network), logits(plain))
    adapted = logits(model.network)
    assert not torch.equal(adapted, logits(plain))
    lora.merge(model.network)
    torch.testing.assert_close(logits(model.network), adapted, rtol=0, atol=1e-10)
    layer = model.network.transformer.h[1].mlp.c_fc
    assert type(layer) is Conv1D and (layer.nf, layer.nx) == (plain.transformer.h[1].mlp.c_fc.nf, 32)
    assert {name: weight.shape for name, weight in model.network.state_dict().items()} == {
        name: weight.shape for name, weight in plain.state_dict().items()}


def test_peft_opens_it_without_a_warning_and_answers_the_same(base, model, tmp_path, recwarn):
    plain = load.network(base, dtype=torch.float64, device=torch.device("cpu"))
    theirs = architectures.with_peft(plain, model, lora.Settings(), tmp_path / "adapter")
    assert json.loads((tmp_path / "adapter" / "adapter_config.json").read_text())["fan_in_fan_out"] is True
    assert not [warning for warning in recwarn if "fan_in_fan_out" in str(warning.message)]
    torch.testing.assert_close(logits(theirs), logits(model.network), rtol=0, atol=1e-12)
