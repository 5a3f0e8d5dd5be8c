"""Which letters stand beside which on keyboards, and which are taken for one another by who reads print.

Layouts: the letters of the standard layouts of Windows and XKB (`us`, `tr` Q, `az` Latin, `de`, `fr`, `ru`), row by row
from the top; each row begins about half a key further to the right than the one above it.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Final, Literal

Layout = Literal["us", "tr", "az", "de", "fr", "ru"]
ROWS: Final[dict[Layout, tuple[str, str, str]]] = {
    "us": ("qwertyuiop", "asdfghjkl", "zxcvbnm"),
    "tr": ("qwertyuıopğü", "asdfghjklşi", "zxcvbnmöç"),
    "az": ("qüertyuiopöğ", "asdfghjklıə", "zxcvbnmçş"),
    "de": ("qwertzuiopü", "asdfghjklöä", "yxcvbnm"),
    "fr": ("azertyuiop", "qsdfghjklm", "wxcvbn"),
    "ru": ("йцукенгшщзхъ", "фывапролджэ", "ячсмитьбю"),
}
# Beside the letters that only it has, a layout is told by: none for `us`, which is what is left
OWN: Final[dict[Layout, str]] = {"az": "əƏ", "ru": "йфыЫЙФ", "tr": "ğışĞİŞ", "de": "ßäÄ", "fr": "éèêàùÉÈÊÀÙ"}
# Shapes that readers of print confuse: one letter for another, two for one, one for two
PRINT: Final = {
    "l": ("1", "I"), "I": ("l", "1"), "O": ("0",), "o": ("0", "c"), "c": ("e",), "e": ("c",), "m": ("rn",),
    "n": ("ri",), "h": ("b",), "b": ("h",), "B": ("8",), "S": ("5",), "Z": ("2",), "d": ("cl",), "w": ("vv",),
    "u": ("ii",), "g": ("q",), "ə": ("e", "a"), "ı": ("l", "i"), "i": ("ı", "l"), "ğ": ("g",), "ş": ("s",),
    "ç": ("c",), "ö": ("o",), "ü": ("u",), "Ə": ("E",), "İ": ("I",), "Ş": ("S",), "Ç": ("C",), "Ö": ("O",),
    "Ü": ("U",), "Ğ": ("G",), "ä": ("a",), "ß": ("B",), "é": ("e",), "è": ("e",), "ы": ("ьі",), "ш": ("щ",),
    "щ": ("ш",), "и": ("н",), "н": ("и",), "п": ("н",), "е": ("с",),
}
# How letters with marks are typed where the keyboard has none
MARKS: Final = str.maketrans("əğışçöüİƏĞŞÇÖÜäÄßéèêàùÉÈÊÀÙёЁ", "egiscouIEGSCOUaAseeeauEEEAUеЕ")


@cache
def beside(layout: Layout) -> dict[str, str]:
    """For each letter of a layout those on the keys around it, in both cases."""
    rows = ROWS[layout]
    found: dict[str, str] = {}
    for number, row in enumerate(rows):
        for place, letter in enumerate(row):
            around = [row[max(0, place - 1) : place], row[place + 1 : place + 2]]
            if number:
                around.append(rows[number - 1][place : place + 2])
            if number + 1 < len(rows):
                around.append(rows[number + 1][max(0, place - 1) : place + 1])
            near = "".join(around)
            found[letter] = near
            found[_capital(letter, layout)] = "".join(_capital(other, layout) for other in near)
    return found


def layout_of(texts: Iterable[str]) -> Layout:
    """The layout whose own letters stand most often in texts; `us` where none do."""
    counts: dict[Layout, int] = dict.fromkeys(OWN, 0)
    for text in texts:
        for layout, letters in OWN.items():
            counts[layout] += sum(map(text.count, letters))
    if counts["az"]:
        counts["tr"] = 0  # Azerbaijani has all of Turkish's letters, and one more
    likeliest = max(counts, key=counts.__getitem__)
    return likeliest if counts[likeliest] else "us"


def _capital(letter: str, layout: Layout) -> str:
    return "İ" if letter == "i" and layout in ("tr", "az") else letter.upper()
