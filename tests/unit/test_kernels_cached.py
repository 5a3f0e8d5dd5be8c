"""Attention to what is remembered, against torch's own over each whole sequence."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tunesmith.kernels import build, cached, cached_native
from tunesmith.kernels.attention import naive_attention
from tunesmith.kernels.cached import Memory, Reading
from tunesmith.kernels.rule import Rule

ROUNDING = {torch.float64: 1e-12, torch.float32: 2e-6, torch.bfloat16: 2e-2}
CAPPED = 1e-6  # weights under a cap are float32


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_rows_read_in_any_parts_attend_as_each_whole_sequence_does(data):
    dtype = data.draw(st.sampled_from(sorted(ROUNDING, key=str)))
    kv_heads, shared = data.draw(st.integers(1, 3)), data.draw(st.integers(1, 9))
    width = data.draw(st.sampled_from([8, 16, 48, 64, 80, 128]))
    rule = Rule(width**-0.5, data.draw(st.sampled_from([None, None, 3.0])), data.draw(st.sampled_from([None, 1, 5])))
    lengths = data.draw(st.lists(st.integers(1, 90), min_size=1, max_size=4))
    torch.manual_seed(data.draw(st.integers(0, 5)))
    whole = [[torch.randn(length, heads, width).to(dtype) for heads in (kv_heads * shared, kv_heads, kv_heads)]
             for length in lengths]
    memories, said = [Memory() for _ in lengths], [[] for _ in lengths]
    while going := [place for place, length in enumerate(lengths) if memories[place].known < length]:
        counts = {place: data.draw(st.sampled_from([1, 1, 1, 7, 40])) for place in going}
        counts = {place: min(count, lengths[place] - memories[place].known) for place, count in counts.items()}
        order = sorted(going, key=lambda place: counts[place] > 1)
        borders = [0]
        for place in order:
            borders.append(borders[-1] + counts[place])
        parts = [torch.cat([whole[place][part][memories[place].known :][: counts[place]] for place in order])
                 for part in range(3)]
        out = torch.full((borders[-1], kv_heads * shared, width), torch.nan, dtype=dtype)
        reading = Reading([memories[place] for place in order], borders)
        cached.forward(0, *parts, reading, rule=rule, out_MHD=out)
        reading.done()
        for place, (start, end) in zip(order, pairwise(borders), strict=True):
            said[place].append(out[start:end])
    for (query, key, value), found, length in zip(whole, said, lengths, strict=True):
        wide = [part.double().transpose(0, 1) for part in (query, key, value)]
        expected = naive_attention(*wide, (0, length), rule)
        allowed = max(ROUNDING[dtype], CAPPED if rule.softcap else 0)
        assert float((torch.cat(found).double() - expected).abs().max()) < allowed


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_compiled_kernel_does_what_is_asked_of_it_here(dtype, monkeypatch):
    if build.library() is None:
        pytest.skip(build.reason())
    rows = [torch.randn(2, heads, 64).to(dtype) for heads in (9, 3, 3, 9)]
    assert cached_native.serves(Rule(0.125), *rows)
    assert not cached_native.serves(Rule(0.125, softcap=3.0), *rows)
    monkeypatch.setattr(cached, "_attend", None)  # the way without it
    memories = [Memory(), Memory()]
    cached.forward(4, *rows[:3], Reading(memories, (0, 1, 2)), rule=Rule(0.125), out_MHD=rows[3])
    assert torch.equal(rows[3], rows[2].repeat_interleave(3, 1))


def test_what_one_row_is_told_does_not_depend_on_the_others():
    def said(neighbours: int) -> torch.Tensor:
        generator = torch.Generator().manual_seed(0)
        memories = [Memory() for _ in range(neighbours + 1)]
        for token in range(70):
            rows = [torch.randn(1, heads, 64, generator=generator) for heads in (6, 3, 3)]
            many = [torch.cat([row, *[torch.randn_like(row) for _ in range(neighbours)]]) for row in rows]
            out = torch.empty(neighbours + 1, 6, 64)
            reading = Reading(memories, range(neighbours + 2))
            cached.forward(0, *many, reading, rule=Rule(0.125), out_MHD=out)
            reading.done()
            assert memories[-1].known == token + 1
        return out[0]

    assert torch.equal(said(0), said(5))


def test_a_copy_knows_the_beginning_and_goes_its_own_way():
    memory = Memory()
    first = [torch.randn(30, 2, 16) for _ in range(3)]
    out = torch.empty(30, 2, 16)
    reading = Reading([memory], (0, 30))
    cached.forward(0, *first, reading, rule=Rule(0.25), out_MHD=out)
    reading.done()
    copy = memory.copied(10)
    assert (copy.known, memory.known) == (10, 30)
    again = torch.empty(20, 2, 16)
    cached.forward(0, *(part[10:] for part in first), Reading([copy], (0, 20)), rule=Rule(0.25), out_MHD=again)
    torch.testing.assert_close(again, out[10:])
    kept = memory.layers[0][0].clone()
    copy.layers[0][0].zero_()
    assert torch.equal(memory.layers[0][0], kept)


def test_room_grows_by_shares_so_that_a_long_answer_is_not_copied_at_each_token():
    memory, places = Memory(), set()
    for _ in range(2_000):
        token = [torch.zeros(1, 1, 16) for _ in range(4)]
        reading = Reading([memory], (0, 1))
        cached.forward(0, *token[:3], reading, rule=Rule(0.25), out_MHD=token[3])
        reading.done()
        places.add(memory.layers[0][0].shape[1])
    assert len(places) < 12
    assert max(places) < 2_000 * 1.6
