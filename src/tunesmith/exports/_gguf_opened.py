"""A GGUF file as a program opens it that will use it: llama.cpp where it is installed, else transformers."""

from __future__ import annotations

import contextlib
import io
import json
import subprocess
import sys
import tempfile
import weakref
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any, final

import numpy as np
import torch

from ..contracts import Scored
from ..errors import Refusal
from ..models import gguf_header
from ..models.offline import transformers
from ._gguf_words import ENDS, UNUSED
from ._opened import Opened
from ._parity import EXACT

# Nats, by a file's type. llama.cpp rounds what it multiplies with a matrix to the matrix's own format: on SmolLM2-135M
# and on tiny networks it was at most 1.4e-4 off in float32, 3.3e-3 in float16 and 2.5e-2 in bfloat16
TOLERANCE = {0: EXACT, 1: 0.02, 32: 0.15}
GELU = 0.02  # whose values it looks up in a table of float16: Gemma in float32 was 1.3e-3 off
SHORT = 512  # tokens that a program is opened for until more are asked of it


def has_llama_cpp() -> bool:
    """Whether llama.cpp is here, as the package `xllamacpp`."""
    return find_spec("xllamacpp") is not None


def open_file(folder: Path, context: int) -> InLlamaCpp | InTransformers:
    """The folder's one GGUF file. Raises Refusal where what it announces does not lie inside it."""
    [file] = folder.glob("*.gguf")
    gguf_header.read(file)
    return InLlamaCpp(file, context) if has_llama_cpp() else InTransformers(file)


class _Keys:
    """What a file says of its tokens."""

    def __init__(self, file: Path) -> None:
        from gguf import GGUFReader

        self._fields = GGUFReader(file).fields

    def get(self, name: str) -> Any:
        """A value of the tokenizer's, None where the file has none."""
        field = self._fields.get(f"tokenizer.{name}")
        return None if field is None else field.contents()

    @property
    def family(self) -> str:
        """Llama.cpp's name for the kind of network."""
        return str(self._fields["general.architecture"].contents())

    @property
    def file_type(self) -> int:
        """The number of llama.cpp's for the format of most weights."""
        return int(self._fields["general.file_type"].contents())

    @property
    def stop(self) -> frozenset[int]:
        """The ids that end an answer."""
        named = (self.get(f"ggml.{name}_token_id") for name in ENDS)
        return frozenset(index for index in named if index is not None)

    @property
    def harmless(self) -> int:
        """A token that is a whole letter, or one that stands for nothing at all where there is none."""
        letters = (index for token, index in self.words.items() if len(token) == 1 and token.isascii())
        return next(letters, min(self.stop, default=0))

    @property
    def words(self) -> dict[str, int]:
        """Every token's text and id, without the places that no token has."""
        kinds = self.get("ggml.token_type")
        return {token: index for index, token in enumerate(self.get("ggml.tokens")) if kinds[index] != UNUSED}


@final
class InLlamaCpp:
    """A file, opened by llama.cpp in a process of its own; satisfies contracts.Reloaded."""

    def __init__(self, file: Path, context: int) -> None:
        keys = _Keys(file)
        self.stop, self.vocabulary = keys.stop, keys.words
        self.tolerance = max(TOLERANCE.get(keys.file_type, EXACT), GELU if keys.family.startswith("gemma") else 0.0)
        bos = keys.get("ggml.bos_token_id") if keys.get("ggml.add_bos_token") else None
        self._before = "" if bos is None else keys.get("ggml.tokens")[bos]
        self._template = keys.get("chat_template")
        self._file, self._context = file, context
        self._heard: dict[tuple[int, ...], list[tuple[int, float]]] = {}
        self._settings = {"harmless": keys.harmless, "stop": sorted(self.stop), "threads": torch.get_num_threads()}
        self._process = _Process(file, self._settings, SHORT)

    def encode(self, text: str) -> Sequence[int]:
        """The ids of a text in which control tokens are meant, with nothing put before or after."""
        found: list[int] = self._process.ask("encode", text)
        return found

    def render(
        self, turns: Sequence[Mapping[str, Any]], given: Mapping[str, Any], *, generation_prompt: bool
    ) -> str:
        """The conversation as llama.cpp writes it with the file's template. Raises ValueError where it has none."""
        if self._template is None:
            raise ValueError("the file has no template")
        tools = given.get("tools")
        told = {"messages": [dict(turn) for turn in turns], "add_generation_prompt": generation_prompt,
                "chat_template_kwargs": {name: value for name, value in given.items() if name != "tools"},
                **({"tools": tools} if tools else {})}
        text = str(self._process.ask("render", told))
        # it leaves out the BOS that it will put before the ids
        return text if text.startswith(self._before) else self._before + text

    def answer(self, prompts: Sequence[Sequence[int]], limits: Sequence[int]) -> Iterator[tuple[int, Sequence[int]]]:
        """Pairs of a prompt's index and the ids of its greedy answer, the one that ended it included."""
        longest = max((len(prompt) + limit for prompt, limit in zip(prompts, limits, strict=True)), default=0)
        self._make_room(longest)
        for index, (prompt, limit) in enumerate(zip(prompts, limits, strict=True)):
            said: list[tuple[int, float]] = []
            while len(said) < limit and not (said and said[-1][0] in self.stop):
                # it ends on tokens, too, whose names look like an end; what the run would go on with is asked for
                said += self._process.ask("answer", [*prompt, *(one[0] for one in said)], limit - len(said))
            self._heard[tuple(prompt)] = said
            yield index, [one[0] for one in said]

    def score(self, ids: Sequence[int], start: int) -> Scored:
        """What it thinks of the ids from `start` on, each after all that stands before it."""
        known: list[tuple[float, float]] = []
        for (token, said), given in zip(self._heard.get(tuple(ids[:start]), ()), ids[start:], strict=False):
            if token != given:
                break
            known.append((said, said))  # it is greedy: what it said is the likeliest
        if len(known) < len(ids) - start:
            self._make_room(len(ids))
            known += self._process.ask("score", list(ids), start + len(known))
        return Scored(*np.array(known, np.float64).reshape(-1, 2).T)

    def _make_room(self, tokens: int) -> None:
        """Open the file anew where a text is longer than those so far."""
        if tokens >= self._process.tokens:
            self._process.end()
            self._process = _Process(self._file, self._settings, min(2 * tokens, max(self._context, tokens)) + 8)


@final
class _Process:
    """llama.cpp with one file. Raises Refusal where it ends by itself."""

    def __init__(self, file: Path, settings: Mapping[str, Any], tokens: int) -> None:
        self.tokens = tokens
        self._said: IO[str] = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115
        self._child = subprocess.Popen(  # noqa: S603 - this Python, and a file of our own
            [sys.executable, "-m", "tunesmith.exports._llama_child", str(file),
             json.dumps({**settings, "tokens": tokens})],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._said, text=True, encoding="utf-8")
        self.end = weakref.finalize(self, _ended, self._child)
        self._read()

    def ask(self, name: str, *arguments: Any) -> Any:
        """What it says. Raises ValueError where it refuses the question."""
        assert self._child.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._child.stdin.write(json.dumps([name, arguments]) + "\n")
            self._child.stdin.flush()
        return self._read()

    def _read(self) -> Any:
        assert self._child.stdout is not None
        line = self._child.stdout.readline()
        if not line:
            self._said.seek(0)
            told = " ".join(self._said.read()[-300:].split())
            raise Refusal("export.reload", f"llama.cpp ended while it had the file open: {told}", "",
                          "report this with the base's name; it is a fault of this export")
        found = json.loads(line)
        if "fault" in found:
            raise ValueError(found["fault"])
        return found["said"]


def _ended(child: subprocess.Popen[str]) -> None:
    child.kill()
    child.communicate()


@final
class InTransformers:
    """A file, opened by transformers, its blocks unpacked to float32; satisfies contracts.Reloaded."""

    tolerance = EXACT

    def __init__(self, file: Path) -> None:
        library, keys = transformers(), _Keys(file)
        self.stop = keys.stop
        self._unused = {token for token, kind in zip(keys.get("ggml.tokens"), keys.get("ggml.token_type"), strict=True)
                        if kind == UNUSED}
        told = {"gguf_file": file.name, "local_files_only": True, "trust_remote_code": False}
        with contextlib.redirect_stderr(io.StringIO()):  # a progress bar
            network = library.AutoModelForCausalLM.from_pretrained(
                file.parent, dtype=torch.float32, quantization_config=library.GgufConfig(dequantize=True), **told)
            tokenizer = library.AutoTokenizer.from_pretrained(file.parent, **told)
        with tempfile.TemporaryDirectory() as folder:  # the form in which any other export is opened
            tokenizer.save_pretrained(folder)
            library.GenerationConfig(eos_token_id=sorted(self.stop) or None).save_pretrained(folder)
            self._opened = Opened(network, Path(folder))

    @cached_property
    def vocabulary(self) -> Mapping[str, int]:
        """Every token's text and id."""
        return {token: index for token, index in self._opened.vocabulary.items() if token not in self._unused}

    def encode(self, text: str) -> Sequence[int]:
        """The ids of a text in which control tokens are meant, with nothing put before or after."""
        return self._opened.encode(text)

    def render(
        self, turns: Sequence[Mapping[str, Any]], given: Mapping[str, Any], *, generation_prompt: bool
    ) -> str:
        """The conversation as the file's template writes it. Raises ValueError where it has none."""
        return self._opened.render(turns, given, generation_prompt=generation_prompt)

    def answer(self, prompts: Sequence[Sequence[int]], limits: Sequence[int]) -> Iterator[tuple[int, Sequence[int]]]:
        """Pairs of a prompt's index and the ids of its greedy answer, the one that ended it included."""
        return self._opened.answer(prompts, limits)

    def score(self, ids: Sequence[int], start: int) -> Scored:
        """What it thinks of the ids from `start` on, each after all that stands before it."""
        return self._opened.score(ids, start)
