"""Rows on the Hub of the tests, and what was asked of it in vain."""

from __future__ import annotations

import pytest

from hub import TOKEN
from tunesmith.errors import Problem

PAIRS = b"".join(b'{"prompt": "p%d", "answer": "a"}\n' % number for number in range(5))


def prompts(found):
    return [one.prompt for one in found.examples]


def problem(call, *arguments, **options) -> Problem:
    with pytest.raises(Problem) as caught:
        call(*arguments, **options)
    assert TOKEN not in str(caught.value) and caught.value.remedy
    return caught.value
