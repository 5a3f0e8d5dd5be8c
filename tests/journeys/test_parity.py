"""Real models taken out: 50 held-out prompts answered token for token, in processes that never heard of tunesmith."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tunesmith.errors import Problems, Refusal
from tunesmith.exports import adapter as adapter_export
from tunesmith.exports import merged
from tunesmith.inference import predictor
from tunesmith.models import bases
from tunesmith.recipe.read import parse
from tunesmith.records import Message
from tunesmith.workflow.exporting.export import export
from tunesmith.workflow.tuning.train import train

pytestmark = [pytest.mark.long, pytest.mark.timeout(3600)]
EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "orders" / "generate.py"
SYSTEM = "Write the order as JSON."
PROMPTS = 50
STRANGER = """
import json, sys
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig
folder, base, asked = sys.argv[1:3] + [json.loads(sys.argv[3])]
if base:
    from peft import PeftModel
    network = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    model = PeftModel.from_pretrained(network, folder)
else:
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
tokenizer, stops = AutoTokenizer.from_pretrained(folder), GenerationConfig.from_pretrained(folder).eos_token_id
said = []
for messages in asked:
    ids = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=True, return_tensors="pt")
    made = model.generate(**ids, max_new_tokens=24, do_sample=False, repetition_penalty=1.0, eos_token_id=stops)
    said.append(tokenizer.decode(made[0, ids["input_ids"].shape[1]:], skip_special_tokens=True))
assert not [name for name in sys.modules if name.startswith("tunesmith")]
print(json.dumps(said))
"""


@pytest.fixture(scope="module")
def orders(tmp_path_factory) -> Path:
    """The demo's data: 64 orders are held out."""
    folder = tmp_path_factory.mktemp("orders")
    found = importlib.util.spec_from_file_location("generate", EXAMPLE)
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    module.main(folder)
    return folder


@pytest.fixture(scope="module")
def runs(orders, shared, tmp_path_factory):
    """Runs by base and adapter, each trained once."""
    names = {"smollm2": "smollm2-135m-instruct",
             "stories260k": str(shared / "models" / "pretrained" / "stories260k-llama")}
    made: dict[tuple[str, str], Path] = {}

    def run(base: str, adapter: str) -> Path:
        if (base, adapter) not in made:
            recipe = parse({
                "base": {"name": names[base], "dtype": "float32"}, "task": "chat",
                "data": {"train": str(orders / "orders.jsonl"), "validation": 0.0, "system": SYSTEM,
                         "test": str(orders / "orders-test.jsonl"),
                         **({} if base == "smollm2" else {"template": "chatml"})},
                "adapter": adapter,
                "training": {"learning_rate": 1e-3 if adapter == "lora" else 1e-4, "steps": 8, "batch_size": 4,
                             "max_length": 512},
                "evaluation": {"generate": 2, "max_new_tokens": 24},
                "run": {"folder": str(tmp_path_factory.mktemp("runs")), "name": base},
            }, source="test")
            made[base, adapter] = train(recipe).run
        return made[base, adapter]

    return run


CASES = [("smollm2", "lora", "adapter"), ("smollm2", "lora", "merged"), ("smollm2", "full", "merged"),
         ("stories260k", "lora", "adapter"), ("stories260k", "lora", "merged"), ("stories260k", "full", "merged")]


@pytest.mark.parametrize(("base", "adapter", "kind"), CASES)
def test_fifty_greedy_answers_are_token_for_token_those_of_the_run(runs, base, adapter, kind, capsys):
    done = export(runs(base, adapter), kind, prompts=PROMPTS)
    answers = done.parity["answers"]
    with capsys.disabled():
        print(f"\n{base} {adapter} {kind}: {answers['equal']} of {answers['prompts']} equal, {answers['tokens']} "
              f"tokens, mean {answers['mean_difference']:.1e}, largest {answers['largest_difference']:.1e} nats")
    assert (answers["equal"], answers["prompts"]) == (PROMPTS, PROMPTS)
    assert answers["largest_difference"] < answers["tolerance"]


@pytest.mark.parametrize(("base", "adapter", "kind"), [case for case in CASES if case[0] == "smollm2"])
def test_a_process_without_tunesmith_gets_the_runs_own_answers(runs, orders, base, adapter, kind):
    run = runs(base, adapter)
    folder = run / "exports" / kind
    if not folder.exists():
        export(run, kind, prompts=2)
    rows = [json.loads(line) for line in (orders / "orders-test.jsonl").read_text().splitlines()[:3]]
    asked = [[{"role": "system", "content": SYSTEM}, {"role": "user", "content": row["prompt"]}] for row in rows]
    under = str(bases.find("smollm2-135m-instruct").folder) if kind == "adapter" else ""
    done = subprocess.run(
        [sys.executable, "-c", STRANGER, str(folder), under, json.dumps(asked)], capture_output=True, text=True,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"}, cwd=folder)
    assert done.returncode == 0, done.stderr
    opened = predictor.open_run(run)
    sampling = predictor.Sampling(max_new_tokens=24)
    ours = [list(opened.chat([Message(**turn) for turn in turns], sampling))[-1].text for turns in asked]
    assert [text.strip() for text in json.loads(done.stdout)] == [text.strip() for text in ours]


def no_template(folder: Path) -> None:
    (folder / "chat_template.jinja").unlink()


def other_stop(folder: Path) -> None:
    file = folder / "generation_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"eos_token_id": 0}))


def scaled(folder: Path) -> None:
    from safetensors.torch import load_file, save_file

    [file] = folder.glob("*.safetensors")
    tensors = load_file(file)
    name = next(name for name in sorted(tensors) if "layers.15.mlp.down_proj" in name and tensors[name].ndim == 2)
    # 5% of what one layer learnt in 8 steps moves no log-probability by the tolerance; 5% of its whole weight does
    factor = 20.0 if "lora" in name else 1.05
    save_file(tensors | {name: tensors[name] * factor}, file, metadata={"format": "pt"})


@pytest.mark.parametrize("damage", [no_template, other_stop, scaled])
@pytest.mark.parametrize("module", [adapter_export, merged], ids=["adapter", "merged"])
def test_a_damage_to_a_real_model_is_refused(runs, module, damage, monkeypatch, tmp_path):
    reload = module.reload

    def damaged(folder, source):
        damage(folder)
        return reload(folder, source)

    monkeypatch.setattr(module, "reload", damaged)
    with pytest.raises((Refusal, Problems)):
        export(runs("smollm2", "lora"), module.__name__.rpartition(".")[2], output=tmp_path / "out", prompts=8)
    assert not (tmp_path / "out").exists()


def test_the_cost_of_rounding_a_real_model_is_stated(runs, tmp_path, capsys):
    found = export(runs("smollm2", "full"), "merged", options=["dtype=bfloat16"], output=tmp_path / "out").parity
    with capsys.disabled():
        print(f"\nrounded to bfloat16: {found['answers']} as judged {found['as_judged']}")
    assert found["answers"]["different"] == 0 < found["as_judged"]["mean_difference"]
