"""GGUF files, turned once into folders of safetensors that open in a second.

Weights are kept in float32: the values of 4-bit blocks, scale times number plus offset, fit into neither float16 nor
bfloat16 (33% and 75% of SmolLM2's would change), and the dtype to compute in is chosen later.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import shutil
import tempfile
from pathlib import Path

from ..cache import cache_folder
from ..errors import Failure
from ..runs.digests import digest_file
from ..runs.durable import free_bytes, no_space
from . import gguf_header
from .offline import opening, transformers

log = logging.getLogger(__name__)

LAYOUT = "1"  # part of the cache's key: raised when what is written changes


def converted(file: Path) -> tuple[Path, str]:
    """The folder in the Hub's layout that a GGUF file became, and the SHA-256 of the file.

    Raises Refusal where the file's header reaches beyond the file, Misuse where the `gguf` extra is missing, Failure
    where there is no room.
    """
    digest = digest_file(file)
    target = cache_folder() / "gguf" / f"{digest}-{LAYOUT}"
    if (target / "config.json").is_file():
        return target, digest
    gguf_header.read(file)
    log.info("converting %s once, into %s; this takes about half a minute", file.name, target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        working = Path(tempfile.mkdtemp(prefix=".converting-", dir=target.parent))
    except OSError as error:
        raise Failure("base.cache", f"the cache cannot be written: {error.strerror}", str(target.parent),
                      "set `TUNESMITH_CACHE` to a folder that you may write to") from error
    try:
        # 4-bit blocks grow eightfold; a little over half a byte a number, so at most 8 bytes for each of the file's
        needed = 8 * file.stat().st_size
        if needed > free_bytes(target.parent):
            raise no_space(target.parent, needed, "the disk is too full to convert the GGUF file")
        with opening(file), contextlib.redirect_stderr(io.StringIO()):  # a progress bar that cannot be told to be quiet
            _write(file, working)
        _put(working, target)
    finally:
        shutil.rmtree(working, ignore_errors=True)
    return target, digest


def _write(file: Path, folder: Path) -> None:
    """Dequantise into a plain model; weights, configuration, tokenizer and template, synced."""
    import torch

    library = transformers()
    network = library.AutoModelForCausalLM.from_pretrained(
        file.parent, gguf_file=file.name, dtype=torch.float32, local_files_only=True, trust_remote_code=False,
        quantization_config=library.GgufConfig(dequantize=True),
    )
    plain = library.AutoModelForCausalLM.from_config(network.config, dtype=torch.float32)
    plain.load_state_dict(network.state_dict())
    plain.generation_config = network.generation_config
    plain.config._name_or_path = ""
    plain.save_pretrained(folder)
    tokenizer = library.AutoTokenizer.from_pretrained(
        file.parent, gguf_file=file.name, local_files_only=True, trust_remote_code=False
    )
    tokenizer.save_pretrained(folder)
    mode = 0o666 & ~_umask()
    for written in folder.iterdir():
        written.chmod(mode)  # safetensors leaves its files to their owner alone
        with written.open("rb") as stream:
            os.fsync(stream.fileno())


def _put(working: Path, target: Path) -> None:
    """Rename into place; another process may have been faster, and then its folder stands."""
    working.chmod(0o777 & ~_umask())
    try:
        working.rename(target)
    except OSError as error:
        if not (target / "config.json").is_file():
            raise Failure("base.cache", f"the cache cannot be written: {error.strerror}", str(target),
                          f"remove `{target}`") from error


def _umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask
