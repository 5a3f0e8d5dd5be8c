"""The checks of the rows, one after the other, before anything is learnt from them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from ...contracts import Looking
from ...data.varied import of_files
from ...records import Alike, Example, Finding, Head, Looked, Side

if TYPE_CHECKING:
    from ...encoding.tokens.codec import Codec
    from ...recipe.sections import Recipe

FILE: Final = re.compile(r"(.+):\d+")
DATA: Final = re.compile(r"(?<=tunesmith clean )DATA\b")


def audit(
    recipe: Recipe, codec: Codec, sides: Mapping[Side, Sequence[Example]], alike: Sequence[Alike] = (),
    *, also: Mapping[str, Sequence[Example]], head: Head | None = None,
) -> dict[str, Looked]:
    """What each check found that the recipe does not leave out, by its name.

    It looks at rows of files: one that was made of another resembles it on purpose. head: what the training rows ask
    for; None where they ask for none, so that nothing can be encoded.
    """
    from ...encoding.tokens.codec import Piece

    def count(texts: Sequence[str]) -> NDArray[np.int64]:
        codec.foresee([Piece(text, control=True)] for text in texts)
        return np.array([len(codec.encode(text, control=True).ids) for text in texts], np.int64)

    def whole(examples: Sequence[Example]) -> NDArray[np.int64]:
        made = recipe.task.module.encode(examples, codec, recipe.task.settings, head)
        return np.array([max(map(len, documents), default=0) for documents, _ in made], np.int64)

    if recipe.data.augment:
        sides = {side: of_files(examples) for side, examples in sides.items()}
    given = Looking(recipe.task.type, recipe.training.max_length, count, alike, also,
                    None if head is None else whole)
    return {section.type: named(section.module.look(sides, section.settings, given))
            for section in recipe.data.audit if section.settings.severity != "off"}


def named(looked: Looked) -> Looked:
    """With the file of the first row in place of `DATA`: the command that mends something can be run as it stands."""
    return replace(looked, noticed=tuple(replace(each, finding=_named(each.finding)) for each in looked.noticed))


def _named(finding: Finding) -> Finding:
    row = FILE.fullmatch(finding.where)
    return replace(finding, remedy=DATA.sub(lambda _: shlex.quote(row[1]), finding.remedy)) if row else finding


def findings(audited: Mapping[str, Looked]) -> list[Finding]:
    """The findings of all checks."""
    return [each.finding for looked in audited.values() for each in looked.noticed]


def as_json(audited: Mapping[str, Looked]) -> dict[str, Any]:
    """What `check --json` promises: of each check its findings with their rows, and its figures."""
    return {name: looked.as_json() for name, looked in audited.items()}
