"""Rotation in place against the lines that transformers uses."""

from __future__ import annotations

import pytest
import torch

from tunesmith.kernels.rotary import naive_rotate, rotate_

ROUNDING = {torch.float64: 1e-10, torch.float32: 1e-6, torch.bfloat16: 1e-2}


@pytest.fixture(autouse=True, params=["native", "torch"])
def _kernels(request, monkeypatch):
    monkeypatch.setenv("TUNESMITH_WITHOUT", "native" if request.param == "torch" else "")



def made(dtype, rows=5, heads=3, width=40, turned=40):
    generator = torch.Generator().manual_seed(0)
    buffer = torch.randn(rows, heads * width + 24, generator=generator, dtype=torch.float64).to(dtype)
    angles = torch.rand(rows, turned, generator=generator, dtype=torch.float64) * 6
    return buffer[:, 8 : 8 + heads * width].view(rows, heads, width), angles.cos(), angles.sin()


@pytest.mark.parametrize("turned", [40, 16, 2])
@pytest.mark.parametrize("dtype", ROUNDING)
def test_turning_and_its_transpose_equal_the_naive_twin(dtype, turned):
    x, cos, sin = made(dtype, turned=turned)
    given = made(dtype)[0].flip(0).clone()
    exact = x.double().clone().requires_grad_()
    expected = naive_rotate(exact, cos, sin)
    d_x = torch.autograd.grad((expected * given.double()).sum(), exact)[0]
    wide = torch.float64 if dtype == torch.float64 else torch.float32
    rotate_(x, cos.to(wide), sin.to(wide))
    torch.testing.assert_close(x.double(), expected.detach(), rtol=ROUNDING[dtype], atol=ROUNDING[dtype])
    rotate_(given, cos.to(wide), sin.to(wide), transpose=True)
    torch.testing.assert_close(given.double(), d_x, rtol=ROUNDING[dtype], atol=ROUNDING[dtype])


@pytest.mark.parametrize("dtype", ROUNDING)
def test_angles_may_come_in_the_rows_own_dtype(dtype):
    x, cos, sin = made(dtype)
    cos, sin = cos.to(dtype), sin.to(dtype)
    expected = naive_rotate(x.double(), cos.double(), sin.double())
    rotate_(x, cos, sin)
    torch.testing.assert_close(x.double(), expected, rtol=ROUNDING[dtype], atol=ROUNDING[dtype])


def test_what_lies_beside_the_heads_is_left_alone():
    x, cos, sin = made(torch.float32)
    buffer = x._base
    before = buffer.clone()
    rotate_(x, cos, sin)
    assert torch.equal(buffer[:, :8], before[:, :8])
    assert torch.equal(buffer[:, 128:], before[:, 128:])
