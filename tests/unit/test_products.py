"""Every product against its formula: in float64 exactly, in bfloat16 within rounding, whoever does the work."""

from __future__ import annotations

import pytest
import torch

from tunesmith.kernels import build
from tunesmith.kernels.products import Matrix, counted, multiply, multiply_across, multiply_back

TOLERANCE = {torch.float64: 1e-10, torch.float32: 1e-4, torch.bfloat16: 0.02}
# rows, N, K, rank: round numbers, odd ones, a single row
SHAPES = [(1, 1, 1, 1), (3, 5, 7, 2), (33, 64, 96, 16), (64, 48, 33, 17), (257, 100, 70, 48), (130, 16, 576, 1)]
# more than a cache holds of the weight, and deeper than one go
LARGE = [(40, 1250, 512, 16), (300, 70, 2100, 16)]


def numbers(*shape, dtype, seed=0, spread=0):
    """Normal numbers in a buffer whose rows lie `spread` further apart than they are long."""
    generator = torch.Generator().manual_seed(seed)
    wide = torch.randn(*shape[:-1], shape[-1] + spread, generator=generator, dtype=torch.float64).to(dtype)
    return wide[..., : shape[-1]]


def close(found, expected, dtype, depth=1):
    """Within rounding of a result whose terms are products of normal numbers."""
    torch.testing.assert_close(found.double(), expected, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype] * depth**0.5)


@pytest.fixture(params=[torch.float64, torch.float32, torch.bfloat16, "bfloat16 without tiles"], ids=str)
def dtype(request, monkeypatch):
    """Every dtype with all that this machine has, and bfloat16 once more without our own tiles."""
    monkeypatch.setenv("TUNESMITH_WITHOUT", "tiles" if isinstance(request.param, str) else "")
    return torch.bfloat16 if isinstance(request.param, str) else request.param


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("extras", [(), ("bias",), ("low",), ("bias", "low"), ("low", "through")], ids=str)
def test_multiply_is_x_times_the_weight_turned_with_what_is_added(dtype, shape, extras):
    rows, wide, deep, rank = shape
    x, weight = numbers(rows, deep, dtype=dtype, spread=3), numbers(wide, deep, dtype=dtype, seed=1, spread=1)
    bias = numbers(wide, dtype=dtype, seed=2) if "bias" in extras else None
    low = (numbers(rows, rank, dtype=dtype, seed=3, spread=2), numbers(wide, rank, dtype=dtype, seed=4))
    expected = x.double() @ weight.double().T
    if bias is not None:
        expected += bias.double()
    if "low" in extras and "through" not in extras:
        expected += low[0].double() @ low[1].double().T
    around = torch.full((rows, wide + 4), 7.0, dtype=dtype)
    through = numbers(rank, deep, dtype=dtype, seed=5, spread=1) if "through" in extras else None
    if through is not None:
        expected += (x.double() @ through.double().T).to(dtype).double() @ low[1].double().T
    for frozen in (True, False):
        multiply(x, Matrix(weight, frozen=frozen), around[:, 2:-2], bias_N=bias, low=low if "low" in extras else None,
                 through_RK=through)
        close(around[:, 2:-2], expected, dtype, deep + rank * deep * (through is not None))
        if through is not None:
            close(low[0], x.double() @ through.double().T, dtype, deep)
    assert (around[:, :2] == 7).all()
    assert (around[:, -2:] == 7).all()


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("extras", [(), ("add",), ("low",), ("add", "low"), ("low", "through")], ids=str)
def test_multiply_back_is_what_was_given_times_the_weight_with_what_is_added(dtype, shape, extras):
    rows, wide, deep, rank = shape
    given, weight = numbers(rows, wide, dtype=dtype, spread=1), numbers(wide, deep, dtype=dtype, seed=1, spread=5)
    low = (numbers(rows, rank, dtype=dtype, seed=3), numbers(rank, deep, dtype=dtype, seed=4, spread=3))
    around = numbers(rows, deep + 4, dtype=dtype, seed=5).clone()
    kept = around.clone()
    expected = given.double() @ weight.double()
    if "add" in extras:
        expected += kept[:, 2:-2].double()
    through = numbers(wide, rank, dtype=dtype, seed=5, spread=1) if "through" in extras else None
    if through is not None:
        expected += (given.double() @ through.double()).to(dtype).double() @ low[1].double()
    elif "low" in extras:
        expected += low[0].double() @ low[1].double()
    multiply_back(given, Matrix(weight, frozen="add" in extras), around[:, 2:-2], add="add" in extras,
                  low=low if "low" in extras else None, through_NR=through)
    close(around[:, 2:-2], expected, dtype, wide + rank * wide * (through is not None))
    if through is not None:
        close(low[0], given.double() @ through.double(), dtype, wide)
    assert torch.equal(around[:, :2], kept[:, :2])
    assert torch.equal(around[:, -2:], kept[:, -2:])


@pytest.mark.parametrize("shape", [*SHAPES, (70, 3, 130, 1), (2100, 64, 40, 1)], ids=str)
@pytest.mark.parametrize("add", [False, True])
@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("wider", [False, True])
def test_multiply_across_sums_over_the_rows(dtype, shape, add, turned, wider):
    rows, left_width, right_width = (shape[0], shape[2], shape[1]) if turned else shape[:3]
    left = numbers(rows, left_width, dtype=dtype, spread=2)
    right = numbers(rows, right_width, dtype=dtype, seed=1, spread=1)
    kind = torch.float32 if wider and dtype == torch.bfloat16 else dtype
    around = numbers(left_width, right_width + 4, dtype=kind, seed=2).clone()
    kept = around.clone()
    expected = 0.25 * left.double().T @ right.double()
    if add:
        expected += kept[:, 2:-2].double()
    multiply_across(left, right, around[:, 2:-2], add=add, scale=0.25)
    close(around[:, 2:-2], expected, dtype, rows)
    assert torch.equal(around[:, :2], kept[:, :2])
    assert torch.equal(around[:, -2:], kept[:, -2:])


@pytest.mark.parametrize("shape", LARGE, ids=str)
@pytest.mark.parametrize("threads", [1, 2, 3])
def test_bfloat16_is_right_beyond_the_caches_and_the_same_bits_for_any_number_of_threads(shape, threads):
    rows, wide, deep, rank = shape
    x, weight = numbers(rows, deep, dtype=torch.bfloat16), numbers(wide, deep, dtype=torch.bfloat16, seed=1)
    low = (numbers(rows, rank, dtype=torch.bfloat16, seed=3), numbers(wide, rank, dtype=torch.bfloat16, seed=4))
    through = numbers(wide, rank, dtype=torch.bfloat16, seed=5) / wide
    out, back = torch.empty(rows, wide, dtype=torch.bfloat16), torch.empty(rows, deep, dtype=torch.bfloat16)
    matrix, across = Matrix(weight, frozen=True), torch.empty(wide, deep)
    alone = [each.clone() for each in (out, back, across)]
    before, narrow_first = torch.get_num_threads(), low[0].double()
    try:
        for team, answers in ((1, alone), (threads, [out, back, across])):
            torch.set_num_threads(team)
            low[0].copy_(narrow_first)
            multiply(x, matrix, answers[0], low=low)
            multiply_back(answers[0], matrix, answers[1], low=(low[0], x[:rank]), through_NR=through)
            multiply_across(answers[0], x, answers[2])
    finally:
        torch.set_num_threads(before)
    close(out, x.double() @ weight.double().T + narrow_first @ low[1].double().T, torch.bfloat16, deep)
    narrow = (out.double() @ through.double()).bfloat16().double()
    close(back, out.double() @ weight.double() + narrow @ x[:rank].double(), torch.bfloat16, deep * wide)
    close(across, out.double().T @ x.double(), torch.bfloat16, deep * rows)
    if build.tiles():
        assert all(torch.equal(one, other) for one, other in zip(alone, (out, back, across), strict=True))


def test_no_rows_make_no_sum(dtype):
    out = torch.full((2, 3), torch.nan, dtype=dtype)
    multiply_across(torch.empty(0, 2, dtype=dtype), torch.empty(0, 3, dtype=dtype), out)
    assert (out == 0).all()
    multiply(torch.empty(0, 3, dtype=dtype), Matrix(torch.ones(2, 3, dtype=dtype), frozen=True),
             torch.empty(0, 2, dtype=dtype))


def test_a_learnt_weight_is_read_anew_at_every_product():
    weight, x, out = torch.ones(2, 32, dtype=torch.bfloat16), torch.ones(4, 32, dtype=torch.bfloat16), None
    matrix, out = Matrix(weight, frozen=False), torch.empty(4, 2, dtype=torch.bfloat16)
    multiply(x, matrix, out)
    weight.mul_(2)
    multiply(x, matrix, out)
    assert (out == 64).all()


def test_products_and_their_operations_are_counted():
    x, weight, out = torch.ones(4, 6), torch.ones(3, 6), torch.empty(4, 3)
    with counted() as counts:
        multiply(x, Matrix(weight, frozen=True), out, low=(torch.ones(4, 2), torch.ones(3, 2)))
        multiply_back(out, Matrix(weight, frozen=True), x)
        multiply_across(out, x, torch.empty(3, 6))
    multiply_back(out, Matrix(weight, frozen=True), x)
    assert counts.calls == 3
    assert counts.flops == 3 * (2 * 4 * 3 * 6) + 2 * 4 * 3 * 2
