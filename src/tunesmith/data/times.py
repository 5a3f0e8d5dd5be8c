"""The time that a row is of, and the times from which on rows are held out: tests come after what is learnt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import Misuse, Refusal
from ..reading.quoting import quoted
from ..records import SIDES, Row

LATEST = 1e11  # seconds since 1970: the year 5138; what is larger counts milliseconds
NEVER = float("inf")
Times = NDArray[np.float64]


def of_row(row: Row, column: str) -> float:
    """Seconds since 1970. Raises Refusal for a row without a time that can be read."""
    value = row.values.get(column)
    found = moment(value)
    if found is None:
        told = "has no" if value in (None, "") else f"has {quoted(value)} as its"
        raise Refusal("data.no_time", f"the row {told} `{column}`, which `data.time.column` names", row.where,
                      "write a date such as 2026-11-21, a date with its time, or seconds since 1970")
    return found


def moment(value: Any) -> float | None:
    """Seconds since 1970 of a number or an ISO date, with or without a time; None for anything else."""
    if isinstance(value, str):
        text = value.strip()
        try:
            value = float(text)
        except ValueError:
            return _of_date(text)
        if len(text) == 8 and text.isdecimal():
            return _of_date(text)  # 20261121
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < LATEST:
        return None
    return float(value)


def _of_date(text: str) -> float | None:
    try:
        found = datetime.fromisoformat(text)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


def shown(time: float) -> str:
    """A time as a date, with hour and second where it has some."""
    text = datetime.fromtimestamp(time, UTC).isoformat()
    return text.removesuffix("+00:00").removesuffix("T00:00:00")


@dataclass(frozen=True, slots=True)
class Cuts:
    """From when on rows are validation rows, and from when on test rows; `NEVER` where none are."""

    validation: float = NEVER
    test: float = NEVER

    def side(self, times: Times) -> NDArray[np.int8]:
        """For each time the earliest side, by its place in `SIDES`, that may hold a row of it."""
        found = np.zeros(len(times), np.int8)
        found[times >= self.validation] = SIDES.index("validation")
        found[times >= self.test] = SIDES.index("test")
        return found

    def as_json(self) -> dict[str, str]:
        """The dates that there are, by the names of their options."""
        both = {"validation_from": self.validation, "test_from": self.test}
        return {name: shown(time) for name, time in both.items() if time != NEVER}


def given(dates: Mapping[str, str | None], wanted: Mapping[str, float]) -> dict[str, float]:
    """The dates that a recipe names, as times, by their sides. Raises Misuse for what is none, or in a wrong order."""
    found: dict[str, float] = {}
    for side, text in dates.items():
        if text is None or not wanted[side]:
            continue
        time = moment(text)
        if time is None:
            raise Misuse("data.time", f"{quoted(text)} is no date", f"data.time.{side}_from",
                         "write it as 2026-11-21, or 2026-11-21T09:30:00+00:00")
        found[side] = time
    if found.get("validation", -NEVER) >= found.get("test", NEVER):
        raise Misuse("data.time", "validation begins when the test has begun", "data.time.validation_from",
                     "name a date before `test_from`")
    return found


def cuts(latest: Times, sizes: NDArray[np.int64], shares: Mapping[str, float], dates: Mapping[str, float]) -> Cuts:
    """From when on rows are held out: by dates where there are some, else such that the shares come near.

    latest: (G,) the time of the latest row of each group; sizes: (G,) its rows.
    """
    test = dates.get("test", _from_share(latest, sizes, shares["test"], NEVER))
    if not shares["validation"]:
        return Cuts(NEVER, test)
    tested = sizes[latest >= test].sum() / max(sizes.sum(), 1)
    return Cuts(dates.get("validation", _from_share(latest, sizes, tested + shares["validation"], test)), test)


def _from_share(latest: Times, sizes: NDArray[np.int64], share: float, before: float) -> float:
    """The time before another one from which on groups have about a share of all rows, but never all of them."""
    times, of = np.unique(latest, return_inverse=True)
    after = np.cumsum(np.bincount(of, sizes, len(times))[::-1])[::-1]  # rows at that time or later
    fit = np.flatnonzero(times < before)
    fit = fit[fit > 0]
    if not share or not len(fit):
        return NEVER
    return float(times[fit[np.argmin(np.abs(after[fit] - share * sizes.sum()))]])
