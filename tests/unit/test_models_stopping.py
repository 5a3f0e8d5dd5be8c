"""What is written beside a tuned model: whoever serves it stops where it was taught to."""

from __future__ import annotations

import json
from datetime import datetime

import pytest
import torch

from tiny import tiny_base, tiny_tokenizer
from tunesmith.models import bases, load, stopping

DATE = datetime(2026, 11, 21)


@pytest.fixture
def folder(tmp_path):
    """A base as many are: it stops on `<|endoftext|>`, and its template ends turns with `<|im_end|>`."""
    made = tiny_base(tmp_path / "base", eos_token_id=0, pad_token_id=0)
    said = json.loads((made / "tokenizer_config.json").read_text())
    (made / "tokenizer_config.json").write_text(json.dumps({**said, "eos_token": "<|endoftext|>"}))
    return made


def written(folder, target, *, turns=True, template=None):
    """The base saved as it is, and what stands beside a model tuned from it."""
    base = bases.find(str(folder))
    load.network(base, dtype=torch.float32, device=torch.device("cpu")).save_pretrained(target)
    stopping.write(target, base, load.codec(base, template, DATE), turns=turns)
    return target


def test_transformers_stops_on_the_end_that_a_chat_was_taught_and_on_the_bases_own(folder, tmp_path):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    target = written(folder, tmp_path / "tuned")
    network = AutoModelForCausalLM.from_pretrained(target)
    tokenizer = AutoTokenizer.from_pretrained(target)
    assert network.generation_config.eos_token_id == network.config.eos_token_id == [2, 0]
    assert (tokenizer.eos_token, tokenizer.chat_template) == ("<|im_end|>", tiny_tokenizer().chat_template)
    for end, length in ((2, 1), (0, 1), (5, 8)):
        def force(ids, scores, end=end):
            return torch.full_like(scores, -1e9).index_fill(1, torch.tensor([end]), 0.0)

        ids = network.generate(torch.tensor([[1, 40, 41]]), max_new_tokens=8, logits_processor=[force])
        assert ids.shape[1] == 3 + length


def test_texts_end_as_the_base_ends_them(folder, tmp_path):
    target = written(folder, tmp_path / "tuned", turns=False)
    said = json.loads((target / "generation_config.json").read_text())
    assert said["eos_token_id"] == [0, 2]
    assert json.loads((target / "tokenizer_config.json").read_text())["eos_token"] == "<|endoftext|>"


def test_how_the_base_samples_stays_as_it_was(folder, tmp_path):
    samples = {"_from_model_config": True, "eos_token_id": 0, "temperature": 0.7, "do_sample": True}
    (folder / "generation_config.json").write_text(json.dumps(samples))
    said = json.loads((written(folder, tmp_path / "tuned") / "generation_config.json").read_text())
    assert "_from_model_config" not in said
    assert (said["temperature"], said["do_sample"], said["eos_token_id"]) == (0.7, True, [2, 0])


def test_a_template_that_writes_eos_itself_keeps_the_one_that_it_was_proved_with(folder, tmp_path):
    from transformers import AutoTokenizer

    template = tmp_path / "own.jinja"
    template.write_text(tiny_tokenizer().chat_template + "{{ eos_token }}")
    target = written(folder, tmp_path / "tuned", template=str(template))
    tokenizer = AutoTokenizer.from_pretrained(target)
    assert tokenizer.eos_token == "<|endoftext|>" and tokenizer.chat_template == template.read_text()
    turn = [{"role": "user", "content": "Hi"}]
    assert tokenizer.apply_chat_template(turn, tokenize=False).endswith("<|im_end|>\n<|endoftext|>")
    assert 2 in json.loads((target / "generation_config.json").read_text())["eos_token_id"]
