"""What in a text names or opens something of somebody's: addresses, numbers of phones, cards and accounts, keys.

Told by their forms alone, each with what makes it sure: a checksum (cards: Luhn, ISO/IEC 7812; accounts: ISO 13616,
modulo 97), the shape that the issuer gives its keys, a country's way to write phones, or a word right before a number
that could be anything else. Names of people are not told.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from .phones import phones

Spans = Iterator[tuple[int, int]]

_EMAIL = re.compile(r"(?<![\w.+%-])[\w.+%-]{1,64}@(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.)+[A-Za-z]{2,24}(?![\w-]|@)")
_KEY = re.compile(
    r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY(?: BLOCK)?-----(?:.*?-----END (?:[A-Z]+ )*PRIVATE KEY(?: BLOCK)?-----|.*)"
    r"|(?<![\w-])(?:"
    r"sk-(?=[\w-]*\d)[\w-]{20,}"  # OpenAI, Anthropic
    r"|gh[pousr]_[A-Za-z0-9]{36,}|github_pat_\w{22,}|glpat-[\w-]{20,}"  # GitHub, GitLab
    r"|A(?:KIA|SIA)[A-Z0-9]{16}"  # AWS
    r"|AIza[\w-]{35}|ya29\.[\w-]{20,}"  # Google
    r"|xox[abeoprs]-(?=[\w-]*\d)[\w-]{10,}"  # Slack
    r"|[prs]k_(?:live|test)_[A-Za-z0-9]{16,}"  # Stripe
    r"|hf_[A-Za-z0-9]{30,}|npm_[A-Za-z0-9]{36}|pypi-[\w-]{60,}"  # Hugging Face, npm, PyPI
    r"|\d{8,10}:AA[\w-]{33}"  # Telegram's bots
    r"|eyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]{10,}"  # JWT
    r")(?![\w-])", re.DOTALL)
_MARKS: Final = (  # one of these has every key: most texts end here
    "sk-", "PRIVATE KEY", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-", "AKIA", "ASIA", "AIza",
    "ya29.", "xox", "k_live_", "k_test_", "hf_", "npm_", "pypi-", ":AA", "eyJ")
_CARD = re.compile(
    r"(?<![\w.+-])(?:\d{13,19}|\d{4}([ -])\d{4}\1\d{4}\1\d{1,7}|\d{4}([ -])\d{6}\2\d{4,5})(?![\w-]|\.\d)")
# First digits that card networks give out: Visa, Mastercard, Mir, American Express, Discover, JCB, Diners, UnionPay,
# UzCard, Humo
_ISSUER = re.compile(r"4|5[1-5]|2(?:2[2-9]|[3-6]|7[01]|720)|220[0-4]|3[47]|6(?:011|4[4-9]|5|2)|35|3(?:0|6|8)|8600|9860")
_IBAN = re.compile(r"(?<!\w)[A-Z]{2}\d{2}(?: ?[A-Z0-9]){11,30}")
# How long an account's number is in each country, ISO 13616's registry
_COUNTRIES: Final = (
    "AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DK18 DO28 EE20 EG29 ES24 FI18 FO18"
    " FR27 GB22 GE22 GI23 GL18 GR27 GT28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 LB28 LC32 LI21 LT20 LU20"
    " LV21 LY25 MC27 MD24 ME22 MK19 MR27 MT31 MU30 NL18 NO15 PK24 PL28 PS29 PT25 QA29 RO24 RS22 RU33 SA24 SC31 SD18"
    " SE24 SI19 SK24 SM27 ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20")
_LENGTHS: Final[Mapping[str, int]] = {one[:2]: int(one[2:]) for one in _COUNTRIES.split()}
_IPV4 = re.compile(r"(?<![\w.-])\d{1,3}(?:\.\d{1,3}){3}(?![\w-]|\.\d)")
_IPV6 = re.compile(r"(?<![\w:.])[23][0-9A-Fa-f]{3}(?::[0-9A-Fa-f]{0,4}){2,7}(?![\w:])")
_VERSION = re.compile(r"(?:\bv|version|release|build|section|chapter|[A-Za-z]/|§)[\s.:]*$", re.I)
_ADDRESS = re.compile(r"\b(?:ip|ipv4|dns|host|server|address|ünvan\w*)\W{0,3}(?:is\W)?$", re.I)
_ID = re.compile(
    r"(?i:\bSSN|social security(?: number| no\.?)?)(?:\W| is ){1,6}((?!000|666|9)\d{3}([ -])(?!00)\d\d\2(?!0000)\d{4})"
    r"(?![\w-])|\bF[İI]N(?:[ -]?(?i:kod)\w*)?\W{1,3}((?=(?:[A-Z]*\d){2})[0-9A-HJ-NP-Z]{7})(?!\w)")
_SOCIAL = re.compile("ssn|social security", re.I)
_BEFORE = 24  # characters before a number in which a word can say what it is


@dataclass(frozen=True, slots=True)
class Found:
    """One piece of personal data: its kind, and the characters from `start` to before `end`."""

    kind: str
    start: int
    end: int

    @property
    def mask(self) -> str:
        """What stands in its place when it is hidden."""
        return f"[{self.kind.upper()}]"


def _keys(text: str) -> Spans:
    if any(mark in text for mark in _MARKS):
        yield from (match.span() for match in _KEY.finditer(text))


def _emails(text: str) -> Spans:
    if "@" in text:
        yield from (match.span() for match in _EMAIL.finditer(text))


def _ibans(text: str) -> Spans:
    for match in _IBAN.finditer(text):
        wanted, end = _LENGTHS.get(match[0][:2], 0), match.start()
        while wanted and end < match.end():
            wanted -= text[end] != " "
            end += 1
        if not wanted and end > match.start() and not text[end:end + 1].isalnum() and _mod_97(text[match.start():end]):
            yield match.start(), end


def _mod_97(number: str) -> bool:
    plain = number.replace(" ", "")
    return int("".join(str(int(one, 36)) for one in plain[4:] + plain[:4])) % 97 == 1


def _cards(text: str) -> Spans:
    for match in _CARD.finditer(text):
        digits = [int(one) for one in match[0] if one.isdigit()]
        doubled = sum(digits[-1::-2]) + sum(sum(divmod(2 * digit, 10)) for digit in digits[-2::-2])
        if _ISSUER.match("".join(map(str, digits))) and 13 <= len(digits) <= 19 and doubled % 10 == 0:
            yield match.span()


def _addresses(text: str) -> Spans:
    for match in _IPV4.finditer(text) if text.count(".") >= 3 else ():
        before = text[max(0, match.start() - _BEFORE):match.start()]
        octets = match[0].split(".")
        sure = max(map(len, octets)) > 1 or _ADDRESS.search(before)  # 1.2.3.4 alone is a heading or a version
        if sure and not _VERSION.search(before) and _is_somebodys(match[0]):
            yield match.span()
    for match in _IPV6.finditer(text) if text.count(":") >= 3 else ():
        if _is_somebodys(match[0]):
            yield match.span()


def _is_somebodys(address: str) -> bool:
    """Whether it is an address that a machine can have; not a mask, nor the machine itself (127.0.0.1)."""
    try:
        told = ipaddress.ip_address(address)
    except ValueError:
        return False
    return not (told.is_loopback or told.is_unspecified or told.is_multicast or address.startswith(("0.", "255.")))


def _ids(text: str) -> Spans:
    if "FIN" not in text and "FİN" not in text and not _SOCIAL.search(text):
        return
    for match in _ID.finditer(text):
        yield match.span(1) if match[1] else match.span(3)


# An earlier kind has its characters before a later one: a card's number is no phone
_FINDERS: Final[Mapping[str, Callable[[str], Spans]]] = {
    "key": _keys, "email": _emails, "iban": _ibans, "card": _cards, "ip": _addresses, "id": _ids, "phone": phones}
KINDS: Final = tuple(_FINDERS)
_FEWEST_DIGITS: Final[Mapping[str, int]] = {"iban": 6, "card": 13, "ip": 4, "id": 2, "phone": 6}  # most texts end here


def personal(text: str, kinds: Collection[str] = KINDS) -> list[Found]:
    """The personal data in a text, in its order, none over another. kinds: those that are looked for, of KINDS."""
    found: list[Found] = []
    digits = sum(map(text.count, "0123456789"))
    for kind, finder in _FINDERS.items():
        if kind in kinds and digits >= _FEWEST_DIGITS.get(kind, 0):
            found += [one for one in (Found(kind, *span) for span in finder(text))
                      if all(one.end <= other.start or other.end <= one.start for other in found)]
    return sorted(found, key=lambda one: one.start)


def masked(text: str, kinds: Collection[str] = KINDS) -> str:
    """The text with each piece of personal data replaced by the name of its kind: `[EMAIL]`, `[PHONE]`, `[KEY]`."""
    while found := personal(text, kinds):  # a number can be told by what stands nearer once another is hidden
        for one in reversed(found):
            text = text[:one.start] + one.mask + text[one.end:]
    return text
