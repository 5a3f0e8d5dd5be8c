"""The chunked head against the four lines that it stands for."""

from __future__ import annotations

from itertools import product

import pytest
import torch

from tunesmith.kernels import products
from tunesmith.kernels.head import Shape, log_probabilities, naive_log_probabilities

SHAPES = [Shape(), Shape(scale=0.25), Shape(softcap=3.0), Shape(scale=1.5, softcap=5.0)]
CHUNKS = [1, 61 * 3, 10**6]


@pytest.fixture(params=["native", "torch"])
def _kernels(request, monkeypatch):
    monkeypatch.setenv("TUNESMITH_WITHOUT", "native" if request.param == "torch" else "")


def made(rows=23, width=8, vocabulary=61, dtype=torch.float64):
    generator = torch.Generator().manual_seed(0)
    hidden = torch.randn(rows, width, generator=generator, dtype=dtype, requires_grad=True)
    weight = torch.randn(vocabulary, width, generator=generator, dtype=dtype, requires_grad=True)
    bias = torch.randn(vocabulary, generator=generator, dtype=dtype, requires_grad=True)
    targets = torch.randint(vocabulary, (rows,), generator=generator)
    arriving = torch.randn(rows, generator=generator, dtype=dtype)
    return hidden, weight, bias, targets, arriving


@pytest.mark.parametrize(("chunk", "kept"), [*product(CHUNKS, [0]), (61 * 3, 10**6)])
@pytest.mark.parametrize("shape", SHAPES)
def test_answers_and_gradients_equal_the_naive_twin_to_1e_10(shape, chunk, kept):
    hidden, weight, bias, targets, arriving = made()
    expected = naive_log_probabilities(hidden, weight, targets, bias_V=bias, shape=shape)
    wanted = torch.autograd.grad((expected * arriving).sum(), (hidden, weight, bias))
    found = log_probabilities(
        hidden, weight, targets, bias_V=bias, shape=shape, chunk_numbers=chunk, kept_numbers=kept)
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


@pytest.mark.usefixtures("_kernels")
@pytest.mark.parametrize("kept", [0, 10**6])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("dtype", "rounding"), [(torch.float32, 1e-5), (torch.bfloat16, 2e-2)])
def test_answers_and_gradients_are_within_rounding_of_float64(dtype, rounding, shape, kept):
    made_exact = made(width=32, vocabulary=213)
    rounded = [tensor.detach().to(dtype).requires_grad_() for tensor in made_exact[:3]]
    hidden, weight, bias = (tensor.detach().double().requires_grad_() for tensor in rounded)
    targets, arriving = made_exact[3:]
    expected = naive_log_probabilities(hidden, weight, targets, bias_V=bias, shape=shape)
    wanted = torch.autograd.grad((expected * arriving).sum(), (hidden, weight, bias))
    found = log_probabilities(
        rounded[0], rounded[1], targets, bias_V=rounded[2], shape=shape, chunk_numbers=213 * 5, kept_numbers=kept)
    given = torch.autograd.grad((found * arriving).sum(), rounded)
    for one, other in zip((found, *given), (expected, *wanted), strict=True):
        assert (one.double() - other).abs().max() < rounding * other.abs().max()


@pytest.mark.usefixtures("_kernels")
def test_a_sure_answer_keeps_a_gradient_that_is_right_in_its_own_size():
    hidden, weight = torch.tensor([[8.0, 0.0]], dtype=torch.bfloat16).requires_grad_(), torch.zeros(64, 2).bfloat16()
    weight[3] = torch.tensor([1.0, 0.5])
    left = 63 / (63 + torch.tensor(8.0).exp().item())
    log_probabilities(hidden, weight, torch.tensor([3])).sum().backward()
    torch.testing.assert_close(hidden.grad, torch.tensor([[left, left / 2]], dtype=torch.bfloat16), rtol=1e-2, atol=0)


@pytest.mark.usefixtures("_kernels")
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_frozen_head_may_be_given_as_a_matrix_that_is_kept(dtype):
    hidden, weight, _, targets, _ = made(width=32, vocabulary=96)
    hidden, weight = (tensor.detach().to(dtype) for tensor in (hidden, weight))
    matrix, slopes = products.Matrix(weight, frozen=True), []
    for head in (weight, matrix, matrix):
        hidden = hidden.detach().requires_grad_()
        log_probabilities(hidden, head, targets).sum().backward()
        slopes.append(hidden.grad)
    assert torch.equal(slopes[0], slopes[1])
    assert torch.equal(slopes[0], slopes[2])


@pytest.mark.usefixtures("_kernels")
def test_the_gradient_of_a_bfloat16_head_comes_in_float32_where_it_is_wanted():
    hidden, weight, _, targets, _ = made(width=32, vocabulary=96)
    hidden = hidden.detach().bfloat16()
    weight = torch.nn.Parameter(weight.detach().bfloat16())
    weight.grad_dtype = torch.float32
    log_probabilities(hidden, weight, targets).sum().backward()
    assert weight.grad.dtype == torch.float32


@pytest.mark.usefixtures("_kernels")
@pytest.mark.parametrize("target", [-1, 61])
def test_a_target_outside_the_vocabulary_is_an_error(target):
    hidden, weight, _, targets, _ = made(dtype=torch.float32)
    targets[5] = target
    with pytest.raises(IndexError, match="61 words"):
        log_probabilities(hidden, weight, targets)


@pytest.mark.usefixtures("_kernels")
def test_a_number_that_is_none_is_not_hidden():
    hidden, weight, _, targets, _ = made(dtype=torch.float32)
    with torch.no_grad():
        hidden[2, 0] = torch.nan
    found = log_probabilities(hidden, weight, targets)
    assert found.isnan().tolist() == [row == 2 for row in range(len(targets))]
