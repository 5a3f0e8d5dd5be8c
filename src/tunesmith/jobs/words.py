"""What a job's process says, in the words of whoever asked for the job: their file names, their parameters."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from ..runs.redact import redacted
from ..visible import visible
from .entries import Job
from .place import SIDES, Work

SHOWN = 20
# what only whoever writes recipes can do helps nobody who sends rows
OF_RECIPES = re.compile(r"`(?:base|task|data|adapter|training|evaluation|run)\b[.`]|--[a-z]|tunesmith ")


def answer(work: Work) -> dict[str, Any]:
    """The JSON value that the newest process answered with; nothing where it ended without one."""
    try:
        found = json.loads(work.answer.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def mistakes(said: Mapping[str, Any]) -> list[Mapping[str, str]]:
    """What the answer says is wrong."""
    found = [*said.get("errors", []), *(each for each in said.get("findings", []) if each["severity"] == "error")]
    return sorted(found, key=_line)


def warnings(said: Mapping[str, Any]) -> list[Mapping[str, str]]:
    """What the answer warns of."""
    return [each for each in said.get("findings", []) if each["severity"] == "warning"]


def error(found: Sequence[Mapping[str, str]], job: Job, work: Work) -> dict[str, str | None]:
    """The error of a job: code and parameter of the first mistake, and all mistakes, a line each."""
    lines = [sentence(each, job, work) for each in found[:SHOWN]]
    if len(found) > SHOWN:
        lines.append(f"… and {len(found) - SHOWN:,} more")
    return {"code": found[0]["kind"], "message": "\n".join(lines), "param": _param(found[0], work)}


def sentence(said: Mapping[str, str], job: Job, work: Work) -> str:
    """One mistake or warning: where, what, and what to do where the API can do it."""
    named = any(str(work.rows(side)) in said["where"] for side in SIDES)
    where = f"{said['where']}: " if named else ""
    remedy = "" if OF_RECIPES.search(said["remedy"]) or not said["remedy"] else f"; {said['remedy']}"
    return str(redacted(_theirs(f"{where}{said['what']}{remedy}", job, work)))


def _theirs(text: str, job: Job, work: Work) -> str:
    for side in SIDES:
        text = text.replace(str(work.rows(side)), visible(job.wish.filenames.get(side, side)))
        text = text.replace(f"{side}.jsonl", visible(job.wish.filenames.get(side, side)))
    return text.replace(f"{work.path}/", "").replace("`data.train`", "the training file")


def _line(said: Mapping[str, str]) -> tuple[str, int]:
    place, _, line = said["where"].rpartition(":")
    return (place, int(line)) if line.isdecimal() else ("", 0)


def _param(said: Mapping[str, str], work: Work) -> str | None:
    text = f"{said['where']} {said['what']}"
    for side in reversed(SIDES):
        if str(work.rows(side)) in text:
            return side
    if said["kind"].split(".")[0] in ("base", "template", "tokenizer", "special"):
        return "model"
    return SIDES[0] if said["kind"].split(".")[0] in ("data", "row", "mask", "audit") else None
