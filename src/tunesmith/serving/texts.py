"""Texts of a request: whole ones. Half a character, which JSON can say, is nothing that a tokenizer can read."""

from __future__ import annotations

import json
import re

from fastapi import Request

from .refusals import Refused

HALF = re.compile(rb"\\u[dD][89a-fA-F]|\xed[\xa0-\xbf]")  # escaped, or in bytes that are no UTF-8


async def whole_texts(request: Request) -> None:
    """Raise Refused for a body in which half of a surrogate pair stands alone."""
    body = await request.body()
    if not HALF.search(body):  # nearly all there are
        return
    try:
        json.dumps(json.loads(body), ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise Refused(400, "a text has half a character in it: one of a pair of surrogates, alone; send it whole",
                      code="invalid_body") from None
    except (ValueError, RecursionError):
        return  # the route says what is wrong with it
