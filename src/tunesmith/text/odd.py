"""What is odd about the characters of a text: those nobody sees or nobody meant, and signs of a wrong decoding.

Kinds, each with an example: `control` (U+0000), `invisible` (a zero-width space), `private` (U+E000), `lost` (U+FFFD),
`homoglyphs` (Cyrillic `а` in a Latin word), `decomposed` (not NFC), `dotted` (`i̇`, a lower-cased `İ`), `mojibake`
(`É™` for `ə`), `tags`, `entities`, `bytes` (`b'…'`), `escapes` (a backslash and an n for each line break).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from functools import cache
from typing import Final

from . import markup
from .optional import needed

CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f]")
_PRIVATE = re.compile("[\ue000-\uf8ff\U000f0000-\U0010fffd]")
# Without width or seen nowhere; joiners (U+200C, U+200D) mean something in Arabic, Indic scripts and emoji
INVISIBLE = re.compile(
    "[\u00ad\u180e\u200b\u2060-\u2064\ufeff]|(?<![^\u0000-\u05ff\u1e00-\u1fff])[\u200c\u200d]"
    "|(?<![\U0001f3f4\U000e0020-\U000e007f])[\U000e0000-\U000e007f]")
_DIRECTION = re.compile("[\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_RIGHT_TO_LEFT = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]")
DOTTED = re.compile("i\u0307(?![\u0300-\u036f])")
BYTES = re.compile(r"""\s*[bB](['"])((?:\\.|(?!\1)[^\\])*)\1\s*""", re.DOTALL)
ESCAPES = re.compile(r"(?<!\\)(?:\\r)?\\n")
_TYPED, _STRING = re.compile(r"(?<!\\)\\n(?![a-z])"), re.compile(r"(['\"]).*?\1")
# Letters that look the same in Latin and Cyrillic, each pair once
TWINS: Final = dict(zip("аеорсухіјѕһԁәАВЕКМНОРСТХІЈЅӘ", "aeopcyxijshdəABEKMHOPCTXIJSƏ", strict=True))
_TO_LATIN, _TO_CYRILLIC = str.maketrans({**TWINS}), str.maketrans({twin: letter for letter, twin in TWINS.items()})
_MIXED = re.compile(r"\b(?=\w*[A-Za-z\u00c0-\u024fəƏ])(?=\w*[\u0400-\u052f])\w+")
_LATIN, _CYRILLIC = re.compile(r"[A-Za-z\u00c0-\u024fəƏ]"), re.compile(r"[\u0400-\u052f]")


def odd(text: str, *, mojibake: bool = True) -> Iterator[str]:
    """The kinds of oddities that a text has, each once. mojibake: whether it is looked for, which takes ftfy."""
    if not text.isascii():
        yield from _of_characters(text)
        if mojibake and redecoded(text) != text:
            yield "mojibake"
    elif CONTROL.search(text):
        yield "control"
    if markup.has_tags(text):
        yield "tags"
    if markup.has_entities(text):
        yield "entities"
    if BYTES.fullmatch(text):
        yield "bytes"
    elif has_escapes(text):
        yield "escapes"


def _of_characters(text: str) -> Iterator[str]:
    if CONTROL.search(text):
        yield "control"
    if invisible(text):
        yield "invisible"
    if _PRIVATE.search(text):
        yield "private"
    if "\ufffd" in text:
        yield "lost"
    if _CYRILLIC.search(text) and any(map(homoglyphs, _MIXED.findall(text))):
        yield "homoglyphs"
    if not unicodedata.is_normalized("NFC", text):
        yield "decomposed"
    if DOTTED.search(text):
        yield "dotted"


def invisible(text: str) -> list[str]:
    """The characters that nobody sees; marks of direction are meant where a text has Arabic or Hebrew letters."""
    found = INVISIBLE.findall(text)
    return found if _RIGHT_TO_LEFT.search(text) else [*found, *_DIRECTION.findall(text)]


def unseen(text: str) -> int:
    """Where the first character stands that nobody sees, or controls something; 0 where there is none."""
    places = [match.start() for pattern in (CONTROL, INVISIBLE, _DIRECTION) if (match := pattern.search(text))]
    return min(places, default=0)


def spelt(text: str) -> str:
    """The text with those characters spelt out by their numbers."""
    for pattern in (CONTROL, INVISIBLE, _DIRECTION):
        text = pattern.sub(lambda match: match[0].encode("unicode_escape").decode("ascii"), text)
    return text


def visible(text: str) -> str:
    """The text without those."""
    text = INVISIBLE.sub("", text)
    return text if _RIGHT_TO_LEFT.search(text) else _DIRECTION.sub("", text)


def homoglyphs(word: str) -> str:
    """A word of two scripts in that of most of its letters, "" where the others have no twins in it, or are as many."""
    cyrillic, latin = _CYRILLIC.findall(word), _LATIN.findall(word)
    if len(latin) > len(cyrillic) > 0 and all(letter in TWINS for letter in cyrillic):
        return word.translate(_TO_LATIN)
    if len(cyrillic) > len(latin) > 0 and all(ord(letter) in _TO_CYRILLIC for letter in latin):
        return word.translate(_TO_CYRILLIC)
    return ""


def of_one_script(text: str) -> str:
    """The text with each such word in one script."""
    return text if not _CYRILLIC.search(text) else _MIXED.sub(lambda match: homoglyphs(match[0]) or match[0], text)


def redecoded(text: str) -> str:
    """The text decoded anew where it was decoded wrongly, else as it is. Raises Misuse where ftfy is missing.

    ftfy leaves UTF-8 alone that was read as Windows-1251, as it often is where Cyrillic is at home: `Й™` for `ə`.
    """
    is_bad, mend = mojibake_tools()
    if text.isascii():
        return text
    if is_bad(text) and (anew := mend(text)) != text:
        return anew
    try:
        anew = text.encode("sloppy-windows-1251").decode("utf-8")
    except UnicodeError:
        return text
    return anew if len(text) - len(anew) > 1 else text  # one pair of letters may be meant


@cache
def mojibake_tools() -> tuple[Callable[[str], bool], Callable[[str], str]]:
    """What tells that a text may be mojibake, and what mends it: ftfy's. Raises Misuse where it is missing."""
    with needed("ftfy", "telling texts that were decoded wrongly"):
        import ftfy
        from ftfy.badness import is_bad
    # a byte that was lost is not told by `�`, which would be one more odd character
    config = ftfy.TextFixerConfig(replace_lossy_sequences=False, explain=False)
    return is_bad, lambda text: ftfy.fix_encoding(text, config)


def has_escapes(text: str) -> bool:
    """Whether line breaks were written as a backslash and an n: two at least outside of strings, and no real one.

    Before a small letter it may begin a command of TeX or a part of a path, which does not count.
    """
    return "\\n" in text and "\n" not in text and len(_TYPED.findall(_STRING.sub("", text))) > 1
