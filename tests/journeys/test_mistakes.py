"""What a person meets who gets something wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from telling import process, tunesmith
from tiny import tiny_base

GOOD = '{"question": "How many hats has Anna after %d?", "answer": "Anna has %d hats."}'


@pytest.fixture(scope="module")
def shop(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("shop")
    tiny_base(folder / "base")
    (folder / "good.jsonl").write_text("".join(GOOD % (n, n) + "\n" for n in range(30)))
    (folder / "r.yaml").write_text("base: ./base\ntask: chat\ndata: {train: good.jsonl}\ntraining: {max_length: 128}\n")
    return folder


def test_both_mistakes_are_told_at_once_with_suggestions(shop):
    told = process("train", "r.yaml", "training.lerning_rate=1", "data.trian=x", "--json", folder=shop)
    assert told.code == 2
    errors = told.json["errors"]
    assert len(errors) == 2
    assert all(error.keys() == {"kind", "what", "where", "remedy"} for error in errors)
    whole = json.dumps(errors)
    assert "training.lerning_rate" in whole and "training.learning_rate" in whole
    assert "data.trian" in whole and "use `data.train`" in whole
    assert not (shop / "runs").exists()


def test_a_mistake_in_the_file_is_shown_with_its_line_and_a_caret(shop):
    recipe = shop / "wrong.yaml"
    recipe.write_text("base: ./base\ntask: chat\ndata: {train: good.jsonl}\ntraining:\n  epochs: three\n  sede: 1\n")
    told = tunesmith("check", recipe)
    assert told.code == 2
    assert f"{recipe}:5" in told.err and f"{recipe}:6" in told.err
    assert "    |   sede: 1\n    |   ^^^^" in told.err
    assert "`training.seed`" in told.err


def test_an_unknown_base_names_the_nearest(shop):
    told = tunesmith("check", shop / "r.yaml", "base=smollm2-135m-instrukt", "--json")
    assert told.code == 2
    assert "smollm2-135m-instruct" in told.json["errors"][0]["remedy"]


def test_every_bad_row_is_a_finding_with_its_line(shop):
    good = [GOOD % (n, n) for n in range(20)]
    bad = ['{"question": "no answer"}', '{"question": "broken", "answer": ', '{"question": "empty", "answer": ""}',
           '[1, 2]', '{"question": "half", "answer": "a lone \\ud800 surrogate"}']
    (shop / "bad.jsonl").write_text("\n".join([*good, *bad]) + "\n")
    told = tunesmith("check", shop / "r.yaml", f"data.train={shop / 'bad.jsonl'}", "--json")
    assert told.code == 3
    assert told.json["ok"] is False
    errors = [found for found in told.json["findings"] if found["severity"] == "error"]
    places = json.dumps([found["where"] for found in errors])
    for number in range(len(good) + 1, len(good) + len(bad) + 1):
        assert f"bad.jsonl:{number}" in places, (number, errors)
    assert all(found["what"] and found["remedy"] for found in errors)


def test_a_run_on_bad_data_is_refused_and_leaves_nothing(shop):
    (shop / "empty-answer.jsonl").write_text(GOOD % (1, 1) + '\n{"question": "why?", "answer": ""}\n')
    told = tunesmith("train", shop / "r.yaml", f"data.train={shop / 'empty-answer.jsonl'}",
                     f"run.folder={shop / 'none'}", "--json")
    assert told.code == 3
    assert "empty-answer.jsonl:2" in json.dumps(told.json["errors"])
    assert not (shop / "none").exists()


@pytest.mark.parametrize(("name", "content"), [
    ("missing.jsonl", None), ("empty.jsonl", b""), ("nul.jsonl", b'{"question": "a\x00", "answer": "b"}\n'),
    ("latin.jsonl", b'{"question": "caf\xe9", "answer": "b"}\n'),
])
def test_a_file_that_cannot_be_used_is_named_without_a_traceback(shop, name, content):
    if content is not None:
        (shop / name).write_bytes(content)
    told = tunesmith("check", shop / "r.yaml", f"data.train={shop / name}", "--json")
    assert told.code in (2, 3)
    assert name in told.out
    assert "Traceback" not in told.err and "bug" not in told.err


def test_a_byte_order_mark_does_no_harm(shop):
    (shop / "bom.jsonl").write_bytes(b"\xef\xbb\xbf" + (shop / "good.jsonl").read_bytes())
    told = tunesmith("check", shop / "r.yaml", f"data.train={shop / 'bom.jsonl'}", "--json")
    assert told.code == 0, told.out


def test_pickled_weights_are_refused(shop):
    pickled = shop / "pickled"
    tiny_base(pickled)
    (pickled / "model.safetensors").rename(pickled / "pytorch_model.bin")
    told = tunesmith("check", shop / "r.yaml", f"base={pickled}", "--json")
    assert told.code == 3
    assert told.json["errors"][0]["kind"] == "base.pickled"


def test_a_gguf_that_is_cut_short_is_refused(shop):
    (shop / "short.gguf").write_bytes(b"GGUF\x03\x00\x00\x00" + b"\x00" * 12)
    told = tunesmith("check", shop / "r.yaml", f"base={shop / 'short.gguf'}", "--json")
    assert told.code in (2, 3)
    assert "short.gguf" in told.out


def test_a_row_that_is_too_long_is_refused_or_cut_as_the_recipe_says(shop):
    long = '{"question": "Say it.", "answer": "%s"}' % ("hat " * 300)
    (shop / "long.jsonl").write_text("".join(GOOD % (n, n) + "\n" for n in range(20)) + long + "\n")
    words = ("check", shop / "r.yaml", f"data.train={shop / 'long.jsonl'}", "data.validation=0", "data.test=0",
             "--json")
    refused = tunesmith(*words)
    assert refused.code == 3
    assert "long.jsonl:21" in json.dumps(refused.json["findings"])
    shown = tunesmith("preview", *words[1:3], "--row", "long.jsonl:21", "--json")
    assert shown.code == 2 and "the longest has" in shown.json["errors"][0]["what"]
    cut = tunesmith(*words, "data.too_long=cut")
    assert cut.code == 0
    assert any(found["severity"] == "warning" for found in cut.json["findings"])


def test_a_folder_that_is_no_run_is_named(shop):
    for verb in ("evaluate", "chat"):
        told = tunesmith(verb, shop / "nothing", *(["hello"] if verb == "chat" else []), "--json")
        assert told.code == 2
        assert "nothing" in told.out


def test_train_needs_a_recipe_or_a_run():
    told = tunesmith("train", "--resume", "auto", "--json")
    assert told.code == 2
    assert told.json["errors"][0]["kind"] == "command.no_recipe"


def test_an_option_where_the_recipe_belongs_is_told_apart_from_a_wrong_path():
    [error] = tunesmith("train", "--resume", "runs/a", "training.save_every=2", "--json").json["errors"]
    assert "no recipe stands before it" in error["what"] and "recipe.yaml" in error["remedy"]


def test_a_reader_that_leaves_early_meets_no_traceback(shop):
    command = f"{sys.executable} -c 'from tunesmith.cli import main; main()' preview r.yaml --rows 30 | head -n 1"
    done = subprocess.run(["bash", "-c", command], cwd=shop, capture_output=True, text=True)
    assert done.stdout.count("\n") == 1
    assert "Traceback" not in done.stderr and "BrokenPipe" not in done.stderr
