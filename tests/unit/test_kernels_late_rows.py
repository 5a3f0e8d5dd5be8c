"""Rows that take their steps late are what they would be had they taken them in time."""

from __future__ import annotations

import math

import pytest
import torch

from tunesmith.kernels import adamw, build, late_rows
from tunesmith.kernels.adamw import Rule
from tunesmith.kernels.late_rows import LateRows

ROWS, WIDTH, STEPS = 40, 19, 300


def rule_of(step, scale=1.0):
    """Another rate and another scale at each step, with decay, as a schedule and clipping give them."""
    return Rule(scale * (0.3 + abs(math.sin(step))), 1e-2 * (1 + math.cos(step / 40)), 0.9, 0.999, 1e-8, 0.1)


def begun(dtype, copied=False):
    """A matrix, its means and its count, in time; the same twice."""
    generator = torch.Generator().manual_seed(0)
    matrix = torch.randn(ROWS, WIDTH, generator=generator, dtype=torch.float64).to(dtype)
    copy = matrix.bfloat16() if copied else None
    return matrix, torch.zeros_like(matrix), torch.zeros_like(matrix), torch.zeros(()), copy


def gradients():
    """For each step some rows and their gradients; a few rows never have one, some once."""
    generator = torch.Generator().manual_seed(1)
    for step in range(STEPS):
        rows = torch.randperm(ROWS - 8, generator=generator)[: 1 + step % 5]
        rows = torch.cat([rows, torch.tensor([ROWS - 2])]) if step == 7 else rows
        yield step, rows.sort().values, torch.randn(len(rows), WIDTH, generator=generator, dtype=torch.float64)


def torchs(matrix, mean, square, count, given, rule):
    """The step that torch's AdamW takes on the whole matrix."""
    from torch.optim.adamw import adamw as take

    take([matrix], [given * rule.scale], [mean], [square], [], [count], foreach=False, capturable=False,
         differentiable=False, fused=False, amsgrad=False, beta1=rule.beta1, beta2=rule.beta2, lr=rule.rate,
         weight_decay=rule.decay, eps=rule.epsilon, maximize=False)


def test_in_double_precision_they_are_torchs_own_to_1e_12_over_many_steps():
    whole, late = begun(torch.float64), LateRows(*begun(torch.float64))
    for step, rows, values in gradients():
        given = torch.zeros(ROWS, WIDTH, dtype=torch.float64)
        given[rows] = values
        torchs(*whole[:4], given, rule_of(step))
        late.take(rows, values, rule_of(step))
        if step == 150:
            late.catch_up(torch.tensor([3, 3, 39]))
            torch.testing.assert_close(late.parameter[[3, 39]], whole[0][[3, 39]], rtol=0, atol=1e-12)
    assert (late.taken < STEPS).any()
    late.catch_up()
    for found, wanted in zip((late.parameter, late.mean, late.square), whole, strict=False):
        torch.testing.assert_close(found, wanted, rtol=0, atol=1e-12)


@pytest.mark.skipif(build.library() is None, reason=build.reason())
@pytest.mark.parametrize("looks", [(), (1, 2, 50), tuple(range(STEPS))], ids=["never", "thrice", "always"])
def test_in_single_precision_they_have_the_bits_of_the_whole_matrix_whenever_they_are_looked_at(looks):
    whole, late = begun(torch.float32, copied=True), LateRows(*begun(torch.float32, copied=True))
    for step, rows, values in gradients():
        given = torch.zeros(ROWS, WIDTH)
        given[rows] = values.float()
        parameter, mean, square, count, copy = whole
        adamw.step(adamw.Tensors([parameter], [given], [mean], [square], [count], [copy]), rule_of(step))
        late.take(rows, values.float(), rule_of(step))
        if step in looks:
            late.catch_up()
    late.catch_up()
    for found, wanted in zip((late.parameter, late.mean, late.square, late.step, late.copy), whole, strict=True):
        assert torch.equal(found, wanted)


@pytest.mark.skipif(build.library() is None, reason=build.reason())
def test_the_native_way_is_its_twin_to_rounding(monkeypatch):
    both = []
    for without in ("", "native"):
        monkeypatch.setenv("TUNESMITH_WITHOUT", without)
        late = LateRows(*begun(torch.float32))
        for step, rows, values in gradients():
            late.take(rows, values.float(), rule_of(step))
        late.catch_up()
        both.append(late)
    torch.testing.assert_close(both[0].parameter, both[1].parameter, rtol=1e-4, atol=1e-5)


def test_no_more_steps_are_remembered_than_said_and_nothing_is_lost(monkeypatch):
    monkeypatch.setattr(late_rows, "REMEMBERED", 7)
    short, long = LateRows(*begun(torch.float64)), LateRows(*begun(torch.float64))
    for step, rows, values in gradients():
        short.take(rows, values, rule_of(step))
        assert short.remembered <= 7
        monkeypatch.setattr(late_rows, "REMEMBERED", 10**6)
        long.take(rows, values, rule_of(step))
        monkeypatch.setattr(late_rows, "REMEMBERED", 7)
    short.catch_up()
    long.catch_up()
    assert torch.equal(short.parameter, long.parameter)
