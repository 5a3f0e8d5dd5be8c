"""The chunked head against the four lines that it stands for."""

from __future__ import annotations

import pytest
import torch

from tunesmith.kernels.head import Shape, log_probabilities, naive_log_probabilities

SHAPES = [Shape(), Shape(scale=0.25), Shape(softcap=3.0), Shape(scale=1.5, softcap=5.0)]
CHUNKS = [1, 61 * 3, 10**6]


def made(rows=23, width=8, vocabulary=61, dtype=torch.float64):
    generator = torch.Generator().manual_seed(0)
    hidden = torch.randn(rows, width, generator=generator, dtype=dtype, requires_grad=True)
    weight = torch.randn(vocabulary, width, generator=generator, dtype=dtype, requires_grad=True)
    bias = torch.randn(vocabulary, generator=generator, dtype=dtype, requires_grad=True)
    targets = torch.randint(vocabulary, (rows,), generator=generator)
    arriving = torch.randn(rows, generator=generator, dtype=dtype)
    return hidden, weight, bias, targets, arriving


@pytest.mark.parametrize("chunk", CHUNKS)
@pytest.mark.parametrize("shape", SHAPES)
def test_answers_and_gradients_equal_the_naive_twin_to_1e_10(shape, chunk):
    hidden, weight, bias, targets, arriving = made()
    expected = naive_log_probabilities(hidden, weight, targets, bias_V=bias, shape=shape)
    wanted = torch.autograd.grad((expected * arriving).sum(), (hidden, weight, bias))
    chunked = Shape(shape.scale, shape.softcap, chunk)
    found = log_probabilities(hidden, weight, targets, bias_V=bias, shape=chunked)
    given = torch.autograd.grad((found * arriving).sum(), (hidden, weight, bias))
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-10)
    for one, other in zip(given, wanted, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-10)


@pytest.mark.parametrize("learning", ["hidden", "weight", "neither"])
def test_only_what_learns_gets_a_gradient(learning):
    hidden, weight, _, targets, _ = made()
    hidden.requires_grad_(learning == "hidden")
    weight.requires_grad_(learning == "weight")
    found = log_probabilities(hidden, weight, targets)
    assert found.requires_grad == (learning != "neither")
    if learning != "neither":
        found.sum().backward()
    assert (hidden.grad is not None) == (learning == "hidden")
    assert (weight.grad is not None) == (learning == "weight")


def test_no_rows_give_no_log_probabilities():
    hidden, weight, _, targets, _ = made()
    found = log_probabilities(hidden[:0], weight, targets[:0])
    assert found.shape == (0,)
    found.sum().backward()
    assert torch.equal(weight.grad, torch.zeros_like(weight))


def test_bfloat16_answers_in_float32_within_the_rounding_of_the_logits():
    hidden, weight, _, targets, _ = made(dtype=torch.float32)
    exact = naive_log_probabilities(hidden, weight, targets)
    found = log_probabilities(hidden.bfloat16(), weight.bfloat16(), targets)
    assert found.dtype == torch.float32
    largest = (hidden @ weight.T).abs().max().item()
    assert (found - exact).abs().max() < 4 * largest * torch.finfo(torch.bfloat16).eps
