"""Whether a request may go to the routes at all, told from its header alone: deny by default.

Every check looks at one thing and says nothing where it is right. Rules R4 (a key on every route but `/health`) and R8
(a page from elsewhere, or a name that was bound anew to this address, reaches nothing).
"""

from __future__ import annotations

import hmac
import ipaddress
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from .denied import Denied
from .limits import Limits

OPEN = "/health"
METHODS = ("DELETE", "GET", "HEAD", "POST")
LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})
HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::[0-9]{1,5})?")
ODD = re.compile(r"[\x00-\x1f\x7f\\\ufffd%]")  # % after decoding: encoded twice


@dataclass(frozen=True, slots=True)
class Door:
    """Where the server listens and whom it lets in.

    key: empty only on the loopback; hosts: further names that `Host` may say (empty off the loopback: any, since the
    key is what guards there).
    """

    host: str = "127.0.0.1"
    key: str = field(default="", repr=False)
    hosts: frozenset[str] = frozenset()
    limits: Limits = field(default_factory=Limits)

    def knows(self, name: str) -> bool:
        """Whether a request may call this server so."""
        if name in LOOPBACK_NAMES or name in self.hosts or name == self.host:
            return True
        return not self.hosts and not is_loopback(self.host)


@dataclass(frozen=True, slots=True)
class Asked:
    """A request's header. path: decoded once; headers: all values of each name, in lower case."""

    method: str
    path: str
    raw: bytes
    version: str
    headers: Mapping[str, Sequence[str]]
    count: int
    size: int

    @classmethod
    def of(cls, scope: Mapping[str, Any]) -> Asked:
        """The header of an ASGI scope."""
        headers: dict[str, list[str]] = {}
        for name, value in scope["headers"]:
            headers.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))
        return cls(scope["method"], scope["path"], scope.get("raw_path") or scope["path"].encode(),
                   scope.get("http_version", "1.1"), headers, len(scope["headers"]),
                   sum(len(name) + len(value) for name, value in scope["headers"]))

    def one(self, name: str) -> str | None:
        """The only value of a header; None where it is missing or said twice."""
        values = self.headers.get(name, ())
        return values[0] if len(values) == 1 else None

    @property
    def length(self) -> int:
        """The bytes of the body, as far as they are told; 0 where that is unclear."""
        told = self.one("content-length") or ""
        return int(told) if _is_number(told) else 0

    @property
    def has_body(self) -> bool:
        """Whether a body follows."""
        return "transfer-encoding" in self.headers or self.one("content-length") not in (None, "0")


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()


def is_loopback(host: str) -> bool:
    """Whether an address or name that is bound to is this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def denied(asked: Asked, door: Door) -> Denied | None:
    """The first reason to turn a request away, or None."""
    return next((found for check in CHECKS if (found := check(asked, door))), None)


def _framing(asked: Asked, door: Door) -> Denied | None:
    """Two programs that disagree on where a body ends are how one request is hidden in another."""
    coded = asked.headers.get("transfer-encoding", ())
    if coded and "content-length" in asked.headers:
        return _unclear("`Content-Length` and `Transfer-Encoding` were both sent; send one")
    if coded and (asked.version != "1.1" or [value.strip().lower() for value in coded] != ["chunked"]):
        return _unclear("the only transfer encoding is `chunked`, in HTTP/1.1")
    if len(asked.headers.get("content-length", ())) > 1:
        return _unclear("`Content-Length` was sent twice")
    if not _is_number(asked.one("content-length") or "0"):
        return _unclear("`Content-Length` is no number")
    if any(value.strip().lower() != "identity" for value in asked.headers.get("content-encoding", ())):
        return Denied(415, "bodies are not unpacked; send it as it is", "content_encoding")
    return None


def _unclear(message: str) -> Denied:
    return Denied(400, message, "ambiguous_length", {"connection": "close"})  # nothing behind it is believed


def _size(asked: Asked, door: Door) -> Denied | None:
    limits = door.limits
    if asked.count > limits.headers or asked.size > limits.header_bytes:
        return too_many(limits)
    if len(asked.raw) > limits.target_bytes:
        return Denied(414, f"at most {limits.target_bytes:,} bytes of a path are read", "target")
    return None


def _target(asked: Asked, door: Door) -> Denied | None:
    parts = asked.path.split("/")
    if not asked.raw.startswith(b"/") or ODD.search(asked.path) or "." in parts or ".." in parts or "" in parts[1:-1]:
        return Denied(400, "the path is none of this server's: it begins with `/`, is encoded once, and has no `.`, "
                      "`..`, backslash or control character", "path")
    return None


def _host(asked: Asked, door: Door) -> Denied | None:
    found = HOST.fullmatch(asked.one("host") or "")
    if found is None:
        return Denied(400, "`Host` is missing, or names no host", "host")
    if not door.knows(found[1].lower().rstrip(".")):
        return Denied(403, "this server is not called so; ask for `localhost`, or allow the name with `--allow-host`",
                      "host")
    return None


def _origin(asked: Asked, door: Door) -> Denied | None:
    host = (asked.one("host") or "").lower()
    elsewhere = any(origin.lower() not in (f"http://{host}", f"https://{host}")
                    for origin in asked.headers.get("origin", ()))
    walked = asked.method in ("GET", "HEAD") and asked.one("sec-fetch-mode") == "navigate"
    crossed = any(site.lower() in ("cross-site", "same-site") for site in asked.headers.get("sec-fetch-site", ()))
    if elsewhere or (crossed and not walked):
        return Denied(403, "a page from elsewhere may not use this server", "origin")
    return None


def _method(asked: Asked, door: Door) -> Denied | None:
    if asked.method not in METHODS:
        return Denied(405, f"the methods are {', '.join(METHODS)}", "method", {"allow": ", ".join(METHODS)})
    return None


def _key(asked: Asked, door: Door) -> Denied | None:
    if asked.path == OPEN or not (door.key or not is_loopback(door.host)):
        return None
    scheme, _, given = (asked.one("authorization") or "").partition(" ")
    # digests are of one length, so that the time tells nothing of the key, not even how long it is
    same = hmac.compare_digest(sha256(given.strip().encode("latin-1")).digest(), sha256(door.key.encode()).digest())
    if door.key and same and scheme.lower() == "bearer":
        return None
    return Denied(401, "send the server's key: `Authorization: Bearer …`", "invalid_api_key",
                  {"www-authenticate": "Bearer"})


def _length(asked: Asked, door: Door) -> Denied | None:
    most = door.limits.body(asked.path)
    return too_large(most) if asked.length > most else None


def too_large(most: int) -> Denied:
    """A body that is larger than its path takes."""
    return Denied(413, f"the body is larger than the {most:,} bytes that are read here", "too_large")


def too_many(limits: Limits) -> Denied:
    """A header that is too long, or has too many lines."""
    return Denied(431, f"at most {limits.headers} headers of {limits.header_bytes:,} bytes are read", "headers")


CHECKS: tuple[Callable[[Asked, Door], Denied | None], ...] = (
    _framing, _size, _target, _host, _origin, _method, _key, _length,
)
