"""Packed attention against one big masked softmax."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch

from tunesmith.errors import Refusal
from tunesmith.kernels import attention as kernel
from tunesmith.kernels import attention_blocks
from tunesmith.kernels.attention import Rule, attention, naive_attention

BORDERS = (0, 1, 6, 6 + 17, 23 + 40)
RULES = [Rule(0.3), Rule(0.3, softcap=2.0), Rule(0.3, window=4), Rule(0.3, softcap=2.0, window=7)]


def made(heads=6, shared=3, width=8, rows=BORDERS[-1], dtype=torch.float64):
    generator = torch.Generator().manual_seed(0)

    def drawn(count):  # laid out as transformers does: rows first, heads transposed to the front
        return torch.randn(rows, count, width, generator=generator, dtype=dtype).transpose(0, 1).requires_grad_()

    return drawn(heads), drawn(heads // shared), drawn(heads // shared)


def gradients(function, rule, tensors):
    answer = function(*tensors, BORDERS, rule)
    weights = torch.randn(answer.shape, generator=torch.Generator().manual_seed(1), dtype=answer.dtype)
    return answer, torch.autograd.grad((answer * weights).sum(), tensors)


@pytest.mark.parametrize("whole", [0, 10**6], ids=["blocks", "whole"])
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("shared", [1, 3])
def test_answers_and_gradients_equal_the_naive_twin_to_1e_10(monkeypatch, rule, shared, whole):
    monkeypatch.setattr(attention_blocks, "WHOLE", whole)
    monkeypatch.setattr(attention_blocks, "ROWS", 8)
    tensors = made(shared=shared)
    expected, wanted = gradients(naive_attention, rule, tensors)
    found, given = gradients(attention, rule, tensors)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-10)
    for one, other in zip(given, wanted, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-10)


def test_no_document_sees_another():
    tensors = made()
    before, begun = gradients(attention, Rule(0.3), tensors)
    for tensor in tensors:
        tensor.data[:, 6:23] = 9.0
    after, ended = gradients(attention, Rule(0.3), tensors)
    assert torch.equal(before[:6], after[:6]) and torch.equal(before[23:], after[23:])
    assert not torch.equal(before[6:23], after[6:23])
    for one, other in zip(begun, ended, strict=True):
        assert torch.equal(one[:, :6], other[:, :6]) and torch.equal(one[:, 23:], other[:, 23:])


def test_no_row_sees_a_later_one():
    query, key, value = (tensor.detach() for tensor in made())
    before = attention(query, key, value, BORDERS, Rule(0.3))
    key[:, 40:], value[:, 40:] = 7.0, 7.0
    after = attention(query, key, value, BORDERS, Rule(0.3))
    assert torch.equal(before[:40], after[:40])


def test_sinks_and_biases_that_the_kernel_does_not_know_are_refused():
    query, key, value = made()
    with pytest.raises(Refusal, match="s_aux"):
        kernel.packed_attention(
            torch.nn.Identity(), query[None], key[None], value[None], None, borders=BORDERS, scaling=0.3,
            s_aux=torch.zeros(6),
        )


def test_bfloat16_is_as_near_to_float32_as_torchs_own_kernel():
    tensors = made(dtype=torch.float32, heads=9, width=64)
    exact, wanted = gradients(naive_attention, Rule(0.125), tensors)
    halves = [tensor.detach().bfloat16().requires_grad_() for tensor in tensors]

    def errors(function):
        found, given = gradients(function, Rule(0.125), halves)
        pairs = [(found, exact), *zip(given, wanted, strict=True)]
        return [((one.float() - other).norm() / other.norm()).item() for one, other in pairs]

    for ours, torchs in zip(errors(attention), errors(torchs_own), strict=True):
        assert ours < 1.5 * torchs + 1e-3


def torchs_own(query_HMD, key_KMD, value_KMD, borders, rule):
    parts = (torch.split(tensor, [end - start for start, end in pairwise(borders)], dim=1)
             for tensor in (query_HMD, key_KMD, value_KMD))
    return torch.cat([
        torch.nn.functional.scaled_dot_product_attention(
            *(part[None] for part in document), is_causal=True, scale=rule.scale, enable_gqa=True,
        )[0].transpose(0, 1) for document in zip(*parts, strict=True)
    ])


@pytest.mark.parametrize("dropout", [1e-9, 0.5])
def test_dropout_reaches_the_answer(dropout):
    query, key, value = (tensor.detach() for tensor in made())
    for rule in (Rule(0.3, dropout=dropout), Rule(0.3, window=4, dropout=dropout)):
        expected = naive_attention(query, key, value, BORDERS, Rule(0.3, window=rule.window))
        alike = torch.allclose(attention(query, key, value, BORDERS, rule), expected, atol=1e-6)
        assert alike == (dropout < 0.1)


@pytest.mark.parametrize("rule", RULES)
def test_slices_of_one_buffer_serve_as_inputs_and_as_gradients(rule):
    query, key, value = made()
    _, wanted = gradients(naive_attention, rule, (query, key, value))
    joint = torch.cat([tensor.detach().transpose(0, 1) for tensor in (query, key, value)], 1)
    parts, slopes = joint.split([6, 2, 2], 1), torch.full_like(joint, torch.nan).split([6, 2, 2], 1)
    answer = torch.full((BORDERS[-1], 7, 8), torch.nan, dtype=torch.float64)[:, :6]
    lse = kernel.forward(*parts, BORDERS, rule, out_MHD=answer)
    given = torch.randn(answer.shape, generator=torch.Generator().manual_seed(1), dtype=answer.dtype)
    kernel.backward(given, answer, *parts, lse_HM=lse, borders=BORDERS, rule=rule, into=slopes)
    for found, expected in zip(slopes, wanted, strict=True):
        torch.testing.assert_close(found.transpose(0, 1), expected, rtol=0, atol=1e-10)
