"""The decoder: transformers' own answers, whatever the batch, in pieces that never break a character."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest
import torch

from tiny import tiny_network, tiny_tokenizer
from tunesmith.errors import Misuse, Problems
from tunesmith.generation.decode import Answer, generate, stream
from tunesmith.generation.sampling import Sampling

LONG = "Natalia sold clips to 48 of her friends in April, and then half as many clips in May."
CPU = torch.device("cpu")
TEXTS = ("The order of", "What is the capital of France?", LONG, "a", "two red shirts", "{", "Baku. " * 12)


@dataclass(frozen=True)
class Model:
    network: Any
    device: torch.device = CPU


@dataclass(frozen=True)
class Reader:
    stop: frozenset[int] = frozenset({2})
    context: int = 512

    def decode(self, ids: Sequence[int]) -> str:
        return str(tiny_tokenizer().decode(list(ids)))


@cache
def network(**changes: Any) -> Any:
    return tiny_network(**changes)


def encoded(*texts: str) -> list[list[int]]:
    return [tiny_tokenizer()(text)["input_ids"] for text in texts]


def answers(sampling: Sampling, batch_size: int, reader: Reader | None = None, net: Any = None) -> list[Answer]:
    model = Model(net or network())
    found = dict(generate(model, reader or Reader(), encoded(*TEXTS), sampling, batch_size=batch_size))
    return [found[index] for index in range(len(TEXTS))]


def common_stop() -> Reader:
    """A reader that ends on a token which greedy answers really reach, some sooner than others."""
    tokens = [set(answer.ids) for answer in answers(Sampling(max_new_tokens=30), 1, Reader(frozenset()))]
    counted = {token: sum(token in one for one in tokens) for token in set().union(*tokens)}
    return Reader(frozenset({min(counted, key=lambda token: (abs(counted[token] - len(TEXTS) / 2), token))}))


def of_transformers(prompt: list[int], stop: frozenset[int], **settings: Any) -> list[int]:
    output = network().generate(torch.tensor([prompt]), attention_mask=torch.ones(1, len(prompt), dtype=torch.long),
                                do_sample=False, eos_token_id=list(stop), pad_token_id=0, **settings)
    return output[0, len(prompt) :].tolist()


@pytest.mark.parametrize("batch_size", [1, 3, 16])
def test_greedy_answers_equal_those_of_transformers(batch_size: int) -> None:
    reader = common_stop()
    endings = set()
    for prompt, answer in zip(encoded(*TEXTS), answers(Sampling(max_new_tokens=30), batch_size, reader), strict=True):
        theirs = of_transformers(prompt, reader.stop, max_new_tokens=30)
        ended = theirs[-1] in reader.stop
        assert list(answer.ids) == (theirs[:-1] if ended else theirs)
        assert (answer.stopped_by, answer.tokens) == ("end" if ended else "length", len(theirs))
        endings.add(answer.stopped_by)
    assert endings == {"end", "length"}


def test_greedy_answers_with_a_repetition_penalty_equal_those_of_transformers() -> None:
    sampling = Sampling(max_new_tokens=20, repetition_penalty=1.4)
    for prompt, answer in zip(encoded(*TEXTS), answers(sampling, 4, Reader(frozenset())), strict=True):
        assert list(answer.ids) == of_transformers(prompt, frozenset({10**6}), max_new_tokens=20,
                                                   repetition_penalty=1.4)


@pytest.mark.parametrize("batch_size", [2, 7])
def test_what_is_sampled_does_not_depend_on_the_batch(batch_size: int) -> None:
    sampling = Sampling(max_new_tokens=25, temperature=0.9, top_k=40, top_p=0.95, repetition_penalty=1.1, seed=5)
    reader = common_stop()
    assert answers(sampling, batch_size, reader) == answers(sampling, 1, reader)


def test_another_seed_samples_other_answers_and_the_same_seed_the_same() -> None:
    first, again, other = (answers(Sampling(20, 1.0, seed=seed), 4) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_two_equal_prompts_get_answers_of_their_own() -> None:
    prompts = encoded("The order of", "The order of")
    found = dict(generate(Model(network()), Reader(), prompts, Sampling(20, 1.0)))
    assert found[0].ids != found[1].ids


def test_a_sliding_window_is_kept_while_rows_leave_the_batch() -> None:
    from transformers import MistralConfig, MistralForCausalLM

    torch.manual_seed(0)
    windowed = MistralForCausalLM(MistralConfig(
        vocab_size=len(tiny_tokenizer()), hidden_size=32, intermediate_size=64, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, sliding_window=8, initializer_range=0.15)).eval()
    reader = Reader(common_stop().stop)
    sampling = Sampling(max_new_tokens=30)
    assert answers(sampling, 7, reader, windowed) == answers(sampling, 1, reader, windowed)


def test_answers_end_where_the_context_ends() -> None:
    prompt = encoded(LONG)[0]
    (_, answer), = generate(Model(network()), Reader(frozenset(), len(prompt) + 5), [prompt], Sampling(100))
    assert (answer.tokens, answer.stopped_by) == (5, "length")


def test_short_prompts_in_a_batch_with_long_ones_keep_their_own_room() -> None:
    prompts = encoded(LONG, "a")
    reader = Reader(frozenset(), len(prompts[0]) + 5)
    found = dict(generate(Model(network()), reader, prompts, Sampling(20)))
    assert (found[0].tokens, found[1].tokens) == (5, 20)


def test_prompts_without_room_and_empty_ones_are_refused_before_anything_is_computed() -> None:
    with pytest.raises(Problems) as told:
        next(generate(Model(None), Reader(context=4), [[1, 2, 3, 4], [], [1]], Sampling()))
    assert [problem.kind for problem in told.value.problems] == ["generation.prompt_too_long",
                                                                 "generation.empty_prompt"]
    with pytest.raises(Misuse, match="has 9 tokens"):
        next(stream(Model(None), Reader(context=4), [1] * 9, Sampling()))


def test_no_prompts_give_no_answers() -> None:
    assert list(generate(Model(network()), Reader(), [], Sampling())) == []


def test_a_model_in_training_answers_without_dropout_and_goes_on_training() -> None:
    dropping = tiny_network(attention_dropout=0.5)
    expected = answers(Sampling(20), 4, net=dropping)
    dropping.train()
    assert answers(Sampling(20), 4, net=dropping) == expected
    assert dropping.training
    assert dropping.model.layers[0].training


def test_the_head_is_never_copied_for_the_rows_of_a_batch() -> None:
    from torch.utils._python_dispatch import TorchDispatchMode

    states = []

    class Watch(TorchDispatchMode):
        def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            if function is torch.ops.aten.linear.default and len(args[1]) == 5_000:
                states.append(args[0])
            return function(*args, **(kwargs or {}))

    wide = tiny_network(vocab_size=5_000).requires_grad_(False)
    with Watch():
        list(generate(Model(wide), Reader(), encoded(*TEXTS), Sampling(2)))
    assert [len(one) for one in states] == [len(TEXTS)] * 2
    assert all(one.is_contiguous() for one in states)


def test_gradients_can_be_taken_between_two_answers() -> None:
    going = generate(Model(network()), Reader(), encoded(*TEXTS), Sampling(5), batch_size=2)
    next(going)
    weight = torch.ones(1, requires_grad=True)
    (2 * weight).backward()
    assert weight.grad is not None
    assert not torch.is_inference_mode_enabled()
    assert len(list(going)) == len(TEXTS) - 1


@pytest.mark.parametrize("seed", range(6))
def test_streamed_pieces_join_to_the_answer_and_end_it(seed: int) -> None:
    sampling = Sampling(max_new_tokens=60, temperature=1.5, seed=seed)
    *pieces, last = stream(Model(network()), Reader(), encoded("The order of")[0], sampling)
    assert isinstance(last, Answer)
    assert "".join(pieces) == last.text
    (_, whole), = generate(Model(network()), Reader(), encoded("The order of"), sampling)
    assert whole == last


class Scripted(torch.nn.Module):
    """A network that says the given tokens, whatever it reads."""

    _is_stateful = False

    def __init__(self, script: list[int]) -> None:
        super().__init__()
        self.config = network().config
        self.script = script
        self.said = 0

    def get_output_embeddings(self) -> torch.nn.Module:
        return torch.nn.Identity()

    def forward(self, input_ids: torch.Tensor, **_: Any) -> Any:
        logits = torch.zeros(len(input_ids), 1, len(tiny_tokenizer()))
        logits[:, :, self.script[self.said]] = 1
        self.said += 1
        return type("Output", (), {"logits": logits})()


@pytest.mark.parametrize("text", ["gecə şəhər", "日本語", "a🙂b🏳️‍🌈", "naïve — “quoted”", " two  spaces\n\n"])
def test_a_piece_never_splits_a_character(text: str) -> None:
    script = tiny_tokenizer()(text)["input_ids"]
    *pieces, last = stream(Model(Scripted([*script, 2])), Reader(), [5], Sampling(200))
    assert "".join(pieces) == text == last.text
    assert not any("\ufffd" in piece for piece in pieces)
    assert len(pieces) > 1
    assert (last.stopped_by, last.tokens) == ("end", len(script) + 1)


def test_an_answer_cut_inside_a_character_still_tells_all_its_text() -> None:
    script = tiny_tokenizer()("a🙂")["input_ids"]
    *pieces, last = stream(Model(Scripted(script)), Reader(), [5], Sampling(len(script) - 1))
    assert "".join(pieces) == last.text
    assert last.stopped_by == "length"
    assert pieces[0] == "a"


def test_an_answer_that_ends_at_once_is_empty() -> None:
    assert list(stream(Model(Scripted([2])), Reader(), [5], Sampling())) == [Answer((), "", "end", 1, 2)]
