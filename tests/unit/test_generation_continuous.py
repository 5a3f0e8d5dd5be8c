"""Answers in a running batch are those of `generate` to each alone, whoever comes and goes beside them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import architectures
from tiny import tiny_network, tiny_tokenizer
from tunesmith.errors import Misuse
from tunesmith.generation import continuous, packed
from tunesmith.generation.continuous import Continuous, Told, Wanted
from tunesmith.generation.decode import generate
from tunesmith.generation.sampling import Sampling
from tunesmith.kernels import cached
from tunesmith.models.model import LanguageModel
from tunesmith.records import Head

CPU = torch.device("cpu")
GREEDY = Sampling(max_new_tokens=12)
DRAWN = Sampling(max_new_tokens=12, temperature=0.9, top_p=0.9, top_k=40, repetition_penalty=1.2, seed=7)


@dataclass(frozen=True)
class Model:
    network: Any
    device: torch.device = CPU


@dataclass(frozen=True)
class Reader:
    stop: frozenset[int] = frozenset()
    context: int = 64

    def decode(self, ids: Sequence[int]) -> str:
        return str(tiny_tokenizer().decode(list(ids)))


@cache
def by_hand() -> LanguageModel:
    """In float64, where no two ways of adding up could ever take another token; its layers computed by hand."""
    from tunesmith.kernels import attention
    from tunesmith.models import load
    from tunesmith.models.offline import transformers

    load.register_attention(transformers())
    network = tiny_network(dtype=torch.float64)
    network.set_attn_implementation(attention.NAME)
    return LanguageModel.frozen(network)


@cache
def alone(ids: tuple[int, ...], sampling: Sampling, index: int, reader: Reader) -> tuple[int, ...]:
    """All tokens of the answer to one prompt, with an index of its own; the one that ended it included."""
    prompts = [*[(1,)] * index, ids]
    found = dict(generate(by_hand(), reader, prompts, sampling, batch_size=1))[index]
    return (*found.ids, *([] if found.end is None else [found.end]))


def until_done(batch: Continuous) -> dict[Any, list[Told]]:
    found = defaultdict(list)
    while batch.waiting or batch.running:
        for told in batch.step():
            found[told.key].append(told)
    return dict(found)


def tokens(told: Mapping[Any, Sequence[Told]]) -> dict[Any, tuple[int, ...]]:
    return {key: tuple(each.token for each in every) for key, every in told.items()}


PROMPTS = st.lists(st.integers(3, 90), min_size=1, max_size=40).map(tuple)
SAMPLINGS = st.builds(
    Sampling, max_new_tokens=st.integers(1, 14), temperature=st.sampled_from([0.0, 0.0, 0.7, 1.3]),
    top_p=st.sampled_from([1.0, 0.8]), top_k=st.sampled_from([0, 9]), repetition_penalty=st.sampled_from([1.0, 1.3]),
    seed=st.integers(0, 3))
COMING = st.tuples(st.integers(0, 6), PROMPTS, SAMPLINGS, st.integers(0, 2), st.one_of(st.none(), st.integers(0, 8)))


@settings(max_examples=40, deadline=None)
@given(st.lists(COMING, min_size=1, max_size=9), st.integers(1, 4), st.sampled_from([1, 3, 8, 128]),
       st.sampled_from([0, 20_000, 2**29]), st.sampled_from([0, 3, 20]))
def test_any_arrivals_and_departures_leave_every_answer_as_it_is_alone(coming, rows, portion, kept, shared):
    reader = Reader(stop=frozenset({5, 6, 7}))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(continuous, "READ_BESIDE", portion)
        patch.setattr(continuous, "READ_ALONE", 2 * portion)
        patch.setattr(continuous, "WORTH_WAITING", 4)
        patch.setattr(cached, "ROOM", 4)
        batch = Continuous(by_hand(), reader, rows=rows, kept=kept)
        assert not batch.why
        found: dict[int, list[Told]] = defaultdict(list)
        wanted = {key: Wanted((*range(30, 30 + shared), *ids), sampling, 0, index)
                  for key, (_, ids, sampling, index, _) in enumerate(coming)}
        gone = set()
        for step in range(2_000):
            for key, (arrives, *_) in enumerate(coming):
                if arrives == step:
                    batch.add(key, wanted[key])
            for told in batch.step():
                assert told.key not in gone
                found[told.key].append(told)
            for key, (*_, leaves) in enumerate(coming):
                if leaves is not None and len(found[key]) > leaves:
                    batch.remove(key)
                    gone.add(key)
            assert batch.running <= rows
            if step > 6 and not batch.waiting and not batch.running:
                break
        assert not batch.waiting and not batch.running
    for key, each in wanted.items():
        expected = alone(each.ids, each.sampling, each.index, reader)
        leaves = coming[key][-1]
        kept_tokens = expected if leaves is None else expected[: leaves + 1]
        assert tuple(told.token for told in found[key]) == kept_tokens
        endings = ["end" if expected[-1] in reader.stop else "length"] if kept_tokens == expected else []
        assert [told.stopped_by for told in found[key] if told.stopped_by] == endings


NAMES = [name for name in architectures.ARCHITECTURES if name not in architectures.ENCODERS]
GIVEN = ((5, 9, 30), (7, 80, 21, 4, 66, 12, 90), (44,), (5, 9, 30, 7, 7, 7, 8, 9, 10, 11, 12, 13))
SAID = {"LFM2, with convolutions": "what it says of one text depends on the other"} | dict.fromkeys(
    ("Falcon-H1", "RWKV", "Mamba", "Mamba 2"), "its layers carry a state from one token to the next") | dict.fromkeys(
    ("StableLM", "Falcon", "Falcon, with ALiBi", "GPT-J", "BLOOM"), "its attention is its own and takes no other")


@pytest.mark.parametrize("name", NAMES)
def test_every_architecture_answers_as_it_does_alone_and_says_where_it_reads_rows_apart(name):
    model = Model(architectures.network_of(name).float())
    sampling = replace(GREEDY, max_new_tokens=6 if "its layers carry" in SAID.get(name, "") else 12)
    expected = {index: answer.ids for index, answer in generate(model, Reader(), GIVEN, sampling, batch_size=1)}
    batch = Continuous(model, Reader(), rows=3)
    assert batch.why == SAID.get(name, "")
    for index, ids in enumerate(GIVEN):
        batch.add(index, Wanted(ids, sampling))
    assert tokens(until_done(batch)) == expected


def test_positions_that_depend_on_the_longest_text_beside_are_not_read_together():
    scaled = tiny_network(rope_parameters={"rope_type": "dynamic", "factor": 2.0, "rope_theta": 10_000.0})
    assert packed.fault(Model(scaled)) == "its positions depend on the longest text beside"


def test_a_network_whose_layers_look_ahead_is_found_out():
    looking = tiny_network()
    for layer in looking.model.layers:
        layer.self_attn.is_causal = False
    assert packed.fault(Model(looking))


def test_tokens_are_told_with_their_log_probabilities_and_the_likeliest():
    network, ids = by_hand().network, (40, 41, 42, 43)
    for sampling in (GREEDY, DRAWN):
        batch = Continuous(by_hand(), Reader())
        batch.add("a", Wanted(ids, sampling, top=3))
        batch.add("b", Wanted(ids[:2], sampling))
        found = until_done(batch)
        assert all(told.likeliest == () for told in found["b"])
        written = list(ids)
        for told in found["a"]:
            said = network(torch.tensor([written]), use_cache=False).logits[0, -1].log_softmax(-1)
            assert told.log_probability == pytest.approx(float(said[told.token]), abs=1e-5)
            best = said.topk(3)
            assert [token for token, _ in told.likeliest] == best.indices.tolist()
            assert [value for _, value in told.likeliest] == pytest.approx(best.values.tolist(), abs=1e-5)
            written.append(told.token)


def test_several_answers_to_one_request_are_drawn_apart_and_each_as_generate_draws_it():
    batch = Continuous(by_hand(), Reader())
    for index in range(3):
        batch.add(index, Wanted((1, 50, 51), DRAWN, index=index))
    found = tokens(until_done(batch))
    assert found == {index: alone((1, 50, 51), DRAWN, index, Reader()) for index in range(3)}
    assert len(set(found.values())) == 3


def read_for(batch: Continuous, ids: Sequence[int], most: int = 4) -> int:
    """Tokens that were read for one answer, but for the ones that it wrote itself."""
    before = batch.read
    batch.add("one", Wanted(tuple(ids), replace(GREEDY, max_new_tokens=most)))
    until_done(batch)
    return batch.read - before - (most - 1)


def test_a_beginning_that_was_read_is_not_read_again():
    batch = Continuous(by_hand(), Reader(context=512))
    system, asked = list(range(10, 110)), [5, 6, 7, 8]
    assert read_for(batch, system + asked) == 104
    assert read_for(batch, [*system, 9, 9]) == 2
    assert read_for(batch, [*system, 9, 9]) == 1  # the last token is read, as the next one follows from it
    assert batch.recalled == 100 + 101
    assert read_for(batch, [11, *system]) == 101


def test_a_conversation_goes_on_from_all_that_was_said():
    batch = Continuous(by_hand(), Reader(context=512))
    said = list(range(10, 60))
    for _ in range(3):
        batch.add("turn", Wanted(tuple(said), GREEDY))
        said += [*tokens(until_done(batch))["turn"], 90, 91]
    # of each answer the last token was told and not read; two more are the next turn's
    assert batch.read == 50 + 11 + 2 * (3 + 11)


def test_requests_that_arrive_together_read_their_common_beginning_once():
    batch = Continuous(by_hand(), Reader(context=512), rows=8)
    system = tuple(range(10, 110))
    for key in range(8):
        batch.add(key, Wanted((*system, key + 3), replace(GREEDY, max_new_tokens=1)))
    found = tokens(until_done(batch))
    assert batch.read == 101 + 7
    assert found == {key: alone((*system, key + 3), replace(GREEDY, max_new_tokens=1), 0, Reader(context=512))
                     for key in range(8)}


def test_the_beginning_used_least_recently_goes_first_and_the_limit_holds():
    one, two, three = ([start, *range(100, 160)] for start in (10, 11, 12))
    plain = Continuous(by_hand(), Reader(context=512))
    read_for(plain, one)
    room = plain._prefixes.bytes
    batch = Continuous(by_hand(), Reader(context=512), kept=2 * room)
    assert [read_for(batch, each) for each in (one, two, one, three, one, two)] == [61, 61, 1, 61, 1, 61]
    assert batch._prefixes.bytes <= 2 * room
    nothing = Continuous(by_hand(), Reader(context=512), kept=0)
    assert [read_for(nothing, one) for _ in range(2)] == [61, 61]


def test_ten_times_as_many_requests_keep_no_more_beginnings():
    batch = Continuous(by_hand(), Reader(context=512))
    kept = []
    for number in range(200):
        batch.add(number, Wanted((3 + number % 90, 3 + number // 90, 7), replace(GREEDY, max_new_tokens=1)))
        batch.step()
        kept.append(len(batch._prefixes.kept))
    assert (kept[63], max(kept)) == (64, 64)
    assert list(batch._prefixes.kept[-1].ids) == [3 + 199 % 90, 3 + 199 // 90, 7]


def test_a_long_prompt_is_read_in_parts_while_others_are_answered():
    reads = []
    batch = Continuous(by_hand(), Reader(context=512))
    batch.add("short", Wanted((5,), replace(GREEDY, max_new_tokens=8)))
    batch.step()
    batch.add("long", Wanted(tuple(3 + place % 200 for place in range(400)), replace(GREEDY, max_new_tokens=1)))
    for _ in range(4):
        before = batch.read
        told = batch.step()
        assert "short" in [each.key for each in told]
        reads.append(batch.read - before)
    assert max(reads) <= 1 + continuous.READ_BESIDE
    assert [each.key for each in told if each.stopped_by] == ["long"]


def test_a_row_that_is_let_go_is_free_at_the_next_step():
    batch = Continuous(by_hand(), Reader(), rows=1)
    for key in ("first", "second", "third"):
        batch.add(key, Wanted((40, 41), GREEDY))
    batch.step()
    assert (batch.running, batch.waiting) == (1, 2)
    batch.remove("second")
    batch.remove("first")
    batch.remove("nobody")
    assert [told.key for told in batch.step()] == ["third"]
    assert (batch.running, batch.waiting) == (1, 0)


def test_what_cannot_be_answered_is_refused_when_it_is_added():
    batch = Continuous(by_hand(), Reader())
    with pytest.raises(Misuse, match="is empty"):
        batch.add(0, Wanted((), GREEDY))
    with pytest.raises(Misuse, match="has 64 tokens"):
        batch.add(0, Wanted((5,) * 64, GREEDY))
    batch.add(0, Wanted((5,), GREEDY))
    with pytest.raises(ValueError, match="is being written"):
        batch.add(0, Wanted((6,), GREEDY))
    assert list(Continuous(by_hand(), Reader()).step()) == []


def test_answers_end_where_the_context_ends():
    batch = Continuous(by_hand(), Reader(context=9))
    batch.add(0, Wanted((40, 41, 42, 43), Sampling(max_new_tokens=100)))
    found = until_done(batch)[0]
    assert [told.stopped_by for told in found] == ["", "", "", "", "length"]


def test_a_model_with_another_head_is_refused():
    class Labels(LanguageModel):
        def __init__(self) -> None:
            self.head = Head("sequence", ("a", "b"))

    with pytest.raises(Misuse, match="not to go on"):
        Continuous(Labels(), Reader())


def test_a_step_that_failed_can_be_taken_again(monkeypatch):
    batch = Continuous(by_hand(), Reader())
    batch.add(0, Wanted((40, 41, 42), GREEDY))
    batch.step()
    own, failing = packed.read, iter([True])

    def fails_once(*given: Any, **named: Any) -> Any:
        if next(failing, False):
            own(*given, **named)
            for memory in given[1]:
                memory.known -= 1  # as where the pass had ended before its end
            raise RuntimeError("out of memory")
        return own(*given, **named)

    monkeypatch.setattr(packed, "read", fails_once)
    with pytest.raises(RuntimeError, match="out of memory"):
        batch.step()
    found = until_done(batch)
    assert tokens(found)[0] == alone((40, 41, 42), GREEDY, 0, Reader())[1:]
