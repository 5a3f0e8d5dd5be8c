"""The model card: read by the Hub's own library, complete, and silent about this machine."""

from __future__ import annotations

import pytest
from huggingface_hub import ModelCard

from tunesmith.runs import card
from tunesmith.runs.card import Facts, Use

METRIC = {"against": 0.5, "tuned": 0.75, "difference": 0.25, "low": 0.1, "high": 0.4, "rows": 64, "groups": 32}
LINEAGE = {
    "digests": {"base": "ab" * 32, "data_train": "cd" * 32, "template": ""},
    "versions": {"tunesmith": "0.1.0", "torch": "2.13.0", "peft": None},
    "chosen": {"date": "2026-11-21", "dtype": "bfloat16", "device": "cuda:1"},
    "machine": {"host": "lovelace-laptop"},
}
VERDICT = {
    "verdict": "better", "primary": "exact_match", "against": "base", "metrics": {"exact_match": METRIC},
    "findings": [{"what": "`loss` is worse", "where": "/home/lovelace/rows.jsonl:3"}],
    "examples": [{"prompt": "a private question"}],
}


def facts(**changes) -> Facts:
    recipe = {
        "base": {"name": "/home/lovelace/models/tiny"}, "task": {"type": "chat"},
        "adapter": {"type": "lora", "rank": 4},
        "data": {"train": ["/home/lovelace/my orders.jsonl", "/home/lovelace/more.csv"], "system": "Be brief: always."},
        "run": {"folder": "/home/lovelace/runs"},
    }
    return Facts(**{
        "name": "orders-1", "library": "peft", "base": "somebody/tiny", "licence": "apache-2.0", "languages": ["en"],
        "data": ["my orders.jsonl", "more.csv"], "recipe": recipe, "lineage": LINEAGE,
        "verdict": VERDICT, "uses": [Use("PEFT", "python", "import peft")],
        **changes,
    })


def test_the_hubs_library_reads_the_head_and_the_verdicts_figures():
    read = ModelCard(card.render(facts()))
    told = read.data.to_dict()
    assert (told["base_model"], told["library_name"], told["license"]) == ("somebody/tiny", "peft", "apache-2.0")
    assert told["pipeline_tag"] == "text-generation" and told["language"] == ["en"]
    assert told["datasets"] == ["my-orders.jsonl", "more.csv"] and told["tags"] == ["tunesmith", "chat", "lora"]
    [result] = read.data.eval_results
    assert (result.metric_type, result.metric_value, read.data.model_name) == ("exact_match", 0.75, "orders-1")
    assert (result.metric_args["difference_low_95"], result.metric_args["difference_high_95"]) == (0.1, 0.4)


def test_the_hubs_library_writes_the_same_facts_again(tmp_path):
    read = ModelCard(card.render(facts()))
    read.save(tmp_path / "README.md")
    assert ModelCard.load(tmp_path / "README.md").data.to_dict() == read.data.to_dict()


def test_a_run_without_verdict_licence_or_language_has_none_in_its_head():
    read = ModelCard(card.render(facts(verdict=None, licence=None, languages=())))
    assert not {"license", "language", "model-index"} & read.data.to_dict().keys()
    assert "was not measured" in read.text and "do not name a licence" in read.text


def test_the_card_tells_neither_paths_nor_host_nor_rows_nor_keys(monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_abcdefghijklmnopqrstuvwxyz")
    text = card.render(facts(notes=["the key is hf_abcdefghijklmnopqrstuvwxyz"]))
    for private in ("/home", "lovelace", "private question", "hf_abc"):
        assert private not in text
    assert "name: tiny" in text and "- my orders.jsonl" in text


def test_the_body_has_the_table_of_the_verdict_and_how_the_model_is_opened():
    text = card.render(facts())
    assert "| **exact_match** (decides) | 0.5 | 0.75 | +0.25 | +0.1 to +0.4 | 64 | 32 |" in text
    assert "```python\nimport peft\n```" in text and "`loss` is worse" in text


def test_what_tuning_cost_elsewhere_stands_in_the_card():
    other = {"word": "worse", "primary": "loss", "task": "chat", "digest": "d", "examples": [],
             "metrics": {"loss": {**METRIC, "against": 2.5, "tuned": 3.0}}}
    text = card.render(facts(verdict={**VERDICT, "also": {"general": other}}))
    assert "| general | worse | loss | 2.5 | 3 | +0.1 to +0.4 | 64 |" in text
    assert "only what stands above of it was measured" in text
    assert "elsewhere" not in card.render(facts())


STRANGE = ["a: b # c", "- dash", "'quoted\"", "ends: ", "yes", "no", "1:20", "1e5", "Şəki\u2028x", "{a}"]


@pytest.mark.parametrize("strange", STRANGE)
def test_a_strange_name_stays_text(strange):
    assert ModelCard(card.render(facts(name=strange))).data.to_dict()["model-index"][0]["name"] == strange


def checked(*warnings: str) -> dict:
    plain = {"kind": "audit.x", "where": "/home/lovelace/rows.jsonl:3", "remedy": "", "count": 3,
             "rows": [{"where": "a:1", "text": "a private question"}]}
    noticed = [{**plain, "severity": "warning", "what": what} for what in warnings]
    note = {**plain, "severity": "note", "what": "a note"}
    return {"rows": {"train": 800, "validation": 0, "test": 1200}, "audit": {
        "copies": {"noticed": noticed, "figures": []}, "html": {"noticed": [note], "figures": []}},
        "amounts": {"train": {"documents": 800, "tokens": 12_000, "supervised": 800, "longest": 60}}}


def test_the_card_tells_how_many_rows_there_were_and_what_warns_of_them():
    card_text = card.render(facts(check=checked("12 rows stand twice", "9 labels are rare: `a_b` and c_d")))
    data = card_text.partition("## Data\n\n")[2].partition("\n## ")[0]
    assert data.splitlines()[0] == (
        "800 rows in train, 1,200 rows in test; 800 of 12,000 tokens in train are learnt.")
    assert "- 12 rows stand twice\n- 9 labels are rare: `a_b` and c\\_d\n" in data
    assert "a note" not in data and "private" not in data


def test_rows_without_a_warning_are_said_to_have_been_checked():
    assert "checked for copies, html: nothing warns of them" in card.render(facts(check=checked()))


def test_many_warnings_stay_a_few_lines_of_the_card():
    data = card.render(facts(check=checked(*(f"warning {number} " + "x" * 900 for number in range(30)))))
    section = data.partition("## Data")[2].partition("\n## ")[0]
    assert "- and 22 more, in `check.json`" in section and len(section) < 4000


def test_neither_a_path_nor_a_tag_gets_into_the_card_from_a_warning():
    told = card.render(facts(check=checked("rows of `/home/lovelace/secret/a.csv` and /home/x/b.csv hold <img src=x> "
                                           "and [a](http://evil.example/x/y)")))
    assert "rows of `a.csv` and b.csv hold \\<img src=x> and \\[a\\](http://evil.example/x/y)" in told


def test_a_run_of_an_earlier_release_has_no_such_section():
    assert "## Data" not in card.render(facts(check={"ok": True})) and "## Data" not in card.render(facts())
