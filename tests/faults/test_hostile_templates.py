"""Hostile templates in the child that tries them: each ends by itself, soon and small."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import jinja2
import pytest

from hostile_templates import ESCAPES, EXHAUSTIONS
from tunesmith.encoding.templates import sandbox
from tunesmith.encoding.templates import template as templates

SECONDS, MEMORY_BYTES = 2, 200 << 20


def tried(source: str) -> dict[str, object]:
    """What the child says of a template, with less time and memory than it has otherwise."""
    asked = {"source": source, "special": {}, "cpu_seconds": SECONDS, "memory_bytes": MEMORY_BYTES}
    done = subprocess.run(
        [sys.executable, "-I", "-c", templates.CHILD, str(Path(jinja2.__file__).parents[1]), sandbox.__file__],
        input=json.dumps(asked), capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, "the system had to end it"
    found: dict[str, object] = json.loads(done.stdout)
    return found


@pytest.mark.long
@pytest.mark.fault("hostile templates")
@pytest.mark.parametrize("source", [*ESCAPES, *EXHAUSTIONS])
def test_a_hostile_template_ends_soon_and_small(source: str) -> None:
    found = tried(source)
    assert found["kind"] or source in ESCAPES
