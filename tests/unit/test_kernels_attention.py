"""Packed attention against one big masked softmax."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
import torch

from tunesmith.errors import Refusal
from tunesmith.kernels import attention as kernel
from tunesmith.kernels import attention_blocks, attention_native
from tunesmith.kernels.attention import attention, naive_attention
from tunesmith.kernels.rule import Rule

BORDERS = (0, 1, 6, 6 + 17, 23 + 40)
RULES = [
    Rule(0.3, **both, causal=causal) for causal in (True, False)
    for both in ({}, {"softcap": 2.0}, {"window": 4}, {"softcap": 2.0, "window": 7})
]


def made(heads=6, shared=3, width=8, rows=BORDERS[-1], dtype=torch.float64):
    generator = torch.Generator().manual_seed(0)

    def drawn(count):  # laid out as transformers does: rows first, heads transposed to the front
        return torch.randn(rows, count, width, generator=generator, dtype=dtype).transpose(0, 1).requires_grad_()

    return drawn(heads), drawn(heads // shared), drawn(heads // shared)


def gradients(function, rule, tensors):
    answer = function(*tensors, BORDERS, rule)
    weights = torch.randn(answer.shape, generator=torch.Generator().manual_seed(1), dtype=answer.dtype)
    return answer, torch.autograd.grad((answer * weights).sum(), tensors)


@pytest.mark.parametrize("whole", [None, 0, 10**6], ids=["torch", "blocks", "whole"])
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("shared", [1, 3])
def test_answers_and_gradients_equal_the_naive_twin_to_1e_10(monkeypatch, rule, shared, whole):
    if whole is not None:
        monkeypatch.setattr(attention_blocks, "_torch_knows", lambda rule, query_SHD: False)
        monkeypatch.setattr(attention_blocks, "WHOLE", whole)
        monkeypatch.setattr(attention_blocks, "ROWS", 8)
    tensors = made(shared=shared)
    expected, wanted = gradients(naive_attention, rule, tensors)
    found, given = gradients(attention, rule, tensors)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-10)
    for one, other in zip(given, wanted, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-10)


@pytest.mark.parametrize("rule", [Rule(0.3), Rule(0.3, causal=False)])
def test_no_document_sees_another(rule):
    tensors = made()
    before, begun = gradients(attention, rule, tensors)
    for tensor in tensors:
        tensor.data[:, 6:23] = 9.0
    after, ended = gradients(attention, rule, tensors)
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


def test_an_attention_that_is_not_causal_sees_the_whole_document():
    query, key, value = (tensor.detach() for tensor in made())
    module = torch.nn.Identity()
    asked = [each[None] for each in (query, key, value)]
    causal, _ = kernel.packed_attention(module, *asked, None, borders=BORDERS, scaling=0.3)
    module.is_causal = False
    whole, _ = kernel.packed_attention(module, *asked, None, borders=BORDERS, scaling=0.3)
    assert torch.equal(causal[0], attention(query, key, value, BORDERS, Rule(0.3)))
    assert torch.equal(whole[0], attention(query, key, value, BORDERS, Rule(0.3, causal=False)))
    assert not torch.equal(causal, whole)


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
    for rule in (Rule(0.3, dropout=dropout), Rule(0.3, None, 4, dropout), Rule(0.3, None, None, dropout, causal=False)):
        expected = naive_attention(query, key, value, BORDERS, replace(rule, dropout=0.0))
        alike = torch.allclose(attention(query, key, value, BORDERS, rule), expected, atol=1e-6)
        assert alike == (dropout < 0.1)


def sliced(rule, heads, shared, width, dtype=torch.float64, borders=BORDERS, compute=kernel):
    """Answer, lse and gradients, all inputs and all gradients being slices of one buffer."""
    generator = torch.Generator().manual_seed(2)
    counts = [heads, heads // shared, heads // shared]
    joint = torch.randn(borders[-1], sum(counts), width, generator=generator).bfloat16().to(dtype)
    given = torch.randn(borders[-1], heads, width, generator=generator).bfloat16().to(dtype)
    parts, slopes = joint.split(counts, 1), torch.full_like(joint, torch.nan).split(counts, 1)
    answer = torch.full((borders[-1], heads + 1, width), torch.nan, dtype=dtype)[:, :heads]
    lse = compute.forward(*parts, borders, rule, out_MHD=answer)
    compute.backward(given, answer, *parts, lse_HM=lse, borders=borders, rule=rule, into=slopes)
    return answer, lse, *slopes


@pytest.mark.parametrize("rule", RULES)
def test_slices_of_one_buffer_serve_as_inputs_and_as_gradients(rule):
    joint = torch.randn(BORDERS[-1], 10, 8, generator=torch.Generator().manual_seed(2)).bfloat16().double()
    apart = [tensor.transpose(0, 1).clone().requires_grad_() for tensor in joint.split([6, 2, 2], 1)]
    answer, _, *slopes = sliced(rule, 6, 3, 8)
    expected = naive_attention(*apart, BORDERS, rule)
    generator = torch.Generator().manual_seed(2)
    torch.randn(BORDERS[-1], 10, 8, generator=generator)
    given = torch.randn(BORDERS[-1], 6, 8, generator=generator).bfloat16().double()
    torch.testing.assert_close(answer, expected, rtol=0, atol=1e-10)
    for found, wanted in zip(slopes, torch.autograd.grad(expected, apart, given), strict=True):
        torch.testing.assert_close(found.transpose(0, 1), wanted, rtol=0, atol=1e-10)


LONG = (0, 33, 34, 34, 34 + 300, 334 + 1100)  # more than a block, one row, none, more than a stretch, than one part
NATIVE = [
    (Rule(0.2), 3, 3, 64), (Rule(0.2, softcap=2.0), 2, 1, 32), (Rule(0.2, window=40), 2, 2, 32),
    (Rule(0.2, softcap=3.0, window=150), 2, 2, 96), (Rule(0.1), 1, 1, 256), (Rule(0.2, causal=False), 3, 3, 32),
    (Rule(0.2, softcap=2.0, causal=False), 2, 1, 64), (Rule(0.2, window=40, causal=False), 4, 2, 32),
    (Rule(0.2, window=5, causal=False), 1, 1, 32), (Rule(0.2, softcap=3.0, window=150, causal=False), 2, 2, 96),
]


@pytest.mark.parametrize("without", ["", "tiles"])
@pytest.mark.parametrize(("rule", "heads", "shared", "width"), NATIVE)
def test_the_compiled_kernel_is_as_near_to_float64_as_its_twin(monkeypatch, rule, heads, shared, width, without):
    monkeypatch.setenv("TUNESMITH_WITHOUT", without)
    if not attention_native.serves(rule, torch.empty(1, 1, width, dtype=torch.bfloat16)):
        pytest.skip("no compiled attention on this machine")
    exact = sliced(rule, heads, shared, width, torch.float64, LONG)
    twin = sliced(rule, heads, shared, width, torch.bfloat16, LONG, attention_blocks)
    native = sliced(rule, heads, shared, width, torch.bfloat16, LONG, attention_native)
    for ours, theirs, wanted in zip(native, twin, exact, strict=True):
        assert (ours - wanted).norm() <= 1.2 * (theirs - wanted).norm() + 1e-4 * wanted.norm()
    again = sliced(rule, heads, shared, width, torch.bfloat16, LONG, attention_native)
    assert all(torch.equal(one, other) for one, other in zip(native, again, strict=True))


def test_scores_that_rise_far_above_the_first_ones_overflow_nothing():
    rule, rows = Rule(1.0), 200
    if not attention_native.serves(rule, torch.empty(1, 1, 32, dtype=torch.bfloat16)):
        pytest.skip("no compiled attention on this machine")
    key = torch.linspace(-300, 300, rows)[:, None, None].expand(rows, 1, 32).bfloat16().contiguous()
    query, value = torch.ones_like(key), torch.randn(key.shape, generator=torch.Generator().manual_seed(0)).bfloat16()
    exact, answer = torch.empty(rows, 1, 32, dtype=torch.float64), torch.empty_like(key)
    wanted = attention_blocks.forward(query.double(), key.double(), value.double(), (0, rows), rule, out_MHD=exact)
    found = attention_native.forward(query, key, value, (0, rows), rule, out_MHD=answer)
    torch.testing.assert_close(found.double(), wanted, rtol=1e-5, atol=0)
    torch.testing.assert_close(answer.double(), exact, rtol=0.02, atol=0.02)
