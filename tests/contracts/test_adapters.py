"""What every file of models/adapters promises."""

from __future__ import annotations

import json

import pytest
import torch

from tiny import tiny_base
from tunesmith import catalog
from tunesmith.errors import Misuse
from tunesmith.models import bases, load
from tunesmith.models.model import LanguageModel

CPU = torch.device("cpu")
VALUES = {
    "lora": [{}, {"rank": 3, "alpha": 5.0, "targets": ["q_proj", "mlp.down_proj"]}, {"layers": ["1-"]}],
    "full": [{}, {"freeze": ["embeddings", 1, "norm"]}],
}
CASES = [(name, values) for name in catalog.names("adapter") for values in VALUES.get(name, [{}])]
IDS = torch.randint(3, 300, (1, 24), generator=torch.Generator().manual_seed(0))


@pytest.fixture
def base(tmp_path):
    return bases.find(str(tiny_base(tmp_path / "base")))


def fresh(base, dtype=torch.float64):
    return load.network(base, dtype=dtype, device=CPU)


def logits(network):
    with torch.no_grad():
        return network(input_ids=IDS, use_cache=False).logits


def disturb(model):
    """As if it had been trained."""
    generator = torch.Generator().manual_seed(9)
    for master in model.learns.values():
        master.data.add_(torch.randn(master.shape, generator=generator, dtype=torch.float64).to(master.dtype) * 0.1)
    model.publish()


def opened(base, case, dtype=torch.float64, seed=0):
    name, values = case
    module = catalog.load("adapter", name)
    return LanguageModel(fresh(base, dtype), module, module.Settings(**values), seed=seed)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_nothing_has_changed_at_step_0(base, case):
    assert torch.equal(logits(opened(base, case).network), logits(fresh(base)))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_merged_answers_as_adapted_did_and_has_the_bases_own_shape(base, case):
    model = opened(base, case)
    disturb(model)
    adapted = logits(model.network)
    model.adapter.merge(model.network)
    torch.testing.assert_close(logits(model.network), adapted, rtol=0, atol=1e-10)
    assert not torch.equal(adapted, logits(fresh(base)))
    plain = fresh(base).state_dict()
    assert {name: w.shape for name, w in model.network.state_dict().items()} == {n: w.shape for n, w in plain.items()}


@pytest.mark.parametrize("case", CASES, ids=str)
def test_what_learns_is_counted_as_predicted_from_shapes(base, case):
    name, values = case
    module = catalog.load("adapter", name)
    shapes = {name: tuple(weight.shape) for name, weight in fresh(base).named_parameters()}
    predicted = module.parameters(shapes, module.Settings(**values))
    model = opened(base, case)
    assert sum(master.numel() for master in model.learns.values()) == predicted > 0


@pytest.mark.parametrize("case", CASES, ids=str)
def test_saved_and_loaded_is_equal(base, case, tmp_path):
    from safetensors.torch import load_file, save_file

    model = opened(base, case, dtype=torch.bfloat16)
    disturb(model)
    save_file(model.tensors(), tmp_path / model.adapter.weights_file)
    other = opened(base, case, dtype=torch.bfloat16, seed=1)
    other.load(load_file(tmp_path / model.adapter.weights_file))
    assert torch.equal(logits(other.network), logits(model.network))
    for name, master in model.learns.items():
        assert torch.equal(master, other.learns[name])


@pytest.mark.parametrize("case", CASES, ids=str)
def test_off_is_the_base_and_on_again_afterwards(base, case):
    model = opened(base, case)
    disturb(model)
    tuned = logits(model.network)
    try:
        with model.untuned():
            assert torch.equal(logits(model.network), logits(fresh(base)))
    except Misuse as refused:
        assert case[0] == "full" and refused.remedy
    assert torch.equal(logits(model.network), tuned)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_same_seed_begins_the_same_and_another_seed_otherwise(base, case):
    one, two, other = (opened(base, case, seed=seed) for seed in (3, 3, 4))
    for name, master in one.learns.items():
        assert torch.equal(master, two.learns[name])
    if case[0] == "lora":
        drawn = [name for name in one.learns if "lora_A" in name]
        assert drawn and all(not torch.equal(one.learns[name], other.learns[name]) for name in drawn)


def written(model, settings, base, folder):
    """The folder that a run's checkpoint holds for the ecosystem."""
    from safetensors.torch import save_file

    folder.mkdir()
    save_file(model.tensors(), folder / model.adapter.weights_file, metadata={"format": "pt"})
    for name, content in model.adapter.configuration(model.network, settings, str(base.folder)).items():
        (folder / name).write_text(json.dumps(content))
    return folder


@pytest.mark.parametrize("case", [case for case in CASES if case[0] == "lora"], ids=str)
def test_peft_opens_it_and_gives_the_same_logits(base, case, tmp_path):
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    name, values = case
    settings = catalog.load("adapter", name).Settings(**values)
    model = opened(base, case, dtype=torch.float32)
    disturb(model)
    folder = written(model, settings, base, tmp_path / "adapter")
    plain = AutoModelForCausalLM.from_pretrained(base.folder, dtype=torch.float32, attn_implementation="sdpa")
    theirs = PeftModel.from_pretrained(plain, folder).eval()
    torch.testing.assert_close(logits(theirs), logits(model.network), rtol=0, atol=1e-4)
    learnt = sum(weight.numel() for name, weight in theirs.named_parameters() if "lora_" in name)
    assert learnt == sum(master.numel() for master in model.learns.values())


def test_transformers_opens_what_full_tuning_wrote(base, tmp_path):
    from transformers import AutoModelForCausalLM

    case = ("full", {})
    model = opened(base, case, dtype=torch.float32)
    disturb(model)
    folder = written(model, catalog.load("adapter", "full").Settings(), base, tmp_path / "tuned")
    theirs = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    torch.testing.assert_close(logits(theirs), logits(model.network), rtol=0, atol=1e-4)


def test_a_folder_without_the_frozen_weights_is_not_taken_for_a_model(base, tmp_path):
    values = {"freeze": "embeddings"}
    model = opened(base, ("full", values))
    folder = written(model, catalog.load("adapter", "full").Settings(**values), base, tmp_path / "tuned")
    assert [file.name for file in folder.iterdir()] == ["model.safetensors"]


FROZEN = [
    ("embeddings", {"model.embed_tokens.weight"}),
    (["lm_head", "model.norm"], {"lm_head.weight", "model.norm.weight"}),
    ([1, "self_attn.*_proj"], {"model.layers.0.", ".self_attn."}),
    ("layers.1", {"model.layers.1."}),
]


@pytest.mark.parametrize(("freeze", "parts"), FROZEN, ids=["name", "names", "pattern", "layer"])
def test_what_is_frozen_is_what_was_named(tmp_path, freeze, parts):
    base = bases.find(str(tiny_base(tmp_path / "untied", tie_word_embeddings=False)))
    every = {name for name, _ in fresh(base).named_parameters()}
    wanted = {name for name in every if any(part in name for part in parts)}
    assert every - set(opened(base, ("full", {"freeze": freeze})).learns) == wanted


@pytest.mark.parametrize(("case", "remedy"), [
    (("full", {"freeze": "embedings"}), "use `embeddings`"),
    (("full", {"freeze": 3}), "use a number up to 2"),
    (("full", {"freeze": "*"}), "freeze less"),
    (("lora", {"layers": [2]}), "use numbers from 0, the lowest, to 1"),
    (("lora", {"layers": "1-9"}), "use numbers from 0, the lowest, to 1"),
], ids=str)
def test_layers_that_are_not_there_are_an_error_with_what_there_is(base, case, remedy):
    with pytest.raises(Misuse) as caught:
        opened(base, case)
    assert caught.value.remedy == remedy


def test_an_unknown_target_is_an_error_with_the_nearest_name(base):
    with pytest.raises(Misuse, match="`q_porj`") as caught:
        opened(base, ("lora", {"targets": ["v_proj", "q_porj"]}))
    assert caught.value.remedy == "use `q_proj`"


def test_all_linear_leaves_out_the_head(base, tmp_path):
    untied = bases.find(str(tiny_base(tmp_path / "untied", tie_word_embeddings=False)))
    model = opened(untied, ("lora", {}))
    layers = {name.split(".")[-3] for name in model.learns}
    assert layers == {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}
    assert len(model.learns) == 2 * 2 * 7


def test_dropout_acts_in_training_only_and_follows_torchs_seed(base):
    model = opened(base, ("lora", {"dropout": 0.5}))
    disturb(model)
    still = logits(model.network)
    assert torch.equal(logits(model.network), still)
    model.network.train()
    answers = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        answers.append(logits(model.network))
    assert torch.equal(answers[0], answers[1])
    assert not torch.equal(answers[0], answers[2]) and not torch.equal(answers[0], still)
