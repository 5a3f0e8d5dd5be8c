"""Tiny random networks of many architectures, and how near their gradients here are to transformers' own.

`python tests/architectures.py` writes the table of docs/architectures.md anew.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import torch
from torch.overrides import TorchFunctionMode

from tunesmith.models import bases, load
from tunesmith.models.adapters import full, lora
from tunesmith.models.model import LanguageModel
from tunesmith.records import SEGMENT, Batch, Head

DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "architectures.md"
BEGIN, END = "<!-- table -->\n", "<!-- end -->\n"
LENGTHS = (9, 12, 5, 11)
WINDOW = 4
DROPOUTS = ("attn_pdrop", "resid_pdrop", "embd_pdrop", "dropout", "attention_dropout", "hidden_dropout_prob",
            "attention_probs_dropout_prob", "classifier_dropout", "classifier_dropout_prob")
SMALL = {
    "vocab_size": 160, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "max_position_embeddings": 64, "initializer_range": 0.2, "pad_token_id": 0,
    "bos_token_id": 1, "eos_token_id": 2,
}
TYPES = {"sliding_window": WINDOW, "layer_types": ["sliding_attention", "full_attention"], "head_dim": 8}
# Name for a person: transformers' name, what its configuration has beside SMALL
ARCHITECTURES = {
    "Llama": ("Llama", {}),
    "Qwen2": ("Qwen2", {}),
    "Qwen3": ("Qwen3", {"head_dim": 8}),
    "Mistral, window of 4": ("Mistral", {"sliding_window": WINDOW}),
    "Phi-3": ("Phi3", {}),
    "Gemma 2, window of 4, soft caps": (
        "Gemma2", TYPES | {"attn_logit_softcapping": 2.0, "final_logit_softcapping": 1.0, "query_pre_attn_scalar": 8}),
    "Gemma 3, window of 4": ("Gemma3", TYPES),
    "OLMo 2": ("Olmo2", {}),
    "Granite": ("Granite", {"logits_scaling": 3.0, "residual_multiplier": 0.5}),
    "Cohere": ("Cohere", {"logit_scale": 0.3}),
    "GPT-2": ("GPT2", {}),
    "GPT-NeoX": ("GPTNeoX", {}),
    "OPT": ("OPT", {"ffn_dim": 48, "word_embed_proj_dim": 32}),
    "StableLM": ("StableLm", {}),
    "Falcon": ("Falcon", {"new_decoder_architecture": False}),
    "Falcon, with ALiBi": ("Falcon", {"alibi": True}),  # transformers' eager formula for it adds the ALiBi twice
    "GPT-J": ("GPTJ", {"rotary_dim": 4}),
    "LFM2, with convolutions": ("Lfm2", {"layer_types": ["conv", "full_attention"]}),
    "Falcon-H1": ("FalconH1", {"mamba_d_ssm": 32, "mamba_n_heads": 4, "mamba_d_head": 8, "mamba_d_state": 4,
                               "mamba_chunk_size": 4}),
    "RWKV": ("Rwkv", {"attention_hidden_size": 32}),
    "BLOOM": ("Bloom", {}),
    "Mamba": ("Mamba", {"state_size": 4}),
    "Mamba 2": ("Mamba2", {"num_heads": 8, "head_dim": 8, "state_size": 4, "n_groups": 1, "chunk_size": 4}),
}
ROBERTA = {"pad_token_id": 1, "type_vocab_size": 1}
# Those that read both ways, each with a head that says something of every token
ENCODERS = {
    "BERT": ("Bert", {}),
    "RoBERTa": ("Roberta", ROBERTA),
    "XLM-RoBERTa": ("XLMRoberta", ROBERTA),
    "DistilBERT": ("DistilBert", {"dim": 32, "hidden_dim": 48, "n_layers": 2, "n_heads": 4}),
    "ELECTRA": ("Electra", {"embedding_size": 24}),
    "ALBERT": ("Albert", {"embedding_size": 24}),
    "ModernBERT, window of 2 on each side": ("ModernBert", {
        "local_attention": 4, "layer_types": ["sliding_attention", "full_attention"], "cls_token_id": 1,
        "sep_token_id": 2}),
    "XLM-RoBERTa-XL": ("XLMRobertaXL", ROBERTA),
    "MPNet": ("MPNet", {}),
    "DeBERTa-v2": ("DebertaV2", {}),
}
ARCHITECTURES |= ENCODERS
HEAD = Head("token", ("a", "b", "c", "d", "e"))


@dataclass(frozen=True)
class Measured:
    """How documents were laid, how layers computed, and the largest relative error of a gradient with each adapter."""

    layout: str
    layers: str
    lora: float
    full: float


class Wide(TorchFunctionMode):
    """Every cast to float32 is one to float64: transformers computes norms, rotation and softmax in float32 else."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        if function is torch.Tensor.float:
            return args[0].double()
        args = tuple(torch.float64 if value is torch.float32 else value for value in args)
        kwargs = {key: torch.float64 if value is torch.float32 else value for key, value in (kwargs or {}).items()}
        return function(*args, **kwargs)


def network_of(name, **others):
    """The tiny network in float64, with an eager attention of its own."""
    import transformers

    stem, changes = ARCHITECTURES[name]
    settings = SMALL | changes | others
    settings |= {"num_labels": len(HEAD.labels)} if name in ENCODERS else {}
    config = getattr(transformers, ("Gemma3Text" if stem == "Gemma3" else stem) + "Config")(**settings)
    for dropout in DROPOUTS:
        if hasattr(config, dropout):
            setattr(config, dropout, 0.0)
    ending = "ForTokenClassification" if name in ENCODERS else "LMHeadModel" if stem == "GPT2" else "ForCausalLM"
    kind = getattr(transformers, stem + ending)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        attention = "sdpa" if stem == "Falcon" else "eager"
        network = kind._from_config(config, attn_implementation=attention, dtype=torch.float64).eval()
        with torch.no_grad():
            for weight in network.parameters():
                if weight.ndim == 1:  # norms and biases of ones and zeros would hide mistakes
                    weight.add_(torch.randn_like(weight) * 0.1)
    return network


def batch_of(lengths, device="cpu"):
    """Documents of random ids, two thirds of their rows supervised; the end of each is of the second segment."""
    generator = torch.Generator().manual_seed(3)
    rows = sum(lengths)
    borders = [sum(lengths[:number]) for number in range(len(lengths) + 1)]
    weights = (torch.rand(rows, generator=generator) < 0.67).float()
    weights[[border - 1 for border in borders[1:]]] = 1.0
    ids, targets = (torch.randint(3, SMALL["vocab_size"], (rows,), generator=generator).to(device) for _ in range(2))
    numbers = torch.arange(len(lengths), device=device)
    positions = torch.cat([torch.arange(length) for length in lengths]).to(device)
    return Batch(
        ids=ids, targets=targets, weights=weights.to(device), borders=tuple(borders), documents=(),
        positions=positions, token_columns={SEGMENT: (positions > 4).long()},
        document_of=numbers.repeat_interleave(torch.tensor(lengths, device=device)),
        supervised=weights.nonzero()[:, 0].to(device), examples=numbers, example_ids=tuple(range(len(lengths))),
    )


def transformers_own(network, batch, name=""):
    """Leave on the network its own gradients: one document at a time, and plain cross entropy; returns the loss."""
    told, total = {"use_cache": False}, 0.0
    for start, end in zip(batch.borders, batch.borders[1:], strict=False):
        chosen = batch.weights[start:end] > 0
        if name in ENCODERS:
            types = vars(network.config).get("type_vocab_size", 0) > 1
            told = {"token_type_ids": batch.token_columns[SEGMENT][None, start:end]} if types else {}
        logits = network(input_ids=batch.ids[None, start:end], **told).logits[0, chosen]
        targets = batch.targets[start:end][chosen] % (len(HEAD.labels) if name in ENCODERS else 10**9)
        loss = torch.nn.functional.cross_entropy(logits, targets, reduction="sum")
        loss.backward()
        total += loss.item()
    return total


def loss_of(model, batch):
    """The summed loss of a batch by our model."""
    if model.head.kind == "causal":
        return model.log_probabilities(batch).sum().neg()
    targets = batch.targets[batch.supervised] % len(HEAD.labels)
    return torch.nn.functional.cross_entropy(model.outputs(batch, batch.supervised), targets, reduction="sum")


def with_peft(network, model, settings, folder):
    """The network with PEFT's own adapter: of a language model, read from the files that a run writes."""
    import json

    if model.head.kind != "causal":
        return injected(network, model, settings)

    from peft import PeftModel
    from safetensors.torch import save_file

    folder.mkdir()
    save_file({name: tensor.contiguous() for name, tensor in model.tensors().items()}, folder / lora.weights_file)
    for name, content in lora.configuration(model.network, settings, "").items():
        (folder / name).write_text(json.dumps(content))
    return PeftModel.from_pretrained(network, folder, is_trainable=True).double().eval()


def injected(network, model, settings):
    """The network with PEFT's layers in the place of those that ours has additions on, and its head learning."""
    from peft import LoraConfig, inject_adapter_in_model

    names = [key.removesuffix(".lora_A.weight") for key in model.learns if key.endswith("lora_A.weight")]
    made = inject_adapter_in_model(
        LoraConfig(r=settings.rank, lora_alpha=settings.alpha, target_modules=names), network).double().eval()
    weights = {lora.PREFIX + key.replace(".default", ""): weight for key, weight in made.named_parameters()}
    for key, master in model.tensors().items():
        weights[key].requires_grad_(True).data.copy_(master)
    return made


def same_buffers(network, reference):
    """Tables of positions, which transformers makes in another precision where it loads a network, are the same."""
    theirs = dict(reference.named_buffers())
    for name, buffer in network.named_buffers():
        buffer.copy_(theirs[name])


def gradients(name, adapter, folder, device="cpu"):
    """The model and its gradients, and those of transformers (with PEFT's LoRA), by the same names, in float64."""
    with Wide():
        network = network_of(name).to(device)
    network.save_pretrained(folder / "base")
    base = bases.find(str(folder / "base"))
    settings = adapter.Settings()
    batch = batch_of(LENGTHS, device)
    with Wide():
        head = HEAD if name in ENCODERS else Head("causal")
        opened = load.network(base, dtype=torch.float64, device=torch.device(device), head=head)
        model = LanguageModel(opened, adapter, settings, seed=0, head=head)
        same_buffers(model.network, network)
        if adapter is lora:
            generator = torch.Generator().manual_seed(5)
            for key, master in model.learns.items():
                if "lora_B" in key:
                    master.data.copy_(torch.randn(master.shape, generator=generator) * 0.1)
            reference = with_peft(network, model, settings, folder / "adapter")
        else:
            reference = network
        loss = loss_of(model, batch)
        loss.backward()
        model.gradients()
        torch.testing.assert_close(loss.item(), transformers_own(reference, batch, name), rtol=1e-11, atol=0)
    prefix = lora.PREFIX if adapter is lora and name in ENCODERS else ""
    named = {prefix + key.replace(".default", ""): weight.grad for key, weight in reference.named_parameters()}
    found = {adapter.disk_name(key): master.grad for key, master in model.learns.items()}
    return model, found, named


def error_of(found, wanted):
    """The largest difference of a gradient from the one wanted, beside the largest number in that."""
    assert all(gradient is not None for gradient in found.values())
    return max(
        float((gradient - wanted[name]).abs().max() / wanted[name].abs().max().clamp(min=1e-3))
        for name, gradient in found.items()
    )


def measured(name):
    """One row of the table."""
    errors = {}
    for adapter in (lora, full):
        with tempfile.TemporaryDirectory() as folder:
            model, found, wanted = gradients(name, adapter, Path(folder))
        errors[adapter] = error_of(found, wanted)
    return Measured(str(model.layout), layers(model.paths), errors[lora], errors[full])


def layers(paths):
    """How many layers compute by hand, and why the first other does not."""
    why = next((f": {path.reason}" for path in paths if not path.fast), "")
    return f"{sum(path.fast for path in paths)} of {len(paths)}{why}" if paths else "none"


def bound(error):
    """The power of ten that an error is below: what a table can promise on any machine."""
    return next((f"1e-{digits}" for digits in (12, 10, 8, 6, 4, 2) if error < 10.0**-digits), "1")


def row(name, found):
    """A line of the table."""
    kind, _, why = found.layout.partition(": ")
    return f"| {name} | {kind} | {why} | {found.layers} | {bound(found.lora)} | {bound(found.full)} |"


def table():
    """The lines that docs/architectures.md holds, by name."""
    text = DOCUMENT.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0]
    return {line.split("|")[1].strip(): line for line in text.splitlines()[2:]}


def write():
    """Measure every architecture and put the table into the document."""
    head = ["| architecture | documents are | because | layers by hand | error, LoRA | error, full |",
            "|---|---|---|---|---|---|"]
    lines = head + [row(name, measured(name)) for name in ARCHITECTURES]
    before, _, rest = DOCUMENT.read_text(encoding="utf-8").partition(BEGIN)
    DOCUMENT.write_text(before + BEGIN + "\n".join(lines) + "\n" + END + rest.partition(END)[2], encoding="utf-8")


if __name__ == "__main__":
    write()
