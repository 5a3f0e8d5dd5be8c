"""The norm and its gradients against the two lines that they stand for."""

from __future__ import annotations

import pytest
import torch

from tunesmith.kernels.norms import naive_rms_norm, rms_norm, rms_norm_backward

EPS = 1e-5
ROUNDING = {torch.float64: 1e-10, torch.float32: 1e-5, torch.bfloat16: 2e-2}
SHAPES = [(7, 40), (5, 576), (6, 3, 8), (4, 2, 64)]


@pytest.fixture(autouse=True, params=["native", "torch"])
def _kernels(request, monkeypatch):
    monkeypatch.setenv("TUNESMITH_WITHOUT", "native" if request.param == "torch" else "")



def made(shape, dtype):
    """A strided view, as a slice of a wider buffer is, its weight and an arriving gradient."""
    generator = torch.Generator().manual_seed(0)
    buffer = torch.randn(shape[0], *shape[1:-1], shape[-1] + 8, generator=generator, dtype=torch.float64)
    weight = torch.randn(shape[-1], generator=generator, dtype=torch.float64)
    given = torch.randn(shape, generator=generator, dtype=torch.float64)
    return buffer.to(dtype)[..., 4:-4], weight.to(dtype), given.to(dtype)


def wanted(x, weight, given, plus_one):
    """Answer and gradients of the naive twin in float64."""
    x, weight = (None if tensor is None else tensor.double().clone().requires_grad_() for tensor in (x, weight))
    answer = naive_rms_norm(x, weight, EPS, plus_one=plus_one)
    return answer.detach(), *torch.autograd.grad((answer * given.double()).sum(), [x] + [weight] * (weight is not None))


def near(found, expected, dtype):
    torch.testing.assert_close(found.double(), expected, rtol=ROUNDING[dtype], atol=ROUNDING[dtype])


@pytest.mark.parametrize("plus_one", [False, True])
@pytest.mark.parametrize("dtype", ROUNDING)
@pytest.mark.parametrize("shape", SHAPES)
def test_norms_and_gradients_equal_the_naive_twin(shape, dtype, plus_one):
    x, weight, given = made(shape, dtype)
    expected, d_x, d_weight = wanted(x, weight, given, plus_one)
    found, reciprocal = rms_norm(x, weight, EPS, plus_one=plus_one)
    near(found, expected, dtype)
    into = torch.empty_like(given)
    learnt = rms_norm_backward(given, x, weight, reciprocal, plus_one=plus_one, into=into, add=False, learns=True)
    near(into, d_x, dtype)
    torch.testing.assert_close(learnt.double(), d_weight, rtol=1e-4, atol=1e-4 if dtype != torch.float64 else 1e-10)


@pytest.mark.parametrize("dtype", ROUNDING)
def test_a_gradient_is_added_to_what_is_there_or_written_over_what_arrived(dtype):
    x, weight, given = made((6, 3, 8), dtype)
    d_x = wanted(x, weight, given, False)[1]
    _, reciprocal = rms_norm(x, weight, EPS)
    into = torch.ones_like(given)
    assert rms_norm_backward(given, x, weight, reciprocal, into=into, add=True) is None
    near(into, d_x + 1, dtype)
    rms_norm_backward(given, x, weight, reciprocal, into=given)
    near(given, d_x, dtype)


@pytest.mark.parametrize("dtype", ROUNDING)
def test_a_norm_may_have_no_weight_and_be_written_in_place(dtype):
    x, _, given = made((5, 48), dtype)
    expected, d_x = wanted(x, None, given, False)
    into = torch.empty_like(given)
    rms_norm_backward(given, x, None, rms_norm(x, None, EPS)[1], into=into)
    near(into, d_x, dtype)
    rms_norm(x, None, EPS, out=x)
    near(x, expected, dtype)


def test_two_threads_learn_the_weight_alike_each_time_and_as_one_does():
    x, weight, given = made((80, 576), torch.float32)
    _, reciprocal = rms_norm(x, weight, EPS)
    threads, learnt = torch.get_num_threads(), []
    try:
        for count in (1, 2, 2):
            torch.set_num_threads(count)
            into = torch.empty_like(given)
            learnt.append(rms_norm_backward(given, x, weight, reciprocal, into=into, learns=True))
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(learnt[1], learnt[2])
    torch.testing.assert_close(learnt[0], learnt[1], rtol=1e-5, atol=1e-5)
