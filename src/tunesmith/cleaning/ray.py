"""The same cleaning on Ray Data: each file is read by one worker, and its rows go through the steps on any of them.

Row order and ledger are those of a run in one process. Steps that see all rows (`duplicates`) run in this process, over
what the workers hand back: a shuffle by digests would give the same rows, but not their order. Files are read where the
workers are, so on a cluster they lie on a disk that all machines see under the same path. Between the processes go
lines of JSON. A cluster that is started here listens on this machine alone, and tells nobody that it is used.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

from ..errors import Failure, Misuse, Problem, Problems, Refusal
from ..reading.read import Way
from ..recipe.starred import Choice
from ..records import Row
from .run import Opened, Settle, found
from .settling import NOTHING, Outcome, Plan, Settler, unusable
from .spool import packed, unpacked

ROWS, CHARACTERS = 500, 4_000_000  # of a block: few enough to spread, many enough to be worth sending
LOCAL = "local"
UNTOLD = {"RAY_USAGE_STATS_ENABLED": "0"}
ON_LOOPBACK = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}  # Ray's own name for it; without, it listens to the network

Batch = Mapping[str, Any]


def on_ray(address: str) -> Settle:
    """What takes rows through their steps on Ray. address: `local`, `local:2` for two processes, or a cluster's.

    Raises Misuse for an address that says neither, where ray is missing, and where no such cluster answers.
    """
    def settle(opened: Opened) -> Iterator[Outcome]:
        Settler(opened.plan, NOTHING)  # what a step lacks is told here, before anything is started
        with _started(address) as data:
            for batch in _piped(data, opened).iter_batches(batch_size=None, batch_format="numpy"):
                for block in batch["outcomes"]:
                    yield from map(_received, json.loads(block))

    return settle


def _piped(data: Any, opened: Opened) -> Any:
    whole = [opened.files] if opened.way.by == "aligned" else [[file] for file in opened.files]
    way = {"header": opened.way.header, "by": opened.way.by}
    items = [{"asked": json.dumps([list(files), str(opened.base_folder.resolve()), way]).encode()} for files in whole]
    plan = json.dumps(_told(opened.plan))
    read = data.from_items(items, override_num_blocks=len(items)).map_batches(_read, batch_size=1, num_cpus=0.5)
    # another share of a processor than reading has, or Ray would make both one task, and a file one worker's
    return read.map_batches(_settle, batch_size=None, num_cpus=1, fn_kwargs={"plan": plan})


def _read(batch: Batch) -> Iterator[Batch]:
    """The rows of files as blocks of JSON; runs on a worker."""
    for asked in batch["asked"]:
        files, base_folder, way = json.loads(asked)
        held: list[str] = []
        size = 0
        for one in found(files, Path(base_folder), Way(**way)):
            values = [one.values, one.where] if isinstance(one, Row) else one.as_json()
            held.append(json.dumps(values))
            size += len(held[-1])
            if len(held) == ROWS or size > CHARACTERS:
                yield {"rows": [f"[{','.join(held)}]".encode()]}
                held, size = [], 0
        if held:
            yield {"rows": [f"[{','.join(held)}]".encode()]}


def _settle(batch: Batch, plan: str) -> Batch:
    """The outcomes of blocks of rows; runs on a worker."""
    from ..records import Finding

    settler = _settler(plan)
    made = []
    for block in batch["rows"]:
        outcomes: list[Mapping[str, Any]] = []
        try:
            for one in json.loads(block):
                outcomes += map(packed, [unusable(Finding(**one))] if isinstance(one, dict) else
                                settler.settle(Row(*one)))
        except (Problem, Problems) as error:
            first = error.problems[0] if isinstance(error, Problems) else error
            outcomes.append({"refused": first.as_json()})
        made.append(json.dumps(outcomes).encode())
    return {"outcomes": made}


@lru_cache(1)
def _settler(plan: str) -> Settler:
    """A worker's own, made once: a step may have a model to load."""
    told = json.loads(plan)
    format = Choice("format").validate(told["format"]) if told["format"] else None
    return Settler(Plan(tuple(map(Choice("clean").validate, told["steps"])), (), format, tuple(told["columns"]),
                        told["mapping"], told["named"]), NOTHING)


def _told(plan: Plan) -> dict[str, Any]:
    return {"steps": [step.as_json() for step in plan.steps], "format": plan.format and plan.format.as_json(),
            "columns": plan.columns, "mapping": dict(plan.mapping), "named": plan.named}


def _received(told: Mapping[str, Any]) -> Outcome:
    if "refused" in told:
        raise Refusal(**told["refused"])
    return unpacked(told)


@contextmanager
def _started(address: str) -> Iterator[Any]:
    """Ray's data module, with a cluster behind it; one that was started here ends with the block."""
    name, _, count = address.partition(":")
    if not address or (name == LOCAL and count and (not count.isdecimal() or not int(count))):
        raise Misuse("clean.ray_address", f"`{address}` is no address of a Ray cluster", "--ray",
                     "write `local`, `local:2` for two processes on this machine, or `HOST:PORT`")
    os.environ.update(UNTOLD | ON_LOOPBACK if name == LOCAL else UNTOLD)
    try:
        import ray
        import ray.data as data
    except ImportError as error:
        raise Misuse("clean.no_ray", "cleaning on several machines needs the package `ray`", "--ray",
                     "pip install 'tunesmith[ray]'") from error
    for logger in ("ray", "ray.data"):
        logging.getLogger(logger).setLevel(logging.ERROR)
    mine = not ray.is_initialized()
    if mine:
        try:
            ray.init(address=LOCAL if name == LOCAL else address, num_cpus=int(count) if count and name == LOCAL else
                     None, include_dashboard=False if name == LOCAL else None, log_to_driver=False,
                     configure_logging=False)
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise Failure("clean.ray_unreachable", f"no Ray cluster answers at `{address}`: {str(error)[:200]}",
                          "--ray", "start it with `ray start --head`, or use `--ray local`") from error
    context = data.DataContext.get_current()
    context.execution_options.preserve_order = True
    context.enable_progress_bars = False
    try:
        yield data
    finally:
        if mine:
            ray.shutdown()
