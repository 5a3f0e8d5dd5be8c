"""On a GPU: the same gradients by the same seams. Run with `pytest -m gpu` where there is one."""

from __future__ import annotations

import pytest
import torch

import architectures
from tunesmith.kernels import head, varlen
from tunesmith.kernels.attention import attention, naive_attention
from tunesmith.kernels.rule import Rule
from tunesmith.models.adapters import full, lora

pytestmark = [
    pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here"),
]
BORDERS = (0, 3, 4, 150, 400)
HALF = 2.0**-8  # one rounding of bfloat16


def drawn(*shape, dtype):
    generator = torch.Generator().manual_seed(sum(shape))
    return torch.randn(*shape, generator=generator).to("cuda", dtype).requires_grad_()


@pytest.mark.parametrize("adapter", [lora, full], ids=["lora", "full"])
@pytest.mark.parametrize("name", architectures.ARCHITECTURES)
def test_gradients_are_those_of_transformers(tmp_path, name, adapter):
    _, found, wanted = architectures.gradients(name, adapter, tmp_path, device="cuda")
    assert architectures.error_of(found, wanted) < 1e-9


@pytest.mark.parametrize("rule", [
    Rule(0.125), Rule(0.125, window=40), Rule(0.125, softcap=20.0), Rule(0.125, causal=False),
    Rule(0.125, window=40, causal=False),
])
@pytest.mark.parametrize("shared", [1, 3])
def test_attention_in_bfloat16_is_about_as_near_to_exact_as_its_naive_twin(rule, shared):
    rounded = [drawn(heads, 400, 64, dtype=torch.bfloat16) for heads in (6, 6 // shared, 6 // shared)]
    exact = [tensor.detach().double().requires_grad_() for tensor in rounded]
    assert varlen.serves(rounded[0].device, torch.bfloat16, 64, rule) is (rule.softcap is None)
    weights = torch.randn(400, 6, 64, device="cuda", dtype=torch.float64)
    answers = []
    for function, tensors in ((attention, rounded), (naive_attention, rounded), (naive_attention, exact)):
        answer = function(*tensors, BORDERS, rule)
        answers.append([answer, *torch.autograd.grad((answer.double() * weights).sum(), tensors)])
    for one, naive, wanted in zip(*answers, strict=True):
        assert (one.double() - wanted).norm() < 1.5 * (naive.double() - wanted).norm()


@pytest.mark.parametrize(("dtype", "allowed"), [(torch.float64, 1e-10), (torch.bfloat16, 4 * HALF)])
def test_the_head_gives_the_naive_log_probabilities_and_gradients(dtype, allowed):
    targets = torch.arange(300, device="cuda") * 7 % 1000
    hidden, weight = drawn(300, 64, dtype=dtype), drawn(1000, 64, dtype=dtype)
    exact = [tensor.detach().double().requires_grad_() for tensor in (hidden, weight)]
    found = head.log_probabilities(hidden, weight, targets)
    expected = head.naive_log_probabilities(*exact, targets)
    given = torch.autograd.grad(found.sum(), (hidden, weight))
    wanted = torch.autograd.grad(expected.sum(), exact)
    for one, other in zip([found, *given], [expected, *wanted], strict=True):
        assert (one.double() - other).norm() <= allowed * other.norm()
