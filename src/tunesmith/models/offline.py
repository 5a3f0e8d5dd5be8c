"""transformers, imported so that it stays on this machine."""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from ..errors import Problem, Refusal, is_spent
from ..kernels.allocator import prepare_environment

OFFLINE = "HF_HUB_OFFLINE"
TOLD_CHARACTERS = 300
ENVIRONMENT = {
    OFFLINE: "1",
    "USE_HUB_KERNELS": "0",  # its default downloads and runs compiled code
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",
    "TRANSFORMERS_VERBOSITY": "error",
    "TOKENIZERS_PARALLELISM": "false",
}


def transformers() -> ModuleType:
    """The transformers module, offline, quiet, without telemetry and without kernels from the Hub."""
    prepare_environment()
    users = os.environ.get(OFFLINE)
    os.environ.update(ENVIRONMENT)
    module = importlib.import_module("transformers")
    vars(importlib.import_module("huggingface_hub.constants"))[OFFLINE] = True  # it may have been imported before
    if users is None:  # what the user says of the network is asked again where a base or data is fetched
        del os.environ[OFFLINE]
    else:
        os.environ[OFFLINE] = users
    module.utils.logging.disable_progress_bar()
    module.utils.logging.set_verbosity_error()
    return module


@contextmanager
def opening(file: Path) -> Iterator[None]:
    """Whatever transformers meets in the files of a base becomes a Refusal that names them."""
    try:
        yield
    except Problem:
        raise
    except Exception as error:
        if is_spent(error):
            raise
        told = str(error).strip().splitlines()
        raise Refusal("base.unreadable", f"transformers cannot open the base: {type(error).__name__}"
                      f"{f': {told[0][:TOLD_CHARACTERS]}' if told else ''}", str(file),
                      "fetch the base again, whole; where it is newer than transformers, `pip install -U transformers`"
                      ) from error
