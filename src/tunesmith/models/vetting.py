"""What must hold of a stranger's folder before anything opens it: no code, no pickles, no bounds beyond the files.

A file from outside never decides about trust: configurations that ask for code of their own are refused, weights are
read from safetensors only, and every offset in their headers is held against the size of the file.
"""

from __future__ import annotations

import json
import math
import re
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ..errors import Problem, Refusal, raise_all

PICKLED = frozenset({".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".joblib"})
# `torch.save` writes a zip or, in older files, a bare pickle
PICKLE_STARTS = (b"PK\x03\x04", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")
TRUST_KEYS = re.compile(r"auto_map|trust_remote_code|.*_internal|custom_.*|use_kernels|kernel_config")
CHOICE_KEYS = re.compile(r"_?(attn|experts)_implementation")  # transformers takes `owner/name` for code from the Hub
COUNT_KEYS = re.compile(r"(num|n)_(\w+_)?(layers?|blocks|experts)|\w+_layers")
LEAST_MANY = 1000  # of layers and the like; more than this need bytes of weights, a thousand for each
OPENED = ("*.json", "*.safetensors", "*.jinja", "*.model", "*.txt")
DICTIONARIES = frozenset({"config.json", "tokenizer_config.json", "generation_config.json"})
JSON_LIMIT_BYTES = 64 << 20
HEADER_LIMIT_BYTES = 100 << 20  # the limit of the safetensors library itself
BITS = {
    "BOOL": 8, "U8": 8, "I8": 8, "F8_E4M3": 8, "F8_E5M2": 8, "F8_E8M0": 8, "U16": 16, "I16": 16, "F16": 16,
    "BF16": 16, "U32": 32, "I32": 32, "F32": 32, "U64": 64, "I64": 64, "F64": 64, "C64": 64, "F4": 4,
}
CONVERT = (
    "on a machine that you can afford to lose: python -c \"from transformers import AutoModelForCausalLM as M; "
    "M.from_pretrained('FOLDER').save_pretrained('SAFE')\", then use SAFE"
)


def vet_folder(folder: Path) -> dict[str, Any]:
    """The parsed `config.json` of a folder whose files were all found safe to open.

    Raises all problems at once, as Refusals.
    """
    _refuse_special(folder)
    problems: list[Problem] = []
    weights = sorted(folder.glob("*.safetensors"))
    if not weights:
        problems.append(_no_weights(folder))
    for file in weights:
        problems += vet_safetensors(file)
    for file in sorted(folder.glob("*.safetensors.index.json")):
        problems += _strange_names(file, _parsed(file)[0])
    config, found = _settings(folder)
    found += _too_many(folder / "config.json", config, sum(file.stat().st_size for file in weights))
    raise_all([*problems, *found])
    return config


def vet_settings(folder: Path) -> None:
    """Raise what is wrong with the files of a folder that hold no weights, all at once, as Refusals."""
    _refuse_special(folder)
    raise_all(_settings(folder)[1])


def _settings(folder: Path) -> tuple[dict[str, Any], list[Problem]]:
    """The parsed `config.json`, and what is wrong with it and with the other JSON files."""
    problems: list[Problem] = []
    config: dict[str, Any] = {}
    for file in sorted(folder.glob("*.json")):
        if file.name == "tokenizer.json":  # the tokenizers library reads it; it knows no code
            continue
        values, found = _parsed(file)
        problems += found
        problems += [_untrusted(file, path) for path in _trust_keys(values)]
        if file.name in DICTIONARIES and not found and not isinstance(values, dict):
            problems.append(Refusal("base.broken_json", f"`{file.name}` holds no object", str(file),
                                    "fetch the base again"))
        elif file.name == "config.json" and not found:
            config = values
    if not (folder / "config.json").is_file():
        problems.append(Refusal("base.no_config", "the folder has no `config.json`", str(folder),
                                "name a folder in the Hub's layout: config.json, *.safetensors, tokenizer.json"))
    if (folder / "adapter_config.json").exists():
        problems.append(Refusal("base.adapter", "an adapter stands in the folder (`adapter_config.json`), which names"
                                " another base to open", str(folder),
                                "name the base itself, or take the adapter's files out of its folder"))
    if config.get("quantization_config"):
        problems.append(Refusal("base.quantised", "the weights are quantised", str(folder / "config.json"),
                                "use the original, or a GGUF file of it"))
    return config, problems


def _refuse_special(folder: Path) -> None:
    """Raise Refusals for what is no file: a pipe or a device could be read for ever, a link may lead nowhere."""
    problems: list[Problem] = []
    for file in sorted(file for pattern in OPENED for file in folder.glob(pattern)):
        try:
            fault = "" if stat.S_ISREG(file.stat().st_mode) else "is no plain file"
        except OSError as error:
            fault = f"cannot be read: {error.strerror}"
        if fault:
            problems.append(Refusal("base.no_file", f"`{file.name}` {fault}", str(file), "fetch the base again, whole"))
    raise_all(problems)


def _too_many(file: Path, values: Any, weights_bytes: int) -> list[Problem]:
    """Counts of layers and the like that the weights cannot hold; a network of them would be built all the same."""
    most = max(LEAST_MANY, weights_bytes // 1000)
    return [
        Refusal("base.too_many", f"`{path}` is {value}, more than the weights can hold", f"{file}: {path}",
                "fetch the base again; nobody trained this")
        for path, key, value in _leaves(values)
        if COUNT_KEYS.fullmatch(key) and isinstance(value, int) and value > most
    ]


def _leaves(value: Any, path: str = "", key: str = "") -> Iterator[tuple[str, str, Any]]:
    """Path, nearest key and value of everything in a configuration that holds nothing itself."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _leaves(inner, f"{path}.{name}" if path else str(name), str(name))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _leaves(inner, f"{path}[{number}]", key)
    else:
        yield path, key, value


def vet_safetensors(file: Path) -> list[Problem]:
    """What is wrong with the header of a safetensors file: nothing in it may point beyond the file or overlap."""
    size = file.stat().st_size
    with file.open("rb") as stream:
        start = stream.read(8)
        if start.startswith(PICKLE_STARTS):
            return [Refusal("base.pickled", "a pickle stands under the name of a safetensors file; opening it could "
                            "run code", str(file), CONVERT)]
        length = int.from_bytes(start, "little")
        if len(start) < 8 or length > min(size - 8, HEADER_LIMIT_BYTES):
            return [_cut_short(file, f"its header needs {length + 8} bytes, the file has {size}")]
        raw = stream.read(length)
    try:
        header = json.loads(raw, object_pairs_hook=_once)
        fault = _layout_fault(header, size - 8 - length)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        fault = f"its header cannot be read: {error}"
    return [_cut_short(file, fault)] if fault else []


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The object of these pairs. Raises ValueError where a name stands twice: two readers could take two of them."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"`{next(name for name in names if names.count(name) > 1)}` stands twice")
    return found


def _layout_fault(header: Mapping[str, Any], data_bytes: int) -> str | None:
    """Why the tensors of a header do not fill the data exactly, or None."""
    spans = []
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        begin, end = entry["data_offsets"]
        numbers = [begin, end, *entry["shape"]]
        if not all(isinstance(number, int) and number >= 0 for number in numbers):
            return f"`{name}` has a strange shape or place"
        if math.prod(entry["shape"]) * BITS[entry["dtype"]] != (end - begin) * 8:
            return f"`{name}` does not have the size of its shape"
        spans.append((begin, end, name))
    reached = 0
    for begin, end, name in sorted(spans):
        if begin != reached:
            return f"`{name}` begins at {begin}, not at {reached}"
        reached = end
    return None if reached == data_bytes else f"its tensors need {reached} bytes, the file has {data_bytes}"


def _parsed(file: Path) -> tuple[Any, list[Problem]]:
    """The value of a JSON file, or what is wrong with it."""
    if file.stat().st_size > JSON_LIMIT_BYTES:
        return None, [Refusal("base.broken_json", f"`{file.name}` is larger than {JSON_LIMIT_BYTES} bytes", str(file),
                              "fetch the base again")]
    try:
        return json.loads(file.read_text(encoding="utf-8")), []
    except (ValueError, RecursionError) as error:
        return None, [Refusal("base.broken_json", f"`{file.name}` is no JSON: {error}", str(file),
                              "fetch the base again")]


def _trust_keys(value: Any, path: str = "") -> Iterator[str]:
    """Paths of keys by which a file would decide about trust."""
    if isinstance(value, dict):
        for key, inner in value.items():
            here = f"{path}.{key}" if path else str(key)
            if TRUST_KEYS.fullmatch(str(key)) and inner not in (None, False, {}, []):
                yield here
            if CHOICE_KEYS.fullmatch(str(key)) and any("/" in str(one) for _, _, one in _leaves(inner)):
                yield here
            yield from _trust_keys(inner, here)
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _trust_keys(inner, f"{path}[{number}]")


def _strange_names(file: Path, values: Any) -> list[Problem]:
    """Names of shards that are not plain files beside the index, or that are missing."""
    shards = set(values.get("weight_map", {}).values()) if isinstance(values, dict) else set()
    found: list[Problem] = []
    for shard in sorted(map(str, shards)):
        if Path(shard).name != shard or not shard.endswith(".safetensors"):
            found.append(Refusal("base.strange_path", f"the index names `{shard}`, which is no file beside it",
                                 str(file), "fetch the base again"))
        elif not (file.parent / shard).is_file():
            found.append(_cut_short(file, f"`{shard}` is missing"))
    return found


def _no_weights(folder: Path) -> Refusal:
    pickled = sorted(file.name for file in folder.iterdir() if file.suffix in PICKLED)
    if pickled:
        return Refusal("base.pickled", f"the weights are pickled (`{pickled[0]}`); opening them could run code",
                       str(folder), CONVERT.replace("FOLDER", str(folder)))
    return Refusal("base.no_weights", "the folder has no weights (*.safetensors)", str(folder),
                   "fetch the base again, whole")


def _untrusted(file: Path, path: str) -> Refusal:
    return Refusal("base.untrusted", f"`{path}` asks to run code that comes with the base", f"{file}: {path}",
                   "read that code; use a base that transformers knows, or remove the key if it knows this one")


def _cut_short(file: Path, fault: str) -> Refusal:
    return Refusal("base.damaged", f"`{file.name}` is cut short or damaged: {fault}", str(file),
                   "fetch the base again")
