"""Runs that are not for speaking with, served: each says over HTTP what `tunesmith predict` says of the same rows."""

from __future__ import annotations

import base64
import json

import numpy as np
import openai
import pytest

from runs_of import run_on
from served import allowed, serving
from tiny import tiny_encoder, tiny_t5
from tunesmith.serving.registry import Registry
from tunesmith.serving.settings import Settings
from tunesmith.workflow.predict import predict

pytestmark = allowed
COLOURS = ("red", "blue", "green")
LEARNT = {
    "classify": [{"text": f"a {COLOURS[n % 3]} hat for person number {n}", "label": COLOURS[n % 3]} for n in range(24)],
    "tag": [{"tokens": ["Anna", "has", str(n)], "tags": ["B-PER", "O", "O"]} for n in range(24)],
    "extract": [{"question": "Who has a hat?", "context": f"Anna has {n} hats.",
                 "answers": {"text": ["Anna"], "answer_start": [0]}} for n in range(24)],
    "embed": [{"prompt": f"How many hats after {n}?", "answer": f"Anna has {n} hats."} for n in range(24)],
    "seq2seq": [{"prompt": f"hats {n}", "answer": f"{n} hats"} for n in range(24)],
}
ASKED = {
    "classify": [{"text": "a red hat for person number 7"}, {"text": "a hat " * 200}],
    "tag": [{"words": ["Anna", "has", "7"]}, {"text": "Bob has 9 hats."}],
    "extract": [{"question": "Who has a hat?", "context": "Bob has 9 hats."}],
    "embed": [{"text": "Anna has a hat."}, {"text": "Anna has a hat.", "second": "How many hats?"}],
    "seq2seq": [{"prompt": "hats 7"}],
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A run of a few steps of each task."""
    folder = tmp_path_factory.mktemp("tasks")
    encoder, both = tiny_encoder(folder / "encoder"), tiny_t5(folder / "t5")
    found = {}
    for task, rows in LEARNT.items():
        (folder / f"{task}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        found[task] = run_on(both if task == "seq2seq" else encoder, folder / task, task=task, adapter="full", data={
            "train": str(folder / f"{task}.jsonl"), "validation": 0, "test": 0})
    return found


@pytest.fixture(scope="module")
def server(runs):
    models = Registry(Settings())
    for task, run in runs.items():
        models.add(task, run)
    with serving(models) as running:
        yield running


@pytest.fixture
def client(server):
    return openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0)


def post(client, path: str, body: object):
    return client.post(f"/..{path}", body=body, cast_to=object)


def same(told, wanted) -> None:
    """The same structure, numbers but for their rounding."""
    if isinstance(wanted, dict):
        assert told.keys() == wanted.keys()
        for name, value in wanted.items():
            same(told[name], value)
    elif isinstance(wanted, list | tuple):
        for one, other in zip(told, wanted, strict=True):
            same(one, other)
    else:
        assert told == (pytest.approx(wanted, rel=1e-4, abs=1e-5) if isinstance(wanted, float) else wanted)


@pytest.mark.parametrize("task", LEARNT)
def test_a_run_says_over_http_what_it_says_of_a_file(client, runs, task, tmp_path):
    file = tmp_path / "rows.jsonl"
    alike = [{"sentence1": row["text"], "sentence2": row["second"]} if "second" in row else row for row in ASKED[task]]
    file.write_text("".join(json.dumps(row) + "\n" for row in alike))
    said = post(client, "/predict", {"model": task, "rows": ASKED[task]})
    assert (said["model"], said["task"]) == (task, task)
    for row, (told, wanted) in enumerate(zip(said["predictions"], predict(runs[task], str(file)), strict=True)):
        del wanted["where"]
        assert told.pop("id").startswith("pred-") and told.pop("row") == row
        same(told, wanted)
    again = post(client, f"/predict/{task}", {"rows": ASKED[task]})
    assert [each.keys() - {"id", "row"} for each in again["predictions"]] == [
        each.keys() for each in said["predictions"]]


def test_a_row_that_is_not_read_to_its_end_says_so(client):
    short, long = post(client, "/predict", {"model": "classify", "rows": ASKED["classify"]})["predictions"]
    assert short["label"] in COLOURS and "unread_tokens" not in short
    assert long["unread_tokens"] > 0


@pytest.mark.parametrize(("body", "said"), [
    ({"model": "classify", "rows": [{"txt": "a"}]}, "`rows.0.txt` is no field here"),
    ({"model": "classify", "rows": [{"question": "a"}]}, "has `question`; this model takes `text` (and `second`)"),
    ({"model": "extract", "rows": [{"question": "a"}]}, "this model takes `question` and `context`"),
    ({"model": "tag", "rows": [{"text": "a", "words": ["a"]}]}, "this model takes `text`; or `words`"),
    ({"model": "classify", "rows": []}, "`rows`"),
    ({"model": "classify", "rows": [{"text": "a"}], "part": "other"}, "`part` is for a run of several tasks"),
    ({"model": "classify", "rows": [{"text": "a"}], "max_new_tokens": 3}, "`max_new_tokens` is for models that write"),
    ({"model": "classify", "rows": [{"text": "a"}], "template": "x"}, "`template` is no field here"),
    ({"rows": [{"text": "a"}]}, "`model` is missing"),
])
def test_a_row_that_the_task_does_not_take_is_refused_by_its_fields(client, body, said):
    with pytest.raises(openai.BadRequestError) as raised:
        post(client, "/predict", body)
    assert said in raised.value.body["message"]


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "text/plain"])
def test_a_body_that_curl_sends_as_a_form_is_told_the_header(client, kind):
    with pytest.raises(openai.BadRequestError) as raised:
        client.post("/../predict", content=b'{"model": "classify", "rows": [{"text": "a"}]}', cast_to=object,
                    options={"headers": {"Content-Type": kind}})
    assert "`Content-Type: application/json`" in raised.value.body["message"]


def test_a_row_that_cannot_be_used_is_told_in_its_place(client):
    said = post(client, "/predict", {"model": "tag", "rows": [{"words": ["Anna"]}, {"text": "   "}]})["predictions"]
    assert said[0]["tags"] and "error" not in said[0]
    assert said[1]["error"] and said[1]["kind"] and said[1]["remedy"]


def test_each_model_is_asked_by_its_own_route(client):
    with pytest.raises(openai.BadRequestError, match="`classify` is asked by `/predict`"):
        client.chat.completions.create(model="classify", messages=[{"role": "user", "content": "hi"}])


def test_vectors_are_those_of_the_run_in_either_encoding(client, runs, tmp_path):
    texts = ["Anna has a hat.", "How many hats?"]
    file = tmp_path / "rows.jsonl"
    file.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    wanted = [row["vector"] for row in predict(runs["embed"], str(file))]
    found = client.embeddings.create(model="embed", input=texts)  # base64, which the client unpacks
    np.testing.assert_allclose([each.embedding for each in found.data], wanted, atol=1e-6)
    plain = client.embeddings.create(model="embed", input=texts[0], encoding_format="float")
    np.testing.assert_allclose(plain.data[0].embedding, wanted[0], atol=1e-6)
    assert found.usage.prompt_tokens > plain.usage.prompt_tokens > 0
    raw = post(client, "/v1/embeddings", {"model": "embed", "input": texts[0], "encoding_format": "base64"})
    assert len(base64.b64decode(raw["data"][0]["embedding"])) == 4 * len(wanted[0])


@pytest.mark.parametrize(("extra", "said"), [
    ({"input": ["a", ""]}, "`input.1`"), ({"input": [1, 2]}, "`input.0`"), ({"input": []}, "`input`"),
    ({"input": "hat " * 300}, "the model reads no more than"), ({"dimensions": 3}, "no other `dimensions`"),
])
def test_what_cannot_become_a_vector_is_refused(client, extra, said):
    with pytest.raises(openai.BadRequestError) as raised:
        client.embeddings.create(**{"model": "embed", "input": "a", **extra})
    assert said in raised.value.body["message"]


def test_a_base_that_makes_vectors_is_served_as_it_is(tmp_path):
    base = tiny_encoder(tmp_path / "base")
    (base / "1_Pooling").mkdir()
    (base / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode_mean_tokens": True}))
    models = Registry(Settings())
    assert models.add("vectors", base).kind == "embed"
    with serving(models) as server:
        client = openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0)
        found = client.embeddings.create(model="vectors", input=["Anna has a hat.", "Anna has a hat."]).data
    assert found[0].embedding == found[1].embedding
    assert np.linalg.norm(found[0].embedding) == pytest.approx(1, abs=1e-5)


def test_what_is_answered_is_typed(server, client):
    schemas = client.get("/../openapi.json", cast_to=object)["components"]["schemas"]
    assert {"label", "entities", "answer", "text", "vector"} <= schemas["Predicted"]["properties"].keys()
    for name in ("ChatWish", "CompletionWish", "EmbeddingWish", "NamedWish"):
        assert schemas[name]["additionalProperties"] is False
        assert all("description" in field for field in schemas[name]["properties"].values())
