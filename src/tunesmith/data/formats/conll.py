"""Words and their tags: column files with a word a line, two files of aligned lines, or rows with two lists.

In a column file a line of nothing but white space ends a sentence; lines that begin with `# ` and have not as many
columns as the others, and `-DOCSTART-`, are passed over. The first column is the word and the last the tag, unless
`data.columns` says otherwise (`{tokens: column 2, tags: column 4}`). Rows hold their words under `tokens` or `words`,
the tags under `tags`, `ner_tags` or `labels`. Tags are kept as they are: what a scheme makes of them is the task's.
Source: the shared tasks of CoNLL-2000 and CoNLL-2003.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from ...contracts import Place
from ...errors import Refusal
from ...reading.naming import TAGS, WORDS, columns_of_lines, first, is_tagged
from ...records import Row, Tagged
from ..fields import missing, normalised, text, wrong_type
from ..label_names import LabelNames, named

makes: Final = Tagged
reads: Final[Literal["blocks"]] = "blocks"

_JOINERS = "_\u200c\u200d"  # what stands inside a word and is no letter: Persian and Hindi have the last two


class Settings(BaseModel):
    """Which files belong together, and what tags mean that are numbers or misspelt."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    aligned: bool = False
    """Whether files come in twos: one with words, then one with as many tags on each of its lines.

    True or false: `train: [sents.txt, tags.txt]` with `aligned: true` is one set of sentences.
    """

    names: LabelNames = None
    """A file with the tags' names, one a line, where rows have numbers: 0 is the first line; null: tags are texts.

    A relative path counts from the folder of the recipe.
    """

    rename: dict[str, str] = Field(default_factory=dict)
    """Tags to read as others, such as `{o: O, B-DAT: B-DATE}`: slips in files that cannot be corrected.

    `tunesmith check` names tags that look misspelt. Every row that has such a tag gets the other in its place.
    """


def in_twos(settings: Settings) -> bool:
    """Whether files are read in twos, as aligned ones."""
    return settings.aligned


def looks_like(fields: Mapping[str, Any]) -> bool:
    """Whether a row has two lists under these names, or is a block of lines with two columns or more."""
    return is_tagged(fields)


def columns(fields: Mapping[str, Any], settings: Settings) -> Iterable[str]:
    """The words' column and the tags'."""
    return [name for name in _columns(fields) if name in fields]


def texts(fields: Mapping[str, Any], settings: Settings) -> Iterable[Place]:
    """None: each word has its tag."""
    return ()


def convert(row: Row, settings: Settings, *, answered: bool = True) -> Sequence[Tagged]:
    """One sentence. Raises Refusal where words or tags are missing, are no texts, or are not as many as the others.

    Where nothing need be answered, a row may have a `text` instead of words.
    """
    name, tagged = _columns(row.values)
    if not answered and name not in row.values:
        return [_of_text(row)]
    words = _texts(row, name, row.values.get(name), settings)
    given = row.values.get(tagged)
    if not answered and given is None:
        return [Tagged(words, None, row.where, normalised(" ".join(words)))]
    tags = tuple(settings.rename.get(tag, tag) for tag in _texts(row, tagged, given, settings, tags=True))
    if len(words) != len(tags):
        raise Refusal("data.unequal", f"the row has {len(words)} words and {len(tags)} tags", row.where,
                      "give every word one tag; look for white space inside a word or a tag")
    return [Tagged(words, tags, row.where, normalised(" ".join(words)))]


def _columns(fields: Mapping[str, Any]) -> tuple[str, str]:
    """The names of the words' column and of the tags', there or not."""
    lines = columns_of_lines(fields)
    word = first(fields, WORDS) or (lines[0] if lines else WORDS[0])
    tag = first(fields, TAGS) or (lines[-1] if lines and lines[-1] != word else TAGS[0])
    return word, tag


def _texts(row: Row, name: str, value: Any, settings: Settings, *, tags: bool = False) -> tuple[str, ...]:
    if value is None:
        raise missing(row, name)
    if not isinstance(value, list):
        raise wrong_type(row, name, value, "an array of texts")
    if not value:
        raise Refusal("data.empty_field", f"`{name}` is empty", row.where, f"fill in `{name}`, or take the row out")
    if tags:
        value = [named(row, name, one, settings.names) for one in value]
    for number, one in enumerate(value, 1):
        if not isinstance(one, str):
            raise wrong_type(row, f"{name}[{number}]", one, "a text")
        if not one:
            raise Refusal("data.empty_field", f"`{name}[{number}]` is empty", row.where,
                          "fill it in, or take the row out")
    return tuple(value)


def _of_text(row: Row) -> Tagged:
    """A text as its words: runs of letters, digits and their marks, and each other sign by itself."""
    whole = text(row, "text")
    found = list(_words(whole))
    return Tagged(tuple(whole[start:end] for start, end in found), None, row.where, normalised(whole), text=whole,
                  starts=tuple(start for start, _ in found))


def _words(whole: str) -> Iterator[tuple[int, int]]:
    for inside, run in groupby(range(len(whole)), key=lambda place: _in_word(whole[place])):
        places = list(run)
        if inside:
            yield places[0], places[-1] + 1
        else:
            yield from ((place, place + 1) for place in places if not whole[place].isspace())


def _in_word(letter: str) -> bool:
    """Letters, digits and the marks on them; what Python calls a word ends at each vowel sign of Hindi."""
    return letter.isalnum() or letter in _JOINERS or unicodedata.category(letter).startswith("M")
