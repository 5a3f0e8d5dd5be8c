"""A `.pt2` file in a process of its own, which knows nothing but the file: what a user of it would have.

Run as `python -m tunesmith.exports._pt2_child FILE THREADS`. Each question on its input, and each answer on its output,
is eight bytes of length and that many of tensors by their names, as safetensors.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import IO, Any

import torch
from safetensors.torch import load, save
from torch import Tensor

PAST = "past_"


def send(stream: IO[bytes], tensors: dict[str, Tensor]) -> None:
    """Write tensors, and hand them over."""
    content = save({name: tensor.contiguous() for name, tensor in tensors.items()})
    stream.write(len(content).to_bytes(8, "little") + content)
    stream.flush()


def receive(stream: IO[bytes]) -> dict[str, Tensor] | None:
    """The next tensors; None where there are no more."""
    length = stream.read(8)
    if len(length) < 8:
        return None
    found: dict[str, Tensor] = load(stream.read(int.from_bytes(length, "little")))
    return found


def shapes(program: torch.export.ExportedProgram) -> dict[str, Tensor]:
    """Of each input its sizes, -1 where an axis is open."""
    wanted = set(program.graph_signature.user_inputs)
    return {node.name: torch.tensor([size if isinstance(size, int) else -1 for size in node.meta["val"].shape])
            for node in program.graph.nodes if node.op == "placeholder" and node.name in wanted}


def told(module: Callable[..., Any], given: dict[str, Tensor]) -> dict[str, Tensor]:
    """Its outputs, by their places."""
    past = [tensor for _, tensor in sorted((int(name.removeprefix(PAST)), tensor) for name, tensor in given.items()
                                           if name.startswith(PAST))]
    named = {name: tensor for name, tensor in given.items() if not name.startswith(PAST)}
    found = module(**named, past=past) if past else module(**named)
    return {str(place): tensor for place, tensor in enumerate(found)}


def main(file: str, threads: str) -> None:
    """Say what the file wants, then answer until there are no more questions."""
    answers, questions = os.fdopen(os.dup(1), "wb"), os.fdopen(os.dup(0), "rb")
    os.dup2(2, 1)  # what a library prints is no answer
    torch.set_num_threads(int(threads))
    program = torch.export.load(file)
    module = program.module()
    send(answers, shapes(program))
    with torch.inference_mode():
        while (given := receive(questions)) is not None:
            send(answers, told(module, given))


if __name__ == "__main__":
    main(*sys.argv[1:])
