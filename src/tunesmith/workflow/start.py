"""A first recipe for files of examples: short, commented, and right for what was recognised in them."""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from ..data import columns as naming
from ..data.load import Loaded, load
from ..data.texts import characters
from ..errors import Misuse, Problem, Refusal, raise_all
from ..recipe import located
from ..recipe.hub_id import parse
from ..recipe.paths import data_file
from ..recipe.schema import schema
from ..records import Example, Finding, Pair
from .drafts import DRAFTS, LENGTHS, MANY_EXAMPLES, RECIPE, REWRITING, Draft, learnt

if TYPE_CHECKING:
    from ..models.pretrained import Base

PLAIN_PATH = re.compile(r"[A-Za-z_./][\w./-]*")

SCHEMA = ".recipe.schema.json"  # beside the recipe, so that both can be moved and shared together
TEMPLATE = "\n  template: chatml  # the base has none: turns are written so, and the tokens for it are added"


@dataclass(frozen=True)
class Started:
    """The recipe that was written, what it is for, and the command that comes next."""

    recipe: Path
    base: str
    task: str
    loaded: Loaded

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What was noticed in the data."""
        return self.loaded.findings

    @property
    def next(self) -> str:
        """The command to run now."""
        return f"tunesmith check {self.recipe}"

    def as_json(self) -> dict[str, Any]:
        """For `init --json`."""
        return {
            "recipe": str(self.recipe), "base": self.base, "task": self.task, "format": self.loaded.format,
            "examples": len(self.loaded.examples), "findings": [finding.as_json() for finding in self.findings],
            "next": self.next,
        }


def init(
    data: Sequence[str], output: Path, base: str | None = None, *, columns: Mapping[str, str] = MappingProxyType({}),
) -> Started:
    """Write a recipe for the data to `output`, and beside it the schema by which an editor completes and checks it.

    columns: our field names to those of the data, as in `data.columns`.

    Raises Misuse where the file exists already, a path or the base is missing; Refusal where nothing was recognised.
    """
    if output.exists():
        raise Misuse("recipe.exists", "the recipe exists already", str(output), "name another file with `--output`")
    found = _on_disk(base)
    loaded = load(data, columns=columns)
    if not loaded.examples:
        raise_all([_refused(finding, loaded) for finding in loaded.findings if finding.severity == "error"])
        raise Refusal("data.empty", "there is no example in it", data[0], "name files that hold examples")
    draft = _draft(loaded.examples[0], found)
    few, many = draft.epochs
    max_length, too_long = _length(loaded.examples, draft, found.context if found else draft.context)
    text = RECIPE.format(
        schema=SCHEMA, examples=len(loaded.examples), format=loaded.format, unused=_unused(loaded),
        base=_base(base or draft.base, output), task=draft.task, learnt=learnt(loaded.examples),
        train=_train(data, output), reading=_reading(loaded, columns, output) + too_long,
        template=TEMPLATE if draft.task == "chat" and found is not None and not _has_template(found) else "",
        adapter=draft.adapter, rate=draft.rate, epochs=few if len(loaded.examples) < MANY_EXAMPLES else many,
        batch_size=draft.batch_size, max_length=max_length, long=draft.long, evaluation=draft.evaluation,
        name=re.sub(r"[^\w.-]+", "-", output.stem).strip("-._") or "run",
    )
    output.parent.mkdir(parents=True, exist_ok=True)
    output.with_name(SCHEMA).write_text(json.dumps(schema(), ensure_ascii=False) + "\n", encoding="utf-8")
    output.write_text(text, encoding="utf-8")
    return Started(output, base or draft.base, draft.task, loaded)


def _draft(example: Example, base: Base | None) -> Draft:
    """What a first recipe says for such examples, and for a base that reads one text and writes another."""
    from ..models import layouts

    if base is not None and isinstance(example, Pair) and layouts.reads_and_writes(base):
        return REWRITING
    return DRAFTS[type(example)]


def _on_disk(base: str | None) -> Base | None:
    """The base, if it costs nothing to look at it; None otherwise. Raises Misuse for one that is missing."""
    from ..models import bases

    if base is None or base in bases.STARTERS or Path(base).suffix == ".gguf":
        return None
    if parse(base) is not None and not Path(base).exists():
        return None  # on the Hub: `check` fetches it, and tells
    return bases.find(base, "--base")


def _has_template(base: Base) -> bool:
    """Whether something says how a user's turn begins and an answer ends."""
    from ..models.load import codec

    try:
        codec(base, None, datetime.now().astimezone()).require_template()
    except Refusal as refusal:
        return refusal.kind != "template.missing"  # another fault is told by `check`
    return True


def _refused(finding: Finding, loaded: Loaded) -> Problem:
    """The finding as what `init` refuses with; what `data.columns` says of a recipe `--column` says here."""
    remedy = finding.remedy
    if finding.kind == "data.format_unknown" and loaded.proposed:
        flags = " ".join(f"--column {shlex.quote(f'{field}={name}')}" for field, name in loaded.proposed.items())
        remedy = remedy.replace(f"`{naming.line(loaded.proposed)}`", f"`{flags}`")
    return Refusal(finding.kind, finding.what, finding.where, remedy)


def _length(examples: Sequence[Example], draft: Draft, context: int) -> tuple[int, str]:
    """The smallest usual length that the longest example probably fits into, and the line for those that do not."""
    longest = max(map(characters, examples)) / draft.characters_per_token
    too_long = f"\n  too_long: {draft.too_long}  # of rows that are longer than the base can read, the beginning counts"
    usual = next((length for length in LENGTHS if length >= longest), LENGTHS[-1])
    return min(context, usual), too_long if longest > context and draft.too_long else ""


def _reading(loaded: Loaded, columns: Mapping[str, str], output: Path) -> str:
    """The lines that say how the files are read, where it was told by what they hold, or by the user."""
    section, named = loaded.section, {**columns, **loaded.guessed}
    lines = ["header: false"] if loaded.unnamed else []
    if section is not None:
        usual = section.module.Settings()
        options = {name: value for name, value in section.settings.model_dump(mode="json").items()
                   if value != vars(usual)[name]}
        options |= located.moved(section.settings, partial(os.path.relpath, start=output.parent))
        if options or loaded.guessed or section.type == "question":
            told = "".join(f", {name}: {_value(value)}" for name, value in options.items())
            lines.append(f"format: {{type: {section.type}{told}}}")
    lines += [f"columns: {naming.inside(named)}"] if named else []
    return "".join(f"\n  {line}" for line in lines)


def _value(value: Any) -> str:
    return _yaml(value) if isinstance(value, str) else json.dumps(value)


def _unused(loaded: Loaded) -> str:
    return f"\n# Columns that are not used: {', '.join(loaded.unused)}." if loaded.unused else ""


def _train(data: Sequence[str], output: Path) -> str:
    """Paths as the recipe needs them: counted from its own folder."""
    paths = [path if Path(path).is_absolute() or data_file(path, Path()) == path
             else os.path.relpath(path, output.parent) for path in data]
    return _yaml(paths[0]) if len(paths) == 1 else f"[{', '.join(map(_yaml, paths))}]"


def _base(name: str, output: Path) -> str:
    """A base as the recipe needs it: a path counts from its folder, and shows that it is one by a slash."""
    if Path(name).is_absolute() or not Path(name).exists():
        return _yaml(name)
    path = os.path.relpath(name, output.parent)
    return _yaml(path if "/" in path else f"./{path}")


def _yaml(text: str) -> str:
    return text if PLAIN_PATH.fullmatch(text) else json.dumps(text, ensure_ascii=False)
