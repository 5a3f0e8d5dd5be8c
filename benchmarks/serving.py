"""How fast a served run answers, beside `model.generate` and llama.cpp; and what it tells rude clients (job S).

    python benchmarks/serving.py [--clients 1 4 16] [--tokens 48] [--rounds 3] [--threads 2] [--gguf FILE …] [--smoke]

SmolLM2-135M-Instruct, greedy, questions of GSM8K in its own template, over HTTP on the loopback. In each round, one
after the other: transformers' `model.generate` answers one prompt at a time (in float32, and in the format that ours
chose for this processor), `tunesmith serve` as many clients at once as `--clients` says, then llama.cpp (`xllamacpp`,
its own server) on each GGUF: the starter's, or those of `--gguf`. Told are tokens a second over all clients, seconds to
the first token, and the most memory. Then a tiny model is beset: ramps up to 256 clients, half-sent requests, clients
that hang up, malformed bodies; told is what each was answered, and it exits with 1 where that is not what is right.
--smoke: all of it on the tiny model, few requests, no table.
"""

import argparse
import asyncio
import contextlib
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jobs
import results

HERE = Path(__file__).resolve().parent
RAMP = (1, 16, 64, 256)
RUDE = 100


@dataclass(frozen=True)
class Heard:
    """One answer: its status, its tokens, when the first came and when the last, in seconds."""

    status: int
    tokens: int
    first: float
    whole: float


def main() -> None:
    arguments = options()
    if arguments.child:
        CHILDREN[arguments.child[0]](*arguments.child[1:])
        return
    if not arguments.smoke and not jobs.DATA.is_dir():
        sys.exit(f"skipped: {jobs.DATA} is not there")
    with tempfile.TemporaryDirectory() as folder:
        tiny = made(Path(folder))
        book = results.opened(arguments.threads, Path(folder, "smoke.csv") if arguments.smoke else arguments.table)
        measured(tiny if arguments.smoke else jobs.BASE, arguments, book)
        beset(tiny, arguments, book)


def options() -> argparse.Namespace:
    """The command line; a smoke test is very short."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 4, 16])
    parser.add_argument("--tokens", type=int, default=48, help="of each answer, at most")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--gguf", nargs="*", help="files for llama.cpp; default: the starter's own")
    parser.add_argument("--table", type=Path, help="the CSV file to append to; default: results.csv beside this")
    parser.add_argument("--smoke", action="store_true", help="only whether it runs: a tiny model, no table")
    parser.add_argument("--child", nargs="+", metavar="WORD", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.smoke:
        arguments.clients, arguments.tokens, arguments.rounds, arguments.gguf = [1, 4], 4, 1, []
    return arguments


def made(folder: Path) -> str:
    """A tiny random model."""
    sys.path.insert(0, str(HERE.parent / "tests"))
    from tiny import tiny_base

    return str(tiny_base(folder / "tiny"))


def measured(base: str, arguments: argparse.Namespace, book: results.Book) -> None:
    """Every contender in turn, round after round; tell and book the medians."""
    asked = questions(arguments.smoke)
    files = starter_gguf() if arguments.gguf is None else arguments.gguf
    found: dict[tuple[str, str], list[float]] = {}
    with contextlib.ExitStack() as stack:
        plain = {f"transformers {dtype}, one at a time": stack.enter_context(
            child(arguments.threads, "plain", base, dtype)) for dtype in dict.fromkeys(("float32", chosen()))}
        ours = stack.enter_context(served(base, arguments.threads))
        llamas = {f"llama.cpp {Path(file).stem}": stack.enter_context(child(arguments.threads, "llama", file,
                                                                            str(max(arguments.clients))))
                  for file in files}
        addresses = {"tunesmith": ours[0], **{name: int(each.told["port"]) for name, each in llamas.items()}}
        for each in plain.values():
            each.ask({"questions": [next(asked)], "tokens": 2})
        for name, port in addresses.items():  # whatever is made at the first answer is made now
            one_round(port, name, (2, 2), asked, {})
        for _ in range(arguments.rounds):
            for name, each in plain.items():
                told = each.ask({"questions": [next(asked) for _ in range(3)], "tokens": arguments.tokens})
                found.setdefault((name, "tokens/s"), []).append(told["tokens"] / told["seconds"])
            for clients in arguments.clients:
                for name, port in addresses.items():
                    one_round(port, f"{name}, {clients} clients", (clients, arguments.tokens), asked, found)
        memory = {"tunesmith": ours[1].pid,
                  **{name: each.process.pid for name, each in (plain | llamas).items()}}
        for name, process in memory.items():
            found[name, "peak GB"] = [peak(process) / 1e9]
    for (name, quantity), values in found.items():
        tell(book, "S", name, quantity, values)
    if not arguments.smoke:
        compare(book, found, max(arguments.clients))


def chosen() -> str:
    """The number format that a base is served in on this processor."""
    import torch

    from tunesmith.models import precision

    dtype, _ = precision.choose("auto", torch.device("cpu"))
    return str(dtype).removeprefix("torch.")


def one_round(
    port: int, name: str, size: tuple[int, int], asked: Iterator[str], found: dict[tuple[str, str], list[float]]
) -> None:
    """So many clients at once, each with two questions one after the other."""
    clients, tokens = size
    began = time.perf_counter()
    heard = asyncio.run(clients_at_once(port, [[next(asked) for _ in range(2)] for _ in range(clients)], tokens))
    took = time.perf_counter() - began
    if {each.status for each in heard} != {200}:
        sys.exit(f"{name}: {Counter(each.status for each in heard)}")
    found.setdefault((name, "tokens/s"), []).append(sum(each.tokens for each in heard) / took)
    found.setdefault((name, "seconds to the first token"), []).append(statistics.median(each.first for each in heard))


async def clients_at_once(port: int, asked: Sequence[Sequence[str]], tokens: int) -> list[Heard]:
    """Each client asks its questions one after the other."""

    async def client(questions: Sequence[str]) -> list[Heard]:
        return [await answer(port, wish(question, tokens)) for question in questions]

    return [each for heard in await asyncio.gather(*map(client, asked)) for each in heard]


def wish(question: str, tokens: int) -> bytes:
    """A streamed, greedy answer to a question."""
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": question}], "max_tokens": tokens,
                       "temperature": 0, "stream": True, "stream_options": {"include_usage": True}}).encode()
    return (f"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
            f"content-length: {len(body)}\r\nauthorization: Bearer {KEY}\r\nconnection: close\r\n\r\n").encode() + body


KEY = "the-key-of-this-benchmark"


async def answer(port: int, sent: bytes) -> Heard:
    """What comes back until the server closes."""
    began = time.perf_counter()
    first, raw = 0.0, b""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return Heard(0, 0, 0.0, 0.0)
    writer.write(sent)
    with contextlib.suppress(ConnectionError):
        while part := await reader.read(65_536):
            raw += part
            if not first and b'"content":"' in raw.replace(b'": "', b'":"').replace(b'"content":""', b""):
                first = time.perf_counter() - began
    writer.close()
    usage = re.findall(rb'"completion_tokens": ?(\d+)', raw)
    return Heard(int(raw[9:12] or 0), int(usage[-1]) if usage else 0, first, time.perf_counter() - began)


def questions(smoke: bool) -> Iterator[str]:
    """GSM8K's questions, each once; of a smoke test any."""
    if smoke:
        yield from (f"What is {number} and {number}?" for number in range(10**6))
    for line in (jobs.DATA / "gsm8k" / "train.jsonl").read_text(encoding="utf-8").splitlines():
        yield json.loads(line)["question"]


def starter_gguf() -> list[str]:
    """The GGUF file that the starter's package carries, where llama.cpp is installed."""
    from importlib.util import find_spec

    from tunesmith.models import bases

    return [str(bases.starter_file(jobs.BASE))] if find_spec("xllamacpp") else []


@contextlib.contextmanager
def served(base: str, threads: int, *words: str) -> Iterator[tuple[int, subprocess.Popen[str]]]:
    """The port of `tunesmith serve`, and its process."""
    process = started(threads, "-m", "tunesmith", "serve", f"m={base}", "--port", "0", "--json", *words)
    try:
        yield int(json.loads(line_of(process))["url"].rsplit(":", 1)[1]), process
    finally:
        process.terminate()
        process.wait()


@dataclass(frozen=True)
class Child:
    """A contender in a process of its own, asked line by line; told: what it said first."""

    process: subprocess.Popen[str]
    told: dict[str, Any]

    def ask(self, wanted: dict[str, Any]) -> dict[str, Any]:
        """Its answer."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(wanted) + "\n")
        self.process.stdin.flush()
        told: dict[str, Any] = json.loads(line_of(self.process))
        return told


@contextlib.contextmanager
def child(threads: int, *words: str) -> Iterator[Child]:
    """This file as a child."""
    process = started(threads, __file__, "--threads", str(threads), "--child", *words, str(threads))
    try:
        yield Child(process, json.loads(line_of(process)))
    finally:
        process.kill()
        process.wait()


def started(threads: int, *words: str) -> subprocess.Popen[str]:
    """A Python of its own."""
    import os

    return subprocess.Popen([sys.executable, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                            env={**os.environ, "OMP_NUM_THREADS": str(threads), "HF_HUB_OFFLINE": "1"})


def line_of(process: subprocess.Popen[str]) -> str:
    """The next line of JSON that a process writes."""
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("{"):
            return line
    sys.exit(f"a contender ended: {process.args}")


def plain(base: str, dtype: str, threads: str) -> None:
    """transformers' `model.generate`, one prompt at a time."""
    import torch

    from tunesmith.models import bases
    from tunesmith.models.offline import transformers

    torch.set_num_threads(int(threads))
    library, folder = transformers(), bases.find(base).folder
    gguf = next(folder.glob("*.gguf"), None) if not list(folder.glob("*.safetensors")) else None
    named = {"gguf_file": gguf.name} if gguf else {}
    tokenizer = library.AutoTokenizer.from_pretrained(folder, **named)
    model = library.AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, **named).eval()
    print(json.dumps({"said": "ready"}), flush=True)
    for line in sys.stdin:
        wanted = json.loads(line)
        tokens, began = 0, time.perf_counter()
        for question in wanted["questions"]:
            ids = tokenizer.apply_chat_template([{"role": "user", "content": question}], add_generation_prompt=True,
                                                return_dict=True, return_tensors="pt")
            with torch.inference_mode():
                said = model.generate(**ids, max_new_tokens=wanted["tokens"], do_sample=False)
            tokens += said.shape[1] - ids["input_ids"].shape[1]
        print(json.dumps({"tokens": tokens, "seconds": time.perf_counter() - began}), flush=True)


def llama(file: str, slots: str, threads: str) -> None:
    """llama.cpp's own server, until it is killed."""
    import os

    told = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what llama.cpp prints is no answer
    import xllamacpp

    settings = xllamacpp.CommonParams()
    settings.model.path, settings.api_keys = file, [KEY]
    settings.n_parallel, settings.n_ctx, settings.n_gpu_layers = int(slots), 1024 * int(slots), 0
    settings.cpuparams.n_threads = settings.cpuparams_batch.n_threads = int(threads)
    server = xllamacpp.Server(settings)
    print(json.dumps({"port": int(server.listening_address.rsplit(":", 1)[1])}), file=told, flush=True)
    sys.stdin.read()


CHILDREN = {"plain": plain, "llama": llama}


def peak(process: int) -> int:
    """The most memory that a process had, in bytes; 0 where the system does not tell."""
    found = re.findall(r"VmHWM:\s+(\d+) kB", results.text_of(f"/proc/{process}/status"))
    return int(found[0]) * 1024 if found else 0


def tell(book: results.Book, job: str, name: str, quantity: str, values: Sequence[float]) -> None:
    """Print and book a median with its quartiles."""
    low, high = (None, None) if len(values) < 3 else (statistics.quantiles(values)[0], statistics.quantiles(values)[2])
    middle = statistics.median(values)
    book.add(job, name, quantity, middle, low=low, high=high, count=len(values))
    print(f"{job:8} {name:44} {quantity:28} {middle:10.3f}", flush=True)


def compare(book: results.Book, found: dict[tuple[str, str], list[float]], clients: int) -> None:
    """How many times `model.generate` the served run is, round by round."""
    many = found[f"tunesmith, {clients} clients", "tokens/s"]
    for name, one in [(name, values) for (name, quantity), values in found.items()
                      if quantity == "tokens/s" and name.startswith("transformers")]:
        tell(book, "S", f"tunesmith, {clients} clients", f"times {name.removesuffix(', one at a time')}",
             [ours / theirs for ours, theirs in zip(many, one, strict=True)])


def beset(tiny: str, arguments: argparse.Namespace, book: results.Book) -> None:
    """Rude clients before a tiny model: what each was answered; exits with 1 where anything but what is right came."""
    rude, ramp = (10, RAMP[:2]) if arguments.smoke else (RUDE, RAMP)
    with served(tiny, arguments.threads, "--queue", "64") as (port, process):
        wrong = 0
        for clients in ramp:
            heard = asyncio.run(clients_at_once(port, [[f"What is {number}?"] for number in range(clients)], 8))
            wrong += counted(book, f"ramp, {clients} clients", heard, {200, 429, 503})
        whole = wish("What is 1?", 8)
        wrong += counted(book, "half-sent headers", asyncio.run(all_of(port, [whole[:40]] * rude)), {408})
        wrong += counted(book, "half-sent bodies", asyncio.run(all_of(port, [whole[:-9]] * rude)), {408})
        broken = [whole.replace(b'"messages"', bytes([34, number % 256]) + b'essages"') for number in range(rude)]
        wrong += counted(book, "malformed bodies", asyncio.run(all_of(port, broken)), {400})
        asyncio.run(hang_up(port, rude))
        again = asyncio.run(clients_at_once(port, [["What is 1?"]], 8))
        wrong += counted(book, f"after {rude} hung up", again, {200})
        tell(book, "S rude", "tunesmith, tiny model", "peak GB", [peak(process.pid) / 1e9])
    sys.exit(wrong > 0)


async def all_of(port: int, sent: Sequence[bytes]) -> list[Heard]:
    """All at once."""
    return list(await asyncio.gather(*(answer(port, each) for each in sent)))


async def hang_up(port: int, clients: int) -> None:
    """Ask for long answers, sixteen at a time, and go away after the first bytes."""

    async def rude(number: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(wish(f"What is {number}?", 200))
        await reader.read(200)
        writer.transport.abort()

    for start in range(0, clients, 16):
        await asyncio.gather(*map(rude, range(start, min(start + 16, clients))))


def counted(book: results.Book, name: str, heard: Sequence[Heard], right: set[int]) -> int:
    """Tell and book how often each status came; how many were not right."""
    statuses = Counter(each.status for each in heard)
    for status, count in sorted(statuses.items()):
        tell(book, "S rude", f"tunesmith, {name}", f"answers {status}", [count])
    return sum(count for status, count in statuses.items() if status not in right)


if __name__ == "__main__":
    main()
