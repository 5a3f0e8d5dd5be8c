"""A run from start to end, stopped and gone on with, refused where it is no longer the same."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tiny import tiny_base
from tunesmith.errors import Busy, Failure, Misuse, Problems, Refusal
from tunesmith.recipe.read import parse
from tunesmith.recipe.sections import Recipe
from tunesmith.runs import folder, lock
from tunesmith.workflow.events import Event, Found, Said, Stepped
from tunesmith.workflow.tuning import train as story
from tunesmith.workflow.tuning.unfinished import newest
from tunesmith.workflow.verdict.judge import evaluate


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_base(tmp_path_factory.mktemp("workflow") / "base")


@pytest.fixture
def make(base: Path, tmp_path: Path) -> Callable[..., Recipe]:
    rows = [{"question": f"what is {n} and {n + 1}?", "answer": f"it is {2 * n + 1} apples"} for n in range(50)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))

    def made(*overrides: str) -> Recipe:
        return parse({
            "base": str(base), "task": "chat",
            "data": {"train": str(tmp_path / "rows.jsonl"), "validation": 0.2, "test": 0.2},
            "adapter": {"type": "lora", "rank": 4},
            "training": {"learning_rate": 1e-2, "steps": 6, "epochs": 9, "batch_size": 4, "max_length": 128,
                         "save_every": 2},
            "evaluation": {"generate": 2, "max_new_tokens": 4},
            "run": {"folder": str(tmp_path / "runs"), "name": "run"},
        }, source="test", overrides=overrides)

    return made


def silent(event: Event) -> None:
    """Nobody watches."""


def stop_after(step: int, number: signal.Signals = signal.SIGTERM) -> Callable[[Event], None]:
    """Somebody who sends this process a signal once a step is taken."""

    def watch(event: Event) -> None:
        if isinstance(event, Stepped) and event.step == step:
            os.kill(os.getpid(), number)

    return watch


def kept(run: Path) -> dict[str, Any]:
    newest = sorted((run / "checkpoints").glob("step-*"))[-1]
    return {"records": (run / "records.jsonl").read_text(),
            **{file.name: file.read_bytes() for file in newest.glob("*.safetensors")}}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_run_that_was_asked_to_stop_goes_on_bit_for_bit(make: Any, number: signal.Signals) -> None:
    whole = story.train(make(), observe=silent)
    stopped = story.train(make(), observe=stop_after(3, number))
    assert (stopped.stopped, stopped.step, stopped.verdict) == ("signal", 4, None)
    assert not folder.status(folder.open_run(stopped.run)).finished
    done = story.resume(stopped.run, observe=silent)
    assert (done.stopped, done.step) == ("done", 6)
    assert kept(done.run) == kept(whole.run)


def test_a_stop_while_judging_loses_nothing(make: Any) -> None:
    whole = story.train(make(), observe=silent)

    def watch(event: Event) -> None:
        if isinstance(event, Said) and "measuring tuned" in event.text:
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(Busy, match="while judging") as caught:
        story.train(make(), observe=watch)
    assert caught.value.exit_code == 75
    done = story.resume(Path(caught.value.where), observe=silent)
    assert kept(done.run) == kept(whole.run)
    assert done.verdict == whole.verdict


def test_a_finished_run_says_so_and_gives_its_verdict_again(make: Any) -> None:
    done = story.train(make(), observe=silent)
    told: list[Event] = []
    again = story.resume(done.run, observe=told.append)
    assert any(isinstance(event, Said) and "is finished" in event.text for event in told)
    assert (again.step, again.stopped, again.loss) == (6, "done", done.loss)
    assert again.verdict is not None
    assert done.verdict is not None
    assert again.verdict.word == done.verdict.word


def test_a_run_without_a_checkpoint_starts_again(make: Any) -> None:
    def die(event: Event) -> None:
        if isinstance(event, Stepped):
            raise KeyboardInterrupt

    recipe = make("training.save_every=4")
    with pytest.raises(KeyboardInterrupt):
        story.train(recipe, observe=die)
    run = folder.list_runs(Path(recipe.run.folder))[0]
    assert list(run.path.glob("checkpoints/step-*")) == []
    done = story.resume(run.path, observe=silent)
    steps = [json.loads(line)["step"] for line in (done.run / "records.jsonl").read_text().splitlines()
             if json.loads(line)["kind"] == "step"]
    assert steps == [1, 2, 3, 4, 5, 6]


def test_another_recipe_is_refused_by_the_name_of_each_option(make: Any) -> None:
    stopped = story.train(make(), observe=stop_after(2))
    other = make("training.learning_rate=0.5", "adapter={type: lora, rank: 8}")
    with pytest.raises(Problems) as caught:
        story.train(other, resume=stopped.run, observe=silent)
    told = str(caught.value)
    assert "`training.learning_rate` is 0.5" in told
    assert "`adapter.rank` is 8" in told
    assert caught.value.exit_code == 3


def test_options_that_cannot_change_the_result_may_differ_on_resume(make: Any) -> None:
    whole = story.train(make(), observe=silent)
    stopped = story.train(make(), observe=stop_after(2))
    done = story.train(make("training.keep=5", "training.save_every=1"), resume=stopped.run, observe=silent)
    assert kept(done.run)["records"] == kept(whole.run)["records"]


def test_other_data_is_refused_by_name(make: Any, tmp_path: Path) -> None:
    stopped = story.train(make(), observe=stop_after(2))
    rows = (tmp_path / "rows.jsonl").read_text().replace("apples", "pears")
    (tmp_path / "rows.jsonl").write_text(rows)
    with pytest.raises((Refusal, Problems), match=r"`data\.train` is not what"):
        story.resume(stopped.run, observe=silent)


def test_a_damaged_checkpoint_is_said_and_the_one_before_it_used(make: Any) -> None:
    whole = story.train(make(), observe=silent)
    stopped = story.train(make(), observe=stop_after(4))
    newest = sorted((stopped.run / "checkpoints").glob("step-*"))[-1]
    damaged = newest / "adapter_model.safetensors"
    content = bytearray(damaged.read_bytes())
    content[len(content) // 2] ^= 1
    damaged.write_bytes(content)
    told: list[Event] = []
    done = story.resume(stopped.run, observe=told.append)
    assert any(isinstance(event, Found) and event.finding.kind == "runs.damaged_checkpoint" for event in told)
    assert kept(done.run) == kept(whole.run)


def test_another_number_of_threads_is_said_and_the_run_goes_on(make: Any, monkeypatch: Any) -> None:
    stopped = story.train(make(), observe=stop_after(2))
    monkeypatch.setattr(story, "threads", lambda: 3000)
    told: list[Event] = []
    done = story.resume(stopped.run, observe=told.append)
    assert any(isinstance(event, Found) and "`chosen.threads`" in event.finding.what for event in told)
    assert done.step == 6


def test_a_run_in_use_is_left_to_its_owner(make: Any) -> None:
    stopped = story.train(make(), observe=stop_after(2))
    with lock.hold(folder.open_run(stopped.run)), pytest.raises(Busy, match="in use by process"):
        story.resume(stopped.run, observe=silent)


def test_resume_auto_finds_the_unfinished_run_of_the_same_recipe(make: Any) -> None:
    assert newest(make()) is None
    stopped = story.train(make(), observe=stop_after(2))
    assert newest(make()) == stopped.run
    assert newest(make("training.seed=1")) is None
    story.resume(stopped.run, observe=silent)
    assert newest(make()) is None


def test_training_ends_early_where_patience_is_over_and_stays_ended(make: Any) -> None:
    recipe = make("training.learning_rate=1.0", "training.patience=2", "evaluation.every=1", "training.steps=30")
    outcome = story.train(recipe, observe=silent)
    assert outcome.stopped == "early"
    assert outcome.step < 30
    lines = [json.loads(line) for line in (outcome.run / "records.jsonl").read_text().splitlines()]
    losses = {line["step"]: line["loss"] for line in lines if line["kind"] == "evaluation"}
    best = min(losses, key=lambda step: losses[step])
    assert outcome.step == best + 2
    assert (outcome.run / "checkpoints" / f"step-{best:08d}").is_dir()


def test_the_best_checkpoint_is_the_one_that_is_judged(make: Any, tmp_path: Path) -> None:
    held = [tmp_path / "validation.jsonl", tmp_path / "test.jsonl"]
    for file in held:  # nothing like the training rows: the better those are learnt, the worse these become
        file.write_text("".join(json.dumps({"question": "?" * n, "answer": "#%!" * n}) + "\n" for n in range(1, 9)))
    recipe = make("training.schedule=constant", "evaluation.every=1", "training.steps=12",
                  f"data.validation={held[0]}", f"data.test={held[1]}")
    outcome = story.train(recipe, observe=silent)
    lines = [json.loads(line) for line in (outcome.run / "records.jsonl").read_text().splitlines()]
    best = min(line["loss"] for line in lines if line["kind"] == "evaluation")
    last = next(line["loss"] for line in reversed(lines) if line["kind"] == "evaluation")
    assert outcome.verdict is not None
    assert last > 1.01 * best
    assert outcome.verdict.metrics["loss"].tuned == pytest.approx(best, rel=1e-6)


def test_what_the_verdict_was_computed_from_is_kept_row_by_row(make: Any) -> None:
    outcome = story.train(make(), observe=silent)
    rows = [json.loads(line) for line in (outcome.run / "predictions.jsonl").read_text().splitlines()]
    assert outcome.verdict is not None
    loss = outcome.verdict.metrics["loss"]
    for who, told in (("base", loss.against), ("tuned", loss.tuned)):
        assert sum(row[who]["loss"] for row in rows) / sum(row[who]["weight"] for row in rows) == pytest.approx(told)
    assert sum("text" in row["tuned"] for row in rows) == 2


def test_a_verdict_can_be_measured_again_and_is_the_same(make: Any) -> None:
    outcome = story.train(make(), observe=silent)
    assert evaluate(outcome.run, observe=silent) == outcome.verdict


def test_without_held_out_rows_there_is_no_verdict_and_it_is_said(make: Any) -> None:
    told: list[Event] = []
    outcome = story.train(make("data.test=0", "data.validation=0"), observe=told.append)
    assert outcome.verdict is None
    assert any(isinstance(event, Found) and event.finding.kind == "verdict.no_rows" for event in told)
    assert folder.status(folder.open_run(outcome.run)).finished
    with pytest.raises(Misuse, match="no verdict"):
        evaluate(outcome.run, observe=silent)


def test_full_tuning_is_judged_against_the_base_as_it_was(make: Any) -> None:
    outcome = story.train(make("adapter={type: full}", "training.learning_rate=1e-3"), observe=silent)
    assert outcome.verdict is not None
    loss = outcome.verdict.metrics["loss"]
    assert loss.tuned < loss.against


def test_a_run_is_a_base_for_the_next(make: Any) -> None:
    first = story.train(make(), observe=silent)
    second = story.train(make(f"base={first.run}"), observe=silent)
    assert first.verdict is not None
    assert second.verdict is not None
    # merged into bfloat16 weights: equal but for rounding
    assert second.verdict.metrics["loss"].against == pytest.approx(first.verdict.metrics["loss"].tuned, rel=2e-2)
    assert second.verdict.metrics["loss"].tuned < second.verdict.metrics["loss"].against


def test_no_room_for_a_checkpoint_ends_clearly_and_the_run_can_go_on(make: Any, monkeypatch: Any) -> None:
    from tunesmith.runs import durable

    whole = story.train(make(), observe=silent)
    room = [10**12]

    def free(path: Path) -> int:
        return room.pop() if room else 0

    with monkeypatch.context() as patched:
        patched.setattr(durable, "free_bytes", free)
        with pytest.raises(Failure) as caught:
            story.train(make(), observe=silent)
    assert caught.value.kind == "runs.no_space"
    run = folder.list_runs(whole.run.parent)
    unfinished = next(each for each in run if not folder.status(each).finished)
    done = story.resume(unfinished.path, observe=silent)
    assert kept(done.run) == kept(whole.run)
