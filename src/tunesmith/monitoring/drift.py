"""A window of what a served run saw, held against the reference that the run carries: test by test, and one alarm.

All tests together raise a false alarm at most as often as was asked for (Holm 1979), if rows are independent of one
another and the reference is like what is served while nothing changes. Many rows of one user, or one conversation told
turn by turn, are not independent: then alarms come too often.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from . import statistics, weighed
from .rows import Floats, Rows
from .statistics import Test

FEWEST: Final = 20  # rows of a side: fewer show nothing short of another alphabet
MOST: Final = 1000  # rows of a side whose texts are compared pair by pair
DRAWS: Final = 1000
TITLES: Final[Mapping[str, str]] = {
    "length": "Length of what is asked", "vocabulary": "Words that the training rows lack", "language": "Language",
    "classifier": "Wording, by a classifier", "kernel": "Wording, by distance", "labels": "Labels",
    "confidence": "How sure the model is", "latency": "Seconds an answer takes", "errors": "Errors",
    "feedback": "Bad judgements",
}
EFFECTS: Final[Mapping[str, str]] = {
    "length": "distance of the distributions", "vocabulary": "distance of the distributions",
    "language": "share that changed", "classifier": "area under the curve", "kernel": "squared distance",
    "labels": "share that changed", "confidence": "distance of the distributions",
    "latency": "distance of the distributions", "errors": "more of all", "feedback": "more of all judged",
}
WEIGHTS: Final[Mapping[str, float]] = {"labels": 3}  # of the false-alarm rate; other drifts are seen by several tests
OF_SERVICE: Final = ("latency", "errors", "feedback")


@dataclass(frozen=True, slots=True)
class Service:
    """How answers were given. seconds: of each; errors, bad: how many of how many."""

    seconds: Floats
    errors: tuple[int, int]
    bad: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Found:
    """One test. p: by itself; adjusted: with all others in mind, to be held against the false-alarm rate."""

    name: str
    effect: float
    p: float
    adjusted: float
    alarm: bool
    reference: int
    window: int

    def as_json(self) -> dict[str, Any]:
        """The numbers under their own names, and what the effect is."""
        return {"test": self.name, "effect": self.effect, "effect_is": EFFECTS[self.name], "p": self.p,
                "adjusted_p": self.adjusted, "alarm": self.alarm, "reference_rows": self.reference,
                "window_rows": self.window}


@dataclass(frozen=True, slots=True)
class Drift:
    """Every test that could be made, and why the others could not."""

    rate: float
    tests: Sequence[Found]
    left_out: Mapping[str, str] = field(default_factory=dict)

    @property
    def alarm(self) -> bool:
        """Whether any test raises one."""
        return any(each.alarm for each in self.tests)


@dataclass(frozen=True)
class _Sides:
    """The rows of both sides that a test can use; draws: how often memberships are drawn."""

    before: Rows
    after: Rows
    draws: int
    rng: np.random.Generator


def compare(
    reference: Rows, window: Rows, *, rate: float = 0.05, seed: int = 0,
    service: tuple[Service, Service] | None = None,
) -> Drift:
    """Every test of a window against the reference. rate: how often an alarm may be false.

    service: how answers were given before the window, and in it; None where there is nothing before it.
    """
    rng = np.random.default_rng(seed)
    shares = len(TITLES) + sum(WEIGHTS.values()) - len(WEIGHTS)
    draws = max(DRAWS, int(np.ceil(3 * shares / rate)))  # else no p-value could be small enough
    sides = _Sides(reference, window, draws, rng)
    found: dict[str, tuple[Test, int, int]] = {}
    left_out: dict[str, str] = {}
    for name, test in (TESTS | ({} if service is None else _of_service(*service))).items():
        told = test(sides)
        if isinstance(told, str):
            left_out[name] = told
        else:
            found[name] = told
    if service is None:
        left_out |= dict.fromkeys(OF_SERVICE, "nothing was seen before the window")
    adjusted = statistics.holm({name: test.p for name, (test, *_) in found.items()}, WEIGHTS)
    return Drift(rate, [
        Found(name, test.effect, test.p, adjusted[name], adjusted[name] <= rate, before, after)
        for name, (test, before, after) in found.items()], left_out)


Made = tuple[Test, int, int] | str


def _distribution(name: str, of: Callable[[Rows], Floats], *, held: bool) -> Callable[[_Sides], Made]:
    """A test of a number. held: whether it means something on rows alone that the run was not trained on."""

    def test(sides: _Sides) -> Made:
        before, after = of(sides.before), of(sides.after)
        before = before[sides.before.held & ~np.isnan(before)] if held else before[~np.isnan(before)]
        return _numbers(name, before, after[~np.isnan(after)], sides)

    return test


def _numbers(name: str, before: Floats, after: Floats, sides: _Sides) -> Made:
    if why := _too_few(len(before), len(after), name):
        return why
    return (statistics.distributions(before, after, draws=sides.draws, rng=sides.rng), len(before), len(after))


def _languages(sides: _Sides) -> Made:
    """A test of languages, among which is "" for a row that does not tell, where any row does."""
    before, after = sides.before.languages, sides.after.languages
    if not any(before) or not any(after):
        return f"no language is known on {'either side' if not any(before) and not any(after) else 'one side'}"
    if why := _too_few(len(before), len(after), "language"):
        return why
    return statistics.shares(before, after, draws=sides.draws, rng=sides.rng), len(before), len(after)


def _labels(sides: _Sides) -> Made:
    """A test of what a head said, on rows that the run was not trained on."""
    before, after = weighed.weighed(sides.before.take(np.flatnonzero(sides.before.held)), sides.after)
    if why := _too_few(len(before), len(after), "label"):
        return why
    return statistics.parts(before, after, draws=sides.draws, rng=sides.rng), len(before), len(after)


def _wording(test: Callable[..., Test]) -> Callable[[_Sides], Made]:
    """A test of what texts are like, on at most a thousand rows of each side."""

    def made(sides: _Sides) -> Made:
        both = [_some(_worded(side), sides.rng) for side in (sides.before, sides.after)]
        if why := _too_few(len(both[0]), len(both[1]), "wording"):
            return why
        vectors = np.concatenate([both[0].vectors(), both[1].vectors()])
        return test(vectors, len(both[1]), draws=sides.draws, rng=sides.rng), len(both[0]), len(both[1])

    return made


def _worded(rows: Rows) -> Rows:
    return rows.take(np.flatnonzero(rows.words > 0))


def _some(rows: Rows, rng: np.random.Generator) -> Rows:
    return rows if len(rows) <= MOST else rows.take(np.sort(rng.choice(len(rows), MOST, replace=False)))


def _too_few(before: int, after: int, what: str) -> str:
    """Why two sides cannot be compared, or nothing."""
    if not before or not after:
        return f"no {what} is known on {'either side' if not before and not after else 'one side'}"
    if min(before, after) < FEWEST:
        return f"{before} rows of the reference and {after} of the window have it, and {FEWEST} are needed"
    return ""


TESTS: Final[dict[str, Callable[[_Sides], Made]]] = {
    "length": _distribution("length", lambda rows: rows.characters, held=False),
    "vocabulary": _distribution("vocabulary", lambda rows: rows.unknown, held=True),
    "language": _languages,
    "classifier": _wording(statistics.told_apart),
    "kernel": _wording(statistics.kernel_distance),
    "labels": _labels,
    "confidence": _distribution("confidence", lambda rows: rows.confidence, held=True),
}


def _of_service(before: Service, after: Service) -> dict[str, Callable[[_Sides], Made]]:
    """The tests of how answers were given; only for the worse is an alarm."""

    def often(name: str, one: tuple[int, int], two: tuple[int, int]) -> Callable[[_Sides], Made]:
        def test(sides: _Sides) -> Made:
            why = _too_few(one[1], two[1], name)
            return why or (statistics.more_often(one, two), one[1], two[1])

        return test

    def latency(sides: _Sides) -> Made:
        both = [each.seconds if len(each.seconds) <= 2 * MOST else sides.rng.choice(each.seconds, 2 * MOST, False)
                for each in (before, after)]
        if why := _too_few(len(both[0]), len(both[1]), "latency"):
            return why
        found = statistics.distributions(both[0], both[1], draws=sides.draws, rng=sides.rng, larger=True)
        return found, len(both[0]), len(both[1])

    return {"latency": latency, "errors": often("errors", before.errors, after.errors),
            "feedback": often("judgement", before.bad, after.bad)}
