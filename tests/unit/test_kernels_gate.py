"""The gated product and its gradients against the line that they stand for."""

from __future__ import annotations

import pytest
import torch

from tunesmith.kernels.gate import ACTIVATIONS, active, active_backward, gated, gated_backward, naive_gated

ROUNDING = {torch.float64: 1e-10, torch.float32: 2e-6, torch.bfloat16: 1e-2}
WIDTH = 77


@pytest.fixture(autouse=True, params=["native", "torch"])
def _kernels(request, monkeypatch):
    monkeypatch.setenv("TUNESMITH_WITHOUT", "native" if request.param == "torch" else "")



def made(dtype, spread=3.0):
    """Gate and up as columns of one buffer, with large and small numbers, and an arriving gradient."""
    generator = torch.Generator().manual_seed(0)
    both = torch.randn(9, 2 * WIDTH, generator=generator, dtype=torch.float64) * spread
    both[0, :6] = torch.tensor([0.0, -0.0, 60.0, -60.0, 1e-6, -120.0])
    given = torch.randn(9, WIDTH, generator=generator, dtype=torch.float64)
    both = both.to(dtype)
    return both[:, :WIDTH], both[:, WIDTH:], given.to(dtype)


def near(found, expected, dtype):
    torch.testing.assert_close(found.double(), expected, rtol=ROUNDING[dtype], atol=ROUNDING[dtype])


@pytest.mark.parametrize("kind", ACTIVATIONS)
@pytest.mark.parametrize("dtype", ROUNDING)
def test_product_and_gradients_equal_the_naive_twin(dtype, kind):
    gate, up, given = made(dtype)
    exact_gate, exact_up = (tensor.double().clone().requires_grad_() for tensor in (gate, up))
    expected = naive_gated(exact_gate, exact_up, kind)
    d_gate, d_up = torch.autograd.grad((expected * given.double()).sum(), (exact_gate, exact_up))
    out, act = torch.empty_like(given), torch.empty_like(given)
    gated(gate, up, kind, out)
    near(out, expected.detach(), dtype)
    gated_backward(given, gate, up, kind, act)
    near(act, expected.detach(), dtype)
    near(gate, d_gate, dtype)
    near(up, d_up, dtype)


@pytest.mark.parametrize("dtype", ROUNDING)
def test_the_product_may_be_written_over_what_arrived(dtype):
    gate, up, given = made(dtype)
    once, act = (gate.clone(), up.clone()), torch.empty_like(given)
    gated_backward(given, *once, "silu", act)
    gated_backward(given, gate, up, "silu", given)
    for found, expected in zip((given, gate, up), (act, *once), strict=True):
        near(found, expected.double(), dtype)


@pytest.mark.parametrize("kind", ACTIVATIONS)
@pytest.mark.parametrize("dtype", ROUNDING)
def test_the_activation_alone_and_its_gradient_equal_autograds(dtype, kind):
    x, _, given = made(dtype)
    exact = x.double().clone().requires_grad_()
    expected = ACTIVATIONS[kind](exact)
    (d_x,) = torch.autograd.grad((expected * given.double()).sum(), exact)
    out = torch.empty_like(given)
    active(x, kind, out)
    near(out, expected.detach(), dtype)
    active_backward(given, x, kind, given)
    near(given, expected.detach(), dtype)
    near(x, d_x, dtype)
