"""What somebody wants cleaned, and what may not be: told before anything is read or written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..catalog import names, nearest
from ..errors import Misuse, Problem, Problems, Refusal, raise_all
from ..reading.files import find, locate
from ..reading.header import Header
from ..reading.quoting import listed
from ..recipe import Section, choices
from ..records import Row

SAFE = ("unicode", "whitespace", "duplicates")  # what they take away teaches nothing, whatever the rows are for


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody wants cleaned, and how.

    steps: names, in their order; none: those that are safe for these rows; options: `STEP.option=value`; columns: those
    whose texts are cleaned; none: those of the format; format: as `data.format`; base_folder: where relative paths
    count from.
    """

    files: Sequence[str]
    steps: Sequence[str] = ()
    options: Sequence[str] = ()
    columns: Sequence[str] = ()
    format: str | None = None
    header: Header = None
    base_folder: Path = field(default_factory=Path)


def sections(wish: Wish) -> list[Section]:
    """The steps with their options. Raises all mistakes at once."""
    named = list(wish.steps) or [name for name in SAFE if name in names("clean")]
    problems: list[Problem] = []
    options: dict[str, list[str]] = {name: [] for name in named}
    for option in wish.options:
        step = next((name for name in named if option.startswith(f"{name}.")), None)
        if step is not None:
            options[step].append(option.removeprefix(f"{step}."))
            continue
        step = option.partition(".")[0]
        near = nearest(step, named)
        problems.append(Misuse("clean.option", f"`{option}` is of no step that is to run", "",
                               f"use `{near}`" if near else f"name `{step}` in `--steps`, or leave the option out"))
    doubled = sorted({name for name in named if named.count(name) > 1})
    if doubled:
        problems.append(Misuse("clean.twice", f"steps are named twice: {listed(doubled)}", "--steps",
                               "name each once: they are repeated until nothing changes any more"))
    made = []
    for name, own in options.items():
        try:
            made.append(choices.section("clean", name, own))
        except (Problem, Problems) as error:
            problems += error.problems if isinstance(error, Problems) else [error]
    raise_all(problems)
    return made


def refuse_places(wish: Wish, output: Path, ledger: Path, *, overwrite: bool) -> None:
    """Raise Misuse where writing would destroy something."""
    if output.suffix != ".jsonl":
        raise Misuse("clean.output", "rows are written as JSON lines, and the name says otherwise", str(output),
                     "name a file that ends in `.jsonl`")
    read = {locate(file, wish.base_folder).resolve() for file in find(list(wish.files), wish.base_folder)[0]}
    for path in (output, ledger):
        if path.resolve() in read:
            raise Misuse("clean.itself", "the file is one of those that are read", str(path),
                         "name another one with `--output`")
    standing = [str(path) for path in (output, ledger) if path.exists()]
    if standing and not overwrite:
        raise Misuse("clean.exists", f"there is a file already: {listed(standing)}", standing[0],
                     "name another one with `--output`, or say `--overwrite`")


def refuse_columns(wanted: Sequence[str], seen: Sequence[str], rows: Sequence[Row]) -> None:
    """Raise Misuse for columns that no row has."""
    if not rows:
        return
    problems = []
    for name in wanted:
        if name not in seen:
            near = nearest(name, seen)
            problems.append(Misuse("clean.column", f"`--columns` names {listed([name])}, which no row has",
                                   rows[0].where, f"use {listed([near])}" if near else f"use one of: {listed(seen)}"))
    raise_all(problems)


def without_rewriting(steps: Sequence[Section], row: Row, *, chosen: bool) -> list[Section]:
    """The steps that only drop rows. Raises Refusal where somebody named others."""
    rewriting = [one.type for one in steps if one.module.rewrites]
    if rewriting and chosen:
        drops = [name for name in names("clean") if not choices.section("clean", name).module.rewrites]
        raise Refusal("clean.points", f"the rows have tags or answers that point into their texts, which "
                      f"{listed(rewriting)} would write anew", row.where,
                      f"leave it out; steps that only drop rows are {listed(drops)}")
    return [one for one in steps if not one.module.rewrites]
