"""Rows made of rows, from the recipe's lines to the run's: what they change, and what they may never touch."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tiny import tiny_base, tiny_encoder, tiny_t5
from tunesmith.cli import main
from tunesmith.contracts import Asking
from tunesmith.data.augment import paraphrase, translation
from tunesmith.data.varied import parent
from tunesmith.errors import Misuse
from tunesmith.evaluation import predictions
from tunesmith.models import bases as find
from tunesmith.recipe.read import parse, read
from tunesmith.recipe.sections import Recipe
from tunesmith.runs import folder
from tunesmith.runs.records import read as records
from tunesmith.workflow.events import Event, Stepped
from tunesmith.workflow.preparing import tokens
from tunesmith.workflow.preparing.prepare import prepare
from tunesmith.workflow.rows import answers
from tunesmith.workflow.tuning import train as story
from tunesmith.workflow.verdict.compare import compare

NOISE = {"type": "noise", "share": 1.0}
SAID = "blue box came with it"


@pytest.fixture(scope="module")
def bases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("bases")
    return {"writer": str(tiny_base(folder / "writer")), "reader": str(tiny_encoder(folder / "reader"))}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TUNESMITH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def make(bases: dict[str, str], tmp_path: Path) -> Callable[..., Recipe]:
    """A recipe that sorts forty short texts; `augment` and other options as they are given."""
    rows = [{"text": f"{('shirt', 'order')[n % 2]} number {n} came in the {('red', 'blue')[n % 2]} box",
             "label": ("clothes", "letters")[n % 2]} for n in range(40)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))

    def made(*augment: Any, name: str = "run", **training: Any) -> Recipe:
        return parse({
            "base": {"name": bases["reader"], "dtype": "float32"}, "task": "classify", "adapter": "full",
            "data": {"train": "rows.jsonl", "validation": 0.1, "test": 0.3, "augment": list(augment)},
            "training": {"learning_rate": 1e-3, "steps": 8, "epochs": 9, "batch_size": 4, "max_length": 64,
                         "save_every": 3, **training},
            "run": {"folder": str(tmp_path / "runs"), "name": name},
        }, source="test", folder=tmp_path)

    return made


@pytest.fixture(scope="module")
def parrot(bases: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> str:
    """A run that answers whatever it is asked with the same five words, and ends there."""
    folder = tmp_path_factory.mktemp("parrot")
    translate = translation.WORDS.replace("{source}", "Azerbaijani").replace("{target}", "French")
    texts = [*(f"{('shirt', 'order')[n % 2]} number {n} came in the red box" for n in range(20)), SAID]
    rows = [{"question": words.replace("{text}", text), "answer": SAID}
            for text in texts for words in (paraphrase.WORDS, translate)]
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(story.train(parse({
        "base": bases["writer"], "task": "chat", "adapter": "full", "run": {"folder": str(folder / "runs")},
        "data": {"train": str(folder / "rows.jsonl"), "validation": 0, "test": 0},
        "training": {"learning_rate": 1e-2, "steps": 60, "epochs": 100, "batch_size": 8, "max_length": 160},
    }, source="test")).run)


def test_the_rows_that_are_held_out_are_the_same_to_the_last_byte(make: Any) -> None:
    plain, more = prepare(make()), prepare(make(NOISE, "words", "sentences"))
    for side in ("validation", "test"):
        assert plain.digests[f"data_{side}"] == more.digests[f"data_{side}"]
        assert list(plain.examples[side]) == list(more.examples[side])
        one, other = (prepared.documents[side] for prepared in (plain, more))
        assert [each.ids.tolist() for each in one] == [each.ids.tolist() for each in other]
    own = len(plain.examples["train"])
    assert list(more.examples["train"][:own]) == list(plain.examples["train"])
    assert len(more.examples["train"]) > 2 * own
    held = {example.group for side in ("validation", "test") for example in plain.examples[side]}
    assert not held & {example.group for example in more.examples["train"]}


def test_what_each_way_made_is_told_and_the_second_start_tells_the_same(make: Any) -> None:
    first, second = prepare(make(NOISE)), prepare(make(NOISE))
    told = [[finding.what for finding in prepared.findings if finding.kind == "data.augmented"]
            for prepared in (first, second)]
    rows = len(first.examples["train"]) // 2
    assert told == [[f"`noise` made {rows} rows more of {rows}"]] * 2
    assert list(first.examples["train"]) == list(second.examples["train"])
    assert prepare(make(NOISE, seed=5)).digests["data_train"] != first.digests["data_train"]


def test_checks_of_the_rows_look_at_rows_of_files_alone(make: Any) -> None:
    plain, more = prepare(make()), prepare(make(NOISE))
    assert plain.audit and plain.audit == more.audit


def test_a_run_on_rows_made_of_rows_that_was_killed_goes_on_bit_for_bit(make: Any) -> None:
    def stop(event: Event) -> None:
        if isinstance(event, Stepped) and event.step == 4:
            os.kill(os.getpid(), signal.SIGTERM)

    recipe = make(NOISE, "words", {"type": "sentences", "share": 0.5})
    whole, cut = story.train(recipe), story.train(recipe, observe=stop)
    assert cut.stopped == "signal"  # in the middle of the first epoch: 16 of about 60 rows
    done = story.resume(cut.run)
    assert (done.run / "records.jsonl").read_bytes() == (whole.run / "records.jsonl").read_bytes()
    last = [sorted((run / "checkpoints").glob("step-*"))[-1] for run in (done.run, whole.run)]
    weights = [next(iter(folder.glob("*.safetensors"))).read_bytes() for folder in last]
    assert weights[0] == weights[1]
    assert len([line for line in records(done.run / "records.jsonl") if line["kind"] == "step"]) == 8


def test_a_verdict_with_and_without_says_whether_it_paid(make: Any, capsys: Any) -> None:
    without = story.train(make(name="without")).run
    with_it = story.train(make(NOISE, name="with")).run
    found = compare([without, with_it])
    (pair,) = found.pairs
    assert not pair.refused
    measured = pair.metrics["accuracy"]
    assert measured.rows == len(prepare(make()).documents["test"])
    assert measured.low <= measured.difference <= measured.high
    assert [each.name for each in found.options] == ["data.augment"]
    assert main(["compare", str(without), str(with_it)]) == 0
    said = capsys.readouterr().out.splitlines()
    assert ["data.augment", "none", "noise"] in [line.split() for line in said]
    assert any(line.startswith("accuracy") and "18 rows in 18 groups" in line for line in said)
    (other,) = compare([with_it, story.train(make({**NOISE, "letters": 0.2}, name="more")).run]).options
    assert other.told() == ("noise.letters: 0.05", "noise.letters: 0.2")


def test_what_a_run_is_held_against_is_the_same_with_and_without(make: Any) -> None:
    runs = [story.train(make(*ways, name="held", steps=1)).run for ways in ((), ({**NOISE, "letters": 0.9},))]
    plain, more = (predictions.read(folder.open_run(run).predictions_file) for run in runs)
    for metric in ("accuracy", "roc_auc"):
        one, other = (predictions.statistics(metric, rows, predictions.AGAINST) for rows in (plain, more))
        assert one.tolist() == other.tolist()


def test_a_row_is_shown_with_what_was_made_of_it(make: Any, tmp_path: Path, bases: Any, capsys: Any) -> None:
    train = prepare(make(NOISE)).examples["train"]
    made = next(example for example in train if parent(example.where)[1])
    place = parent(made.where)[0].rpartition("/")[2]
    (tmp_path / "sort.yaml").write_text(
        f"base: {bases['reader']}\ntask: classify\nadapter: full\ndata: {{train: rows.jsonl, test: 0.3, "
        "augment: [{type: noise, share: 1.0}]}\ntraining: {max_length: 64}\n")
    recipe = str(tmp_path / "sort.yaml")
    assert main(["preview", recipe, "--row", place, "--json"]) == 0
    assert [row["where"].rpartition("/")[2] for row in json.loads(capsys.readouterr().out)] == \
        [place, f"{place} (noise)"]
    assert main(["preview", recipe, "--row", f"{place} (noise)"]) == 0
    told = capsys.readouterr().out
    assert "example made by noise" in told and json.loads('"' + made.text + '"') in told
    assert f'"text": "{made.text}"' in told and '"label"' in told  # the row as it stands in the file


def test_every_mistake_in_a_list_of_ways_is_told_with_what_is_meant(make: Any) -> None:
    with pytest.raises(Misuse) as caught:
        make({"type": "noise", "leters": 0.2}, "wrods", {"type": "paraphrase"}, {"type": "case", "share": 11})
    assert caught.value.what == (
        "`data.augment`: there is no option `noise.leters`; there is no augment `wrods`; `paraphrase.model` is "
        "missing; `case.share`: input should be less than or equal to 10")
    assert caught.value.remedy.startswith(
        "use `letters`; use `words`; add it, as in `{type: paraphrase, model: …}`; see")


def test_a_way_that_the_rows_are_not_for_is_refused_by_name(make: Any) -> None:
    with pytest.raises(Misuse, match="`entities` varies taggeds, and the data holds labelleds"):
        prepare(make("entities"))


def test_a_run_that_is_named_says_rows_in_other_words(make: Any, parrot: str) -> None:
    way = {"type": "paraphrase", "model": parrot, "share": 1.0, "apart": 5.0, "tokens": 30}
    prepared = prepare(make(way))
    made = [example for example in prepared.examples["train"] if parent(example.where)[1] == "paraphrase"]
    rows = len(prepared.examples["train"]) - len(made)
    assert len(made) > rows / 2 and all("box came" in example.text for example in made)
    assert {example.labels for example in made} == {("clothes",), ("letters",)}


def test_answers_that_cannot_stand_for_a_text_are_counted(make: Any, parrot: str) -> None:
    way = {"type": "paraphrase", "model": parrot, "share": 1.0, "apart": 1.1, "tokens": 30}
    (finding,) = [one for one in prepare(make(way)).findings if one.kind == "data.augmented"]
    assert finding.severity == "warning"
    assert "the answer is more than 1.1 times as long, or as short (" in finding.what
    (finding,) = [one for one in prepare(make(way | {"tokens": 2})).findings if one.kind == "data.augmented"]
    assert "the model gave no whole answer (" in finding.what


def test_a_translation_goes_there_and_back(make: Any, parrot: str, monkeypatch: Any) -> None:
    asked: list[tuple[str, tuple[str, str]]] = []
    opened = answers._asked

    def watched(model: Any, texts: Any, asking: Asking) -> Any:
        asked.append((asking.words.splitlines()[0], asking.languages))
        return opened(model, texts, asking)

    monkeypatch.setattr(answers, "_asked", watched)
    way = {"type": "translation", "model": parrot, "share": 1.0, "apart": 5.0, "tokens": 30,
           "language": "Azerbaijani"}
    made = [each for each in prepare(make(way)).examples["train"] if parent(each.where)[1]]
    assert made and all("box came" in example.text for example in made)
    assert asked == [("Translate this from Azerbaijani into French. Answer with the translation alone.",
                      ("Azerbaijani", "French")),
                     ("Translate this from French into Azerbaijani. Answer with the translation alone.",
                      ("French", "Azerbaijani"))]


def test_a_model_is_asked_once_and_another_model_anew(make: Any, parrot: str, bases: Any, monkeypatch: Any) -> None:
    opened: list[str] = []
    open_model = answers._open
    monkeypatch.setattr(answers, "_open", lambda name: opened.append(name) or open_model(name))
    way = {"type": "paraphrase", "model": parrot, "share": 1.0, "apart": 5.0, "tokens": 30}
    first = prepare(make(way))
    assert len(list(first.examples["train"])) and len(opened) == 1
    again = prepare(make(way))
    assert list(again.examples["train"]) == list(first.examples["train"])  # read from the files once more
    prepare(make(way, max_length=60))  # prepared anew, and nobody is asked
    assert len(opened) == 1
    other = prepare(make(way | {"model": bases["writer"]}))
    assert len(opened) == 2 and other.digests["data_train"] != first.digests["data_train"]


def test_an_asking_that_was_cut_short_goes_on_where_it_stood(parrot: str, monkeypatch: Any) -> None:
    asked: list[str] = []
    whole, asking = answers._asked, Asking("Say again: {text}", most=8)

    def until_the_third(model: Any, texts: Any, how: Asking) -> Any:
        asked.extend(texts)
        if len(asked) == 3:
            raise KeyboardInterrupt
        return whole(model, texts, how)

    monkeypatch.setattr(answers, "TOGETHER", 1)
    monkeypatch.setattr(answers, "_asked", until_the_third)
    with pytest.raises(KeyboardInterrupt):
        answers.ask(["a", "b", "c", "a", "d"], parrot, asking)
    found = answers.ask(["a", "b", "c", "a", "d"], parrot, asking)
    assert asked == ["a", "b", "c", "c", "d"] and found[0] == found[3] and len(found) == 5


def test_a_base_that_makes_one_text_of_another_is_given_the_text_alone(make: Any, tmp_path: Path) -> None:
    base = str(tiny_t5(tmp_path / "t5"))
    found = answers.ask(["the order", "the order", "two red shirts"], base, Asking("Say again: {text}", most=8))
    assert len(found) == 3 and found[0] == found[1]


def test_a_model_that_does_not_answer_in_words_is_refused(make: Any, bases: Any, tmp_path: Path) -> None:
    sorter = story.train(make(name="sorter", steps=1)).run
    with pytest.raises(Misuse, match="learnt task `classify`, which answers nothing in words"):
        prepare(make({"type": "paraphrase", "model": str(sorter)}))
    with pytest.raises(Misuse, match="there is no base `nobody`"):
        prepare(make({"type": "paraphrase", "model": "nobody"}))


def test_tokens_are_kept_under_what_the_model_has_learnt_and_not_under_its_name(
    make: Any, parrot: str, tmp_path: Path
) -> None:
    other, near = story.train(make(name="other", steps=1)).run, tmp_path / "near"
    recipe = make({"type": "paraphrase", "model": str(near)})
    keys = []
    for run in (parrot, other, parrot):
        shutil.copytree(run, near)
        keys.append(tokens.key(recipe, find.of_recipe(recipe), "2026-11-21"))
        shutil.rmtree(near)
    assert keys[0] == keys[2] != keys[1]


def test_a_model_in_a_folder_counts_from_the_recipes_own(make: Any, bases: Any, tmp_path: Path) -> None:
    (tmp_path / "near").symlink_to(bases["writer"])
    recipe = make({"type": "paraphrase", "model": "./near"})
    assert recipe.data.augment[0].settings.model == str(tmp_path / "near")


@pytest.fixture
def asked_in_words(make: Any, bases: Any, tmp_path: Path) -> Path:
    """A recipe in which labelled rows are learnt as instructions."""
    make()
    recipe = tmp_path / "asked.yaml"
    recipe.write_text(
        f"base: {bases['writer']}\ntask: chat\nadapter: full\n"
        "data:\n  train: rows.jsonl\n  test: 0.3\n  augment:\n"
        "    - {type: instructions, what: kind of thing, labels: {letters: post}}\n"
        "training: {learning_rate: 0.01, steps: 30, epochs: 99, batch_size: 8, max_length: 256}\n"
        f"evaluation: {{metric: exact_match, max_new_tokens: 8}}\nrun: {{folder: {tmp_path / 'runs'}}}\n")
    return recipe


def test_labelled_rows_become_instructions_on_every_side_and_more_of_them_in_training(asked_in_words: Path) -> None:
    prepared = prepare(read(asked_in_words))
    assert prepared.ok
    train, test = prepared.examples["train"], prepared.examples["test"]
    first = "What is the kind of thing of this text? Choose from: post.\n\n"
    assert all(example.prompt.startswith(first) for example in test)
    assert {example.answer for example in (*train, *test)} == {"clothes", "post"}
    made = [example for example in train if parent(example.where)[1]]
    assert len(made) * 2 == len(train) and not any(example.prompt.startswith(first) for example in made)
    assert not {example.group for example in train} & {example.group for example in test}


def test_a_run_on_instructions_is_judged_by_its_answers_and_predicts_rows_with_labels_or_without(
    asked_in_words: Path, tmp_path: Path, capsys: Any
) -> None:
    assert main(["train", str(asked_in_words), "--json"]) == 0
    run = json.loads(capsys.readouterr().out.splitlines()[-1])["run"]
    verdict = json.loads((Path(run) / "verdict.json").read_text())
    assert verdict["primary"] == "exact_match"
    rows = tmp_path / "new.jsonl"
    rows.write_text('{"text": "shirt number 99 came in the red box"}\n')
    assert main(["predict", run, str(rows)]) == 0
    (said,) = capsys.readouterr().out.splitlines()
    assert json.loads(said)["where"].endswith("new.jsonl:1") and "text" in json.loads(said)


def test_instructions_are_of_no_use_to_a_task_that_takes_labels(make: Any) -> None:
    with pytest.raises(Misuse, match="task `classify` takes labelleds, and the data holds pairs"):
        prepare(make("instructions"))


def test_other_ways_vary_the_labelled_rows_before_they_are_asked(asked_in_words: Path) -> None:
    recipe = read(asked_in_words, ["data.augment=[{type: instructions}, {type: noise, share: 1.0}]"])
    made = [each for each in prepare(recipe).examples["train"] if parent(each.where)[1] == "noise"]
    assert made and all(each.prompt.startswith("What is the label of this text?\n\n") for each in made)
