"""Characters as they were meant: one form of each letter, wrong decodings put right, and nothing that nobody sees.

Sources: Unicode's annex 15 for the forms; ftfy (Speer 2019) for wrong decodings, of which only that part is used: its
other habits (straight quotes, entities, ligatures) would change what authors wrote. `İ`, `ı`, `I` and `i` stay four
letters; `i̇`, what Python makes of `İ` in lower case, becomes `i`.
"""

from __future__ import annotations

import ast
import re
import unicodedata
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final, Literal

from pydantic import BaseModel

from ...contracts import Cleaned, Cleaner, Every
from ...recipe.kinds import STRICT
from ...text import odd as odd_text

rewrites: Final = True
sees: Final[Literal["a row"]] = "a row"
_TERMINAL = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")
_ROUNDS = 10  # what one mends can show another what to mend; real texts take two


class Settings(BaseModel):
    """What is put right."""

    model_config = STRICT

    form: Literal["NFC", "NFKC", "NFKD"] = "NFC"
    """How letters with marks are written: `NFC`, `NFKC` or `NFKD`.

    `NFC` changes no text that anybody can see. `NFKC` also makes `ﬁ` of two letters and `10³` the number 103; `NFKD`
    takes marks apart from letters, which classic pipelines want before they drop them.
    """

    mojibake: bool = True
    """Whether texts that were decoded wrongly are decoded anew: `gÃ¼nÉ™ÅŸ` becomes `günəş`."""

    invisible: bool = True
    """Whether control characters and characters without width are taken out; those that emoji and scripts need stay."""

    homoglyphs: bool = True
    """Whether a word of Latin and Cyrillic letters that look the same is written in the script of most of them."""

    literals: bool = True
    """Whether what Python writes for a text is read again: `b'…'`, and a backslash and an n for each line break."""


def cleaner(settings: Settings, every: Every) -> Cleaner:
    """Each text with its characters put right. Raises Misuse where ftfy is asked for and missing."""
    steps = _steps(settings)

    def clean(texts: tuple[str, ...]) -> Cleaned:
        done: dict[str, None] = {}
        made = tuple(_settled(text, steps, done) for text in texts)
        return Cleaned(made, "; ".join(done))

    return clean


Step = Callable[[str], str]


def _steps(settings: Settings) -> Mapping[str, Step]:
    """What is done to a text, by what the ledger says of it."""
    steps: dict[str, Step] = {}
    if settings.literals:
        steps |= {"bytes decoded": _decoded, "typed line breaks made real": _unescaped}
    if settings.mojibake:
        odd_text.mojibake_tools()
        steps["a wrong decoding put right"] = odd_text.redecoded
    if settings.invisible:
        steps["characters that nobody sees taken out"] = _visible
    if settings.homoglyphs:
        steps["look-alikes of another script put right"] = odd_text.of_one_script
    steps["a second dot taken off an i"] = partial(odd_text.DOTTED.sub, "i")
    steps[f"written in {settings.form}"] = partial(unicodedata.normalize, settings.form)
    return steps


def _settled(text: str, steps: Mapping[str, Step], done: dict[str, None]) -> str:
    """The text after as many rounds as change it; as it came where that has no end."""
    made, did = text, dict[str, None]()
    for _ in range(_ROUNDS):
        before = made
        for name, step in steps.items():
            after = step(made)
            if after != made:
                did[name] = None
            made = after
        if made == before:
            done.update(did)
            return made
    return text


def _decoded(text: str) -> str:
    if not odd_text.BYTES.fullmatch(text):
        return text
    try:
        value = ast.literal_eval(text.strip())
        return value.decode("utf-8") if isinstance(value, bytes) else text
    except (ValueError, SyntaxError):  # not what Python writes: left as it is, and told by `check`
        return text


def _unescaped(text: str) -> str:
    return odd_text.ESCAPES.sub("\n", text) if odd_text.has_escapes(text) else text


def _visible(text: str) -> str:
    if odd_text.CONTROL.search(text):
        text = odd_text.CONTROL.sub("", _TERMINAL.sub("", text).replace("\x0b", "\n").replace("\x0c", "\n"))
    return text if text.isascii() else odd_text.visible(text)
