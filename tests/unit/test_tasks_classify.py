"""Classifying: which kind of labels rows have, what is learnt and read back, what is predicted, and the baselines."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from tiny import tiny_encoder, tiny_pieces
from tunesmith.cli import main
from tunesmith.contracts import Given
from tunesmith.encoding.documents.labels import LEARNT
from tunesmith.encoding.proofs.labels import proof
from tunesmith.encoding.tokens import codec as codecs
from tunesmith.errors import Misuse, Problems, Refusal
from tunesmith.models import bases, label_probe, load
from tunesmith.models.model import LanguageModel
from tunesmith.records import SEGMENT, Document, Head, Labelled, Rows
from tunesmith.tasks import classify

TEXTS = ("Two red shirts go to Anna.", "What is the capital of France?", "Natalia sold 48 clips.", "Paris.", "In May?")


def rows(*labels: tuple[str, ...] | None, second: str | None = None) -> list[Labelled]:
    return [Labelled(TEXTS[n % len(TEXTS)], one, f"rows.csv:{n + 2}", str(n), second=second)
            for n, one in enumerate(labels)]


SINGLE = rows(("order",), ("question",), ("order",), ("place",), ("question",))
MULTI = rows(("order", "name"), (), ("name",), ("place", "name"), ())
NUMBERS = rows(("1.5",), ("-2",), ("0.25",), ("3",), ("1e1",))
KINDS = {"single": SINGLE, "multi": MULTI, "regression": NUMBERS}


def codec(longest: int = 0) -> Any:
    return codecs.build(tiny_pieces(), longest=longest)


def settings(**chosen: Any) -> classify.Settings:
    return classify.Settings(**chosen)


def made(examples: list[Labelled], head: Head) -> tuple[list[list[Document]], list[Any]]:
    found = list(classify.encode(examples, codec(), settings(), head))
    return [list(documents) for documents, _ in found], [finding for _, some in found for finding in some]


def proved(documents: list[Document], example: Labelled, head: Head) -> list[str]:
    return [finding.what for finding in proof(codec(), head, settings()).prove(documents, example)]


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> bases.Base:
    return bases.find(str(tiny_encoder(tmp_path_factory.mktemp("classify") / "base")))


def model(base: bases.Base, head: Head) -> LanguageModel:
    network = load.network(base, dtype=torch.float32, device=torch.device("cpu"), head=head, seed=3)
    return LanguageModel.frozen(network, head)


def predicted(opened: LanguageModel, examples: list[Labelled], longest: int = 0, **chosen: Any) -> list[Any]:
    return list(classify.predict(opened, examples, settings(**chosen), given=Given(lambda: codec(longest)),
                                 max_new_tokens=1, batch_size=8))


# Which kind of labels rows have


@pytest.mark.parametrize("kind", KINDS)
def test_the_kind_of_labels_is_seen_and_said(kind):
    head = classify.head(KINDS[kind], settings())
    assert head.problem == kind
    said = proof(codec(), head, settings()).notes()[0]
    assert (said.severity, said.kind) == ("note", "labels.kind")
    assert f"`{kind}`" in said.what


def test_whole_numbers_are_classes_in_the_order_of_numbers():
    assert classify.head(rows(("10",), ("9",), ("-1",)), settings()).labels == ("-1", "9", "10")


def test_whole_numbers_are_learnt_as_numbers_where_that_is_wanted():
    assert classify.head(rows(("10",), ("9",)), settings(kind="regression")).problem == "regression"


def test_labels_are_sorted_and_counted_whatever_the_order_of_rows():
    head = classify.head(SINGLE[::-1], settings())
    assert (head.labels, head.counts, head.rows) == (("order", "place", "question"), (2, 1, 2), 5)
    assert Head.from_json(head.as_json()) == head


def test_numbers_with_a_few_slips_stay_numbers_and_the_slips_are_named():
    examples = rows(*[(f"{n}.5",) for n in range(20)], ("n/a",), ("nan",))
    head = classify.head(examples, settings())
    assert head.problem == "regression"
    _, wrong = made(examples, head)
    assert [(one.kind, one.where) for one in wrong] == [("labels.not_a_number", "rows.csv:22"),
                                                       ("labels.not_a_number", "rows.csv:23")]


@pytest.mark.parametrize("examples", [rows(("spam",), ("spam",)), rows(("2.5",), ("2.5",)), rows((), ())])
def test_nothing_to_tell_apart_is_refused(examples):
    with pytest.raises(Refusal) as caught:
        classify.head(examples, settings())
    assert (caught.value.kind, caught.value.where) == ("labels.one_class", "rows.csv:2")


def test_rows_without_a_label_are_all_named():
    with pytest.raises(Problems) as caught:
        classify.head(rows(("a",), None, ("b",), None), settings())
    assert [problem.where for problem in caught.value.problems] == ["rows.csv:3", "rows.csv:5"]


def test_a_class_with_one_row_is_a_warning():
    found = proof(codec(), classify.head(SINGLE, settings()), settings()).notes()[1]
    assert (found.severity, found.kind) == ("warning", "labels.few_rows")
    assert "1 of 3" in found.what and "`place`" in found.what


def test_weights_need_labels_that_are_known():
    with pytest.raises(Misuse, match="`plaice`"):
        classify.head(SINGLE, settings(weights={"plaice": 2.0, "order": 1.0}))
    with pytest.raises(Misuse, match="numbers"):
        classify.head(NUMBERS, settings(weights="balanced"))


# What is learnt


def test_labels_that_no_training_row_knows_are_named():
    head = classify.head(SINGLE, settings())
    documents, wrong = made([*SINGLE, *rows(("unheard of",), ("order", "place"), None)], head)
    assert [len(each) for each in documents] == [1] * 5 + [0] * 3
    assert [(one.severity, one.kind, one.where) for one in wrong] == [
        ("error", "labels.unknown", "rows.csv:2"), ("error", "labels.not_one", "rows.csv:3"),
        ("error", "labels.missing", "rows.csv:4")]


@pytest.mark.parametrize("second", [None, "Please [SEP] answer."])
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_learnt_is_read_back_and_nothing_is_wrong_with_it(kind, second):
    examples = [replace(row, second=second) for row in KINDS[kind]]
    head = classify.head(examples, settings())
    documents, wrong = made(examples, head)
    assert not wrong
    for own, row in zip(documents, examples, strict=True):
        assert proved(own, row, head) == []
        [document] = own
        assert np.flatnonzero(document.weights).tolist() == [0]
        assert set(document.token_columns[SEGMENT].tolist()) == ({0, 1} if second else {0})


def test_the_ids_of_a_pair_are_those_of_transformers():
    [row] = rows(("a",), second="In Baku.")
    [[document]], _ = made([row], Head("sequence", ("a", "b"), "single"))
    wanted = tiny_pieces()(row.text, row.second)
    assert document.ids.tolist() == wanted["input_ids"]
    assert document.token_columns[SEGMENT].tolist() == wanted["token_type_ids"]


# Faults planted into documents


def planted(kind: str, change) -> list[str]:
    examples = KINDS[kind]
    head = classify.head(examples, settings())
    [[document]], _ = made(examples[:1], head)
    return proved(change(document), examples[0], head)


def test_another_label_is_found():
    [told] = planted("single", lambda one: [replace(one, document_columns={LEARNT: np.asarray(2)})])
    assert told == "the row is labelled `order`, and `question` would be learnt"


def test_a_label_too_many_or_too_few_is_found():
    for column, said in (([1, 1, 1], "`name`, `order`, `place`"), ([0, 0, 0], "nothing")):
        [told] = planted("multi", lambda one, column=column: [
            replace(one, document_columns={LEARNT: np.array(column, np.float32)})])
        assert told == f"the row is labelled `name`, `order`, and {said} would be learnt"


def test_another_number_is_found():
    assert planted("regression", lambda one: [replace(one, document_columns={LEARNT: np.asarray(1.25, np.float32)})])


def test_tokens_of_another_text_are_found():
    def other(one):
        ids = one.ids.copy()
        ids[2] += 1
        return [replace(one, ids=ids)]

    assert planted("single", other) == ["the document's tokens are not those of the row's text"]
    assert planted("single", lambda one: [replace(one, ids=one.ids[1:], token_columns={
        name: column[1:] for name, column in one.token_columns.items()}, weights=one.weights[:-1])])


def test_a_weight_in_another_row_and_a_second_document_are_found():
    assert planted("single", lambda one: [replace(one, weights=np.roll(one.weights, 1))])
    assert planted("single", lambda one: [one, one])
    assert planted("single", lambda one: [])


def test_texts_of_a_pair_that_changed_places_are_found():
    examples = rows(("a",), ("b",), second="In Baku.")
    head = classify.head(examples, settings())
    swapped = replace(examples[0], text=examples[0].second, second=examples[0].text)
    [documents], _ = made([swapped], head)
    assert proved(documents, examples[0], head)


# What is predicted


def test_predictions_stand_in_the_order_of_rows_however_many_are_held_at_once(base, monkeypatch):
    head = classify.head(SINGLE, settings())
    opened = model(base, head)
    examples = rows(*[("order",)] * 23)
    examples = [replace(row, text=row.text * (1 + n % 4)) for n, row in enumerate(examples)]
    together = predicted(opened, examples)
    monkeypatch.setattr(classify, "TOGETHER", 5)
    apart = predicted(opened, examples)
    alone = [predicted(opened, [row])[0] for row in examples]
    assert [one.example for one in apart] == list(range(23))
    for one, other, single in zip(together, apart, alone, strict=True):
        assert one.prompt == other.prompt
        for said in (other, single):
            assert list(one.output["scores"].values()) == pytest.approx(list(said.output["scores"].values()), abs=1e-5)


def test_a_text_that_is_too_long_is_read_as_far_as_it_fits(base):
    opened = model(base, classify.head(SINGLE, settings()))
    long = replace(SINGLE[0], text=TEXTS[0] * 30)
    cut = replace(SINGLE[0], text=tiny_pieces().decode(tiny_pieces()(long.text)["input_ids"][1:15]))
    [one], [other] = predicted(opened, [long], longest=16), predicted(opened, [cut], longest=16)
    assert one.output["scores"] == pytest.approx(other.output["scores"], abs=1e-6)


def test_a_row_without_a_label_is_predicted_and_nothing_is_expected(base):
    for kind, examples in KINDS.items():
        opened = model(base, classify.head(examples, settings()))
        [found] = predicted(opened, [replace(examples[0], labels=None)])
        assert found.output and not found.expected, kind


def test_labels_are_said_from_their_threshold_on(base):
    opened = model(base, classify.head(MULTI, settings()))
    [found] = predicted(opened, MULTI[:1])
    scores = found.output["scores"]
    middle = sorted(scores.values())[1]
    [other] = predicted(opened, MULTI[:1], threshold=middle)
    assert other.output["labels"] == [name for name, score in scores.items() if score >= middle]
    assert len(other.output["labels"]) == 2
    assert other.expected == {"labels": ["order", "name"]}


@pytest.mark.parametrize("kind", KINDS)
def test_transformers_pipeline_says_the_same_of_what_is_saved(kind, base, tmp_path):
    from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline

    head = classify.head(KINDS[kind], settings())
    opened = model(base, head)
    opened.network.save_pretrained(tmp_path)
    AutoTokenizer.from_pretrained(base.folder).save_pretrained(tmp_path)
    theirs = AutoModelForSequenceClassification.from_pretrained(tmp_path)
    assert kind == "regression" or tuple(theirs.config.id2label.values()) == head.labels
    asked = pipeline("text-classification", model=theirs, tokenizer=AutoTokenizer.from_pretrained(tmp_path), top_k=None)
    pairs = [replace(row, second="In Baku.") for row in KINDS[kind]]
    for row, ours in zip([*KINDS[kind], *pairs], predicted(opened, [*KINDS[kind], *pairs]), strict=True):
        said = {one["label"]: one["score"] for one in asked({"text": row.text, "text_pair": row.second})}
        wanted = {"LABEL_0": ours.output["value"]} if kind == "regression" else ours.output["scores"]
        assert said == pytest.approx(wanted, abs=1e-5)


# Baselines


def learnt(examples: list[Labelled], head: Head) -> Rows:
    documents, _ = made(examples, head)
    return Rows(examples, [replace(each[0], example=place) for place, each in enumerate(documents)])


@pytest.mark.parametrize(("kind", "name", "said"), [
    ("single", "majority", {"label": "order"}), ("multi", "majority", {"labels": ["name"]}),
    ("regression", "mean", {"value": 2.55})])
def test_the_simplest_baseline_says_of_every_row_what_is_most_frequent(base, kind, name, said):
    head = classify.head(KINDS[kind], settings())
    known = learnt(KINDS[kind], head)
    found = classify.baselines(model(base, head), known, known, settings(), given=Given())
    assert list(found) == [name, "linear probe"]
    for each in found[name]:
        assert {key: each.output[key] for key in said} == pytest.approx(said) if kind == "regression" else \
            {key: each.output[key] for key in said} == said
    assert [each.example for each in found["linear probe"]] == list(range(5))


def test_rows_that_were_dropped_have_no_baseline(base):
    head = classify.head(SINGLE, settings())
    known = learnt(SINGLE, head)
    held = Rows(known.examples, [known.documents[3], known.documents[1]])
    found = classify.baselines(model(base, head), known, held, settings(), given=Given())
    assert [[each.example for each in said] for said in found.values()] == [[3, 1]] * 2
    assert found["linear probe"][0].expected == {"label": "place"}


def test_the_probe_is_the_regression_of_scikit_learn():
    from sklearn.linear_model import LogisticRegression, Ridge

    rng = np.random.default_rng(0)
    states = torch.from_numpy(rng.normal(size=(200, 6)))
    classes = torch.from_numpy((states.numpy() @ rng.normal(size=(6, 3)) + rng.normal(size=(200, 3))).argmax(1))
    start = (torch.zeros(6, 3, dtype=torch.float64), torch.zeros(3, dtype=torch.float64))
    weight, bias = label_probe.SOLVERS["single"][0](states, classes, 0.01, start)
    theirs = LogisticRegression(C=1 / (0.01 * 200), tol=1e-8, max_iter=1000).fit(states.numpy(), classes.numpy())
    ours = torch.softmax(states @ weight + bias, -1).numpy()
    np.testing.assert_allclose(ours, theirs.predict_proba(states.numpy()), atol=1e-3)

    right = (states[:, :3] + torch.from_numpy(rng.normal(size=(200, 3))) > 0).float()
    weight, bias = label_probe.SOLVERS["multi"][0](states, right, 0.01, start)
    for label in range(3):
        theirs = LogisticRegression(C=1 / (0.01 * 200), tol=1e-8, max_iter=1000).fit(states.numpy(), right[:, label])
        ours = torch.sigmoid(states @ weight[:, label] + bias[label]).numpy()
        np.testing.assert_allclose(ours, theirs.predict_proba(states.numpy())[:, 1], atol=1e-3)

    values = states[:, 0] * 2 + torch.from_numpy(rng.normal(size=200))
    weight, bias = label_probe.SOLVERS["regression"][0](states, values, 0.1, start)
    theirs = Ridge(alpha=0.1 * 200).fit(states.numpy(), values.numpy())
    np.testing.assert_allclose((states @ weight)[:, 0] + bias, theirs.predict(states.numpy()), atol=1e-9)


def test_the_probe_chooses_more_decay_where_there_is_only_noise():
    rng = np.random.default_rng(1)
    states = torch.from_numpy(rng.normal(size=(1000, 40)))
    noise, signal = torch.from_numpy(rng.integers(0, 2, 1000)), (states[:, 0] > 0).long()
    sizes = [float(label_probe.fit(states, targets, "single")[0].norm()) for targets in (noise, signal)]
    assert sizes[0] < 0.3 * sizes[1]


def test_the_probe_is_the_same_every_time(base):
    head = classify.head(SINGLE, settings())
    known = learnt(SINGLE * 6, head)
    first, second = (classify.baselines(model(base, head), known, known, settings(), given=Given())
                     for _ in range(2))
    assert first == second


def test_rows_from_which_no_head_follows_are_told_and_nothing_hides_it(base, tmp_path):
    import tunesmith

    (tmp_path / "rows.jsonl").write_text('{"text": "a hat", "label": "hat"}\n' * 3)
    found = tunesmith.check(tunesmith.load_recipe({
        "base": {"name": str(base.folder), "dtype": "float32"}, "task": "classify",
        "data": {"train": str(tmp_path / "rows.jsonl"), "validation": 0, "test": 0}, "adapter": {"type": "full"},
        "training": {"max_length": 32}}))
    assert [(one.kind, one.where.rpartition("/")[2]) for one in found.findings if one.severity == "error"] == [
        ("labels.one_class", "rows.jsonl:1")]


def test_a_person_sees_the_tokens_of_a_text_and_what_they_learn(tmp_path, capsys):
    rows = [{"text": f"Anna ordered {n} shirts", "label": ("few", "many")[n > 9]} for n in range(20)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "r.yaml").write_text(
        f"base: {tiny_encoder(tmp_path / 'base')}\ntask: classify\n"
        f"data: {{train: {tmp_path / 'rows.jsonl'}, validation: 0, test: 0}}\ntraining: {{max_length: 64}}\n")
    assert main(["preview", str(tmp_path / "r.yaml"), "--row", "rows.jsonl:12"]) == 0
    told = capsys.readouterr().out
    assert "' [CLS]'   many" in told
    assert "[CLS] anna ordered 11 shirts [SEP]" in " ".join(told.split())
