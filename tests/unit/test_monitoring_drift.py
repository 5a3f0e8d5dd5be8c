"""Alarms: seldom where nothing drifts, and raised by each kind of drift; on made-up rows, on real ones when long."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tunesmith.data.augment import noise
from tunesmith.monitoring import drift, harvest
from tunesmith.monitoring.drift import Service, compare
from tunesmith.monitoring.features import Known, features
from tunesmith.monitoring.rows import Rows
from tunesmith.records import Labelled
from watched import texts

PROJECT = Path(__file__).resolve().parents[2]
TURKISH = ("kırmızı şapka nerede kaldı", "lütfen bana faturayı bir daha gönderin", "siparişim hâlâ gelmedi")


def rows(said: list[tuple[str, str]], known: Known) -> Rows:
    return Rows.of([features(text, known) for text, _ in said]).said(
        [label for _, label in said], np.full(len(said), np.nan))


@pytest.fixture(scope="module")
def known() -> Known:
    return Known.of(text for text, _ in texts(60, seed=100))


@pytest.fixture(scope="module")
def reference(known) -> Rows:
    return rows(texts(150, seed=101), known)


def test_windows_without_drift_are_quiet(known):
    alarms = 0
    for seed in range(12):  # each with a reference of its own, as the promise is one over references too
        alarms += compare(rows(texts(100, seed=200 + seed), known), rows(texts(60, seed=300 + seed), known)).alarm
    assert alarms <= 2  # of 12 at 0.05: three or more come once in fifty times, and the draws are fixed


@pytest.mark.parametrize("kind", ["other topic", "other language", "label shift", "typing noise"])
def test_each_kind_of_drift_raises_an_alarm(kind, reference, known):
    said = texts(120, seed=7)
    if kind == "other topic":
        said = [(f"the visa for embassy number {n} was refused", "order") for n in range(40)] + said[40:]
    elif kind == "other language":
        said = [(TURKISH[n % 3], "order") for n in range(30)] + said[30:]
    elif kind == "label shift":
        said = texts(120, seed=7, labels=("order", "order", "order", "order", "place"))
    else:
        examples = [Labelled(text, None, str(n), "") for n, (text, _) in enumerate(said)]
        noisy = noise.vary(examples, noise.Settings(share=1.0), seed=0, ask=None)
        said = [(each.text, "order") for _, each in noisy if isinstance(each, Labelled)]
    found = compare(reference, rows(said, known))
    assert found.alarm
    expected = {"other topic": "classifier", "other language": "language", "label shift": "labels",
                "typing noise": "vocabulary"}[kind]
    assert next(each for each in found.tests if each.name == expected).alarm


def test_what_cannot_be_compared_is_told_and_not_guessed(reference, known):
    few = rows(texts(5, seed=1), known)
    found = compare(reference, few)
    assert not found.tests and not found.alarm
    assert set(found.left_out) == set(drift.TITLES)
    assert found.left_out["length"] == "150 rows of the reference and 5 of the window have it, and 20 are needed"


def test_only_what_became_worse_is_an_alarm_of_the_service(reference, known):
    window, rng = rows(texts(60, seed=2), known), np.random.default_rng(0)
    slow, fast = rng.exponential(2.0, 200), rng.exponential(0.5, 200)
    before, worse = Service(fast, (2, 200), (1, 50)), Service(slow, (40, 200), (30, 50))
    alarms = {each.name for each in compare(reference, window, service=(before, worse)).tests if each.alarm}
    assert alarms == {"latency", "errors", "feedback"}
    assert not compare(reference, window, service=(worse, before)).alarm


def test_the_same_window_is_told_the_same_again(reference, known):
    window = rows(texts(60, seed=3), known)
    assert compare(reference, window, seed=1) == compare(reference, window, seed=1)


def test_a_lower_rate_draws_often_enough_to_reach_it(reference, known):
    other = rows([(f"visa embassy {n}", "order") for n in range(60)], known)
    found = compare(reference, other, rate=0.01)
    assert found.alarm and min(each.p for each in found.tests) <= 0.01 / len(found.tests)


def test_a_row_of_the_reference_is_not_strange_and_one_of_nothing_known_is(reference, known):
    own = harvest.strangeness(reference, reference.take(list(range(20))))
    far = harvest.strangeness(reference, rows([("zyxw vutsrq", "order")], known))
    assert own.max() <= 0.5 and far[0] == 1.0


@pytest.mark.long
@pytest.mark.timeout(3000)
def test_on_real_texts_alarms_are_seldom_false_and_seldom_missed(shared):
    made = subprocess.run(
        [sys.executable, "benchmarks/drift.py", "--shared", str(shared), "--windows", "60", "--drifted", "6"],
        cwd=PROJECT, capture_output=True, text=True, check=True)
    found = json.loads(made.stdout.splitlines()[-1])
    assert found["alarms"] <= 7, made.stdout  # of 60 at 0.05: eight or more come once in fifty times
    whole = ("other topic 1.0", "other language 1.0", "typing noise 1.0", "other topic 0.2", "other language 0.1")
    assert all(share == 1.0 for kind in whole for share in found["found"][kind].values()), made.stdout
    assert found["found"]["label shift 3.0"]["banking77"] == 1.0
