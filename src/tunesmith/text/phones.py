"""Numbers of phones in a text: by the ways in which countries write them, or by a word right before them.

Digits alone are ten things, so a number without `+`, without a first 0 and without groups counts only after a word such
as "tel:" or "telefon". Azerbaijan's: `+994 50 123 45 67`, `(050) 123-45-67`, `0501234567`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_AZ = r"(?:10|12|18|2\d|36|50|51|55|60|70|77|99)"
_AZ_MOBILE = r"(?:10|50|51|55|60|70|77|99)"
_FORMS = re.compile(
    r"(?<![\w+*/^=-])(?<!\d[.,])(?:"
    r"\+(?:\([1-9]\d{0,3}\)|[1-9]\d{0,3})(?:[ .-]{0,2}(?:\(\d{1,4}\)|\d{1,5})){1,5}"  # +49 (30) 1234 567
    rf"|(?:00)?994[ -]?(?:\({_AZ}\)|{_AZ})[ -]?\d{{3}}[ -]?\d\d[ -]?\d\d"
    rf"|\(0{_AZ}\)[ -]?\d{{3}}[ -]?\d\d[ -]?\d\d|0{_AZ_MOBILE}[ -]?\d{{3}}[ -]?\d\d[ -]?\d\d"
    r"|(?:1[ .-])?(?:\(\d{3}\) ?\d{3}[ .-]\d{4}|\d{3}([.-])\d{3}\1\d{4})"  # (415) 555-0123, 1-415-555-0123
    r"|[08][ -]?(?:\(\d{2,3}\)|\d{2,3})[ -]?\d{3}[ -]\d\d[ -]\d\d"  # 8 (495) 123-45-67
    r"|\(0\d{2,4}\)[ -]?\d{3}[ -]\d\d[ -]\d\d"
    r"|0[1-9](?:([ .-])\d\d)(?:\2\d\d){3}"  # 01 23 45 67 89
    r"|(?<!\d )0\d{2,4} \d{3,4} \d{3,4}(?! \d)"  # 020 7946 0958
    r")(?!\w|[.,:/]\d|-\d)")
_NAMED = re.compile(
    r"\b(?:(?:tele)?phones?|telefon\w*|tel|mobile?|cell|fax|faks|whatsapp|hotline|hotlines|call|dial|əlaqə)\b"
    r"(?:[ \t:.#=\"'(–-]|\b(?:numbers?|no|nr|nömrə\w*|numara\w*|is|are|at|us|me|him|her|them|the|code)\b){1,8}"
    r"(?<!\d)(?<!\d[.,-])((?:\+|00)?\d(?:[ ()/-]{0,2}\d){5,13})(?!\w|[.,:]\d|[ -]?[%$€₼])", re.I)
_DATE = re.compile(
    r"(?:19|20)\d\d[ /-]\d\d?[ /-]\d\d?|\d\d?[ /-]\d\d?[ /-](?:19|20)\d\d|(?:19|20)\d\d ?- ?(?:19|20)\d\d")
_ENOUGH = re.compile(r"\d(?:\D{0,3}\d){5}")  # six digits near each other: most texts end here
_FEWEST, _MOST = 8, 15  # digits of a number with its country, ITU E.164


def phones(text: str) -> Iterator[tuple[int, int]]:
    """Where each number begins and ends."""
    if not _ENOUGH.search(text):
        return
    taken = 0
    for match in sorted([*_FORMS.finditer(text), *_NAMED.finditer(text)], key=lambda match: match.start()):
        named = match.re is _NAMED
        start, end = match.span(1) if named else match.span()
        digits = sum(map(str.isdigit, text[start:end]))
        if start >= taken and digits <= _MOST and (named or digits >= _FEWEST) and not _DATE.fullmatch(text[start:end]):
            yield start, end
            taken = end
