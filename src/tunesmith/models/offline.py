"""transformers, imported so that it stays on this machine."""

from __future__ import annotations

import importlib
import os
from types import ModuleType

from ..kernels.allocator import prepare_environment

OFFLINE = "HF_HUB_OFFLINE"
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
