"""The formats of several files: prompts in one and turns in another are learnt alike, so each is read as it is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain, groupby, islice
from typing import Final

from ..recipe import Section
from ..records import Conversation, Finding, Pair, Row
from . import columns as naming
from .ledger import Ledger
from .recognise import module_of, shape

FIRST: Final = 100  # rows that tell the format of a file
ALIKE: Final = {Conversation, Pair}


@dataclass(slots=True)
class ByFile:
    """Which format most of the first rows of each file have, and that format once a row of the file was read."""

    shapes: dict[str, str] = field(default_factory=dict)
    sections: dict[str, Section] = field(default_factory=dict)

    def watch(self, stream: Iterator[Row], mapping: Mapping[str, str]) -> Iterator[Row]:
        """The rows; before a file's first one its format is known."""
        for file, group in groupby(stream, key=_file):
            its = iter(group)
            first = list(islice(its, FIRST))
            counts = Counter(name for row in first if (name := shape(naming.renamed(row, mapping).values)))
            if counts:
                self.shapes[file] = counts.most_common(1)[0][0]
            yield from chain(first, its)

    def of(self, row: Row, chosen: Section, ledger: Ledger) -> Section:
        """The format that a row is read as. chosen: that of most rows of all files; another one is told."""
        if not self.shapes:
            return chosen
        file = _file(row)
        if file not in self.sections:
            self.sections[file] = self._decided(file, chosen, ledger)
        return self.sections[file]

    def _decided(self, file: str, chosen: Section, ledger: Ledger) -> Section:
        name = self.shapes.get(file, chosen.type)
        module = module_of(name)
        if name == chosen.type or not {module.makes, chosen.module.makes} <= ALIKE:
            return chosen
        ledger.add(Finding("note", "data.formats", f"the file is read as `{name}`, others as `{chosen.type}`", file))
        return Section(name, module.Settings(), module)


def _file(row: Row) -> str:
    return row.where.rpartition(":")[0]
