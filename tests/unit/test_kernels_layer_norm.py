"""Layer norms, their gradients and sums over rows against the lines that they stand for."""

from __future__ import annotations

import pytest
import torch

from tunesmith.kernels.layer_norm import layer_norm, layer_norm_backward, naive_layer_norm, sum_rows

EPS = 1e-5
ROUNDING = {torch.float64: 1e-10, torch.float32: 1e-5, torch.bfloat16: 3e-2}
SHAPES = [(7, 40), (5, 384), (3, 77)]


@pytest.fixture(autouse=True, params=["native", "torch"])
def _kernels(request, monkeypatch):
    monkeypatch.setenv("TUNESMITH_WITHOUT", "native" if request.param == "torch" else "")


def made(shape, dtype):
    """Columns of a wider buffer, what is added to them, weight and bias, and an arriving gradient."""
    generator = torch.Generator().manual_seed(0)

    def drawn(*sizes):
        return torch.randn(*sizes, generator=generator, dtype=torch.float64).to(dtype)

    return drawn(shape[0], shape[1] + 8)[:, 4:-4], drawn(*shape), drawn(shape[1]), drawn(shape[1]), drawn(*shape)


def near(found, expected, dtype):
    torch.testing.assert_close(found.double(), expected, rtol=ROUNDING[dtype], atol=ROUNDING[dtype])


@pytest.mark.parametrize("dtype", ROUNDING)
@pytest.mark.parametrize("shape", SHAPES)
def test_norms_and_gradients_equal_the_naive_twin_and_take_up_what_is_added(shape, dtype):
    x, added, weight, bias, given = made(shape, dtype)
    whole = x + added
    exact = [each.double().clone().requires_grad_() for each in (whole, weight, bias)]
    expected = naive_layer_norm(*exact, EPS)
    wanted = torch.autograd.grad((expected * given.double()).sum(), exact)
    out = torch.empty_like(given)
    moments = layer_norm(x, weight, bias, EPS, out_MH=out, added_MH=added)
    assert torch.equal(x, whole)
    near(out, expected.detach(), dtype)
    into = torch.empty_like(given)
    learnt = layer_norm_backward(given, x, weight, moments, into_MH=into, learns=True)
    near(into, wanted[0], dtype)
    for found, other in zip(learnt, wanted[1:], strict=True):
        torch.testing.assert_close(found.double(), other, rtol=1e-4, atol=1e-10 if dtype == torch.float64 else 2e-4)
    assert layer_norm_backward(given, x, weight, moments, into_MH=given) is None
    assert torch.equal(given, into)


def test_the_naive_twin_is_torchs_own():
    x, _, weight, bias, _ = made((5, 384), torch.float64)
    torch.testing.assert_close(
        naive_layer_norm(x, weight, bias, EPS), torch.nn.functional.layer_norm(x, (384,), weight, bias, EPS),
        rtol=0, atol=1e-12)


@pytest.mark.parametrize("dtype", ROUNDING)
@pytest.mark.parametrize("rows", [0, 1, 6, 515])
def test_sums_over_rows_are_exact_to_rounding(dtype, rows):
    x = made((rows, 77), dtype)[0]
    found = sum_rows(x)
    assert found.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    torch.testing.assert_close(found.double(), x.double().sum(0), rtol=1e-5, atol=1e-4)


def test_two_threads_learn_alike_each_time_and_as_one_does():
    x, added, weight, bias, given = made((80, 384), torch.float32)
    moments = layer_norm(x, weight, bias, EPS, out_MH=torch.empty_like(given), added_MH=added)
    threads, learnt = torch.get_num_threads(), []
    try:
        for count in (1, 2, 2):
            torch.set_num_threads(count)
            into = torch.empty_like(given)
            learnt.append([*layer_norm_backward(given, x, weight, moments, into_MH=into, learns=True), sum_rows(given)])
    finally:
        torch.set_num_threads(threads)
    for one, second, third in zip(*learnt, strict=True):
        assert torch.equal(second, third)
        torch.testing.assert_close(one, second, rtol=1e-5, atol=1e-5)
