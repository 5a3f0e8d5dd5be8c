"""A run that answers questions out of contexts, from its files to its verdict, its predictions and transformers."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
import torch

import tunesmith
from questions import CLIPS, ORDER, codec_of, model_of, question, questions
from tiny import tiny_encoder, tiny_pieces
from tunesmith.cli import main
from tunesmith.contracts import Given
from tunesmith.data.load import load
from tunesmith.errors import Refusal
from tunesmith.models.earlier import best_checkpoint
from tunesmith.records import Rows
from tunesmith.tasks import extract

WHO, WHAT, WHERE = ("Anna", "Natalia", "friends"), ("hats", "shirts", "clips", "items"), ("Baku", "Paris", "France")


def squad(path: Path, seed: int, count: int, *, impossible: bool) -> Path:
    """Contexts that say who sold how many of what where; each is asked for one of these, or for what is not said."""
    chance = random.Random(seed)
    paragraphs = []
    for number in range(count):
        who, what, where = (chance.choice(each) for each in (WHO, WHAT, WHERE))
        told = {"who": who, "how many": str(chance.randrange(2, 60)), "what": what, "where": where}
        context = f"In May {who} sold {told['how many']} {what} in {where}, number {seed} {number}."
        nothing = impossible and number % 3 == 0
        asked, answer = ("capital", "") if nothing else chance.choice(list(told.items()))
        paragraphs.append({"context": context, "qas": [{
            "id": f"{seed}-{number}", "question": f"{asked}?", "is_impossible": nothing,
            "answers": [] if nothing else [{"text": answer, "answer_start": context.index(f" {answer}") + 1}]}]})
    path.write_text(json.dumps({"version": "2.0", "data": [{"title": "Sales", "paragraphs": paragraphs}]}))
    return path


def recipe(tmp_path: Path, *, impossible: bool, **training: Any) -> dict[str, Any]:
    files = {side: str(squad(tmp_path / f"{side}.json", seed, count, impossible=impossible))
             for seed, (side, count) in enumerate({"train": 60, "validation": 12, "test": 24}.items())}
    return {
        "base": {"name": str(tiny_encoder(tmp_path / "base")), "dtype": "float32"},
        "task": {"type": "extract", "stride": 8}, "data": files, "adapter": {"type": "full"},
        "training": {"learning_rate": 3e-3, "steps": 120, "epochs": 99, "batch_size": 12, "max_length": 64} | training,
        "run": {"folder": str(tmp_path / "runs"), "name": "sales"},
    }


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run on questions some of which have no answer, and its folder of data."""
    folder = tmp_path_factory.mktemp("extract")
    return tunesmith.train(tunesmith.load_recipe(recipe(folder, impossible=True))), folder


def test_the_verdict_is_against_the_strongest_of_three_baselines(trained):
    run, _ = trained
    verdict = run.verdict
    names = {"sliding window", "linear probe", "no answer"}
    assert (verdict.primary, verdict.against in names, set(verdict.baselines)) == (
        "squad_f1", True, names - {verdict.against})
    assert verdict.metrics["squad_f1"].tuned > 0.6 and verdict.word == "better"
    assert verdict.baselines.get("no answer", verdict.metrics)["squad_em"].against == pytest.approx(1 / 3)


def test_predictions_come_in_order_and_point_into_the_context(trained, capsys):
    run, folder = trained
    assert main(["predict", str(run.folder), str(folder / "test.json")]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    examples = load(str(folder / "test.json")).examples
    assert [row["where"] for row in rows] == [example.where for example in examples] and len(rows) == 24
    for row, example in zip(rows, examples, strict=True):
        assert set(row) == {"where", "id", "answer", "start", "end", "score", "no_answer_score"}
        assert row["id"] == example.id
        said = "" if row["start"] is None else example.context[row["start"] : row["end"]]
        assert row["answer"] == said and 0 < row["score"] <= 1
    assert {bool(row["answer"]) for row in rows} == {True, False}


def test_rows_without_an_answer_are_answered_and_a_bad_one_is_told_in_its_place(trained, capsys, tmp_path):
    run, _ = trained
    rows = [{"question": "How many hats?", "context": "Anna sold 7 hats in Baku. Anna sold 9 clips in May."},
            {"question": "How many hats?", "context": "  "}]
    (tmp_path / "new.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert main(["predict", str(run.folder), str(tmp_path / "new.jsonl")]) == 1
    first, second = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert "answer" in first and second["kind"] == "data.empty_field" and second["where"].endswith("new.jsonl:2")


def theirs(network: Any, tokenizer: Any, asked: str, context: str) -> str:
    """What transformers' model says, by `utils_qa.py`'s rule with every start and end among its n best."""
    found = tokenizer(asked, context, return_offsets_mapping=True, return_token_type_ids=True, return_tensors="pt")
    offsets, of = found.pop("offset_mapping")[0].tolist(), found.sequence_ids(0)
    with torch.inference_mode():
        said = network(**{name: found[name] for name in ("input_ids", "token_type_ids", "attention_mask")})
    start, end = said.start_logits[0].tolist(), said.end_logits[0].tolist()
    spans = {(first, last): start[first] + end[last] for first in range(len(of)) for last in range(first, len(of))
             if of[first] == of[last] == 1 and last - first < 30}
    best = max(spans, key=spans.__getitem__)
    if start[0] + end[0] > spans[best]:
        return ""
    return context[offsets[best[0]][0] : offsets[best[1]][1]]


def test_the_saved_model_opens_in_transformers_and_gives_the_same_answers(trained, capsys):
    from transformers import AutoModelForQuestionAnswering

    run, folder = trained
    saved = best_checkpoint(run.folder)
    network, told = AutoModelForQuestionAnswering.from_pretrained(saved, output_loading_info=True)
    assert not told["missing_keys"] and not told["unexpected_keys"]
    assert (network.config.id2label, network.config.architectures) == (
        {0: "start", 1: "end"}, ["BertForQuestionAnswering"])
    assert main(["predict", str(run.folder), str(folder / "test.json")]) == 0
    ours = [json.loads(line)["answer"] for line in capsys.readouterr().out.splitlines()]
    examples = load(str(folder / "test.json")).examples
    assert ours == [theirs(network.eval(), tiny_pieces(), each.question, each.context) for each in examples]


def test_without_a_training_question_that_has_no_answer_there_always_is_one(tmp_path):
    made = recipe(tmp_path, impossible=False, steps=2)
    run = tunesmith.train(tunesmith.load_recipe(made))
    assert set(run.verdict.baselines) | {run.verdict.against} == {"sliding window", "linear probe"}
    predictions = [json.loads(line) for line in (run.folder / "predictions.jsonl").read_text().splitlines()]
    assert all(row["tuned"]["output"]["answer"] and "no_answer_score" not in row["tuned"]["output"]
               for row in predictions)


def test_questions_are_learnt_beside_labels_on_one_network(tmp_path):
    made = recipe(tmp_path, impossible=True, steps=4)
    labels = [{"text": f"Anna sold {what} {number}", "label": what} for number in range(9) for what in WHAT]
    (tmp_path / "labels.jsonl").write_text("".join(json.dumps(row) + "\n" for row in labels))
    made["task"] = {"type": "several", "parts": {"train": made["task"], "kind": "classify"}}
    made["data"]["mix"] = {"kind": {"files": str(tmp_path / "labels.jsonl"), "share": 0.3, "validation": 0.2}}
    assert tunesmith.train(tunesmith.load_recipe(made)).verdict.primary == "squad_f1"


@pytest.mark.parametrize(("chosen", "problem"), [(None, "no answer"), (True, "no answer"), (False, "")])
def test_whether_there_may_be_no_answer_is_learnt_or_said(chosen, problem):
    assert extract.head(questions(), extract.Settings(no_answer=chosen)).problem == problem


def test_training_questions_without_any_answer_are_refused():
    with pytest.raises(Refusal, match="none of the 2 training questions has an answer"):
        extract.head([question("Who?", ORDER), question("Where?", CLIPS)], extract.Settings())


def test_a_question_too_long_for_its_windows_has_no_prediction_and_the_others_have(tmp_path):
    base = tiny_encoder(tmp_path / "base")
    long = question("Who sold half as many clips in May as in April, and then?", CLIPS)
    asked = [questions()[0], long, questions()[1]]
    head = extract.head(questions(), extract.Settings())
    found = list(extract.predict(model_of(base, head), asked, extract.Settings(stride=4), given=Given(
        lambda: codec_of(base, 16)), max_new_tokens=1, batch_size=2))
    assert [one.example for one in found] == [0, 2]


def test_all_answers_are_expected_and_one_of_them_is_enough(tmp_path):
    base = tiny_encoder(tmp_path / "base")
    asked = [questions()[3], question("Where?", ORDER)]
    head, settings = extract.head(questions(), extract.Settings()), extract.Settings()
    codec = codec_of(base)
    documents = [document for made, _ in extract.encode(questions(), codec, settings, head) for document in made]
    found = extract.baselines(model_of(base, head), Rows(questions(), documents), Rows(asked, []), settings,
                              given=Given(lambda: codec))
    first, second = found["no answer"]
    assert first.expected == {"answer": "Baku", "start": ORDER.index("Baku"), "end": ORDER.index("Baku") + 4,
                              "answers": ["Baku", "in Baku"]}
    assert second.expected == {"answer": "", "start": None, "end": None, "answers": []}
    assert [metric.measure(one, each, metric.Settings()) for metric in (extract.squad_f1, extract.squad_em)
            for one, each in zip((first, second), asked, strict=True)] == [(0.0,), (1.0,), (0.0,), (1.0,)]
