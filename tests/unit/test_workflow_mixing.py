"""Replay and what tuning cost elsewhere, from the recipe's lines to the verdict's."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tiny import tiny_base
from tunesmith.cli import main
from tunesmith.encoding.batches.packing import batches
from tunesmith.errors import Misuse, Problems, Refusal
from tunesmith.recipe.read import parse, read
from tunesmith.recipe.sections import Recipe
from tunesmith.records import Document, Position
from tunesmith.runs.records import read as records
from tunesmith.workflow.checking.check import check
from tunesmith.workflow.events import Event, Found, Stepped
from tunesmith.workflow.preparing import order as planning
from tunesmith.workflow.preparing.prepare import prepare
from tunesmith.workflow.tuning import train as story

WORDS = ("ZEBRA", "QUARTZ", "JIGSAW", "PHLOX", "VEXED", "BUMPH", "WALTZ", "NYMPH", "KIOSK", "FJORD")

BOOK = "\n\n".join(f"{WORDS[n % 10]} {WORDS[n // 10]} {WORDS[(n + 3) % 10]}." for n in range(100))


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_base(tmp_path_factory.mktemp("mixing") / "base")


def write(path: Path, rows: Sequence[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def narrow(count: int = 40) -> list[dict[str, Any]]:
    return [{"question": f"what is {n} and {n + 1}?", "answer": f"it is {2 * n + 1} apples"} for n in range(count)]


def general(count: int = 60) -> list[dict[str, Any]]:
    """Turns in capital letters: nothing that the narrow rows would teach."""
    said = [(WORDS[n % 10], WORDS[n // 10 % 10], WORDS[(n + 3) % 10]) for n in range(count)]
    return [{"messages": [{"role": "user", "content": f"{one} {two} {n}"},
                          {"role": "assistant", "content": f"{two} {one} {three}"}]}
            for n, (one, two, three) in enumerate(said)]


@pytest.fixture(scope="module")
def knowing(base: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A run that has learnt the general rows: what a base has to know before it can forget it."""
    folder = tmp_path_factory.mktemp("knowing")
    (folder / "book.txt").write_text(BOOK)
    return str(story.train(parse({
        "base": str(base), "task": "completion", "adapter": "full", "run": {"folder": str(folder)},
        "data": {"train": str(folder / "book.txt"), "validation": 0, "test": 0},
        "training": {"learning_rate": 1e-2, "steps": 60, "epochs": 100, "batch_size": 8, "max_length": 128},
    }, source="test")).run)


@pytest.fixture
def make(base: Path, tmp_path: Path) -> Callable[..., Recipe]:
    write(tmp_path / "narrow.jsonl", narrow())
    write(tmp_path / "general.jsonl", general())

    def made(*overrides: str, **sections: Any) -> Recipe:
        return parse({
            "base": str(base), "task": "chat",
            "data": {"train": str(tmp_path / "narrow.jsonl"), "validation": 0, "test": 0.2} | sections.get("data", {}),
            "adapter": {"type": "lora", "rank": 4},
            "training": {"learning_rate": 1e-2, "steps": 6, "epochs": 9, "batch_size": 5, "max_length": 128,
                         "save_every": 2},
            "evaluation": {"generate": 2, "max_new_tokens": 4} | sections.get("evaluation", {}),
            "run": {"folder": str(tmp_path / "runs"), "name": "run"},
        }, source="test", overrides=overrides, folder=tmp_path)

    return made


def replayed(share: float = 0.2, **more: Any) -> dict[str, Any]:
    return {"mix": {"general": {"files": "general.jsonl", "share": share, **more}}}


def told(recipe: Recipe, kind: str) -> list[Any]:
    return [finding for finding in prepare(recipe).findings if finding.kind == kind]


def test_each_source_keeps_its_own_format_and_system_prompt_and_its_name(make: Any) -> None:
    prepared = prepare(make(data=replayed(system="Be brief.") | {"system": "Count apples."}))
    train = prepared.examples["train"]
    assert prepared.sources == {"train": len(train) - 60, "general": 60}
    assert [example.source for example in train] == ["train"] * (len(train) - 60) + ["general"] * 60
    assert {example.messages[0].content for example in train if example.source == "general"} == {"Be brief."}
    assert {example.messages[0].content for example in train if example.source == "train"} == {"Count apples."}
    assert not any(example.source == "general" for example in prepared.examples["test"])


def test_without_a_mix_examples_name_no_source_and_the_digests_are_as_before(make: Any) -> None:
    plain, with_also = (prepare(make(evaluation=also)) for also in ({}, {"also": "general.jsonl"}))
    assert plain.sources == {} and {example.source for example in plain.examples["train"]} == {""}
    assert plain.digests == with_also.digests


def test_check_tells_how_often_each_source_will_be_seen(make: Any) -> None:
    recipe = make(data=replayed(0.2))
    report = check(recipe)
    rows = report.rows["train"] - 60
    assert report.sources == {"train": {"share": 0.8, "rows": rows, "taken": 24, "times": 24 / rows},
                              "general": {"share": 0.2, "rows": 60, "taken": 6, "times": 0.1}}
    [_, finding] = [finding for finding in report.findings if finding.kind == "data.mix"]
    assert finding.what == "`general` gives 0.2 of the rows: 6 until the end, each of its 60 0.1 times"
    assert report.as_json()["sources"] == report.sources


def test_a_source_that_is_repeated_many_times_is_warned_of(make: Any, tmp_path: Path) -> None:
    write(tmp_path / "general.jsonl", general(2))
    [finding] = [one for one in told(make("training.steps=40", data=replayed(0.5)), "data.mix")
                 if one.where == "data.mix.general"]
    assert finding.severity == "warning"
    assert "50 times, so that they are learnt by heart" in finding.what


def test_an_epoch_is_the_training_file_seen_once(make: Any) -> None:
    recipe = make("training.steps=null", "training.epochs=2", data=replayed(0.2))
    sources = check(recipe).sources
    assert sources["train"]["taken"] == pytest.approx(2 * sources["train"]["rows"], abs=5)


def test_a_source_is_seen_as_often_as_its_epochs_say_and_the_training_file_as_before(make: Any) -> None:
    recipe = make("training.steps=null", "training.epochs=3", data={
        "mix": {"general": {"files": "general.jsonl", "epochs": 2}}})
    sources = check(recipe).sources
    assert (sources["general"]["taken"], sources["general"]["times"]) == (120, 2)
    assert sources["train"]["taken"] == pytest.approx(3 * sources["train"]["rows"], abs=5)
    assert sources["train"]["taken"] >= 3 * sources["train"]["rows"]
    [_, finding] = told(recipe, "data.mix")
    assert finding.what.endswith("120 until the end, each of its 60 2 times")


def test_epochs_of_a_source_are_kept_where_the_steps_are_limited_too(make: Any) -> None:
    recipe = make("training.steps=20", data={"mix": {"general": {"files": "general.jsonl", "epochs": 0.5}}})
    assert {name: each["taken"] for name, each in check(recipe).sources.items()} == {"train": 70, "general": 30}
    with pytest.raises(Misuse, match=r"the `epochs` of `data.mix.general` ask for 120 rows, and the training has "
                                     r"100 in 20 steps"):
        check(make("training.steps=20", data={"mix": {"general": {"files": "general.jsonl", "epochs": 2}}}))


def test_a_share_and_epochs_of_one_source_exclude_each_other(make: Any) -> None:
    with pytest.raises(Misuse, match=r"`data.mix.general` has both a `share` and `epochs`"):
        make(data=replayed(epochs=2))


SIZES = st.lists(st.tuples(st.integers(5, 400), st.sampled_from(["share", "epochs", "size"]), st.integers(1, 9)),
                 min_size=1, max_size=3)


@settings(max_examples=40, deadline=None)
@given(SIZES, st.integers(20, 300), st.integers(1, 16), st.integers(1, 4), st.sampled_from([1.0, 2.0, 5.0]))
def test_every_source_has_its_share_of_an_epoch_to_within_a_hundredth(
    mix: list[tuple[int, str, int]], own: int, batch_size: int, epochs: int, temperature: float
) -> None:
    named = {f"part-{n}": {"files": f"{n}.jsonl", **({how: much / 40} if how == "share" else
                                                     {how: much / 2} if how == "epochs" else {})}
             for n, (_, how, much) in enumerate(mix)}
    recipe = parse({"base": "tiny", "task": "chat", "data": {"train": "t.jsonl", "mix": named,
                                                            "temperature": temperature},
                    "training": {"batch_size": batch_size, "epochs": epochs}}, source="test")
    counts = {"train": own, **{f"part-{n}": size for n, (size, _, _) in enumerate(mix)}}
    ones = np.ones(2, np.float32)
    documents = [Document(np.arange(2), np.arange(2), ones, number) for number in range(sum(counts.values()))]
    planned = planning.order(recipe, documents, counts)
    assert sum(source.share for source in planned.sources) == 1
    seen = [document.example for batch in batches(None, documents, None, planned, Position({}))
            for document in batch.documents]
    rows = planned.steps * batch_size
    assert len(seen) == rows
    for source in planned.sources:
        for some in (seen, seen[: rows // epochs]):
            found = sum(source.start <= example < source.end for example in some) / len(some)
            assert abs(found - source.share) <= max(0.01, 1 / len(some))
        if epochs_wanted := named.get(source.name, {}).get("epochs"):
            assert round(source.share * rows) == max(1, round(epochs_wanted * counts[source.name]))
    assert round(planned.sources[0].share * rows) >= own * epochs - 1


def test_the_same_file_can_be_replayed_and_measured_without_a_leak(make: Any) -> None:
    recipe = make(data=replayed(), evaluation={"also": {"general": {"files": "general.jsonl", "rows": 20}}})
    prepared = prepare(recipe)
    measured = {example.where for example in prepared.also["general"].examples}
    trained = {example.where for example in prepared.examples["train"] if example.source == "general"}
    assert (len(measured), len(trained), measured & trained) == (20, 40, set())
    [finding] = [one for one in prepared.findings if one.kind == "data.mix_aside"]
    assert "20 of 60 rows" in finding.what
    assert not [one for one in prepared.findings if one.kind == "data.leak"]
    again = prepare(make(evaluation={"also": {"general": {"files": "general.jsonl", "rows": 20}}}))
    assert {example.where for example in again.also["general"].examples} == measured


def test_rows_that_are_measured_elsewhere_and_trained_on_are_a_leak(make: Any, tmp_path: Path) -> None:
    turns = [{"role": "user", "content": "what is 3  and 4?"}, {"role": "assistant", "content": "it is 7 apples"}]
    write(tmp_path / "other.jsonl", [*general(8), {"messages": turns}])
    [finding] = told(make("data.test=0", evaluation={"also": "other.jsonl"}), "data.leak")
    assert finding.severity == "warning"
    assert finding.what.startswith("1 of 9 rows of `evaluation.also.other` are in the train side too")
    assert finding.where.endswith("other.jsonl:9")


def test_a_source_that_is_measured_whole_leaves_nothing_and_is_refused(make: Any) -> None:
    recipe = make(data=replayed(), evaluation={"also": "general.jsonl"})
    [first, *_] = told(recipe, "data.empty")
    assert (first.severity, first.where) == ("error", "data.mix.general")


def test_rows_too_long_to_measure_are_told_as_such_and_refuse_nothing(make: Any, tmp_path: Path) -> None:
    write(tmp_path / "long.jsonl", [*narrow(3), {"question": "why?", "answer": "because " * 200}])
    prepared = prepare(make(evaluation={"also": "long.jsonl"}))
    assert prepared.ok and len(prepared.also["long"].documents) == 3
    [finding, _] = [one for one in prepared.findings if one.kind.endswith("too_long")]
    assert finding.what.startswith("of `evaluation.also.long`, which is only measured: 1 of 4 rows")
    (tmp_path / "book.txt").write_text("word " * 400)
    assert len(prepare(make(evaluation={"also": "book.txt"})).also["book"].documents) > 2


def test_mistakes_in_a_source_name_its_own_options(make: Any) -> None:
    [finding] = told(make(data=replayed(columns={"nothing": "nowhere"})), "data.unknown_column")
    assert "`data.mix.general.columns.nothing`" in finding.what


def test_a_source_that_the_task_does_not_take_is_refused(make: Any, tmp_path: Path) -> None:
    (tmp_path / "book.txt").write_text("One paragraph.\n\nAnother one.\n")
    with pytest.raises(Misuse, match="task `chat` takes conversations or pairs"):
        prepare(make(data={"mix": {"book": {"files": "book.txt", "share": 0.1}}}))


def test_shares_that_leave_nothing_to_the_training_file_are_a_mistake_of_the_recipe(make: Any) -> None:
    mix = {"mix": {f"part-{n}": {"files": f"{n}.jsonl", "share": 0.1} for n in range(10)}}
    with pytest.raises(Misuse, match="add up to 1 and leave none"):
        make(data=mix)


@pytest.mark.parametrize(("mix", "what"), [
    ({"train": {"files": "a.jsonl", "share": 0.1}}, "`train` is no name for a section"),
    ({"a b": {"files": "a.jsonl", "share": 0.1}}, "`a b` is no name for a section"),
    ({"general": {"files": "a.jsonl", "validation": 1}},
     "`data.mix.general.validation` must be a number at least 0 and below 1"),
    ({"general": {"files": "a.jsonl", "share": 1.2}}, "`data.mix.general.share` must be a number above 0 and below 1"),
    ({"general": {"files": "narrow.jsonl", "share": 0.2, "shares": 1}}, "no option `data.mix.general.shares`"),
])
def test_mistakes_in_a_mix_are_named(make: Any, mix: Any, what: str) -> None:
    with pytest.raises((Misuse, Problems)) as caught:
        make(data={"mix": mix})
    assert what in str(caught.value)


def test_short_forms_are_sections_named_after_their_files(make: Any, tmp_path: Path) -> None:
    recipe = make(evaluation={"also": ["general.jsonl", "deep/general.csv.gz", "train.txt"]})
    assert {name: Path(rows.files[0]).name for name, rows in recipe.evaluation.also.items()} == {
        "general": "general.jsonl", "general-2": "general.csv.gz", "train-rows": "train.txt"}
    assert make("evaluation.also=general.jsonl", "evaluation.also.general.rows=7").evaluation.also["general"].rows == 7


def losses(run: Path) -> list[dict[str, Any]]:
    return [line for line in records(run / "records.jsonl") if line["kind"] == "step"]


def test_without_held_out_rows_it_is_said_that_nothing_is_measured_elsewhere(make: Any) -> None:
    seen: list[Event] = []
    outcome = story.train(make("data.test=0", "training.steps=1", evaluation={"also": "general.jsonl"}),
                          observe=seen.append)
    assert outcome.verdict is None
    [finding] = [event.finding for event in seen
                 if isinstance(event, Found) and event.finding.kind == "verdict.no_rows"]
    assert "nothing of `evaluation.also` is measured" in finding.what


def test_a_step_tells_the_loss_of_each_source_and_together_they_are_its_loss(make: Any) -> None:
    outcome = story.train(make("data.test=0", data=replayed(0.4)))
    for step in losses(outcome.run):
        assert step["loss.train"] != step["loss.general"]
        low, high = sorted((step["loss.train"], step["loss.general"]))
        assert low < step["loss"] < high
    assert "loss.train" not in losses(story.train(make("data.test=0")).run)[0]


@pytest.mark.parametrize(("mix", "other", "refused"), [
    ({"share": 0.2}, {"share": 0.3}, r"`data.mix.general.share` is 0.3, and the run was made with 0.2"),
    ({"epochs": 0.2}, {"epochs": 0.3}, r"`data.mix.general.epochs` is 0.3, and the run was made with 0.2"),
])
def test_a_mixed_run_that_was_killed_goes_on_bit_for_bit_and_refuses_another_share(
    make: Any, mix: Any, other: Any, refused: str
) -> None:
    def stop(event: Event) -> None:
        if isinstance(event, Stepped) and event.step == 3:
            os.kill(os.getpid(), signal.SIGTERM)

    more = ("data.test=0", "data.augment=[{type: noise, share: 0.5}]")
    recipe = make(*more, data={"mix": {"general": {"files": "general.jsonl", **mix}}})
    whole, cut = story.train(recipe), story.train(recipe, observe=stop)
    assert cut.stopped == "signal"
    with pytest.raises(Refusal, match=refused):
        story.train(make(*more, data={"mix": {"general": {"files": "general.jsonl", **other}}}), resume=cut.run)
    done = story.resume(cut.run)
    assert (done.run / "records.jsonl").read_bytes() == (whole.run / "records.jsonl").read_bytes()
    last = [sorted((run / "checkpoints").glob("step-*"))[-1] for run in (done.run, whole.run)]
    assert len({(folder / "adapter_model.safetensors").read_bytes() for folder in last}) == 1


def test_tuning_on_narrow_rows_costs_elsewhere_and_replay_costs_less(
    make: Any, knowing: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "book.txt").write_text(BOOK)
    recipe = tmp_path / "recipe.yaml"
    text = (f"base: {knowing}\ntask: completion\ndata:\n  train: narrow.jsonl\n  validation: 0\n  test: 0.2\n"
            "adapter: {type: lora, rank: 4}\n"
            "training: {learning_rate: 0.01, steps: 30, epochs: 9, batch_size: 5, max_length: 128}\n"
            "evaluation: {generate: 2, max_new_tokens: 4, also: {book: {files: book.txt, rows: 40}}}\n"
            f"run: {{folder: {tmp_path / 'runs'}, name: narrow}}\n")
    recipe.write_text(text)
    plain = story.train(read(recipe)).verdict
    assert plain is not None
    there = plain.also["book"]
    assert (there.word, there.task, there.metrics["loss"].rows) == ("worse", "completion", 40)
    [finding] = [one for one in plain.findings if one.kind == "verdict.forgotten"]
    assert "tuning cost `book`: loss" in finding.what
    line = f"mix: {{book: {{files: {tmp_path}/book.txt, share: 0.1}}}}"
    assert f"under `data`, add `{line}`" in finding.remedy

    recipe.write_text(text.replace("  test: 0.2\n", f"  test: 0.2\n  {line}\n"))  # pasted as it stands
    replay = story.train(read(recipe)).verdict
    assert replay is not None
    print(there.metrics, replay.also["book"].metrics)
    assert replay.also["book"].digest == there.digest
    assert replay.also["book"].metrics["loss"].tuned < there.metrics["loss"].tuned
    assert plain.word == replay.word == "better"


def test_a_person_sees_the_sources_in_every_verb(base: Path, tmp_path: Path, capsys: Any, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "narrow.jsonl", narrow())
    write(tmp_path / "general.jsonl", general())
    (tmp_path / "orders.yaml").write_text(
        f"base: {base}\ntask: chat\ndata:\n  train: narrow.jsonl\n"
        "  mix: {general: {files: general.jsonl, share: 0.25}}\n"
        "training: {steps: 4, batch_size: 4, max_length: 128}\n"
        "evaluation: {generate: 0, also: {general: {files: general.jsonl, rows: 10}}}\n")
    assert main(["check", "orders.yaml"]) == 0
    told = capsys.readouterr().out
    assert "source      general: 0.25 of the rows trained on, 4 taken of 50, each 0.08 times" in told
    assert "elsewhere   general: 10 rows measured" in told
    assert main(["check", "orders.yaml", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["sources"]["general"]["taken"] == 4
    assert main(["preview", "orders.yaml", "--json", "--rows", "4"]) == 0
    assert [row["source"] for row in json.loads(capsys.readouterr().out)] == ["train", "general"] * 2
    assert main(["preview", "orders.yaml", "--rows", "2"]) == 0
    assert "(train, general)" in capsys.readouterr().out
    assert main(["train", "orders.yaml"]) == 0
    assert "elsewhere, general:" in capsys.readouterr().out


def test_plain_text_is_measured_beside_chat_and_the_remedy_names_rows_that_the_task_takes(
    make: Any, knowing: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "book.txt").write_text(BOOK)
    recipe = make(f"base={knowing}", "training.steps=30", evaluation={"also": ["book.txt", "general.jsonl"]})
    outcome = story.train(recipe)
    assert outcome.verdict is not None
    book, turns = outcome.verdict.also["book"], outcome.verdict.also["general"]
    assert (book.task, book.examples) == ("completion", ())
    assert book.metrics.keys() == {"loss", "perplexity", "bits_per_byte"}
    assert (turns.task, turns.metrics["exact_match"].rows, len(turns.examples)) == ("chat", 2, 2)
    assert book.word == "worse"
    [finding, *_] = [one for one in outcome.verdict.findings if one.kind == "verdict.forgotten"]
    assert "general rows that task `chat` takes" in finding.remedy
    assert json.loads((outcome.run / "verdict.json").read_text())["also"]["book"]["word"] == "worse"
    assert "| book | worse | loss |" in (outcome.run / "verdict.md").read_text()
    assert len((outcome.run / "predictions-book.jsonl").read_text().splitlines()) == 100
    assert main(["evaluate", str(outcome.run)]) == 0
    assert "elsewhere, book: worse" in capsys.readouterr().out
