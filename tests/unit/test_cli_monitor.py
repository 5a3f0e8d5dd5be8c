"""`tunesmith monitor`: a quiet window is quiet, a drifted one is told, and rows to label come with their reasons."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

import pytest

from tunesmith.cli import main
from tunesmith.errors import Refusal
from tunesmith.monitoring import reference
from tunesmith.monitoring.log import Judgement, Seen, open_log
from tunesmith.recipe.monitoring import Monitoring
from tunesmith.recipe.read import read
from tunesmith.records import Labelled
from watched import filled, run_of, texts


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    return run_of(tmp_path_factory.mktemp("watched"))


@pytest.fixture
def run(trained, tmp_path) -> Path:
    """A copy, whose log is its own."""
    return Path(shutil.copytree(trained, tmp_path / trained.name))


def told(capsys, *words: str) -> tuple[int, dict]:
    code = main(["monitor", *words, "--json"])
    return code, json.loads(capsys.readouterr().out)


def log_of(run: Path) -> Path:
    return run / "seen.sqlite"


def test_a_run_carries_a_small_reference_without_its_texts(run):
    found = reference.read(run / "reference.json")
    assert len(found.rows) == 400 and 190 <= found.held <= 210  # rows of one text stay on one side
    assert all(found.rows.labels[: found.held]) and not any(found.rows.labels[found.held :])
    assert all(abs(sum(each.values()) - 1) < 1e-5 and max(each, key=each.get) == label for each, label in zip(
        found.rows.scores[: found.held], found.rows.labels, strict=False)) and not any(found.rows.scores[found.held :])
    whole = (run / "reference.json").read_bytes() + (run / "reference.safetensors").read_bytes()
    assert len(whole) < 2_000_000
    assert b"shirt" not in whole and b"refund" not in whole


def test_a_thousand_rows_of_reference_stay_below_two_megabytes(tmp_path):
    rows = [Labelled(f"{text} {number}", (label,), f"rows:{number}", "")
            for number, (text, label) in enumerate(texts(1500, seed=8))]
    found = reference.make(rows[:900], rows[900:], {}, many=1000, seed=0, mask=True)
    reference.write(found, tmp_path / "copy.json")
    assert (len(found.rows), found.held) == (1000, 600)
    assert sum(path.stat().st_size for path in tmp_path.glob("copy.*")) < 2_000_000


def test_a_window_like_the_held_out_rows_is_quiet(run, capsys):
    kept = reference.read(run / "reference.json").rows
    said = [(text, kept.labels[number % 190]) for number, (text, _) in enumerate(texts(300, seed=2))]
    filled(log_of(run), said, name=run.name)
    code, found = told(capsys, str(run))
    assert (code, found["alarm"]) == (0, False)
    assert {each["test"] for each in found["tests"]} >= {"length", "vocabulary", "classifier", "kernel", "labels"}
    assert found["rows"] == 300 and found["not_tested"]["latency"] == "nothing was seen before the window"


def test_another_topic_raises_an_alarm_and_is_shown(run, capsys, tmp_path):
    filled(log_of(run), [(f"my visa for the embassy in week {n} was refused by the consul", "order")
                         for n in range(200)], name=run.name)
    code, found = told(capsys, str(run), "--html", str(tmp_path / "page.html"))
    assert (code, found["alarm"]) == (3, True)
    alarms = {each["test"] for each in found["tests"] if each["alarm"]}
    assert {"vocabulary", "classifier", "kernel"} <= alarms
    assert "embassy" in found["new_words"] and len(found["strange"]) == 10
    page = (tmp_path / "page.html").read_text()
    assert page.startswith("<!doctype html>") and "embassy" in page and "<h1>Drift</h1>" in page
    assert " UTC</dd>" in page and "+00:00" not in page


def test_a_person_is_told_each_test_and_what_to_do(run, capsys):
    filled(log_of(run), [(f"visa {n} embassy consul", "order") for n in range(60)], name=run.name)
    assert main(["monitor", str(run)]) == 3
    out = capsys.readouterr().out
    assert "window      60 rows" in out and "classifier" in out and "alarm" in out
    assert f"`tunesmith monitor {run} --harvest rows.jsonl`" in out and "drift: this window is not" in out


def test_features_alone_raise_the_same_alarm(run, capsys):
    kept = reference.read(run / "reference.json")
    rows = [(f"visa {n} embassy consul", "order") for n in range(60)]
    log = open_log(log_of(run), Monitoring(keep="features"), kept.known)
    for number, (text, label) in enumerate(rows):
        log.write(Seen(f"a{number}", time.time(), run.name, "predict", text, label, 3, 1, 0.1, None, label))
    log.close()
    filled(run / "text.sqlite", rows, name=run.name)
    _, one = told(capsys, str(run))
    _, two = told(capsys, str(run), "--log", str(run / "text.sqlite"))
    assert [(each["test"], each["effect"], each["p"]) for each in one["tests"]] == [
        (each["test"], each["effect"], each["p"]) for each in two["tests"]]
    assert one["alarm"] and not one["strange"]


def test_the_window_is_what_was_asked_for_and_the_rest_stands_before_it(run, capsys):
    began = time.time() - 5000
    rows = texts(120, seed=3)
    filled(log_of(run), rows, name=run.name, start=began)
    log = open_log(log_of(run), Monitoring(keep="text"))
    for number, (text, label) in enumerate(texts(60, seed=4)):
        log.write(Seen(f"late-{number}", began + 1000 + number, run.name, "predict", text, label, 5, 1, 3.0 + number,
                       None, label, error="timeout" if number % 2 else None))
    log.close()
    code, found = told(capsys, str(run), "--last", "60")
    assert (code, found["rows"], found["errors"]) == (3, 60, 30)
    alarms = {each["test"] for each in found["tests"] if each["alarm"]}
    assert alarms >= {"latency", "errors"}
    _, since = told(capsys, str(run), "--since", str(began + 1000))
    assert [each["p"] for each in since["tests"]] == [each["p"] for each in found["tests"]]


def test_an_old_run_gets_its_reference_from_its_rows_and_only_from_those(run, capsys):
    filled(log_of(run), texts(40, seed=5), name=run.name)
    before = reference.read(run / "reference.json")
    (run / "reference.json").unlink()
    (run / "reference.safetensors").unlink()
    told(capsys, str(run))
    after = reference.read(run / "reference.json")
    assert after.rows.labels == before.rows.labels and (after.rows.hashed == before.rows.hashed).all()
    (run / "reference.json").unlink()
    rows = Path(read(run / "recipe.yaml").data.train[0])
    whole = rows.read_text()
    try:
        rows.write_text(whole.replace("shirt", "skirt"))
        code, found = told(capsys, str(run))
    finally:
        rows.write_text(whole)
    assert code == 3 and {each["kind"] for each in found["errors"]} == {"monitoring.data_changed"}


def test_rows_to_label_come_bad_strange_and_unsure_without_copies_and_are_read_by_label(run, capsys, tmp_path):
    log = open_log(log_of(run), Monitoring(keep="text"))
    rows = [*texts(100, seed=6), *[(f"visa of embassy {word} consul", "order") for word in "abcdefgh"],
            ("visa of embassy a consul", "order")]
    for number, (text, label) in enumerate(rows):
        log.write(Seen(f"a{number}", time.time(), run.name, "predict", text, label, 3, 1, 0.1,
                       0.3 if number == 7 else 0.99, label))
    log.judge("a3", Judgement(good=False, correction="money"))
    log.close()
    out = tmp_path / "harvest.jsonl"
    code = main(["monitor", str(run), "--harvest", str(out), "--rows", "6"])
    made = [json.loads(line) for line in out.read_text().splitlines()]
    assert code in (0, 3) and len(made) == 6
    assert made[0]["why"].startswith("badly rated (corrected)") and made[0]["correction"] == "money"
    assert made[0]["text"] == rows[3][0] and "label" not in made[0]
    assert sum("unlike the reference" in each["why"] for each in made) >= 3
    assert any(each["why"] == "unsure (0.30)" for each in made)
    assert len({each["text"] for each in made}) == 6
    told = capsys.readouterr().out
    assert f"next        tunesmith label {out} --with {run} --output labelled.jsonl\n" in told
    assert "--harvest rows.jsonl" not in told  # what was just done is no advice
    answers = tmp_path / "answers"
    answers.write_text("money\nmoney\nmoney\nmoney\nmoney\nmoney\n")
    labelled = tmp_path / "labelled.jsonl"
    assert main(["label", str(out), "--with", str(run), "--output", str(labelled), "--answers", str(answers)]) == 0
    assert len(labelled.read_text().splitlines()) == 6
    assert main(["monitor", str(run), "--harvest", str(out)]) == 2  # what is there is not written over


@pytest.mark.parametrize(("words", "kind"), [
    ((), "monitoring.no_log"), (("--since", "yesterday"), "monitoring.since"), (("--last", "0"), "monitoring.last"),
    (("--alarm", "2"), "command.arguments"),
])
def test_a_mistake_is_told_with_what_to_do(run, capsys, words, kind):
    code, found = told(capsys, str(run), *words)
    assert code == 2
    assert [each["kind"] for each in found["errors"]] == [kind] and found["errors"][0]["remedy"]


def test_a_file_that_is_no_log_and_a_model_that_nobody_served_are_told(run, capsys, tmp_path):
    foreign = tmp_path / "rows.jsonl"
    foreign.write_text("{}\n" * 200)
    code, found = told(capsys, str(run), "--log", str(foreign))
    assert (code, found["errors"][0]["kind"]) == (2, "monitoring.other_file")
    assert foreign.read_text() == "{}\n" * 200
    filled(log_of(run), texts(5, seed=1), name="a")
    filled(log_of(run), texts(5, seed=1), name="b")
    code, found = told(capsys, str(run))
    assert (code, found["errors"][0]["kind"]) == (2, "monitoring.model")
    assert "`a`, `b`" in found["errors"][0]["remedy"]
    code, found = told(capsys, str(run), "--model", "a")
    assert (code, found["rows"]) == (0, 5)


def test_a_reference_without_scores_has_labels_alone(run):
    file = run / "reference.json"
    told = json.loads(file.read_text())
    assert set(told.pop("scored")) == {"order", "place", "money"}
    file.write_text(json.dumps(told))
    found = reference.read(file)
    assert not any(found.rows.scores) and any(found.rows.labels)
    file.write_text(json.dumps(told | {"scored": ["order"]}))
    with pytest.raises(Refusal, match="reference cannot be read"):
        reference.read(file)


def test_a_damaged_reference_is_told_and_not_guessed(run, capsys):
    filled(log_of(run), texts(30, seed=1), name=run.name)
    whole = (run / "reference.safetensors").read_bytes()
    (run / "reference.safetensors").write_bytes(whole[: len(whole) // 2])
    code, found = told(capsys, str(run))
    assert (code, found["errors"][0]["kind"]) == (3, "monitoring.reference")
