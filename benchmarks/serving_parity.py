"""Whether answers in a running batch are, token for token, those of `tunesmith chat` and of transformers' generate.

    python benchmarks/serving_parity.py [--prompts 100] [--tokens 24] [--clients 16] [--threads 2] [--smoke]

SmolLM2-135M-Instruct in float32, greedy, questions of GSM8K in its own template. Each prompt is answered by
`Continuous` alone, by `Continuous` among others that come and go, by the path of `tunesmith chat`, by the server over
HTTP (alone, and to as many clients at once), and by transformers' `model.generate`. Where two differ, the first token
that does is told with how far apart transformers' own logits have the two: a difference within rounding is a tie, any
other is a fault, and the exit code 1.
"""

import argparse
import json
import socket
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import jobs

ROUNDING = 2e-4  # nats: sums of 49,152 logits of about 20 in float32, added up in another order


def main() -> None:
    arguments = options()
    if not jobs.DATA.is_dir():
        sys.exit(f"skipped: {jobs.DATA} is not there")
    import torch

    torch.set_num_threads(arguments.threads)
    opened, questions = asked(arguments.prompts)
    prompts = list(questions.values())
    ways = paths(opened, prompts, arguments)
    ways |= {f"over HTTP, {clients} at a time": by_http(opened, list(questions), arguments.tokens, clients)
             for clients in (arguments.clients, 1)}
    faults, wanted = 0, dict(ways.pop("transformers"))
    print(f"{sum(map(len, wanted.values())):,} tokens each", flush=True)
    for name, path in ways.items():
        answers = dict(path)
        same = sum(answers[index] == wanted[index] for index in wanted)
        differences = [(index, *margin(opened.model.network, prompts[index], answers[index], wanted[index]))
                       for index in wanted if answers[index] != wanted[index]]
        ties = [each for each in differences if each[2] < ROUNDING]
        faults += len(differences) - len(ties)
        print(f"{name:34} {same:4} of {len(wanted)} equal, {len(ties)} ties within rounding, "
              f"{len(differences) - len(ties)} other", flush=True)
        for index, place, apart in differences:
            print(f"    prompt {index}, token {place}: the two are {apart:.2g} nats apart", flush=True)
    sys.exit(bool(faults))


def options() -> argparse.Namespace:
    """The command line; a smoke test is very short."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prompts", type=int, default=100)
    parser.add_argument("--tokens", type=int, default=24, help="of each answer, at most")
    parser.add_argument("--clients", type=int, default=16, help="answers written at a time")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--smoke", action="store_true", help="only whether it runs")
    arguments = parser.parse_args()
    if arguments.smoke:
        arguments.prompts, arguments.tokens, arguments.clients = 3, 4, 2
    return arguments


def asked(count: int) -> tuple[Any, dict[str, tuple[int, ...]]]:
    """The base in float32, and its questions with the ids of their prompts."""
    from datetime import datetime

    import torch

    from tunesmith.encoding.documents import chat
    from tunesmith.generation.sampling import Sampling
    from tunesmith.inference.predictor import Predictor
    from tunesmith.models import bases, load
    from tunesmith.models.model import LanguageModel
    from tunesmith.records import Message

    base = bases.find(jobs.BASE)
    network = load.network(base, dtype=torch.float32, device=torch.device("cpu"))
    codec = load.codec(base, None, datetime(2026, 1, 1))
    opened = Predictor("base", LanguageModel.frozen(network), codec, Sampling())
    with (jobs.DATA / "gsm8k/train.jsonl").open(encoding="utf-8") as file:
        questions = [json.loads(line)["question"] for line, _ in zip(file, range(count), strict=False)]
    return opened, {question: chat.prompt((Message("user", question),), codec).ids for question in questions}


def paths(opened: Any, prompts: Sequence[tuple[int, ...]], arguments: argparse.Namespace) -> dict[str, Iterator[Any]]:
    """Each way to the answers: pairs of a prompt's index and the ids of its answer."""
    from tunesmith.generation.sampling import Sampling

    sampling = replace(Sampling(), max_new_tokens=arguments.tokens)
    return {
        "transformers": by_transformers(opened, prompts, arguments.tokens),
        f"Continuous, {arguments.clients} at a time": running(opened, prompts, sampling, arguments.clients),
        "Continuous, alone": running(opened, prompts, sampling, 1),
        "the path of `tunesmith chat`": by_chat(opened, prompts, sampling),
    }


def by_transformers(opened: Any, prompts: Sequence[tuple[int, ...]], tokens: int) -> Iterator[tuple[int, list[int]]]:
    """`model.generate`, one prompt at a time."""
    import torch

    for index, prompt in enumerate(prompts):
        ids = torch.tensor([prompt])
        written = opened.model.network.generate(
            ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=tokens, use_cache=True,
            eos_token_id=sorted(opened.codec.stop))
        yield index, written[0, len(prompt):].tolist()


def by_chat(opened: Any, prompts: Sequence[tuple[int, ...]], sampling: Any) -> Iterator[tuple[int, list[int]]]:
    """What `tunesmith chat` streams, its prompts rendered before."""
    from tunesmith.generation.decode import stream

    for index, prompt in enumerate(prompts):
        *_, answer = stream(opened.model, opened.codec, prompt, sampling)
        yield index, [*answer.ids, *([] if answer.end is None else [answer.end])]


def running(
    opened: Any, prompts: Sequence[tuple[int, ...]], sampling: Any, clients: int
) -> Iterator[tuple[int, list[int]]]:
    """A running batch: whenever an answer ends, another prompt comes."""
    from tunesmith.generation.continuous import Continuous, Wanted

    batch = Continuous(opened.model, opened.codec, rows=clients)
    answers: dict[int, list[int]] = {index: [] for index in range(len(prompts))}
    coming = iter(enumerate(prompts))
    while True:
        while batch.running + batch.waiting < clients and (next_one := next(coming, None)) is not None:
            batch.add(next_one[0], Wanted(next_one[1], sampling))
        if not batch.running + batch.waiting:
            break
        for told in batch.step():
            answers[told.key].append(told.token)
    yield from answers.items()


def by_http(opened: Any, questions: Sequence[str], tokens: int, clients: int) -> Iterator[tuple[int, list[int]]]:
    """`tunesmith serve`'s application on the loopback, which tells tokens by their text and an end by its reason."""
    import asyncio
    from concurrent.futures import ThreadPoolExecutor

    import httpx2
    import uvicorn

    from tunesmith.serving.app import application
    from tunesmith.serving.registry import Registry
    from tunesmith.serving.settings import Settings

    assert len(opened.codec.stop) == 1, "an end would not say which"
    spelt = {opened.codec.decode([token]): token for token in range(opened.codec.vocabulary)}
    models = Registry(Settings(rows=clients))
    models.put("m", opened, None)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = uvicorn.Server(uvicorn.Config(application(models, models.settings), log_level="error"))
        thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listening])), daemon=True)
        thread.start()
        url = f"http://127.0.0.1:{listening.getsockname()[1]}/v1/chat/completions"

        def ask(question: str) -> list[int]:
            answer = httpx2.post(url, timeout=600, json={
                "model": "m", "messages": [{"role": "user", "content": question}], "temperature": 0, "logprobs": True,
                "max_tokens": tokens, "repetition_penalty": 1})
            answer.raise_for_status()
            choice = answer.json()["choices"][0]
            written = [spelt[each["token"]] for each in choice["logprobs"]["content"]]
            return [*written, *(opened.codec.stop if choice["finish_reason"] == "stop" else ())]

        with ThreadPoolExecutor(clients) as pool:
            yield from enumerate(pool.map(ask, questions))
        server.should_exit = True
        thread.join()
    models.close()


def margin(network: Any, prompt: Sequence[int], one: Sequence[int], other: Sequence[int]) -> tuple[int, float]:
    """The first token in which two answers differ, and how far apart transformers' logits have the two there."""
    import torch

    place = next((number for number, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), -1)
    if place < 0:
        return min(len(one), len(other)), float("inf")
    with torch.no_grad():
        logits = network(torch.tensor([[*prompt, *other[:place]]]), use_cache=False).logits[0, -1]
    return place, float((logits[one[place]] - logits[other[place]]).abs())


if __name__ == "__main__":
    main()
