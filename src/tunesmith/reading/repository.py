"""Which files of a data set on the Hub are meant: by its card's `configs`, by their names, or by a pattern.

Source: the Hub's documentation of repository structures ("Manual Configuration", "File names and splits"). No loading
script is ever fetched; the Hub's own conversion of such data sets stands under `@refs/convert/parquet`.
"""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Any

from ..errors import Misuse
from ..hub import Listing, fetch, listing
from ..recipe.hub_id import URL, HubId
from ..records import Finding
from .kinds import PLAIN, RECORDS, suffix
from .quoting import listed

CARD = "README.md"
CARD_BYTES = 1 << 20
TRAIN = "train"
SPLITS = {
    "train": TRAIN, "training": TRAIN,
    "validation": "validation", "valid": "validation", "val": "validation", "dev": "validation",
    "test": "test", "testing": "test", "eval": "test", "evaluation": "test",
}
Splits = Mapping[str, Sequence[str]]


def files(asked: HubId, findings: list[Finding]) -> list[str]:
    """The files of a data set, fetched, under the addresses by which messages call them; the findings are added to.

    Raises Misuse where there is no such data set, configuration, split or file.
    """
    where = str(asked)
    found = listing(asked, "dataset", where)
    every = sorted(name for name in found.files if suffix(name) in (*RECORDS, *PLAIN) and not _aside(name))
    readable = [name for name in every if suffix(name) in RECORDS] or every
    chosen, splits = _chosen(found, asked, every if _is_pattern(asked.part) else readable, where)
    taken = _of_one_kind(found, chosen)
    fetch(found, taken, where)
    commit = "" if asked.pinned else f", at commit {found.commit}"
    others = sorted(split for split, names in splits.items() if list(names) != chosen)
    also = f"; it has also {listed(others)}" if others else ""
    findings.append(Finding("note", "data.hub", f"{len(taken)} file(s) of `{asked.repo}` on the Hub are read{commit}"
                            f"{also}", where))
    left = [name for name in chosen if name not in taken]
    left += [name for name in readable if splits and not any(name in names for names in splits.values())]
    if left:
        findings.append(Finding("note", "data.files_aside", f"{len(left)} file(s) of another kind, or of no split, are "
                                f"not read: {listed(left, 5)}", where,
                                f"name them in the recipe if they belong to the data: `{asked.repo}:PATTERN`"))
    return [f"{URL}{asked.repo}@{found.commit}/{name}" for name in taken]


def _of_one_kind(found: Listing, chosen: Sequence[str]) -> list[str]:
    """The files of the kind that most bytes are of: the same rows in two kinds would be learnt twice."""
    sizes: Counter[str] = Counter()
    for name in chosen:
        sizes[suffix(name)] += found.files[name].size + 1
    kind = sizes.most_common(1)[0][0]
    return [name for name in chosen if suffix(name) == kind]


def _chosen(found: Listing, asked: HubId, readable: list[str], where: str) -> tuple[list[str], Splits]:
    """The files that are asked for, and those of each split beside them."""
    if not readable:
        raise _nothing(found, asked, where)
    if _is_pattern(asked.part):
        matched = [name for name in readable if name == asked.part or fnmatchcase(name, asked.part)]
        if matched:
            return matched, {}
        raise Misuse("hub.no_file", f"no data file of `{asked.repo}` matches `{asked.part}`", where,
                     f"it holds {listed(readable)}")
    name, _, split = asked.part.rpartition("/")
    configs = _configs(found, readable, where)
    splits = _splits_of(configs, name, asked, where)
    wanted = split or TRAIN
    if wanted in splits:
        return list(splits[wanted]), splits
    if split in configs and not name:  # `owner/rows:main`: a configuration without its split
        return _chosen(found, HubId(asked.repo, asked.revision, f"{split}/{TRAIN}"), readable, where)
    raise Misuse("hub.no_split", f"`{asked.repo}` has no split `{wanted}`", where,
                 f"use one of: {', '.join(f'`{each}`' for each in _spelt(asked, configs))}")


def _splits_of(configs: Mapping[str, Splits], name: str, asked: HubId, where: str) -> Splits:
    """The splits of the configuration that is asked for; of the only one, or the default one, where none is."""
    if name in configs:
        return configs[name]
    if not name and len(configs) == 1:
        return next(iter(configs.values()))
    split = asked.part.rpartition("/")[2]
    if not name and split in configs:
        return {}
    what = f"no configuration `{name}`" if name else f"{len(configs)} configurations"
    raise Misuse("hub.which_configuration", f"`{asked.repo}` has {what}", where,
                 f"name one: {', '.join(f'`{each}`' for each in _spelt(asked, configs))}, or a pattern: "
                 f"`{asked.repo}:*`")


def _spelt(asked: HubId, configs: Mapping[str, Splits]) -> list[str]:
    """Every configuration and split as a recipe names it; at most twelve."""
    revision = f"@{asked.revision}" if asked.revision else ""
    every = [f"{asked.repo}{revision}:{f'{name}/' if name else ''}{split}"
             for name, splits in configs.items() for split in splits]
    return every[:12]


def _configs(found: Listing, readable: list[str], where: str) -> dict[str, Splits]:
    """Each configuration's splits, and "" for the one that is meant where none is named."""
    told = _card(found, where).get("configs") if CARD in found.files else None
    configs: dict[str, Splits] = {}
    for one in told if isinstance(told, list) else ():
        if isinstance(one, dict) and "data_files" in one:
            name = str(one.get("config_name", "default"))
            configs[name] = _of_card(one["data_files"], str(one.get("data_dir", "")), readable)
            if one.get("default") is True or name == "default":
                configs[""] = configs[name]
    if configs:
        return configs
    folders = sorted({name.split("/")[0] for name in readable if "/" in name} - set(SPLITS) - {"data"})
    apart = {folder: _by_name(name for name in readable if name.startswith(f"{folder}/")) for folder in folders}
    if len(folders) > 1 and all(name.split("/")[0] in folders for name in readable):
        return apart
    return {"": _by_name(readable), **apart}


def _of_card(told: Any, folder: str, readable: list[str]) -> Splits:
    """The files of each split as a card's `data_files` says it: a pattern, some, or splits with patterns."""
    entries = told if isinstance(told, list) and any(isinstance(one, dict) for one in told) else [{"path": told}]
    splits: dict[str, list[str]] = {}
    for one in entries:
        if not isinstance(one, dict):
            continue
        paths = one.get("path")
        patterns = [str(PurePosixPath(folder, str(path))) for path in (paths if isinstance(paths, list) else [paths])]
        matched = [name for name in readable if any(_matches(name, pattern) for pattern in patterns)]
        splits.setdefault(str(one.get("split", TRAIN)), []).extend(matched)
    return {split: names for split, names in splits.items() if names}


def _matches(name: str, pattern: str) -> bool:
    return fnmatchcase(name, pattern.removeprefix("./").replace("**/", "*")) or name.startswith(f"{pattern}/")


def _by_name(names: Iterable[str]) -> Splits:
    """Files by the split that their names or folders tell; all are for training where none tells."""
    splits: dict[str, list[str]] = {}
    for name in names:
        splits.setdefault(_split_of(name), []).append(name)
    untold = splits.pop("", [])
    if not splits:
        return {TRAIN: untold} if untold else {}
    return splits


def _split_of(name: str) -> str:
    """The split that a path names by a word of its own, the file's name before its folders; "" where none does."""
    for part in reversed(name.lower().split("/")):
        for word in re.split(r"[^a-z]+", part):
            if word in SPLITS:
                return SPLITS[word]
    return ""


def _card(found: Listing, where: str) -> Mapping[str, Any]:
    """The YAML at the head of the repository's card; nothing where it cannot be read."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    if found.files[CARD].size > CARD_BYTES:
        return {}
    text = (fetch(found, [CARD], where) / CARD).read_text(encoding="utf-8", errors="replace")
    head = re.match(r"\ufeff?---[ \t]*\r?\n(.*?)\n---[ \t]*(?:\r?\n|$)", text, re.DOTALL)
    try:
        values = YAML(typ="safe", pure=True).load(io.StringIO(head[1])) if head else None
    except (YAMLError, ValueError, TypeError, RecursionError):
        return {}
    return values if isinstance(values, dict) else {}


def _is_pattern(part: str) -> bool:
    return bool(re.search(r"[*?\[]", part)) or suffix(part) in (*RECORDS, *PLAIN)


def _aside(name: str) -> bool:
    """Whether a file is about the data rather than data."""
    path = Path(name)
    return any(part.startswith(".") for part in path.parts) or path.stem.lower() in (
        "readme", "license", "licence", "changelog", "requirements", "dataset_infos", "dataset_info", "state")


def _nothing(found: Listing, asked: HubId, where: str) -> Misuse:
    if any(name.endswith(".py") for name in found.files) and asked.revision != "refs/convert/parquet":
        return Misuse("hub.script", f"`{asked.repo}` makes its rows by a program of its own, which is not run", where,
                      f"use the Hub's conversion of it, `{asked.repo}@refs/convert/parquet`")
    return Misuse("hub.no_data", f"`{asked.repo}` holds no file of a kind that can be read", where,
                  f"use one with {', '.join((*RECORDS, *PLAIN))} files; it holds {listed(found.files, 5)}")
