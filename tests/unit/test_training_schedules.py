"""The learning rate over a whole training."""

from __future__ import annotations

from itertools import pairwise

import pytest

from tunesmith.training.schedules import factor


def rates(shape: str, warmup: float, steps: int) -> list[float]:
    return [factor(shape, warmup, before=step / steps, after=(step + 1) / steps) for step in range(steps)]


@pytest.mark.parametrize("shape", ["cosine", "linear", "constant"])
@pytest.mark.parametrize("warmup", [0.0, 0.03, 0.5, 1.0])
@pytest.mark.parametrize("steps", [1, 2, 10, 1000])
def test_no_step_is_wasted_on_a_rate_of_zero_and_none_exceeds_the_peak(shape: str, warmup: float, steps: int) -> None:
    assert all(0.0 < rate <= 1.0 for rate in rates(shape, warmup, steps))


def test_the_rate_climbs_while_it_warms_up_and_never_afterwards() -> None:
    found = rates("cosine", 0.2, 50)
    assert found[:10] == pytest.approx([(step + 1) / 10 for step in range(10)])
    assert all(after <= before for before, after in pairwise(found[10:]))


def test_linear_falls_in_equal_parts_to_one_part_above_zero() -> None:
    assert rates("linear", 0.0, 4) == pytest.approx([1.0, 0.75, 0.5, 0.25])


def test_constant_stays_at_its_peak() -> None:
    assert rates("constant", 0.0, 5) == [1.0] * 5
