"""Runs leave as ONNX files: ONNX Runtime says what transformers says, of any number of texts of any length."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from graphs import code_of, oracle, part_of, run_with, said_by, texts_of
from tunesmith.errors import Misuse, Problems, Refusal
from tunesmith.exports import onnx as onnx_export
from tunesmith.workflow.exporting.export import export

SHAPES = ((1, 1), (1, 2), (1, 13), (3, 11), (2, 512))
HEADS = ["classify", *(pytest.param(head, marks=pytest.mark.long) for head in (
    "embed", "pairs", "marks", "causal labels", "tag", "part", "extract", "masked"))]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Each head's run, its base and its export, made once."""
    made: dict[str, tuple[Path, Path, Path]] = {}

    def of(head: str) -> tuple[Path, Path, Path]:
        if head not in made:
            folder = tmp_path_factory.mktemp("graphs")
            run, base = run_with(head, folder)
            made[head] = run, base, export(run, "onnx", output=folder / "out", **part_of(head)).folder
        return made[head]

    return of


def session_of(folder: Path) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(str(folder / "model.onnx"), providers=["CPUExecutionProvider"])


def fed(session, given):
    wanted = {each.name for each in session.get_inputs()}
    own = {"token_type_ids": torch.zeros_like(given["input_ids"])} | given
    return {name: own[name].numpy() for name in wanted}


@pytest.mark.parametrize("head", HEADS)
def test_onnx_runtime_says_what_transformers_says_whatever_the_shape(runs, head, tmp_path):
    run, _, folder = runs(head)
    network, session = oracle(head, run, tmp_path / "merged"), session_of(folder)
    for texts, tokens in SHAPES:
        given = texts_of(network, texts, tokens, seed=tokens)
        whole = given["attention_mask"].bool().numpy()
        for ours, theirs in zip(session.run(None, fed(session, given)), said_by(network, given), strict=False):
            if theirs.shape[:2] == whole.shape:
                ours, theirs = ours[whole], theirs[whole]
            np.testing.assert_allclose(ours, theirs, rtol=0, atol=2e-5, err_msg=f"{texts} texts of {tokens} tokens")
    axes = {each.name: each.shape for each in session.get_inputs()}
    assert axes["input_ids"] == axes["attention_mask"] == ["batch", "tokens"]


@pytest.mark.long
@pytest.mark.parametrize("pooling", ["mean", "cls", "last"])
def test_vectors_are_those_of_sentence_transformers(pooling, runs, tmp_path):
    from sentence_transformers import SentenceTransformer
    from transformers import AutoTokenizer

    run, _, folder = runs("embed")
    if pooling != "mean":
        run, _ = run_with("embed", tmp_path, task={"type": "embed", "pooling": pooling})
        folder = export(run, "onnx", output=tmp_path / "out").folder
    texts = ["Anna has 5 hats.", "hat " * 60, "A shirt, \u9152!"]
    merged = export(run, "merged", output=tmp_path / "merged", prompts=1).folder
    theirs = SentenceTransformer(str(merged), device="cpu", local_files_only=True).encode(texts)
    given = AutoTokenizer.from_pretrained(folder)(texts, padding=True, return_tensors="np")
    [ours] = session_of(folder).run(["sentence_embedding"], dict(given))
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-6)


@pytest.mark.parametrize("head", [*HEADS, "chat", pytest.param("seq2seq", marks=pytest.mark.long)])
def test_the_code_on_the_card_runs_as_it_is_printed(runs, head, capsys):
    run, _, folder = runs(head)
    exec(code_of(folder / "README.md").replace(f'"{run.name}"', f'"{folder}"'), {})
    assert capsys.readouterr().out.strip()
    if head == "classify":
        assert json.loads((folder / "config.json").read_text())["id2label"] == {"0": "few", "1": "many", "2": "none"}


def test_a_decoder_goes_on_with_its_cache_as_transformers_generate_does(runs, tmp_path):
    from transformers import AutoTokenizer

    run, _, folder = runs("chat")
    parity = json.loads((folder / "parity.json").read_text())["answers"]
    assert parity["equal"] + parity["ties"] == parity["prompts"] == 11 and parity["largest_difference"] < 2e-5
    network, session = oracle("chat", run, tmp_path / "merged"), session_of(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    for question in ("How many hats has Anna after 7?", "?"):
        ids = tokenizer.apply_chat_template([{"role": "user", "content": question}], add_generation_prompt=True,
                                            return_dict=True, return_tensors="pt")["input_ids"]
        answer = network.generate(input_ids=ids, max_new_tokens=20, do_sample=False)[0, ids.shape[1] :].tolist()
        past = {each.name: np.zeros((1, each.shape[1], 0, each.shape[3]), np.float32)
                for each in session.get_inputs() if each.name.startswith("past")}
        new, given = ids.numpy(), []
        while len(given) < len(answer):
            seen = ids.shape[1] + len(given)
            logits, *kept = session.run(None, {
                "input_ids": new, "attention_mask": np.ones((1, seen), np.int64),
                "position_ids": np.arange(seen - new.shape[1], seen)[None], **past})
            past = dict(zip(past, kept, strict=True))
            new = logits[:, -1:].argmax(-1)
            given.append(int(new[0, 0]))
        assert given == answer


@pytest.mark.long
def test_a_network_that_writes_one_text_for_another_says_what_transformers_says(runs, tmp_path):
    run, _, folder = runs("seq2seq")
    network, session = oracle("seq2seq", run, tmp_path / "merged"), session_of(folder)
    for texts, tokens, written in ((1, 1, 1), (1, 9, 30), (3, 40, 2)):
        given = texts_of(network, texts, tokens) | {
            "decoder_input_ids": texts_of(network, texts, written, seed=1)["input_ids"]}
        [ours], [theirs, *_] = session.run(None, fed(session, given)), said_by(network, given)
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=2e-5)


def test_nothing_in_the_file_tells_where_things_lay(runs):
    _, base, folder = runs("classify")
    held = (folder / "model.onnx").read_bytes()
    assert not [word for word in (str(Path(torch.__file__).parent.parent), str(Path(__file__).parents[2]),
                                  str(base.parent), str(Path.home())) if word.encode() in held]
    assert "modules.json" not in {file.name for file in folder.iterdir()}


def changed(folder: Path) -> None:
    """The matrix of the head is a hundredth larger than it was written."""
    model = onnx.load(folder / "model.onnx")
    [weight] = [each for each in model.graph.initializer if "classifier" in each.name and len(each.dims) == 2]
    values = onnx.numpy_helper.to_array(weight) * np.float32(1.01)
    weight.CopyFrom(onnx.numpy_helper.from_array(values, weight.name))
    onnx.save(model, folder / "model.onnx")


def cut_short(folder: Path) -> None:
    """The file lost its end."""
    file = folder / "model.onnx"
    file.write_bytes(file.read_bytes()[:-1000])


def blind_to_padding(folder: Path) -> None:
    """The mask is no longer read, so that a text's vector hangs on its neighbours."""
    model = onnx.load(folder / "model.onnx")
    for node in model.graph.node:
        node.input[:] = ["always" if name == "attention_mask" else name for name in node.input]
    equal = onnx.helper.make_node("Equal", ["attention_mask", "attention_mask"], ["equal"])
    model.graph.node.insert(0, onnx.helper.make_node("Cast", ["equal"], ["always"], to=onnx.TensorProto.INT64))
    model.graph.node.insert(0, equal)
    onnx.save(model, folder / "model.onnx")


@pytest.mark.parametrize(("damage", "kind"), [
    (changed, "export.readings"), (cut_short, "export.reload"), (blind_to_padding, "export.shapes")])
def test_a_graph_that_says_something_else_is_refused(runs, damage, kind, monkeypatch):
    run, _, folder = runs("classify")
    reload = onnx_export.reload

    def written(model, source, into, settings):
        for file in folder.iterdir():
            if file.name not in ("README.md", "parity.json"):
                (into / file.name).write_bytes(file.read_bytes())

    def damaged(into, source):
        damage(into)
        return reload(into, source)

    monkeypatch.setattr(onnx_export, "write", written)
    monkeypatch.setattr(onnx_export, "reload", damaged)
    with pytest.raises((Refusal, Problems)):
        export(run, "onnx", prompts=3)
    assert kind in {one["kind"] for one in json.loads((run / "exports" / "onnx.refused.json").read_text())["refused"]}


def test_weights_of_8_bits_are_judged_against_the_run_and_refused_above_what_may_be_lost(runs, tmp_path, capfd):
    from tunesmith.cli import main

    run, _, folder = runs("classify")
    assert main(["export", str(run), "onnx", "weights=int8", "worst=0.5", "--output", str(tmp_path / "out")]) == 0
    told = json.loads((tmp_path / "out" / "parity.json").read_text())
    assert told["cost"]["verdict"] in ("worse", "not proven", "better") and told["weights"] == "int8"
    assert "WARNING" not in capfd.readouterr().err
    small, whole = ((where / "model.onnx").stat().st_size for where in (tmp_path / "out", folder))
    assert small < whole / 2
    with pytest.raises(Misuse, match="nothing is with `weights=float32`"):
        export(run, "onnx", options=["worst=0.1"])


@pytest.mark.long
def test_a_decoder_of_8_bits_goes_on_with_its_cache(runs, tmp_path):
    run, _, _ = runs("chat")
    done = export(run, "onnx", options=["weights=int8", "worst=9"], output=tmp_path / "out")
    assert done.parity["cost"]["primary"] == "loss" and done.parity["answers"]["mean_difference"] < 0.1
    with pytest.raises(Misuse, match="no search of its own"):
        export(run_with("seq2seq", tmp_path)[0], "onnx", options=["weights=int8"])


def test_a_missing_extra_is_told_before_a_weight_is_read(runs, monkeypatch):
    run, _, _ = runs("classify")
    monkeypatch.setattr(onnx_export, "NEEDED", ("onnx", "no_such_runtime"))
    with pytest.raises(Misuse, match="`no_such_runtime` is not installed") as raised:
        export(run, "onnx")
    assert raised.value.remedy == "pip install 'tunesmith[onnx]'"


def test_what_the_exporter_refuses_is_told_by_name_and_never_as_a_traceback(runs, monkeypatch, capsys):
    from transformers.models.bert.modeling_bert import BertEmbeddings

    from tunesmith.cli import main

    run, _, _ = runs("classify")
    forward = BertEmbeddings.forward

    def depends_on_data(self, *positional, **named):
        found = forward(self, *positional, **named)
        return found if found.sum() > -1e9 else found + 1

    monkeypatch.setattr(BertEmbeddings, "forward", depends_on_data)
    assert main(["export", str(run), "onnx", "--prompts", "1"]) == 3
    told = capsys.readouterr().err
    assert "torch.export makes no graph of `" in told and "/base` (BertModel) with a head of the kind" in told
    assert "Traceback" not in told and "data-dependent" in told
    assert "use `tunesmith export RUN merged`" in told


def test_a_network_that_carries_a_state_is_told_to_leave_otherwise(runs, monkeypatch):
    from transformers import LlamaForCausalLM

    run, _, _ = runs("chat")
    monkeypatch.setattr(LlamaForCausalLM, "_is_stateful", True)
    with pytest.raises(Misuse, match="carries a state from token to token"):
        export(run, "onnx")


@pytest.mark.long
def test_weights_too_large_for_one_file_stand_in_a_second_one(runs, tmp_path, monkeypatch):
    monkeypatch.setattr(sys.modules["torch.onnx._internal.exporter._onnx_program"], "_LARGE_MODEL_THRESHOLD", 1000)
    run, _, _ = runs("classify")
    done = export(run, "onnx", output=tmp_path / "out", prompts=5)
    assert {"model.onnx", "model.onnx.data"} <= set(done.files)
    (tmp_path / "out").rename(tmp_path / "elsewhere")
    assert session_of(tmp_path / "elsewhere").get_outputs()[0].shape == ["batch", 3]
