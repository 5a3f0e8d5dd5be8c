"""What is thought of an answer comes back to it over HTTP, and a served run writes its log as its recipe says."""

from __future__ import annotations

import json
import shutil
import sqlite3
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from served import allowed, serving, until
from tunesmith.cli import main
from tunesmith.errors import Misuse
from tunesmith.monitoring.log import Judgement, Seen
from tunesmith.serving.registry import Registry
from tunesmith.serving.settings import Settings
from tunesmith.serving.watching import watched
from watched import run_of

pytestmark = allowed


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    return run_of(tmp_path_factory.mktemp("feedback"))


@pytest.fixture
def quiet(run, tmp_path) -> Path:
    """The same run, whose recipe keeps nothing."""
    made = Path(shutil.copytree(run, tmp_path / "quiet", ignore=shutil.ignore_patterns("seen*")))
    recipe = made / "recipe.yaml"
    recipe.write_text(recipe.read_text().replace("keep: text", "keep: nothing"))
    return made


@pytest.fixture
def server():
    with serving(Registry(Settings())) as running:
        yield running


def post(server, path: str, body: dict) -> tuple[int, dict]:
    request = urllib.request.Request(server.url + path, json.dumps(body).encode(),
                                     {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def rows(path: Path, what: str, table: str) -> list[tuple]:
    with sqlite3.connect(path) as database:
        return database.execute(f"select {what} from {table} order by 1").fetchall()


def seen(name: str, model: str) -> Seen:
    return Seen(name, time.time(), model, "classify", "where is the hat", "order", 4, 0, 0.1, 0.5, "order")


def test_a_judgement_stands_beside_its_answer_in_the_log_of_its_run(server, run, tmp_path):
    file = tmp_path / "seen.sqlite"
    with watched({"desk": str(run), "other": "minilm-l6"}, file) as logs:
        server.app.state.log = logs
        logs.write(seen("answer-1", "desk"))
        logs.write(seen("answer-2", "other"))  # a base, which keeps nothing
        assert post(server, "/feedback", {"id": "answer-1", "good": False, "correction": "call bob@example.com"}) == (
            200, {"id": "answer-1", "kept": True})
        assert post(server, "/feedback", {"id": "answer-9", "rating": 5})[0] == 200
    assert rows(file, "id, model", "answers") == [("answer-1", "desk")]
    assert rows(file, "answer, good, rating, correction", "judgements") == [
        ("answer-1", 0, None, "call [EMAIL]"), ("answer-9", None, 5, None)]


def test_two_runs_each_write_into_their_own_folder(run, tmp_path):
    other = Path(shutil.copytree(run, tmp_path / "other", ignore=shutil.ignore_patterns("seen*")))
    with watched({"a": str(run), "b": str(other)}) as logs:
        logs.write(seen("answer-1", "a"))
        logs.write(seen("answer-2", "b"))
        logs.judge("answer-2", Judgement(good=True))
    assert ("answer-1",) in rows(run / "seen.sqlite", "id", "answers")
    assert ("answer-2",) not in rows(run / "seen.sqlite", "id", "answers")
    assert rows(other / "seen.sqlite", "answer", "judgements") == [("answer-2",)]
    assert ("answer-2",) not in rows(run / "seen.sqlite", "answer", "judgements")


def test_nothing_is_kept_of_a_run_that_does_not_say_so(server, quiet):
    with watched({"desk": str(quiet)}) as logs:
        assert not logs
    code, told = post(server, "/feedback", {"id": "answer-1", "good": True})
    assert (code, told["error"]["code"]) == (404, "feedback_off")
    assert not (quiet / "seen.sqlite").exists()


def test_a_model_that_comes_while_others_are_served_is_watched_where_its_run_asks_for_it(run, quiet, tmp_path):
    later = Path(shutil.copytree(run, tmp_path / "later", ignore=shutil.ignore_patterns("seen*")))
    with watched({"quiet": str(quiet)}) as logs:
        logs.write(seen("answer-1", "ft:desk"))
        logs.watch("ft:desk", later)
        logs.write(seen("answer-2", "ft:desk"))
        assert logs.judge("answer-2", Judgement(good=True))
    assert rows(later / "seen.sqlite", "id, model", "answers") == [("answer-2", "ft:desk")]
    assert rows(later / "seen.sqlite", "answer", "judgements") == [("answer-2",)]


@pytest.mark.parametrize("body", [
    {"id": "a"}, {"good": True}, {"id": "a", "rating": 0}, {"id": "a", "rating": 6}, {"id": "", "good": True},
    {"id": "a" * 201, "good": True}, {"id": "a\x00", "good": True}, {"id": "a", "good": "yes"},
    {"id": "a", "correction": "x" * 100_001}, {"id": "a", "good": True, "more": 1}, [], "text", None,
    {"id": "a", "rating": 2**70}, {"id": ["a"], "good": True},
])
def test_a_wrong_judgement_is_refused_by_its_field_and_nothing_is_written(server, run, tmp_path, body):
    file = tmp_path / "seen.sqlite"
    with watched({"desk": str(run)}, file) as logs:
        server.app.state.log = logs
        code, told = post(server, "/feedback", body)
    assert code == 400 and told["error"]["message"]
    assert rows(file, "answer", "judgements") == []


def test_a_log_that_can_take_no_more_says_when_to_come_again(server):
    class Full:
        def judge(self, answer_id, judgement) -> bool:
            return False

    server.app.state.log = Full()
    code, told = post(server, "/feedback", {"id": "a", "good": True})
    assert (code, told["error"]["code"]) == (503, "log_full")


def test_one_file_is_not_shared_by_two_runs_and_is_wanted_by_one(run, quiet, tmp_path):
    with pytest.raises(Misuse, match="one run"), watched({"a": str(run), "b": str(run)}, tmp_path / "x"):
        pass
    with pytest.raises(Misuse, match="one run"), watched({"a": str(quiet)}, tmp_path / "x"):
        pass


def test_from_requests_to_a_report_and_back_to_rows_to_label(run, tmp_path, capsys):
    """The whole way: a served run is asked and judged over HTTP, and its log is monitored and harvested."""
    file, models = tmp_path / "seen.sqlite", Registry(Settings())
    models.add("desk", run)
    asked = [{"text": f"my visa for the embassy of {word} {n}"} for n in range(30) for word in ("peru", "chad")]
    with watched({"desk": str(run)}, file) as logs, serving(models) as server:
        server.app.state.log = logs
        code, told = post(server, "/predict", {"model": "desk", "rows": asked})
        assert code == 200
        bad = told["predictions"][5]["id"]
        assert post(server, "/feedback", {"id": bad, "rating": 1})[0] == 200
        until(lambda: logs._logs["desk"].flush())
    for label, scores in rows(file, "label, scores", "answers"):
        assert max(json.loads(scores), key=json.loads(scores).get) == label
    words = ["monitor", str(run), "--log", str(file)]
    assert main([*words, "--json", "--harvest", str(tmp_path / "harvest.jsonl"), "--rows", "8"]) == 3
    told = json.loads(capsys.readouterr().out)
    assert told["rows"] == 60 and (told["judged"], told["bad"]) == (1, 1) and told["model"] == "desk"
    alarms = {each["test"] for each in told["tests"] if each["alarm"]}
    assert {"vocabulary", "classifier"} <= alarms
    assert {"confidence", "labels"} <= {each["test"] for each in told["tests"]}
    first = json.loads((tmp_path / "harvest.jsonl").read_text().splitlines()[0])
    assert first["text"] == asked[5]["text"] and first["why"].startswith("badly rated (1 of 5)")
