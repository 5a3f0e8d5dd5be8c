"""The table of faults: what each test of one has tried and what survived, counted over a whole run of pytest.

A test marked `fault("a row of FAULTS")` counts as one case, or as many as it told by `record_property("tried", n)`.
`--faults` prints the table at the end, `--faults=docs/faults.md` also puts it into that document.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

BEGIN, END = "<!-- table -->\n", "<!-- end of table -->"

FAULTS = {
    "kill -9 at any moment": "a child killed one to three times, in and between saves; final weights, optimiser, facts"
                             " and records equal an uninterrupted run's, bit for bit",
    "killed at the n-th call of a save": "the process ends before the n-th call, or in the middle of a write, for"
                                         " every n; one good checkpoint loads, the next start leaves nothing behind",
    "an error at the n-th call of a save": "ENOSPC, EIO on write, on fsync and on rename, and four more, for every n;"
                                           " as above, and no file is synced again after its fsync failed",
    "lost power": "what was not synced is dropped or zeroed, after every operation of a save; what verifies is what"
                  " was saved",
    "damaged files": "bits flipped, files cut short, emptied, removed, half zeroed, in every file of a checkpoint;"
                     " found, named, and the one before used",
    "full disk, limit, read-only folder": "the disk full at many places of a run; exit 1, the missing bytes named; run"
                                          " to its end by `--resume`, bit for bit, once there is room",
    "two owners": "processes that start at once on one folder, or make runs in one folder; one owner, the others told"
                  " who, no name twice, free after kill -9",
    "signals in each phase": "SIGTERM, SIGINT, SIGINT twice, SIGHUP, SIGTSTP then SIGCONT, while encoding, loading,"
                             " stepping, evaluating, saving, judging; exit code, checkpoint, message",
    "odd clocks": "ten days back, ten years ahead, backwards at every look; the same bits, order by step, no negative"
                  " time, no lock that expires",
    "out of memory": "the address space limited below what a run needs; a clear error and its remedy, nothing torn,"
                     " gone on with to the same bits",
    "bad rows": "kinds of bad rows, each in ten places of a file; named by file and line, exit 2 or 3, no traceback",
    "hostile templates": "escapes and exhaustions; nothing of Python seen, each ended by its bounds",
    "hostile GGUF and safetensors": "headers that lie; refused, and no more memory taken than twice the file",
    "hostile configurations": "files of a base that ask for code, paths or sizes; refused, nothing of theirs imported,"
                              " executed or fetched",
    "a crowd before the server": "more requests at once than places, streams cut at random, SIGTERM under load; each"
                                 " answered or told when to come back, none lost, none crossed, no place kept",
    "a server of jobs is killed or stopped": "kill -9 of the server, alone and with its child, and SIGTERM, while a job"
                                             " is trained; a new one goes on, no step told twice, the same bits",
    "slow clients": "half-sent headers and bodies, readers that do not read; let go within their bounds, `/health`"
                    " answers meanwhile",
    "malformed requests": "raw bytes, wrong framing, wrong JSON, cases made from the server's own schema; no 5xx, no"
                          " traceback, the process alive",
    "requests that would lead out": "paths that climb, addresses to fetch, templates; nothing read, nobody called",
    "pickles": "pickles under every name, as base and as data; never opened, their canary never made",
}
COUNTED: dict[str, Counter[str]] = {name: Counter() for name in FAULTS}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--faults", nargs="?", const="", metavar="DOCUMENT", help="print the table of faults; write it")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        for mark in item.iter_markers("fault"):
            if mark.args[0] not in FAULTS:
                raise pytest.UsageError(f"{item.nodeid}: there is no fault `{mark.args[0]}` in tests/tally.py")
            item.user_properties.append(("fault", mark.args[0]))


def pytest_runtest_logreport(report: Any) -> None:
    told = dict(report.user_properties)
    if "fault" not in told:
        return
    counted = COUNTED[told["fault"]]
    if report.skipped:
        counted["skipped"] += 1
    elif report.when == "call" or report.failed:
        tried = told.get("tried", 1)
        counted["tried"] += tried
        counted["survived"] += told.get("survived", tried if report.passed else 0)


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    document = config.getoption("--faults")
    if document is None:
        return
    terminalreporter.write_sep("=", "faults")
    for name, counted in COUNTED.items():
        skipped = f"   {counted['skipped']} tests skipped" if counted["skipped"] else ""
        terminalreporter.write_line(f"{name:<36}{counted['tried']:>7,} tried {counted['survived']:>7,} survived"
                                    f"{skipped}")
    if document:
        write(Path(document))


def write(document: Path) -> None:
    """Put the figures into the document, between its marks."""
    lines = ["| fault | how it is made, and what must hold | tried | survived |", "|---|---|---:|---:|"]
    lines += [f"| {name} | {how} | {COUNTED[name]['tried']:,} | {COUNTED[name]['survived']:,} |"
              for name, how in FAULTS.items()]
    before, _, rest = document.read_text(encoding="utf-8").partition(BEGIN)
    document.write_text(before + BEGIN + "\n".join(lines) + "\n" + END + rest.partition(END)[2], encoding="utf-8")
