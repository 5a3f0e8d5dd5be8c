"""How much and how long the server takes from a client before it lets go: over a bound there is an answer, no stall.

A half-sent request, a reader that does not read and a body without end each hold a place that somebody else needs.
"""

from __future__ import annotations

from dataclasses import dataclass

MEBIBYTE = 1 << 20
UPLOADS = frozenset({"/v1/files"})


@dataclass(frozen=True, slots=True)
class Limits:
    """The bounds of one server.

    header_seconds: a request's header, from its first byte or the opening of the connection; body_seconds: until the
    next part of a body comes, and until all of it has come beyond what `body_rate` bytes a second allow; write_seconds:
    in which a client reads what is sent to it, or at least `write_bytes` of it; idle_seconds: between two requests of
    one connection; drain_seconds: for answers that are under way when the server is told to stop.
    requests: that are under way at once; connections: that are open at once.
    """

    header_seconds: float = 5.0
    header_bytes: int = 16_384
    headers: int = 100
    target_bytes: int = 4096
    body_seconds: float = 8.0
    body_rate: int = 65_536
    body_bytes: int = 4 * MEBIBYTE
    upload_bytes: int = 512 * MEBIBYTE
    write_seconds: float = 8.0
    write_bytes: int = 16_384
    idle_seconds: int = 5
    drain_seconds: int = 30
    requests: int = 2048
    connections: int = 4096

    def body(self, path: str) -> int:
        """The largest body, in bytes, that a path takes."""
        return self.upload_bytes if path in UPLOADS else self.body_bytes


def raise_open_files() -> int:
    """How many files and connections this process may have open: as many as the system lets it take without asking."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 65_536 if hard == resource.RLIM_INFINITY else min(hard, 65_536)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return soft
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return wanted
