"""A run taken out: what other programs find in the folder, and what is never overwritten, left behind or told."""

from __future__ import annotations

import json
import os
import re
import stat
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file

from architectures import SMALL
from runs_of import run_on
from tiny import tiny_base, tiny_tokenizer
from tunesmith import cli
from tunesmith.errors import Failure, Misuse, Problems, Refusal
from tunesmith.exports import adapter as adapters
from tunesmith.exports import merged
from tunesmith.inference import predictor
from tunesmith.models import bases
from tunesmith.workflow.exporting import parity
from tunesmith.workflow.exporting.export import export

MESSAGES = [{"role": "user", "content": "How many hats has Anna after 3?"}]


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> Path:
    return tiny_base(tmp_path_factory.mktemp("secret-place") / "base", dtype=torch.bfloat16)


@pytest.fixture(scope="module")
def run(base, tmp_path_factory) -> Path:
    """A LoRA run in float32 on a base that is kept in bfloat16."""
    return run_on(base, tmp_path_factory.mktemp("hidden-place"))


@pytest.fixture(scope="module")
def done(run):
    return export(run, "merged", prompts=4)


def ours(run: Path) -> torch.Tensor:
    """The run's own logits on a question."""
    opened = predictor.open_run(run, dtype=torch.float32)
    ids = tiny_tokenizer().apply_chat_template(MESSAGES, add_generation_prompt=True, return_tensors="pt")["input_ids"]
    with torch.inference_mode():
        return opened.model.network(input_ids=ids, use_cache=False).logits


def theirs(network, folder: Path) -> torch.Tensor:
    """Another program's, from the folder's own tokenizer and template."""
    from transformers import AutoTokenizer

    ids = AutoTokenizer.from_pretrained(folder).apply_chat_template(
        MESSAGES, add_generation_prompt=True, return_tensors="pt")["input_ids"]
    with torch.inference_mode():
        return network(input_ids=ids, use_cache=False).logits


def test_plain_transformers_opens_what_was_merged_in_the_bases_format(run, done):
    from transformers import AutoModelForCausalLM

    network = AutoModelForCausalLM.from_pretrained(done.folder)
    assert network.dtype == torch.bfloat16
    torch.testing.assert_close(theirs(network.float(), done.folder), ours(run), rtol=0, atol=0.1)
    assert network.generation_config.eos_token_id == 2
    assert network.config.use_cache is True and "lm_head.weight" not in load_file(done.folder / "model.safetensors")


def test_what_was_merged_is_a_base_like_any_other(done):
    opened = predictor.open(str(done.folder))
    assert opened.codec.stop == {2} and opened.codec.end_of_turn == "<|im_end|>"


def test_the_effect_of_rounding_is_stated(done):
    assert done.parity["weights"] == "bfloat16"
    assert done.parity["answers"]["largest_difference"] < 1e-4
    assert 1e-4 < done.parity["as_judged"]["largest_difference"] < 0.1


def test_an_export_whose_rounding_changes_what_it_says_is_refused_with_the_way_out(run, monkeypatch):
    monkeypatch.setattr(parity, "COARSE_MEAN", 1e-6)
    with pytest.raises(Refusal, match="weights in bfloat16 do not answer as the run did") as raised:
        export(run, "merged", prompts=2)
    assert raised.value.remedy == "use `dtype=float32`"
    assert export(run, "merged", options=["dtype=float32"], prompts=2).parity["answers"]["largest_difference"] < 1e-4


def test_peft_opens_the_adapter_over_the_base(run, base):
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    folder = export(run, "adapter", prompts=2).folder
    plain = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    network = PeftModel.from_pretrained(plain, folder)
    torch.testing.assert_close(theirs(network, folder), ours(run), rtol=0, atol=1e-4)
    assert json.loads((folder / "adapter_config.json").read_text())["base_model_name_or_path"] == "base"


def test_the_adapter_names_the_base_that_it_is_told(run, tmp_path):
    folder = export(run, "adapter", options=["base=somebody/model"], output=tmp_path / "out", prompts=1).folder
    assert json.loads((folder / "adapter_config.json").read_text())["base_model_name_or_path"] == "somebody/model"


def test_a_large_model_is_written_in_shards_with_an_index(run, tmp_path):
    from transformers import AutoModelForCausalLM

    folder = export(run, "merged", options=["shard=30KB"], output=tmp_path / "out", prompts=2).folder
    shards = sorted(file.name for file in folder.glob("*.safetensors"))
    assert len(shards) > 1 and shards[0] == f"model-00001-of-0000{len(shards)}.safetensors"
    assert (folder / "model.safetensors.index.json").is_file()
    torch.testing.assert_close(
        theirs(AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32), folder), ours(run), rtol=0, atol=0.1)


def test_a_full_tuning_has_no_adapter_and_is_told_what_to_use(base, tmp_path):
    full = run_on(base, tmp_path, adapter={"type": "full"})
    with pytest.raises(Misuse, match="this run has no adapter") as raised:
        export(full, "adapter")
    assert "`tunesmith export RUN merged`" in raised.value.remedy
    assert not (full / "exports").exists()


def test_a_run_on_a_run_is_merged_whole_and_has_no_adapter_of_its_own(run, tmp_path):
    second = run_on(run, tmp_path)
    assert export(second, "merged", prompts=3).parity["answers"]["equal"] == 3
    with pytest.raises(Misuse, match="is an earlier run"):
        export(second, "adapter")


@pytest.mark.parametrize("adapter", ["lora", "full"])
def test_gpt2s_layers_leave_by_every_door(tmp_path, adapter):
    from transformers import GPT2Config, GPT2LMHeadModel

    tokenizer = tiny_tokenizer()
    torch.manual_seed(0)
    GPT2LMHeadModel(GPT2Config(**SMALL | {"vocab_size": len(tokenizer), "max_position_embeddings": 128,
                                          "n_positions": 128})).save_pretrained(tmp_path / "base")
    tokenizer.save_pretrained(tmp_path / "base")
    run = run_on(tmp_path / "base", tmp_path, adapter={"type": adapter})
    for kind in ("adapter", "merged")[adapter == "full" :]:
        answers = export(run, kind, prompts=5).parity["answers"]
        assert answers["equal"] == 5 and answers["largest_difference"] < 1e-4


def test_texts_are_gone_on_with_where_a_task_has_no_turns(base, tmp_path):
    (tmp_path / "texts.jsonl").write_text("".join(
        json.dumps({"text": f"Anna has {n} hats and {n + 1} shirts in Baku."}) + "\n" for n in range(30)))
    run = run_on(base, tmp_path, f"data.train={tmp_path / 'texts.jsonl'}", task="completion")
    found = export(run, "merged", prompts=5).parity
    assert found["answers"]["equal"] == 5 and found["template"] is None


def run_the_card(folder: Path, run: Path, base: Path) -> None:
    """Do what a card says, with places for names."""
    [code] = re.findall(r"```python\n(.*?)```", (folder / "README.md").read_text(), re.DOTALL)
    for name, place in ((run.name, folder), (base.name, base)):
        code = code.replace(f'"{name}"', f'"{place}"')
    exec(code, {})


@pytest.mark.parametrize("adapter", ["lora", "full"])
def test_tokens_that_a_base_lacks_leave_with_the_run_and_its_cards_code_works(shared, tmp_path, adapter, capsys):
    stories = shared / "models" / "pretrained" / "stories260k-llama"
    run = run_on(stories, tmp_path, "data.template=chatml", adapter={"type": adapter})
    for kind in ("adapter", "merged")[adapter == "full" :]:
        found = export(run, kind, prompts=6).parity
        assert found["answers"]["equal"] == 6 and found["vocabulary"] == 514
        assert json.loads((run / "exports" / kind / "generation_config.json").read_text())["eos_token_id"] == [513, 2]
        run_the_card(run / "exports" / kind, run, stories)
        assert " assistant\n" in capsys.readouterr().out


def test_the_template_that_the_recipe_named_leaves_with_the_run(base, tmp_path):
    template = tmp_path / "mine.jinja"
    template.write_text("{% for m in messages %}[{{ m['role'] }}] {{ m['content'] }}<|im_end|>{% endfor %}"
                        "{% if add_generation_prompt %}[assistant] {% endif %}")
    run = run_on(base, tmp_path, f"data.template={template}")
    folder = export(run, "merged", prompts=2).folder
    assert (folder / "chat_template.jinja").read_text() == template.read_text()


def test_tools_and_thinking_are_handed_to_the_exported_template_as_to_the_runs(base, tmp_path):
    template, tools = tmp_path / "mine.jinja", tmp_path / "tools.json"
    template.write_text(
        "{% if tools %}{{ tools | tojson }}{% endif %}{% if enable_thinking is false %}(no thoughts) {% endif %}"
        "{% for m in messages %}[{{ m['role'] }}] {{ m['content'] }}<|im_end|>{% endfor %}"
        "{% if add_generation_prompt %}[assistant] {% endif %}")
    tools.write_text(json.dumps([{"type": "function", "function": {
        "name": "weather", "description": "d", "parameters": {"type": "object", "properties": {}}}}]))
    run = run_on(base, tmp_path, f"data.template={template}", f"data.tools={tools}", "data.thinking=no_think",
                 "training.max_length=400")
    folder = export(run, "merged", prompts=3).folder
    assert "tools=[…], enable_thinking=False" in (folder / "README.md").read_text()


def test_nothing_in_an_export_or_a_card_tells_where_things_lay(run, done):
    texts = [file.read_text() for file in done.folder.iterdir() if file.suffix != ".safetensors"]
    texts.append((run / "README.md").read_text())
    private = ("secret-place", "hidden-place", str(Path.home()), os.uname().nodename)
    assert not [text for text in texts for word in private if word in text]


@pytest.mark.parametrize("mask", [0o022, 0o077])
def test_files_get_the_mode_that_the_umask_leaves(run, tmp_path, mask):
    before = os.umask(mask)
    try:
        folder = export(run, "adapter", output=tmp_path / "out", prompts=1).folder
    finally:
        os.umask(before)
    assert {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {0o666 & ~mask}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o777 & ~mask


def test_a_folder_that_is_not_ours_is_never_overwritten(run, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "novel.txt").write_text("chapter one")
    with pytest.raises(Misuse, match="holds something else"):
        export(run, "merged", output=tmp_path / "mine")
    assert (tmp_path / "mine" / "novel.txt").read_text() == "chapter one"
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_an_export_again_replaces_the_one_before(run, tmp_path):
    export(run, "adapter", output=tmp_path / "out", prompts=1)
    (tmp_path / "out" / "left.txt").write_text("old")
    export(run, "adapter", output=tmp_path / "out", prompts=2)
    assert json.loads((tmp_path / "out" / "parity.json").read_text())["answers"]["prompts"] == 2
    assert [path.name for path in tmp_path.iterdir()] == ["out"] and not (tmp_path / "out" / "left.txt").exists()


def test_a_disk_that_fails_leaves_nothing_behind(run, tmp_path, monkeypatch):
    def full(model, source, folder, settings):
        (folder / "model.safetensors").write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(merged, "write", full)
    with pytest.raises(Failure) as raised:
        export(run, "merged", output=tmp_path / "out", prompts=1)
    assert raised.value.kind == "runs.no_space"
    assert not list(tmp_path.iterdir())


def test_a_missing_peft_is_told_before_anything_is_computed(run, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(Misuse) as raised:
        export(run, "adapter", output=tmp_path / "out")
    assert raised.value.remedy.startswith("pip install 'tunesmith[peft]'") and not list(tmp_path.iterdir())


def test_a_base_that_has_changed_since_is_refused(tmp_path):
    base = tiny_base(tmp_path / "base")
    run = run_on(base, tmp_path)
    tiny_base(tmp_path / "base", seed=1)
    with pytest.raises(Refusal, match="`base` is not what the run was made with"):
        export(run, "adapter")


def test_the_run_has_a_card_once_it_is_judged(run):
    card = (run / "README.md").read_text()
    assert "library_name: tunesmith" in card and "## Verdict: " in card


@pytest.mark.parametrize(("words", "told"), [
    (["merget"], "use `merged`"),
    (["merged", "dtyp=float32"], "use `dtype`"),
    (["merged", "dtype=float31"], "`dtype` must be `auto`, `float32`, `bfloat16` or `float16`"),
    (["merged", "--prompts", "0"], "give 1 or more"),
    (["merged", "dtype"], "`dtype` is no option"),
])
def test_a_mistake_on_the_command_line_is_told_with_what_to_write(run, capsys, words, told):
    assert cli.main(["export", str(run), *words]) == 2
    assert told in capsys.readouterr().err


def test_the_command_line_says_where_it_stands_and_how_near_it_is(run, tmp_path, capsys):
    words = ["export", str(run), "adapter", "--output", str(tmp_path / "out"), "--prompts", "2"]
    assert cli.main(words) == 0
    assert "2 of 2 greedy answers equal" in capsys.readouterr().out
    assert cli.main([*words, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found.keys() == {"run", "kind", "folder", "step", "files", "parity"}
    assert "adapter_config.json" in found["files"]


def test_all_that_differs_is_told_at_once(run, monkeypatch):
    reload = merged.reload

    def damaged(folder, source):
        (folder / "chat_template.jinja").unlink()
        (folder / "generation_config.json").write_text("{}")
        return reload(folder, source)

    monkeypatch.setattr(merged, "reload", damaged)
    with pytest.raises(Problems) as raised:
        export(run, "merged", prompts=1)
    assert {problem.kind for problem in raised.value.problems} == {"export.template", "export.stop"}


def test_the_card_of_an_adapter_opens_a_starter_from_its_package():
    """PEFT looks for `base_model_name_or_path` on the Hub, where no starter is."""
    before, opened = adapters._base_in_code(SimpleNamespace(base=bases.find("smollm2-135m-instruct")))[::-1]
    known = {"AutoModelForCausalLM": SimpleNamespace(from_pretrained=lambda folder, gguf_file: Path(folder, gguf_file))}
    exec(f"{before}\nfile = AutoModelForCausalLM.from_pretrained({opened})", known)
    assert known["file"].is_file()
