"""What vLLM is handed: a stub takes its command line as vLLM's own parser would, and opens what it was given."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from runs_of import run_on
from tiny import tiny_base
from tunesmith import cli
from tunesmith.errors import Misuse, Refusal
from tunesmith.serving import vllm
from tunesmith.serving.checks import Door
from tunesmith.workflow.exporting.export import export

KEY = "k3y-of-the-server-and-no-other"
STUB = '''#!{python}
"""Takes what `vllm serve` takes of this, opens the folders, and tells what it found."""
import argparse, json, os, sys
from pathlib import Path

parser = argparse.ArgumentParser(allow_abbrev=False)
parser.add_argument("verb", choices=["serve"])
parser.add_argument("model")
for name in ("host", "served-model-name", "chat-template", "tokenizer", "generation-config"):
    parser.add_argument(f"--{{name}}")
parser.add_argument("--chat-template-content-format", choices=["auto", "string", "openai"])
parser.add_argument("--port", type=int)
parser.add_argument("--enable-lora", action="store_true")
parser.add_argument("--max-lora-rank", type=int, choices=[8, 16, 32, 64, 128, 256, 320, 512])
parser.add_argument("--lora-modules", nargs="+")
told = vars(parser.parse_args())
told["architecture"] = json.loads(Path(told["model"], "config.json").read_text())["architectures"]
told["weights"] = sorted(file.name for file in Path(told["model"]).glob("*.safetensors"))
told["template"] = Path(told["chat_template"]).read_text()
for each in told["lora_modules"] or []:
    told["adapter"] = json.loads(Path(each.split("=")[1], "adapter_config.json").read_text())
told["environment"] = {{name: os.environ.get(name) for name in ("VLLM_API_KEY", "DO_NOT_TRACK", "HF_HUB_OFFLINE")}}
told["words"] = sys.argv
print(json.dumps(told))
sys.exit(7)
'''


@pytest.fixture
def installed(tmp_path, monkeypatch) -> Path:
    """A `vllm` on the path."""
    program = tmp_path / "bin" / "vllm"
    program.parent.mkdir()
    program.write_text(STUB.format(python=sys.executable), encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    return program


@pytest.fixture(scope="module")
def merged(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("merged")
    run = run_on(tiny_base(folder / "base"), folder)
    export(run, "merged", prompts=2)
    return run


@pytest.fixture(scope="module")
def adapted(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("adapted")
    run = run_on(tiny_base(folder / "base"), folder)
    export(run, "adapter", prompts=2)
    return run


def told(run: Path, door: Door, port: int = 8000) -> dict:
    """What the stub says, started as `hand_over` starts it."""
    handed = vllm.command(run, "hats", door, port)
    done = subprocess.run(handed.words, env={**os.environ, **handed.environment}, capture_output=True, text=True,
                          check=False)
    assert done.returncode == 7, done.stderr
    return json.loads(done.stdout)


def test_the_merged_run_goes_over_with_its_name_template_address_and_key(merged, installed):
    said = told(merged, Door(host="0.0.0.0", key=KEY), 8123)
    assert (said["host"], said["port"], said["served_model_name"]) == ("0.0.0.0", 8123, "hats")
    assert said["model"] == str(merged / "exports" / "merged") and said["weights"] == ["model.safetensors"]
    assert said["architecture"] == ["LlamaForCausalLM"]
    from transformers import AutoTokenizer

    assert said["template"] == AutoTokenizer.from_pretrained(said["model"]).chat_template
    assert said["environment"]["VLLM_API_KEY"] == KEY
    assert KEY not in " ".join(said["words"]), "a command line can be listed by everybody on the machine"
    assert (said["environment"]["DO_NOT_TRACK"], said["environment"]["HF_HUB_OFFLINE"]) == ("1", "1")


def test_an_adapter_goes_over_with_its_base(adapted, installed):
    said = told(adapted, Door())
    assert said["weights"] == ["model.safetensors"] and said["enable_lora"]
    assert said["adapter"]["r"] == 4 and said["max_lora_rank"] == 8
    assert said["lora_modules"] == [f"hats={adapted / 'exports' / 'adapter'}"]
    assert said["environment"]["VLLM_API_KEY"] is None


def test_the_process_becomes_vllm(merged, installed, monkeypatch):
    became = []
    monkeypatch.setattr(os, "execvpe", lambda *given: became.append(given))
    vllm.hand_over(merged, "hats", Door(key=KEY), 8000)
    [(program, words, environment)] = became
    assert program == words[0] == str(installed) and environment["VLLM_API_KEY"] == KEY


def test_where_vllm_is_missing_it_is_said_what_to_do(merged, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(Misuse, match="`vllm` is not installed") as missing:
        vllm.command(merged, "hats", Door(), 8000)
    assert "leave `--engine` out" in missing.value.remedy


def test_a_run_without_an_export_names_the_command_that_makes_one(tmp_path, installed):
    run = run_on(tiny_base(tmp_path / "base"), tmp_path, "training.steps=3")
    with pytest.raises(Misuse) as missing:
        vllm.command(run, "hats", Door(), 8000)
    assert missing.value.remedy == f"tunesmith export {run} merged"


@pytest.mark.parametrize("name", ["model.safetensors", "chat_template.jinja", "generation_config.json"])
def test_an_export_that_was_changed_since_it_was_proved_is_refused(merged, installed, name):
    file = merged / "exports" / "merged" / name
    was = file.read_bytes()
    file.write_bytes(was[:-1] + bytes([was[-1] ^ 1]))
    try:
        with pytest.raises(Refusal, match="is not what was proved"):
            vllm.command(merged, "hats", Door(), 8000)
    finally:
        file.write_bytes(was)


def test_an_export_of_an_earlier_checkpoint_is_not_handed_over(merged, installed):
    file = merged / "exports" / "merged" / "parity.json"
    was = file.read_text(encoding="utf-8")
    file.write_text(json.dumps({**json.loads(was), "step": 1}), encoding="utf-8")
    try:
        with pytest.raises(Misuse, match="the export is of step 1"):
            vllm.command(merged, "hats", Door(), 8000)
    finally:
        file.write_text(was, encoding="utf-8")


@pytest.mark.parametrize(("words", "told"), [
    ([], "`vllm` is not installed"), (["--queue", "3"], "--queue is tunesmith's own"),
    (["--rows", "3", "--allow-host", "a"], "--rows, --allow-host are tunesmith's own"), (["x"], "one run goes over"),
    (["--host", "0.0.0.0"], "can be reached by others, and no key is named"),
])
def test_the_command_line_says_what_keeps_a_run_from_vllm(monkeypatch, capsys, tmp_path, words, told):
    monkeypatch.setenv("PATH", "/nowhere")
    assert cli.main(["serve", str(tmp_path), *words, "--engine", "vllm"]) == 2
    assert told in capsys.readouterr().err


def test_a_server_that_others_reach_is_not_started_without_a_key(capsys, tmp_path):
    assert cli.main(["serve", str(tmp_path), "--host", "0.0.0.0"]) == 2
    assert "can be reached by others, and no key is named" in capsys.readouterr().err
