"""A form as browsers and OpenAI's client send it (RFC 7578), read piece by piece: nothing of it is held but a header.

Starlette's own reader needs another package, and puts a file into a temporary one first, before anybody has looked at
its size or its purpose.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from .refusals import Refused

HEADER_BYTES = 8192
PARTS = 8
BOUNDARY = re.compile(r"""multipart/form-data\s*;.*?\bboundary=(?:"([^"]{1,70})"|([^\s";]{1,70})(?=[\s;]|$))""",
                      re.I | re.S)
DISPOSITION = re.compile(rb"^content-disposition:[ \t]*form-data\b(.*)$", re.I | re.M)
PARAMETER = re.compile(r';\s*(name|filename)=(?:"((?:[^"\\]|\\.)*)"|([^;"\s]+))', re.I)


@dataclass(frozen=True, slots=True)
class Begun:
    """A part begins. filename: None of a field that is no file."""

    name: str
    filename: str | None


@dataclass(frozen=True, slots=True)
class Data:
    """Bytes of the part that began last."""

    bytes: bytes


class Form:
    """A reader of one form: `feed` it what comes, in pieces of any size."""

    def __init__(self, content_type: str) -> None:
        found = BOUNDARY.match(content_type)
        if found is None:
            raise _broken("the body is no `multipart/form-data` with a boundary")
        self._mark = b"\r\n--" + (found[1] or found[2]).encode("utf-8", "replace")
        self._rest = bytearray(b"\r\n")  # the first mark stands at the very beginning
        self._state = "before"
        self._parts = 0

    def feed(self, piece: bytes) -> Iterator[Begun | Data]:
        """What this piece brings. Raises Refused where it is no form, or one of too many parts."""
        self._rest += piece
        while True:
            if self._state in ("before", "content"):
                at = self._rest.find(self._mark)
                data = bytes(self._rest[:at if at >= 0 else max(0, len(self._rest) - len(self._mark) + 1)])
                if data and self._state == "before":
                    raise _broken("something stands before its first part")
                if data:
                    yield Data(data)
                    del self._rest[:len(data)]
                if at < 0:
                    return
                del self._rest[:len(self._mark)]
                self._state = "border"
            elif self._state == "border":
                if len(self._rest) < 2:
                    return
                after = bytes(self._rest[:2])
                if after not in (b"\r\n", b"--"):
                    raise _broken("a border between two parts is damaged")
                self._state = "header" if after == b"\r\n" else "end"
                del self._rest[:2]
            elif self._state == "header":
                at = self._rest.find(b"\r\n\r\n")
                if at > HEADER_BYTES or (at < 0 and len(self._rest) > HEADER_BYTES):
                    raise _broken("the header of a part is too long")
                if at < 0:
                    return
                self._parts += 1
                if self._parts > PARTS:
                    raise _broken(f"it has more than {PARTS} parts")
                yield _begun(bytes(self._rest[:at]))
                del self._rest[:at + 4]
                self._state = "content"
            else:
                self._rest.clear()  # whatever stands behind the end
                return

    def close(self) -> None:
        """Raises Refused where the form did not come to its end."""
        if self._state != "end":
            raise _broken("it ends before its last border")


def _begun(header: bytes) -> Begun:
    found = DISPOSITION.search(header.replace(b"\r\n", b"\n"))
    text = found[1].decode("utf-8", "replace") if found else ""
    given = {name.lower(): re.sub(r"\\(.)", r"\1", quoted) or plain for name, quoted, plain in PARAMETER.findall(text)}
    if "name" not in given:
        raise _broken("a part has no name")
    return Begun(given["name"], given.get("filename"))


def _broken(why: str) -> Refused:
    return Refused(400, f"the form cannot be read: {why}", code="invalid_form")
