"""Fixtures that every room's tests share."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tunesmith.kernels.allocator import prepare_environment

prepare_environment()  # as the command line does, before anything imports torch
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # under `nohup` it would be ignored, by the tests' own processes too

# No test asserts a time: how long an example takes, or its drawing, is the machine's affair
settings.register_profile("no clock", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("no clock")

pytest_plugins = ["tally"]
SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real data sets, tokenizers and templates beside the checkout."""
    if not SHARED.is_dir():
        pytest.skip(f"the shared data folder is not at {SHARED}")
    return SHARED


@pytest.fixture(scope="session", autouse=True)
def kernels() -> None:
    """Compiled once, before a test has the cache elsewhere."""
    from tunesmith.kernels import build

    build.library()
