"""Damage to the checkpoint of a real run is found wherever it is, named, and the checkpoint before is used."""

from __future__ import annotations

import random
import shutil
from pathlib import Path
from typing import Any

import pytest

from disk import damage
from tunesmith.runs import checkpoints
from tunesmith.runs.folder import Run

WHOLLY = ("emptied", "removed", "half zeros", "longer")


@pytest.mark.fault("damaged files")
def test_a_bit_or_a_byte_of_a_real_checkpoint_that_is_wrong_is_found(
    half: Path, tmp_path: Path, record_property: Any
) -> None:
    run = Run(Path(shutil.copytree(half, tmp_path / half.name)))
    good = checkpoints.newest(run)[0]
    assert good is not None and good.step == 3
    files = sorted(path for path in good.folder.iterdir())
    draw = random.Random(7)
    by_size = draw.choices(files, [path.stat().st_size for path in files], k=900)
    harms = [*((path, "one bit") for path in by_size), *((path, "one bit") for path in draw.choices(files, k=100)),
             *((path, "cut short") for path in draw.choices(files, k=100)),
             *((path, how) for path in files for how in WHOLLY)]
    for path, how in harms:
        before = path.read_bytes()
        damage(path, how, draw)
        found, findings = checkpoints.newest(run, set_aside=False)
        assert found is not None and found.step == 2, (path.name, how)
        assert [finding.kind for finding in findings] == ["runs.damaged_checkpoint"]
        assert f"`{path.name}`" in findings[0].what and "step 3" in findings[0].what
        path.write_bytes(before)
    assert checkpoints.newest(run) == (good, [])
    record_property("tried", len(harms))
