"""Rows put into a file, loaded, and what was told of them."""

from __future__ import annotations

import json
from types import ModuleType

from tunesmith.recipe import Section


def section(module: ModuleType) -> Section:
    return Section(module.__name__.rsplit(".", 1)[1], module.Settings(), module)


def put(folder, *values, name="a.jsonl"):
    (folder / name).write_text("".join(json.dumps(one) + "\n" for one in values))


def told(loaded, severity=None):
    return [(one.kind, one.where) for one in loaded.findings if severity in (None, one.severity)]


def only(loaded, kind):
    (found,) = [one for one in loaded.findings if one.kind == kind]
    return found


def chat(*turns, **more):
    return {"messages": [{"role": role, "content": content} for role, content in turns], **more}


QUESTION = {"question": "q", "answer": "a"}
