"""Numbers as tables write them."""

from __future__ import annotations


def is_number(text: str) -> bool:
    """Whether a text is a number, and no word that Python takes for one, such as `nan`."""
    try:
        float(text)
    except ValueError:
        return False
    return any(letter.isdecimal() for letter in text)
