"""Whether a text holds HTML, told apart from what only looks like it: `a < b`, `vector<int>`, `#include <map>`.

Names of elements are HTML's (WHATWG, "HTML", section 4 and the obsolete ones). Many of them are words that prompts and
code have between angles too (`<input>`, `<object>`, `<T>`), so only some decide; and what stands in fenced blocks and
between backticks is quoted, and never markup.
"""

from __future__ import annotations

import html.entities
import re
from typing import Final

# Elements that need no end and that nobody writes for anything else
ALONE = "br|hr|p|li|td|tr|th|dt|dd"
# Those that count where their end stands in the text too, or with attributes
_WITH_END = ("a|abbr|b|big|blockquote|body|center|cite|dd|dl|div|em|font|footer|h[1-6]|head|html|i|iframe|ins|nav|nobr|"
             "ol|pre|script|small|span|strike|strong|style|sub|sup|table|tbody|thead|tt|u|ul")
EVERY = (f"{ALONE}|{_WITH_END}|address|article|aside|audio|base|bdi|bdo|button|canvas|caption|code|col|colgroup|data|"
         "datalist|del|details|dfn|dialog|embed|fieldset|figcaption|figure|form|header|hgroup|img|input|kbd|label|"
         "legend|link|main|map|mark|menu|meta|meter|noscript|object|optgroup|option|output|param|picture|progress|q|rp|rt|ruby|"
         "s|samp|search|section|select|source|strike|summary|svg|template|textarea|tfoot|time|title|track|var|video|wbr")
_END = r"(?:\s+[^<>]*)?/?>"
_DECIDES = re.compile(
    rf"<(?:{ALONE}){_END}|</(?:{ALONE}|{_WITH_END})\s*>"
    r"|<(?:a|img|font|span|div|table|td|p|iframe|link|meta)\s+[\w-]+\s*=\s*[\"'\w#][^<>]*>|<!DOCTYPE html|<!--.*?-->",
    re.I | re.DOTALL)
# Entities that nobody writes for anything else, with their semicolon; `&sum;` may be an address in C
_ENTITY = re.compile(
    r"&(?:nbsp|amp|lt|gt|quot|apos|#\d{1,7}|#x[0-9a-f]{1,6}|[mn]dash|hellip|[lr][sd]quo|[sb]dquo|bull|copy|reg|trade|euro|"
    r"pound|deg|[lr]aquo|middot|[aeiouy](?:acute|grave|circ|uml|tilde)|[ac]ring|[nao]tilde|[cs]cedil|szlig|iexcl|iquest|"
    r"shy|zwn?j|thinsp|[en][mn]?sp);", re.I)
QUOTED: Final = re.compile(r"(```.*?(?:```|\Z)|~~~.*?(?:~~~|\Z)|`[^`\n]+`)", re.DOTALL)


def unquoted(text: str) -> str:
    """The text without what stands in fenced blocks and between backticks."""
    return QUOTED.sub(" ", text) if "`" in text or "~~~" in text else text


def has_tags(text: str) -> bool:
    """Whether tags of HTML stand in a text."""
    return "<" in text and bool(_DECIDES.search(unquoted(text)))


def has_entities(text: str) -> bool:
    """Whether characters are written as entities: `&nbsp;`, `&#39;`."""
    return "&" in text and any(_known(match[0]) for match in _ENTITY.finditer(unquoted(text)))


def _known(entity: str) -> bool:
    return entity[1] == "#" or entity[1:] in html.entities.html5 or entity[1:].lower() in html.entities.html5


def is_markup(text: str) -> bool:
    """Whether a text holds HTML: tags or entities."""
    return has_tags(text) or has_entities(text)
