"""Networks that read one text and write another: their losses, gradients and answers are transformers' own."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from architectures import Wide
from tunesmith.contracts import Given
from tunesmith.encoding.batches.packing import cut, pack
from tunesmith.models import bases, load
from tunesmith.models.adapters import full, lora
from tunesmith.models.model import LanguageModel
from tunesmith.records import Head, Pair
from tunesmith.tasks import seq2seq
from two_texts import FAMILIES, base_of

HEAD = Head("encoder-decoder")
TEXTS = [("The hat is red.", "red"), ("a", "b c d"), ("How many hats has Anna?", "Anna has 2 hats."),
         ("Is it far to Baku?", "no"), ("one, two, three, four, five: what comes now?", "6 and 7 and 8")]
PREFIX = "say: "


class Opened:
    """A family's tiny network, opened by us in float64, and by transformers."""

    def __init__(self, family: str, folder: Path, adapter: Any = full, **settings: Any) -> None:
        from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

        self.source, self.target = FAMILIES[family][2]
        base = bases.find(str(base_of(family, folder)))
        with Wide():
            network = load.network(base, dtype=torch.float64, device=torch.device("cpu"), head=HEAD)
            self.model = LanguageModel(network, adapter, adapter.Settings(), seed=0, head=HEAD)
            self.network = AutoModelForSeq2SeqLM.from_pretrained(folder, dtype=torch.float64).eval()
        self.codec = load.codec(base, None, None)  # type: ignore[arg-type]
        languages = {"source_language": self.source, "target_language": self.target} if self.source else {}
        self.settings = seq2seq.Settings(prefix=PREFIX, **languages, **settings)
        languages = {"src_lang": self.source, "tgt_lang": self.target} if self.source else {}
        self.tokenizer = AutoTokenizer.from_pretrained(folder, **languages)
        self.pairs = [Pair(source, target, f"rows.jsonl:{number}", str(number))
                      for number, (source, target) in enumerate(TEXTS, 1)]

    def documents(self) -> list[Any]:
        made = seq2seq.encode(self.pairs, self.codec, self.settings, HEAD)
        return [replace(document, example=number) for number, (found, _) in enumerate(made) for document in found]

    def theirs(self, pair: Pair) -> Any:
        return self.tokenizer(PREFIX + pair.prompt, text_target=pair.answer, return_tensors="pt")


@pytest.fixture(params=FAMILIES)
def family(request: pytest.FixtureRequest) -> str:
    return request.param


def test_documents_have_the_ids_that_transformers_tokenizer_gives_both_texts(family: str, tmp_path: Path) -> None:
    opened = Opened(family, tmp_path)
    proof = seq2seq.proof(opened.codec, HEAD, seq2seq.Settings())
    for document, pair in zip(opened.documents(), opened.pairs, strict=True):
        theirs, part = opened.theirs(pair), document.token_columns["of_target"]
        assert document.ids[part == 0].tolist() == theirs["input_ids"][0].tolist()
        assert document.targets[document.weights > 0].tolist() == theirs["labels"][0].tolist()
        assert proof.prove([document], pair) == []
    assert proof.notes() == []


def test_loss_and_gradients_are_transformers_own(family: str, tmp_path: Path) -> None:
    opened = Opened(family, tmp_path)
    with Wide():
        found = seq2seq.loss(opened.model, pack(opened.documents()), opened.settings)
        found.terms.sum().backward()
        opened.model.gradients()
        losses = []
        for pair in opened.pairs:
            given = opened.theirs(pair)
            loss = opened.network(**given, use_cache=False).loss * given["labels"].shape[1]
            loss.backward()
            losses.append(loss.detach())
    torch.testing.assert_close(found.terms.detach(), torch.stack(losses), rtol=1e-10, atol=1e-10)
    named = dict(opened.network.named_parameters())
    assert opened.model.learns.keys() == named.keys()
    for name, master in opened.model.learns.items():
        torch.testing.assert_close(master.grad, named[name].grad, rtol=1e-10, atol=1e-10, msg=name)
    assert opened.model.unreached() == []


def test_terms_are_the_same_however_a_batch_is_cut(family: str, tmp_path: Path) -> None:
    opened = Opened(family, tmp_path)
    batch = pack(opened.documents())
    with Wide(), torch.no_grad():
        whole = seq2seq.loss(opened.model, batch, opened.settings)
        apart = [seq2seq.loss(opened.model, piece, opened.settings) for piece in cut(batch, 40)]
    assert len(apart) > 2
    torch.testing.assert_close(torch.cat([part.terms for part in apart]), whole.terms, rtol=1e-10, atol=1e-10)
    assert torch.cat([part.weights for part in apart]).tolist() == whole.weights.tolist()


@pytest.mark.parametrize(("beams", "penalty"), [(1, 1.0), (4, 1.0), (3, 2.0)])
def test_answers_are_those_of_transformers_own_search(family: str, beams: int, penalty: float, tmp_path: Path) -> None:
    opened = Opened(family, tmp_path, beams=beams, length_penalty=penalty)
    language = opened.tokenizer.convert_tokens_to_ids(opened.target) if opened.target else None
    told = {"BART": {"forced_bos_token_id": 0}, "mBART": {"decoder_start_token_id": language},
            "mBART-50": {"forced_bos_token_id": language}, "NLLB": {"forced_bos_token_id": language}}.get(family, {})
    forced = int("forced_bos_token_id" in told)
    expected = {}
    with Wide():
        for number, pair in enumerate(opened.pairs):
            ids = opened.theirs(pair)["input_ids"]
            [found] = opened.network.generate(
                input_ids=ids, attention_mask=torch.ones_like(ids), num_beams=beams, length_penalty=penalty,
                max_new_tokens=7 + forced, do_sample=False, **told).tolist()
            expected[number] = opened.tokenizer.decode(found, skip_special_tokens=True)
        ours = list(seq2seq.predict(opened.model, opened.pairs, opened.settings, given=Given(lambda: opened.codec),
                                    max_new_tokens=7, batch_size=3))
    special = set(opened.codec.control)
    assert {one.example: _without(one.text, special) for one in ours} == expected
    assert all(one.tokens <= 7 and one.stopped_by in ("end", "length") for one in ours)
    assert any(expected.values())


def _without(text: str, special: set[str]) -> str:
    for token in special:
        text = text.replace(token, "")
    return text


def test_lora_is_pefts_own_and_its_files_say_so(tmp_path: Path) -> None:
    from peft import PeftModel
    from safetensors.torch import save_file

    opened = Opened("T5", tmp_path / "base", lora)
    shapes = {name: tuple(weight.shape) for name, weight in opened.network.named_parameters()}
    generator = torch.Generator().manual_seed(5)
    for name, master in opened.model.learns.items():
        if "lora_B" in name:
            master.data.copy_(torch.randn(master.shape, generator=generator) * 0.1)
    folder = tmp_path / "adapter"
    folder.mkdir()
    save_file({name: tensor.contiguous() for name, tensor in opened.model.tensors().items()},
              folder / lora.weights_file)
    for name, told in lora.configuration(opened.model.network, lora.Settings(), "base").items():
        (folder / name).write_text(json.dumps(told))
        assert told["task_type"] == "SEQ_2_SEQ_LM"
    with Wide():
        theirs = PeftModel.from_pretrained(opened.network, folder).double().eval()
        found = seq2seq.loss(opened.model, pack(opened.documents()), opened.settings).terms.detach()
        expected = [theirs(**given, use_cache=False).loss.detach() * given["labels"].shape[1]
                    for given in map(opened.theirs, opened.pairs)]
    torch.testing.assert_close(found, torch.stack(expected), rtol=1e-9, atol=1e-9)
    assert type(theirs).__name__ == "PeftModelForSeq2SeqLM"
    assert lora.parameters(shapes, lora.Settings()) == sum(one.numel() for one in opened.model.learns.values())
