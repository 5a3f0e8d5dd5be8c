"""Sentence embeddings as a user has them: what teaches, what is refused, what is said of texts and of pairs."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch

from tiny import tiny_encoder
from tunesmith.contracts import Given
from tunesmith.encoding.batches.packing import pack
from tunesmith.errors import Misuse, Refusal
from tunesmith.models import bases, load
from tunesmith.models.model import LanguageModel
from tunesmith.records import Head, Labelled, Order, Pair, Position, Text
from tunesmith.tasks import embed

START = Position(cursor={"epoch": 0, "index": 0, "step": 0})
PAIRS = [Pair(f"Day {n}?", f"On day {n} we count {n} hats.", f"rows.jsonl:{n}", str(n)) for n in range(12)]
SCORED = [Labelled(f"{n} hats", (str(n % 5),), f"rows.jsonl:{n}", str(n), second=f"{n} shoes") for n in range(12)]


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return bases.find(str(tiny_encoder(tmp_path_factory.mktemp("embed") / "base")))


@pytest.fixture(scope="module")
def codec(base):
    return load.codec(base, None, datetime(2026, 1, 1), longest=32)


@pytest.fixture(scope="module")
def model(base):
    network = load.network(base, dtype=torch.float32, device=torch.device("cpu"), head=Head("none"))
    return LanguageModel.frozen(network, Head("none"))


def encoded(examples, codec, **settings):
    chosen = embed.Settings(**settings)
    made = embed.encode(examples, codec, chosen, Head("none"))
    parts = [(documents, findings) for documents, findings in made]
    documents = [replace(document, example=index) for index, (own, _) in enumerate(parts) for document in own]
    return documents, [finding for _, findings in parts for finding in findings]


def said(examples, model, codec, *, whole=False, **settings):
    return list(embed.predict(model, examples, embed.Settings(**settings), given=Given(lambda: codec, whole=whole),
                              max_new_tokens=1, batch_size=4))


def test_a_text_has_a_vector_and_a_pair_the_cosine_of_its_two(model, codec):
    one, other, both = said([Text("Two hats.", "r:1", "a"), Labelled("One shoe.", None, "r:2", "b"),
                             Labelled("Two hats.", None, "r:3", "c", second="One shoe.")], model, codec)
    vectors = np.array([one.output["vector"], other.output["vector"]])
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    assert both.output == {"value": pytest.approx(vectors[0] @ vectors[1], abs=1e-6)}
    assert not one.expected and not both.expected


def test_ranks_are_told_only_where_all_rows_are_asked(model, codec):
    assert all(each.output.keys() == {"value"} for each in said(PAIRS, model, codec))
    for each in said(PAIRS, model, codec, whole=True):
        assert 1 <= each.output["rank"] <= len(PAIRS)
        assert (each.text == each.reference) == (each.output["rank"] == 1)


def test_a_score_is_what_a_cosine_is_held_against(model, codec):
    found = said(SCORED, model, codec, whole=True)
    assert [each.expected for each in found] == [{"value": float(n % 5)} for n in range(12)]
    assert all("rank" not in each.output for each in found)


def test_a_label_that_is_no_score_does_not_keep_a_pair_from_its_cosine(model, codec):
    [found] = said([Labelled("A hat.", ("alike",), "r:1", "a", second="A shoe.")], model, codec, whole=True)
    assert found.output.keys() == {"value"} and not found.expected


def test_a_text_that_is_too_long_loses_its_end(model, codec):
    long, short = said([Text("hat " * 99, "r:1", "a"), Text("hat " * 30, "r:2", "b")], model, codec)
    np.testing.assert_allclose(long.output["vector"], short.output["vector"], atol=1e-6)


@pytest.mark.parametrize(("example", "settings", "kind"), [
    (Pair("A hat.", "", "r:1", "g"), {}, "row.one_text"),
    (Text("A hat.", "r:1", "g"), {}, "row.one_text"),
    (Labelled("A hat.", ("4",), "r:1", "g"), {"loss": "cosent"}, "row.one_text"),
    (Labelled("A hat.", ("good",), "r:1", "g", second="A shoe."), {"loss": "cosent"}, "row.score"),
    (Labelled("A hat.", ("nan",), "r:1", "g", second="A shoe."), {"loss": "cosent"}, "row.score"),
    (Labelled("A hat.", ("1", "2"), "r:1", "g", second="A shoe."), {"loss": "cosent"}, "row.score"),
    (Pair("A hat.", "A shoe.", "r:1", "g"), {"loss": "cosine"}, "row.score"),
    (Labelled("A hat.", ("5",), "r:1", "g", second="A shoe."), {"loss": "cosine"}, "row.score"),
])
def test_a_row_that_cannot_teach_is_named(codec, example, settings, kind):
    documents, findings = encoded([PAIRS[0], example] if not settings else [example], codec, **settings)
    assert [(finding.kind, finding.where, finding.severity) for finding in findings] == [(kind, "r:1", "error")]
    assert len(documents) == (0 if settings else 2)


def test_scores_without_a_threshold_are_not_taken_for_pairs_that_belong_together():
    with pytest.raises(Refusal, match="pairs have scores"):
        embed.head(SCORED, embed.Settings())
    assert embed.head(SCORED, embed.Settings(threshold=3)) == Head("none")
    assert embed.head(SCORED, embed.Settings(loss="cosent")) == Head("none")


def test_pairs_below_the_threshold_are_measured_and_not_trained_on(model, codec):
    documents, findings = encoded(SCORED, codec, threshold=3.0)
    assert len(documents) == 24
    assert [(note.severity, note.where) for note in findings] == [
        ("note", f"rows.jsonl:{n}") for n in range(12) if n % 5 < 3]
    settings = embed.Settings(threshold=3.0)
    kept = embed.prepare(model, documents, settings)
    assert sorted({document.example % 5 for document in kept}) == [3, 4]
    found = embed.loss(model, pack(documents), settings)
    assert found.weights.tolist() == [float(n % 5 >= 3) for n in range(12)]
    assert (found.terms > 0).tolist() == [n % 5 >= 3 for n in range(12)]
    alone = embed.loss(model, pack(kept), settings)
    torch.testing.assert_close(found.terms[found.weights > 0], alone.terms)
    with pytest.raises(Misuse, match="no pair has a score of 9"):
        embed.prepare(model, documents, embed.Settings(threshold=9.0))


def test_a_batch_of_one_pair_is_refused_where_it_teaches_nothing(model, codec):
    documents, _ = encoded(PAIRS, codec)
    with pytest.raises(Misuse, match="each holds one"):
        embed.batches(model, documents, embed.Settings(), Order(1, 0, 1, 4), START, given=Given())


def test_no_batch_holds_equal_texts_where_there_are_others(model, codec):
    rows = [Pair(f"Day {n}?", f"{n % 6} hats", f"r:{n}", str(n)) for n in range(24)]
    documents, _ = encoded(rows, codec)
    order = Order(batch_size=4, seed=3, epochs=9, steps=12)
    made = embed.batches(model, documents, embed.Settings(), order, START, given=Given())
    answers = [[rows[example].answer for example in batch.example_ids] for batch in islice(made, 6)]
    assert all(len(set(own)) == 4 for own in answers[:5])


@pytest.mark.parametrize(("files", "expected"), [
    ({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}, "cls"),
    ({"pooling_mode": "lasttoken"}, "last"),
    ({"pooling_mode_mean_tokens": True}, "mean"),
    (None, "mean"),
])
def test_the_base_says_how_its_vectors_are_made(tmp_path, files, expected):
    folder = tiny_encoder(tmp_path / "base")
    if files is not None:
        (folder / "1_Pooling").mkdir()
        (folder / "1_Pooling" / "config.json").write_text(json.dumps(files))
    codec = load.codec(bases.find(str(folder)), None, datetime(2026, 1, 1))
    rows = {"mean": [1.0] * 6, "cls": [1.0] + [0.0] * 5, "last": [0.0] * 5 + [1.0]}
    documents, _ = encoded([Pair("a a a a", "b", "r:1", "g")], codec)
    assert documents[0].weights.tolist() == rows[expected]
    documents, _ = encoded([Pair("a a a a", "b", "r:1", "g")], codec, pooling="cls")
    assert documents[0].weights.tolist() == rows["cls"]


@pytest.mark.parametrize(("pooling", "modules"), [
    ({"pooling_mode_max_tokens": True}, ["Transformer", "Pooling"]),
    ({"pooling_mode_mean_tokens": True}, ["Transformer", "Pooling", "Dense"]),
])
def test_a_base_whose_vectors_are_made_otherwise_is_not_taken_for_another(tmp_path, pooling, modules):
    folder = tiny_encoder(tmp_path / "base")
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(pooling))
    (folder / "modules.json").write_text(json.dumps([{"type": f"sentence_transformers.models.{each}"}
                                                     for each in modules]))
    codec = load.codec(bases.find(str(folder)), None, datetime(2026, 1, 1))
    with pytest.raises(Refusal, match="the base makes its vectors by"):
        encoded(PAIRS[:1], codec)
    assert encoded(PAIRS[:1], codec, pooling="mean")[0]


def test_the_range_of_scores_must_rise():
    with pytest.raises(ValueError, match="below"):
        embed.Settings(lowest=5.0, highest=1.0)


def test_pairs_are_learnt_and_the_verdict_is_on_their_ranks(tmp_path, monkeypatch, capsys):
    from tunesmith.cli import main

    monkeypatch.chdir(tmp_path)
    tiny_encoder(Path("base"))
    rows = [{"prompt": f"Day {n}?", "answer": f"On day {n} we count {n} hats."} for n in range(60)]
    Path("rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    Path("days.yaml").write_text(
        "base: base\ntask: embed\ndata: {train: rows.jsonl, validation: 0, test: 0.3}\nadapter: full\n"
        "training: {learning_rate: 1e-3, steps: 20, epochs: 99, batch_size: 8, max_length: 64}\nrun: {name: days}\n")
    assert main(["train", "days.yaml"]) == 0
    [run] = Path("runs").iterdir()
    verdict = json.loads((run / "verdict.json").read_text())
    assert (verdict["verdict"], verdict["primary"], verdict["against"]) == ("better", "mrr", "base")
    assert list(verdict["metrics"]) == ["mrr", "recall_at_1", "recall_at_10"]
    Path("new.jsonl").write_text('{"text": "Day 7?"}\n{"prompt": "Day 7?", "answer": "On day 7 we count 7 hats."}\n')
    capsys.readouterr()
    assert main(["predict", str(run), "new.jsonl"]) == 0
    vector, value = map(json.loads, capsys.readouterr().out.splitlines())
    assert len(vector["vector"]) == 32 and vector["where"] == "new.jsonl:1"
    assert set(value) == {"where", "value"} and value["value"] > 0.5


def test_a_gain_in_the_order_is_seen_whatever_the_scale_of_the_cosines():
    from tunesmith.evaluation.intervals import paired
    from tunesmith.metrics import spearman

    rng = np.random.default_rng(0)
    gold = rng.uniform(1, 5, 200)
    rows = [Labelled("a", (f"{score}",), f"r:{place}", "g", second="b") for place, score in enumerate(gold)]
    sides = []
    for noise, scale in ((1.0, 0.02), (0.3, 0.3)):  # the better one spreads its cosines over more
        cosines = dict(enumerate(0.5 + scale * (gold - 3 + noise * rng.normal(size=200))))
        stands = embed._standings(rows, cosines)
        told = [embed.Prediction(place, output={"value": cosines[place], "standing": stands[place]},
                                 expected={"value": gold[place]}) for place in cosines]
        sides.append(np.array([spearman.measure(one, rows[0], spearman.Settings()) for one in told]))
    found = paired(spearman, *sides, groups=range(200), seed=0)
    assert found.low > 0.02


def test_the_size_of_the_pieces_does_not_change_what_is_learnt(tmp_path, base):
    import tunesmith

    rows = [{"prompt": f"Day {n}?", "answer": f"On day {n} we count {n} hats."} for n in range(24)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))

    def losses(tokens: int) -> list[float]:
        steps = tunesmith.steps(tunesmith.load_recipe({
            "base": {"name": base.name, "dtype": "float32"}, "task": {"type": "embed", "tokens_at_once": tokens},
            "data": {"train": str(tmp_path / "rows.jsonl"), "validation": 0, "test": 0}, "adapter": "full",
            "training": {"learning_rate": 1e-3, "steps": 8, "epochs": 99, "batch_size": 8, "max_length": 64}}))
        return [step.loss for step in steps]

    assert losses(25) == pytest.approx(losses(10_000), rel=1e-4)


def test_validation_rows_that_are_all_below_the_threshold_stop_no_run(tmp_path, base):
    from tunesmith.recipe.read import parse
    from tunesmith.workflow.tuning.train import train

    for side, scores in (("train", "5"), ("validation", "1"), ("test", "12345")):
        rows = [{"sentence1": f"{side} {n} hats", "sentence2": f"{side} {n} shoes", "label": scores[n % len(scores)]}
                for n in range(20)]
        (tmp_path / f"{side}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    outcome = train(parse({
        "base": {"name": base.name, "dtype": "float32"}, "task": {"type": "embed", "threshold": 4.0},
        "data": {side: str(tmp_path / f"{side}.jsonl") for side in ("train", "validation", "test")},
        "adapter": "full", "training": {"steps": 2, "batch_size": 4, "max_length": 64},
        "run": {"folder": str(tmp_path / "runs")}}, source="test"))
    assert json.loads((outcome.run / "verdict.json").read_text())["primary"] == "spearman"
