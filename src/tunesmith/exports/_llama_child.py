"""llama.cpp in a process of its own, asked line by line: a file that it cannot bear ends that process and no other.

Run as `python -m tunesmith.exports._llama_child FILE SETTINGS`; each line of its input is one question in JSON, each of
its output the answer. llama.cpp's server opens a port on the loopback, which is given a key that nobody else
has.
"""

from __future__ import annotations

import json
import os
import secrets
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from typing import IO, Any, final

LIKELIEST = 16


@final
class Program:
    """One file, opened.

    tokens: the longest prompt and answer together; harmless: a token that is a whole letter; stop: those that end an
    answer.
    """

    def __init__(self, file: str, *, tokens: int, threads: int, harmless: int, stop: Sequence[int]) -> None:
        import xllamacpp as llama

        settings = llama.CommonParams()
        settings.model.path = file
        settings.api_keys = [secrets.token_hex(32)]
        settings.n_ctx, settings.n_parallel, settings.warmup = tokens, 1, False
        settings.cpuparams.n_threads = settings.cpuparams_batch.n_threads = threads
        # as exact as it computes: kept keys and values are not rounded, and no second formula for attention
        settings.cache_type_k = settings.cache_type_v = llama.ggml_type.GGML_TYPE_F32
        settings.flash_attn_type = llama.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
        settings.swa_full, settings.cache_ram_mib, settings.n_gpu_layers = True, 0, 0
        settings.prefill_assistant = False  # a conversation that ends with an answer is written, not gone on with
        self.key, self.harmless, self.stop = settings.api_keys[0], harmless, frozenset(stop)
        self.server = llama.Server(settings)
        self.opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def encode(self, text: str) -> list[int]:
        """The ids of a text in which control tokens are meant."""
        found: list[int] = self._over_http(
            "/tokenize", {"content": text, "add_special": False, "parse_special": True})["tokens"]
        return found

    def render(self, conversation: Mapping[str, Any]) -> str:
        """A conversation as the file's template writes it."""
        return str(self._over_http("/apply-template", conversation)["prompt"])

    def answer(self, prompt: Sequence[int], limit: int) -> list[tuple[int, float]]:
        """A greedy answer: each id with its log-probability."""
        said, made = self._said(prompt, limit, 1, {})
        if len(said) == made:
            return [(each["id"], each["logprob"]) for each in said]
        found: list[tuple[int, float]] = []
        while len(found) < limit and not (found and found[-1][0] in self.stop):
            [best, *_] = self._next([*prompt, *(token for token, _ in found)], 1)
            found.append((best["id"], best["logprob"]))
        return found

    def score(self, ids: Sequence[int], start: int) -> list[tuple[float, float]]:
        """The log-probability of each id from `start` on, and that of the likeliest at its place."""
        return [self._one(ids[:place], ids[place]) for place in range(start, len(ids))]

    def _one(self, before: Sequence[int], token: int) -> tuple[float, float]:
        for many in (LIKELIEST, 1 << 20):
            said = self._next(before, many)
            found = [each["logprob"] for each in said if each["id"] == token]
            if found:
                return found[0], said[0]["logprob"]
        raise RuntimeError(f"llama.cpp gives no log-probability for the id {token}")

    def _next(self, before: Sequence[int], many: int) -> list[dict[str, Any]]:
        """The likeliest tokens after these, the first first.

        Of a token that ends inside a character the server tells nothing. So it is made to choose a harmless one: what
        it tells of the others are the network's own numbers all the same.
        """
        [said], _ = self._said(before, 1, many, {"logit_bias": [[self.harmless, 1e9]]})
        found: list[dict[str, Any]] = said["top_logprobs"]
        return found

    def _said(
        self, prompt: Sequence[int], limit: int, many: int, more: Mapping[str, Any]
    ) -> tuple[list[dict[str, Any]], int]:
        """What is told of the tokens of an answer, and how many it has."""
        found = self.server.handle_completions({
            "prompt": list(prompt), "n_predict": limit, "temperature": 0.0, "n_probs": many, "cache_prompt": True,
            "repeat_penalty": 1.0, "samplers": ["temperature"], **more})
        if "choices" not in found:
            raise RuntimeError(f"llama.cpp: {json.dumps(found.get('error', found))[:300]}")
        told = found["choices"][0]["logprobs"]
        return told["content"] if told else [], found["usage"]["completion_tokens"]

    def _over_http(self, path: str, content: Mapping[str, Any]) -> dict[str, Any]:
        asked = urllib.request.Request(  # noqa: S310 - its own loopback address
            self.server.listening_address + path, json.dumps(content).encode(),
            {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"})
        try:
            with self.opener.open(asked, timeout=60) as reply:
                found: dict[str, Any] = json.loads(reply.read())
        except urllib.error.HTTPError as error:
            raise ValueError(error.read().decode(errors="replace")[:300]) from error
        return found


def main(file: str, settings: str) -> None:
    """Answer until there are no more questions."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what llama.cpp prints is no answer
    program = Program(file, **json.loads(settings))
    ask: Mapping[str, Callable[..., Any]] = {
        "encode": program.encode, "render": program.render, "answer": program.answer, "score": program.score}
    _tell(answers, {"said": "ready"})
    for line in sys.stdin:
        name, arguments = json.loads(line)
        try:
            found: dict[str, Any] = {"said": ask[name](*arguments)}
        except (ValueError, RuntimeError) as error:
            found = {"fault": str(error)}
        _tell(answers, found)


def _tell(answers: IO[str], found: Mapping[str, Any]) -> None:
    answers.write(json.dumps(found) + "\n")
    answers.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
