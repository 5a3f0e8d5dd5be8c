"""From paths to examples: rows are read, their format recognised, each converted, and all that is odd is told."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, islice
from pathlib import Path

from ..errors import Misuse, Problem, Problems, Refusal
from ..reading.files import find
from ..reading.header import Header
from ..reading.naming import FROM_ROW, is_unnamed
from ..reading.quoting import listed
from ..reading.read import Way, aligned, rows
from ..recipe import Section
from ..records import Conversation, Example, Finding, Question, Row, Text
from . import columns as naming
from . import groups, times
from .by_file import ByFile
from .ledger import Ledger, from_problem
from .odd import Odd
from .recognise import Recognised, not_recognised, proposal, recognise, recognise_files, shape
from .shelf import Shelf
from .turns import tidy

SAMPLE = 1000


@dataclass(frozen=True, slots=True)
class Loaded:
    """Examples in the order of their rows, what was found, and the name of the format ("" where none was recognised).

    rows: how many rows could be read; columns: all that were seen; unused: those of them that no example holds;
    proposed: what `data.columns` could say, where no format was recognised; section: the format with its options;
    guessed: what `data.columns` would say of the columns that were told by what they hold; unnamed: whether the first
    row was found not to name the columns; times: of each example, where a column was named, in seconds since 1970.
    """

    examples: Sequence[Example]
    findings: tuple[Finding, ...]
    format: str
    rows: int = 0
    columns: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()
    proposed: Mapping[str, str] = field(default_factory=dict)
    section: Section | None = None
    guessed: Mapping[str, str] = field(default_factory=dict)
    unnamed: bool = False
    times: Sequence[float] = ()


@dataclass(frozen=True, slots=True)
class _By:
    """The columns by which rows are divided: those that name the group, and the one with the time."""

    group: tuple[str, ...]
    time: str | None

    @property
    def named(self) -> list[tuple[str, str]]:
        """Each with the option that names it."""
        times = [("data.time.column", self.time)] if self.time is not None else []
        return [*(("data.group", column) for column in self.group), *times]


@dataclass(slots=True)
class _Seen:
    """What is counted over all rows."""

    rows: int = 0
    columns: dict[str, None] = field(default_factory=dict)
    fields: set[str] = field(default_factory=set)
    contexts: int = 0
    first_context: Row | None = None


def load(
    train: str | Sequence[str], *, format: Section | None = None, columns: Mapping[str, str] | None = None,
    group: str | Sequence[str] | None = None, time: str | None = None, header: Header = None,
    base_folder: Path = Path(),
) -> Loaded:
    """The examples of files, folders or globs, and everything that is wrong or odd about them, as findings.

    columns: our field names to the user's columns; group: the column, or columns, that name the group; time: the one
    with the time that a row is of; header: of tables, as `data.header`. Rows that cannot be used are errors among the
    findings, and reading goes on. Raises Misuse for paths that are missing or no files.
    """
    ledger, seen, mapping, odd, by = Ledger(), _Seen(), dict(columns or {}), Odd(), _By(groups.columns(group), time)
    files, aside = find(train, base_folder)
    ledger.add(*aside)
    named = format or recognise_files(files, base_folder)
    stream, by_file = _read(files, base_folder, way(named, header), ledger), ByFile()
    if len(files) > 1 and not named:
        stream = by_file.watch(stream, mapping)
    sample = list(islice(stream, SAMPLE))
    found = Recognised(named) if named else recognise(sample, mapping, base_folder)
    chosen, guessed = (found.section, found.columns) if found else (None, {})
    mapping.update(guessed)
    ledger.add(*(found.findings if found else ()))
    examples, moments = Shelf(), array("d")
    for row in chain(sample, stream):
        _count(row, seen)
        if chosen:
            ours, of = naming.renamed(row, mapping), by_file.of(row, chosen, ledger)
            _count_fields(ours, seen, of, mapping)
            made = _examples(row, ours, of, by, ledger, named=format is not None)
            if time is not None and made:
                made = _timed(row, made, time, moments, ledger)
            for example in made:
                odd.add(example)
            examples.extend(made)
    unused = _unused(seen, mapping, by) if chosen else ()
    told = list(_told(seen, mapping, by, chosen, files[0]))
    if not chosen and sample and not any(finding.kind == "data.unknown_column" for finding in told):
        ledger.add(not_recognised(sample, list(seen.columns)))
    ledger.add(*told, *odd.told())
    if unused:
        ledger.add(Finding("note", "data.unused_columns", f"columns that are not used: {listed(unused)}", files[0]))
    unnamed = header is None and bool(sample) and is_unnamed(sample[0].values)
    return Loaded(examples.whole(), ledger.findings(), chosen.type if chosen else "", seen.rows, tuple(seen.columns),
                  unused, {} if chosen else proposal(sample, list(seen.columns)), chosen, guessed, unnamed,
                  moments)


def sniff(paths: str | Sequence[str], *, base_folder: Path = Path()) -> tuple[str, int, tuple[Finding, ...]]:
    """The format that files seem to have ("" where none fits), how many examples they give, and what was found."""
    loaded = load(paths, base_folder=base_folder)
    return loaded.format, len(loaded.examples), loaded.findings


def way(format: Section | None, header: Header) -> Way:
    """How the files of a format are to be read."""
    if format is None:
        return Way(header)
    if format.module.makes is Text:
        return Way(header, "texts")
    in_twos = format.type == "conll" and format.module.in_twos(format.settings)
    return Way(header, "aligned" if in_twos else format.module.reads)


def _read(files: Sequence[str], base_folder: Path, way: Way, ledger: Ledger) -> Iterator[Row]:
    each = (rows(file, base_folder=base_folder, way=way) for file in files)
    for found in aligned(files, base_folder) if way.by == "aligned" else chain.from_iterable(each):
        if isinstance(found, Row):
            yield found
        else:
            ledger.add(found)


def _count(row: Row, seen: _Seen) -> None:
    """Count a row as it stood in the file."""
    seen.rows += 1
    seen.columns.update(dict.fromkeys(row.values))


def _count_fields(ours: Row, seen: _Seen, chosen: Section, mapping: Mapping[str, str]) -> None:
    """Count what a row has under our names."""
    seen.fields.update(chosen.module.columns(ours.values, chosen.settings))
    given = ours.values.get("context") not in (None, "", [])
    if given and chosen.module.makes is not Question and "context" not in mapping:
        seen.contexts += 1
        seen.first_context = seen.first_context or ours


def _unused(seen: _Seen, mapping: Mapping[str, str], by: _By) -> tuple[str, ...]:
    """The columns that no example holds and that nobody said to leave out."""
    left_out = {name for name, column in mapping.items() if not column}
    used = naming.as_seen(seen.fields, mapping) | left_out | {FROM_ROW, *(column for _, column in by.named)}
    return tuple(name for name in seen.columns if name not in used)


def _examples(
    row: Row, ours: Row, chosen: Section, by: _By, ledger: Ledger, *, named: bool
) -> Sequence[Example]:
    """The examples of one row; none, and an error in the ledger, where it is of another shape or wrong."""
    module = chosen.module
    if not named and not module.looks_like(ours.values):
        other = shape(ours.values)
        if other and {other, chosen.type} != {"pair", "question"}:  # these differ by a context alone
            ledger.add(Finding("error", "data.mixed", f"the row has the format {other}, most others {chosen.type}",
                               row.where, "put rows of one format into one file, or convert this row"))
            return ()
    try:
        made = [_settled(example, ledger) for example in module.convert(ours, chosen.settings)]
    except Misuse:  # the recipe's, and no row's
        raise
    except (Problem, Problems) as error:
        ledger.add(*from_problem(error))
        return ()
    if not by.group:
        return made
    label = groups.label(row.values, by.group)
    if label is None:
        without = " and no ".join(f"`{name}`" for name in by.group)
        ledger.add(Finding("error", "data.no_group", f"the row has no {without}, which `data.group` names", row.where,
                           "fill it in, or leave `data.group` out"))
        return ()
    return [replace(example, group=label) for example in made]


def _timed(
    row: Row, made: Sequence[Example], column: str, moments: array[float], ledger: Ledger
) -> Sequence[Example]:
    """The examples of a row, whose time is put beside those of the others; none where it has no time."""
    try:
        moments.extend([times.of_row(row, column)] * len(made))
    except Refusal as problem:
        ledger.add(*from_problem(problem))
        return ()
    return made


def _settled(example: Example, ledger: Ledger) -> Example:
    if not isinstance(example, Conversation):
        return example
    example, findings = tidy(example)
    ledger.add(*findings)
    return example


def _told(
    seen: _Seen, mapping: Mapping[str, str], by: _By, chosen: Section | None, where: str
) -> Iterator[Finding]:
    """What only all rows together show."""
    if seen.rows:
        yield from naming.unknown(mapping, by.named, seen.columns, where)
    for name, column in mapping.items():
        if chosen and column in seen.columns and name not in seen.fields:
            yield Finding("error", "data.unknown_field",
                          f"`data.columns` names the field `{name}`, which the format {chosen.type} does not read",
                          where, "take it out, or name another format in `data.format`")
    if chosen and seen.first_context:
        yield _undecided_context(seen.first_context, seen.contexts, chosen)


def _undecided_context(row: Row, count: int, chosen: Section) -> Finding:
    """The refusal of rows with a context, and the lines that would say what it is."""
    free = [name for name in ("context", "input", "system") if name == "context" or not row.values.get(name)]
    taken = [name for name in free if name in chosen.module.columns({**row.values, name: ""}, chosen.settings)]
    use = f"`{naming.line({taken[0]: 'context'})}` to put it into the prompt, or " if taken else ""
    return Finding("error", "data.context", f"{count} row(s) have a `context`, and nothing says whether it belongs to "
                   "the prompt", row.where, f"write {use}`{naming.line({'context': ''})}` to leave it out")
