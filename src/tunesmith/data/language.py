"""The language that a text is written in, told offline by py3langid from 140.

Source: Lui and Baldwin 2012 (`langid.py`), in the model of py3langid 0.4. Azerbaijani without its own letters (`e` for
`ə`, `g` for `ğ`) is taken for Turkish by that model, and surely so; two rules about letters mend what can be mended.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from .optional import needed

FEWEST_LETTERS = 20  # below, a name or a greeting decides
LONGEST = 1000  # characters that are read of a text: more of them say nothing new
_TURKIC: Final = frozenset({"crh", "tk", "tr", "uz"})  # written in Latin letters, without ə
_NOT_TURKISH = re.compile(r"[qx]")
_NOT_WORDS = re.compile(r"https?://\S+|www\.\S+|\S+@\S+|[@#]\w+")
# Names of languages as tables of translations have them: FLORES', ISO 639-3's
_SHORT: Final = {
    "azj": "az", "aze": "az", "eng": "en", "tur": "tr", "rus": "ru", "deu": "de", "ger": "de", "fra": "fr", "fre": "fr",
    "spa": "es", "ita": "it", "por": "pt", "ukr": "uk", "pol": "pl", "nld": "nl", "ara": "ar", "arb": "ar", "fas": "fa",
    "pes": "fa", "kat": "ka", "hye": "hy", "kaz": "kk", "uzn": "uz", "uzb": "uz", "tuk": "tk", "zho": "zh", "jpn": "ja",
    "kor": "ko", "hin": "hi", "heb": "he", "ell": "el", "ron": "ro", "bul": "bg", "ces": "cs", "swe": "sv", "nob": "no"}


@dataclass(frozen=True, slots=True)
class Spoken:
    """A language by its ISO 639 code, "" where the text does not tell; share: how sure that is, 0 to 1."""

    code: str
    share: float


UNDECIDED = Spoken("", 0.0)


def language(text: str, among: Collection[str] = ()) -> Spoken:
    """The language of a text. among: the codes that it can be; empty: all. Raises Misuse where py3langid is missing.

    Undecided: fewer than 20 letters outside of links and names; code and numbers; Turkish that has the letters q or x
    in one word of ten, names left out, which is mostly Azerbaijani written without its own letters.
    """
    plain = _NOT_WORDS.sub(" ", text[:LONGEST])
    if sum(map(str.isalpha, plain)) < FEWEST_LETTERS:
        return UNDECIDED
    told: list[tuple[str, float]] = _identifier().rank(plain)
    if among:
        told = [(code, share) for code, share in told if code in among]
    whole = sum(share for _, share in told)
    if not whole or told[0][0] == "zxx":
        return UNDECIDED
    return _mended(plain, [(code, share / whole) for code, share in told])


def _mended(text: str, told: list[tuple[str, float]]) -> Spoken:
    """The likeliest language, if the letters allow it: ə is Azerbaijani's alone, and Turkish has neither q nor x."""
    code, share = told[0]
    if code in _TURKIC and "ə" in text.lower():
        own = dict(told)
        if "az" in own:
            return Spoken("az", sum(own.get(one, 0.0) for one in (*_TURKIC, "az")))
    words = text.split()
    if code == "tr" and 10 * sum(word[0].islower() and bool(_NOT_TURKISH.search(word)) for word in words) >= len(words):
        return UNDECIDED
    return Spoken(code, share)


def codes() -> frozenset[str]:
    """Every language that can be told."""
    return frozenset(_identifier().labels) - {"zxx"}


def short(name: str) -> str:
    """The code of a language as rows name it: `az` of `az`, `azj_Latn`, `az-AZ`."""
    first = re.split(r"[_-]", name.strip().lower())[0]
    return _SHORT.get(first, first)


def unknown(names: Iterable[str]) -> list[str]:
    """Those that are no codes of languages that can be told."""
    return [name for name in names if name not in codes()]


@cache
def _identifier() -> Any:
    with needed("py3langid", "telling languages"):
        from py3langid import langid

    return langid.LanguageIdentifier.from_model_file(langid.MODEL_FILE, norm_probs=True)  # 0.9 seconds, once
