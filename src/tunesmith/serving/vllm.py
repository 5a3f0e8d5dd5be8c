"""The same run, answered by vLLM: what leaves it, its template, its name and its key, on vLLM's own command line.

Source: `vllm serve` of vLLM 0.11 to 0.13, whose options these are. What was proved is handed over and nothing else: a
merged export where there is one, else a LoRA export over the base's own folder. The key goes through the environment,
for a command line can be listed by everybody on the machine.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from ..errors import Misuse, Refusal
from ..models import bases, earlier
from ..recipe import read
from ..runs import digests, folder
from .checks import Door

PROGRAM = "vllm"
REPORT_FILE = "parity.json"
TEMPLATE_FILE = "chat_template.jinja"
RANKS = (8, 16, 32, 64, 128, 256, 512)  # what vLLM makes room for
QUIET = {"DO_NOT_TRACK": "1", "VLLM_NO_USAGE_STATS": "1", "HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1",
         "USE_HUB_KERNELS": "0"}


@dataclass(frozen=True, slots=True)
class HandedOver:
    """A command line, and what is added to the environment for it."""

    words: tuple[str, ...]
    environment: Mapping[str, str]


def hand_over(run: Path, name: str, door: Door, port: int) -> NoReturn:
    """Become vLLM, serving the run under a name. Raises what `command` raises, before anything is begun."""
    handed = command(run, name, door, port)
    os.execvpe(handed.words[0], handed.words, {**os.environ, **handed.environment})  # noqa: S606 — words, and no shell


def command(run: Path, name: str, door: Door, port: int) -> HandedOver:
    """What vLLM is told.

    Raises Misuse where vLLM is missing, where the run is no folder of ours, where no export of the judged checkpoint
    is there that it can open; Refusal for one whose files are not those that were proved.
    """
    program = shutil.which(PROGRAM)
    if program is None:
        raise Misuse("serve.no_vllm", "`vllm` is not installed, or not on the path", "--engine",
                     "install vLLM in an environment of its own and put `vllm` on the path, or leave `--engine` out")
    opened = folder.open_run(run)
    merged, adapter = opened.exports / "merged", opened.exports / "adapter"
    if (merged / REPORT_FILE).is_file():
        words = [str(merged), "--served-model-name", name, *_proved(run, merged)]
    elif (adapter / REPORT_FILE).is_file():
        words = _over_base(run, adapter, name)
    else:
        raise Misuse("serve.no_export", "vLLM opens an export, and this run has none that it can open", str(run),
                     f"tunesmith export {run} merged")
    listens = ["--host", door.host.strip("[]"), "--port", str(port)]
    key = {"VLLM_API_KEY": door.key} if door.key else {}
    return HandedOver((program, "serve", *words, *listens), {**QUIET, **key})


def _over_base(run: Path, adapter: Path, name: str) -> list[str]:
    """A LoRA export over the base's folder. Raises Misuse for another adapter, and where vLLM could not open both."""
    config = _json(adapter / "adapter_config.json")
    base = bases.of_run(run, read.read(folder.open_run(run).recipe_file))
    plain = not any(map(config.get, ("modules_to_save", "trainable_token_indices", "use_dora", "rank_pattern")))
    fits = config.get("peft_type") == "LORA" and plain and config.get("r", 0) <= RANKS[-1]
    if not fits or base.run is not None or base.added or not list(base.folder.glob("*.safetensors")):
        raise Misuse("serve.no_export", "vLLM cannot lay this adapter over its base", str(adapter),
                     f"tunesmith export {run} merged")
    rank = next(each for each in RANKS if each >= config["r"])
    return [str(base.folder), "--served-model-name", f"{name}-base", "--tokenizer", str(adapter),
            "--generation-config", str(adapter), "--enable-lora", "--max-lora-rank", str(rank),
            "--lora-modules", f"{name}={adapter}", *_proved(run, adapter)]


def _proved(run: Path, export: Path) -> Sequence[str]:
    """The words for the export's template. Raises Misuse for another checkpoint's export, Refusal for changed files."""
    facts = _json(export / REPORT_FILE)
    judged = int(earlier.best_checkpoint(run).name.split("-")[1].split(".")[0])
    if facts["step"] != judged:
        raise Misuse("serve.old_export", f"the export is of step {facts['step']}, and the run was judged at step "
                     f"{judged}", str(export), f"tunesmith export {run} {export.name}")
    for name, told in facts["files"].items():
        file = export / name
        if not file.is_file() or digests.digest_file(file) != told["sha256"]:
            raise Refusal("serve.changed_export", f"`{name}` is not what was proved when the run was exported",
                          str(file), f"tunesmith export {run} {export.name}")
    template = export / TEMPLATE_FILE
    return ["--chat-template", str(template), "--chat-template-content-format", "string"] if template.is_file() else []


def _json(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found
