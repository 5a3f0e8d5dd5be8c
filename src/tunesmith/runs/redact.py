"""Secrets blotted out of what is written: they come from the environment and never reach a file (rule R15)."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from typing import Any

BLOT = "[secret]"
SHORTEST_SECRET = 16  # characters: a shorter value of a variable may be a word that stands in honest text
SECRET_VARIABLE = re.compile(r"(TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIALS?|(API|ACCESS|PRIVATE|SECRET)_?KEY)$", re.I)
# Each pattern keeps what stands before its last group and blots that group out.
PATTERNS = tuple(
    re.compile(pattern)
    for pattern in (
        r"()(\bhf_[A-Za-z0-9]{20,})",
        r"()(\bsk-[A-Za-z0-9_-]{20,})",
        r"()(\bgh[pousr]_[A-Za-z0-9]{30,})",
        r"()(\bgithub_pat_[A-Za-z0-9_]{30,})",
        r"()(\bglpat-[A-Za-z0-9_-]{20,})",
        r"()(\bxox[abeoprs]-[A-Za-z0-9-]{10,})",
        r"()(\bpypi-[A-Za-z0-9_-]{40,})",
        r"()(\b(?:AKIA|ASIA)[A-Z0-9]{16}\b)",
        r"()(\bAIza[A-Za-z0-9_-]{35})",
        r"()(\beyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,})",
        r"()(-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z))",
        r"((?i:\bbearer) +)([A-Za-z0-9._~+/=-]{16,})",
        r"(\b[a-z][a-z0-9+.-]{1,20}://[^\s/:@]{0,100}:)([^\s/@]{1,200})(?=@)",
        r"((?i:\b(?:api_?key|access_?token|auth_?token|client_?secret|password)) ?[=:] ?[\"']?)"
        r"([A-Za-z0-9._~+/=-]{16,})",
    )
)


def redacted(value: Any) -> Any:
    """The value with every token, key and password in its strings replaced by `[secret]`; keys stay."""
    return _blotted(value, _from_environment())


def _blotted(value: Any, secrets: Sequence[str]) -> Any:
    if isinstance(value, str):
        return _text(value, secrets)
    if isinstance(value, Mapping):
        return {key: _blotted(item, secrets) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_blotted(item, secrets) for item in value]
    return value


def _text(text: str, secrets: Sequence[str]) -> str:
    for secret in secrets:
        text = text.replace(secret, BLOT)
    for pattern in PATTERNS:
        text = pattern.sub(rf"\g<1>{BLOT}", text)
    return text


def _from_environment() -> list[str]:
    return [value for name, value in os.environ.items()
            if len(value) >= SHORTEST_SECRET and SECRET_VARIABLE.search(name)]
