"""What is asked of torch's attention for lengths that vary: when, and in which words."""

from __future__ import annotations

import pytest
import torch

from tunesmith.kernels import varlen
from tunesmith.kernels.attention import attention, naive_attention
from tunesmith.kernels.rule import Rule

BORDERS = (0, 3, 4, 21, 32)
CUDA, CPU = torch.device("cuda"), torch.device("cpu")


@pytest.mark.parametrize(("device", "dtype", "width", "rule", "capability", "wanted"), [
    (CUDA, torch.bfloat16, 64, Rule(0.3), (9, 0), True),
    (CUDA, torch.bfloat16, 64, Rule(0.3, window=4), (8, 0), True),
    (CUDA, torch.float16, 256, Rule(0.3), (8, 6), True),
    (CPU, torch.bfloat16, 64, Rule(0.3), (9, 0), False),
    (CUDA, torch.float32, 64, Rule(0.3), (9, 0), False),
    (CUDA, torch.bfloat16, 60, Rule(0.3), (9, 0), False),
    (CUDA, torch.bfloat16, 264, Rule(0.3), (9, 0), False),
    (CUDA, torch.bfloat16, 64, Rule(0.3, softcap=2.0), (9, 0), False),
    (CUDA, torch.bfloat16, 64, Rule(0.3, dropout=0.1), (9, 0), False),
    (CUDA, torch.bfloat16, 64, Rule(0.3), (7, 5), False),
])
def test_it_is_used_only_where_torchs_kernel_knows_what_is_asked(
    monkeypatch, device, dtype, width, rule, capability, wanted
):
    monkeypatch.setattr(varlen, "_capability", lambda device: capability)
    assert varlen.serves(device, dtype, width, rule) is wanted


def as_documented(query_MHD, key_MKD, value_MKD, starts, other_starts, longest, _, *, scale, window_size, enable_gqa):
    """Torch's `varlen_attn` in plain operations: (W, 0) sees W rows before each row, (-1, 0) all of them."""
    assert starts.dtype == torch.int32 and torch.equal(starts, other_starts)
    assert enable_gqa == (query_MHD.shape[1] != key_MKD.shape[1])
    assert longest == int(starts.diff().max()) and window_size[1] == 0
    answers, shared = [], query_MHD.shape[1] // key_MKD.shape[1]
    for start, end in zip(starts.tolist(), starts.tolist()[1:], strict=False):
        query = query_MHD[start:end].transpose(0, 1)
        key, value = (each[start:end].transpose(0, 1).repeat_interleave(shared, 0) for each in (key_MKD, value_MKD))
        back = torch.arange(end - start)[:, None] - torch.arange(end - start)
        seen = (back >= 0) & ((back <= window_size[0]) | (window_size[0] < 0))
        scores = (query @ key.transpose(1, 2) * scale).masked_fill(~seen, -torch.inf)
        answers.append((scores.softmax(-1) @ value).transpose(0, 1))
    return torch.cat(answers)


@pytest.mark.parametrize("rule", [Rule(0.3), Rule(0.3, window=1), Rule(0.3, window=4)])
@pytest.mark.parametrize("shared", [1, 3])
def test_torch_is_asked_for_what_the_naive_twin_computes(monkeypatch, rule, shared):
    import torch.nn.attention.varlen as torchs

    monkeypatch.setattr(torchs, "varlen_attn", as_documented)
    monkeypatch.setattr(varlen, "serves", lambda *asked: True)
    generator = torch.Generator().manual_seed(0)
    query, key, value = (
        torch.randn(heads, BORDERS[-1], 8, generator=generator, dtype=torch.float64)
        for heads in (6, 6 // shared, 6 // shared)
    )
    found = attention(query, key, value, BORDERS, rule)
    torch.testing.assert_close(found, naive_attention(query, key, value, BORDERS, rule), rtol=0, atol=1e-10)
