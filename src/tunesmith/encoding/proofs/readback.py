"""What a supervised turn says, read back from its tokens' text: the proof's own eyes.

Nothing here looks at how encoding came to the text. Where a template writes a thought, blanks or its history otherwise
once an answer stands there, the turn must still be the whole answer that the template ends with, after a prompt that
differs from the template's text by nothing but white space and the marks of a thought.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ...records import Message
from ..templates.thinking import MARKS, TOKENS, split, thought

MARK = re.compile("|".join(re.escape("".join(mark.split())) for mark in sorted(TOKENS, key=len, reverse=True)))
LETTERS = 6  # of a prompt's end that an answer must follow even where its history is written otherwise


def completes(asked: str, full: str, spelt: str, message: Message) -> bool:
    """Whether a prompt and the text of a supervised turn make what the template wrote, thoughts and blanks apart."""
    own, said = _parted(asked, spelt)
    if own not in ("", _squeezed(thought(message))):
        return False
    whole, words = _squeezed(full), _squeezed(said)
    if not words or not whole.endswith(words) or (own and _bare(words).startswith(own)):
        return False
    before, prompt = _bare(whole[: -len(words)]), _bare(_squeezed(asked))
    if before in (prompt, prompt + own):
        return True
    # The prompt's history is written otherwise once the answer is there: then all of the answer follows its end.
    content = _bare(_squeezed(message.content))
    says = bool(content or message.calls) and content in _bare(words) and not missing(message, spelt)
    return says and before.endswith(prompt[-LETTERS:])


def thought_left_open(asked: str) -> bool:
    """Whether a prompt ends with the beginning of a thought."""
    return _open_mark(asked) is not None


def thought_closed(asked: str, spelt: str) -> bool:
    """Whether a turn begins by ending an empty thought."""
    return thought_left_open(asked) and _parted(asked, spelt)[0] == ""


def missing(message: Message, spelt: str) -> str:
    """A part of a turn that its text lacks: a thought, a call, or what is said beside one; nothing where none does."""
    wanted = [thought(message)] + [text for call in message.calls for text in (call.name, *inside(call.arguments))]
    wanted += [split(message.content)[1]] if message.calls else []
    if not any(wanted):
        return ""
    squeezed = _squeezed(spelt)
    return next((text for text in wanted if not _within(text, squeezed)), "")


def texts(message: Message) -> Iterator[str]:
    """Every text of a message that somebody wrote."""
    yield message.content
    if message.reasoning or message.calls or message.role == "tool":
        yield from (message.reasoning, message.name, message.call)
        for call in message.calls:
            yield from (call.name, call.id, *inside(call.arguments))


def inside(value: Any) -> Iterator[str]:
    """Every text in a JSON value, names of fields left out."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from inside(each)
    elif isinstance(value, Iterable):
        for each in value:
            yield from inside(each)


def _within(text: str, squeezed: str) -> bool:
    """Whether a text stands there as it is or as JSON writes it."""
    spellings = (text, json.dumps(text, ensure_ascii=False)[1:-1], json.dumps(text)[1:-1])
    return any(_squeezed(spelling) in squeezed for spelling in spellings)


def _open_mark(asked: str) -> str | None:
    """The mark that would end the thought which a prompt has left open."""
    ends = asked.rstrip()
    return next((close for mark, close in MARKS if ends.endswith(mark)), None)


def _parted(asked: str, spelt: str) -> tuple[str, str]:
    """The thought that a turn goes on with after its prompt, squeezed, and what is said then."""
    close = _open_mark(asked)
    if close is None or close not in spelt:
        return "", spelt
    own, _, said = spelt.partition(close)
    return _squeezed(own), said


def _squeezed(text: str) -> str:
    """Without white space, in one normal form: tokenizers change both."""
    return unicodedata.normalize("NFC", "".join(text.split()))


def _bare(squeezed: str) -> str:
    """Without marks of thoughts."""
    return MARK.sub("", squeezed)
