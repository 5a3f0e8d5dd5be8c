"""The server's key: from a variable of the environment or a file, never from a command line that others can list."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from ..errors import Misuse, Problem
from .checks import is_loopback

SHORTEST = 16
LONGEST = 4096


def read(host: str, *, variable: str = "", file: Path | None = None) -> str:
    """The key, empty where none is named and the server is for this machine alone.

    Raises Misuse where a host that others reach has no key, and for one that is missing, short or no header can carry.
    """
    if variable and file:
        raise _misuse("serve.two_keys", "the key is named twice, by a variable and by a file", "name one of them")
    if not variable and file is None:
        if is_loopback(host):
            return ""
        raise _misuse(
            "serve.no_key", f"`{host}` can be reached by others, and no key is named",
            f"put a key into a variable (`export TUNESMITH_KEY={secrets.token_urlsafe(24)}`) and name it with "
            "`--key-from TUNESMITH_KEY`, or leave `--host` out")
    where, key = (f"${variable}", os.environ.get(variable, "")) if file is None else (str(file), _of_file(file))
    if not key:
        raise _misuse("serve.no_key", f"`{variable or file}` holds no key",
                      "put one there, such as `openssl rand -hex 24` makes; a variable must be exported", where)
    if len(key) < SHORTEST:
        raise _misuse("serve.short_key", f"the key has {len(key)} characters, fewer than {SHORTEST}",
                      "take a longer one, such as `openssl rand -hex 24` makes", where)
    if not (key.isascii() and key.isprintable() and " " not in key):
        raise _misuse("serve.odd_key", "the key holds characters that a header cannot carry",
                      "use letters, digits and signs of ASCII, without blanks", where)
    return key


def _of_file(file: Path) -> str:
    try:
        with file.open(encoding="utf-8", errors="replace") as opened:
            return opened.read(LONGEST).strip()
    except OSError as error:
        raise _misuse("serve.key_file", (error.strerror or str(error)).lower(), "name a file that can be read",
                      str(file)) from error


def _misuse(kind: str, what: str, remedy: str, where: str = "--key-from") -> Problem:
    return Misuse(kind, what, where, remedy)
