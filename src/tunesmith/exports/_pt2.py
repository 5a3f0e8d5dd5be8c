"""A `.pt2` file as a fresh process runs it, asked over pipes; and whether such a file holds anything to unpickle."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import tempfile
import weakref
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, final

import torch

from ..errors import Refusal
from ._graph import PAST, outputs
from ._pt2_child import PAST as PLACE
from ._pt2_child import receive, send
from ._running import Arrays

REPORT = "report this with the base's name, or use `tunesmith export RUN merged`"


def pickles(file: Path) -> Iterator[str]:
    """The parts of a `.pt2` file that torch would unpickle; read as a list and as JSON, nothing of it is run."""
    with zipfile.ZipFile(file) as archive:
        for entry in archive.infolist():
            if "/data/sample_inputs/" in entry.filename and entry.file_size:
                yield entry.filename
            if entry.filename.endswith(("_weights_config.json", "_constants_config.json")):
                for name, told in json.loads(archive.read(entry))["config"].items():
                    if told["use_pickle"] is not False:
                        yield f"{entry.filename}: {name}"


@final
class Program:
    """A file of our own in a process of its own; satisfies `_running.Runs`. Raises Refusal where that process ends."""

    def __init__(self, file: Path, kind: str) -> None:
        if found := next(pickles(file), None):
            raise Refusal("export.pickle", f"the file holds something to unpickle: {found}", file.name, REPORT)
        self._said: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - the child's, as long as it runs
        self._child = subprocess.Popen(  # noqa: S603 - this Python, and a file of our own
            [sys.executable, "-m", "tunesmith.exports._pt2_child", str(file), str(torch.get_num_threads())],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._said)
        self.end = weakref.finalize(self, _ended, self._child)
        shapes = {_outside(name): [None if size < 0 else size for size in sizes.tolist()]
                  for name, sizes in self._read().items()}
        self.inputs: Mapping[str, Sequence[int | None]] = shapes
        self.outputs = outputs(kind, sum(name.startswith(PAST) for name in shapes) // 2)

    def __call__(self, given: Arrays) -> Arrays:
        """Its outputs by their names."""
        assert self._child.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            send(self._child.stdin, {_inside(name): torch.from_numpy(array) for name, array in given.items()})
        said = self._read()
        return {name: said[str(place)].numpy() for place, name in enumerate(self.outputs)}

    def _read(self) -> dict[str, Any]:
        assert self._child.stdout is not None
        found = receive(self._child.stdout)
        if found is None:
            self._child.wait()
            self._said.seek(0)
            lines = self._said.read().decode(errors="replace").strip().splitlines()
            raise Refusal("export.reload", "torch.export does not run what was written: "
                          f"{lines[-1][:300] if lines else f'it ended with {self._child.returncode}'}", "", REPORT)
        return found


def _ended(child: subprocess.Popen[bytes]) -> None:
    child.kill()
    child.communicate()


def _outside(name: str) -> str:
    """What an input is called outside the file: of what was read before, its layer and what it is."""
    if not name.startswith(PLACE):
        return name
    layer, value = divmod(int(name.removeprefix(PLACE)), 2)
    return f"{PAST}.{layer}.{('key', 'value')[value]}"


def _inside(name: str) -> str:
    if not name.startswith(PAST):
        return name
    _, layer, each = name.split(".")
    return f"{PLACE}{2 * int(layer) + (each == 'value')}"
