"""What a client is told instead of an answer, in the shape that OpenAI's clients read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

KINDS = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
CLOSE = (b"connection", b"close")


def kind(status: int) -> str:
    """What OpenAI's API calls errors of a status."""
    return KINDS.get(status, "server_error" if status >= 500 else "invalid_request_error")


@dataclass(frozen=True, slots=True)
class Denied:
    """A status and why; `code` is a stable word for programs, `headers` go with the answer."""

    status: int
    message: str
    code: str
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def body(self) -> bytes:
        """The JSON that is sent."""
        error = {"message": self.message, "type": kind(self.status), "param": None, "code": self.code}
        return json.dumps({"error": error}).encode()

    def head(self, body: bytes) -> list[tuple[bytes, bytes]]:
        """The headers of the answer."""
        own = [(name.encode("ascii"), value.encode("ascii")) for name, value in self.headers.items()]
        return [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode("ascii")), *own]
