"""The language that a text is written in, told offline by py3langid from 140.

Source: Lui and Baldwin 2012 (`langid.py`), in the model of py3langid 0.4. Azerbaijani without its own letters (`e` for
`ə`, `g` for `ğ`) is taken for Turkish by that model, and surely so; rules about letters and words mend what they can.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from .optional import needed

FEWEST_LETTERS = 20  # below, a name or a greeting decides
LONGEST = 500  # characters that are read of a text: more of them say nothing new
_TURKIC: Final = frozenset({"crh", "tk", "tr", "uz"})  # written in Latin letters, without ə
_NOT_TURKISH = re.compile(r"[qx]")
# Words and endings of Azerbaijani, with and without its own letters, that Turkish has none of
_AZERBAIJANI = re.compile(
    r"\b(?:m[eə]n(?:im|[eəi]|d[eə]|d[eə]n)?|[cç]ox|he[cç]|[uü][cç][uü]n|deyil|[bd]?[eə]l[eə]|indi|ne[cç][eə]|edib|olub|"
    r"verib|n[eə]f[eə]r|b[eə]li|d[eə]f[eə]|[eə]vv[eə]l\w*|t[eə]r[eə]f\w*|keyfiyy[eə]t\w*|h[eə]yat\w*|[uü]r[eə]y\w*|"
    r"[eə]s[aə]s\w*)\b|\w{2}(?:[iıuü]r[eə][mk]|[iıuü]ram|[iıuü]rs[ae]n|m[iıuü](?:sh?|ş)[eə][mn]|[iıu]rl[ae]r|il[iıuü]b)\b",
    re.I)
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

    Undecided: fewer than 20 letters outside of links and names; code and numbers; Turkish that has words, endings or
    letters of Azerbaijani in it.
    """
    plain = _NOT_WORDS.sub(" ", text[:LONGEST])
    if sum(map(str.isalpha, plain)) < FEWEST_LETTERS:
        return UNDECIDED
    told: list[tuple[str, float]] = language_model().rank(plain)
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
    if code == "tr" and _looks_azerbaijani(text):
        return UNDECIDED
    return Spoken(code, share)


def _looks_azerbaijani(text: str) -> bool:
    """Whether what was taken for Turkish is likely Azerbaijani written without its own letters."""
    words = text.split()
    own = len(_AZERBAIJANI.findall(text)) if "yor" not in text else 0  # the present tense of Turkish, and no other's
    letters = sum(word[0].islower() and bool(_NOT_TURKISH.search(word)) for word in words)
    return (own > 0 and 40 * own >= len(words)) or 10 * letters >= len(words) > 0


def codes() -> frozenset[str]:
    """Every language that can be told."""
    return frozenset(language_model().labels) - {"zxx"}


def short(name: str) -> str:
    """The code of a language as rows name it: `az` of `az`, `azj_Latn`, `az-AZ`."""
    first = re.split(r"[_-]", name.strip().lower())[0]
    return _SHORT.get(first, first)


@cache
def language_model() -> Any:
    """py3langid's, read when it is first asked for. Raises Misuse where the package is missing."""
    with needed("py3langid", "telling languages"):
        from py3langid import langid

    return langid.LanguageIdentifier.from_model_file(langid.MODEL_FILE, norm_probs=True)  # 0.9 seconds, once
