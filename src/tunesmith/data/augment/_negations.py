"""Words that turn a sentence round: what is said with one of them is not said without it.

Azerbaijani and Turkish mostly negate inside the verb, which goes or stays whole; these are their separate words.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Collection
from typing import Final

IN: Final = {
    "en": "no not never none nobody nothing nowhere neither nor cannot without hardly scarcely barely but unless",
    "az": "deyil deyildir yox yoxdur heç heçnə heçkim olmaz əsla qətiyyən amma lakin ancaq",
    "tr": "değil değildir yok yoktur hiç hiçbir asla olmaz ama fakat",
    "ru": "не нет ни никогда никто ничего нигде без но нельзя",
    "de": "nicht kein keine keinen keinem keiner nie niemals niemand nichts ohne aber",
    "fr": "ne pas jamais rien personne aucun aucune sans mais ni",
    "es": "nunca nada nadie ningún ninguna tampoco sin pero jamás",
}
NEGATIONS: Final = frozenset(word for words in IN.values() for word in words.split())
ENDINGS: Final = ("n't", "n’t")


def turns_round(word: str, more: Collection[str] = ()) -> bool:
    """Whether a word is a negation or a `but`, or one of those that are named."""
    bare = "".join(letter for letter in word.replace("İ", "i").casefold()
                   if not unicodedata.category(letter).startswith("P") or letter in "'’")
    return bare in NEGATIONS or bare.endswith(ENDINGS) or bare in more or word in more
