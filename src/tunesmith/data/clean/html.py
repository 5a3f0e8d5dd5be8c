"""Markup made plain text: its blocks on lines of their own, its lists with `- `, its entities as characters.

Only texts that hold HTML are touched (`markup.py` tells), so `a < b` and `vector<int>` stay, and so does what stands
between backticks. Parsed by selectolax (lexbor), as browsers parse. Scripts, styles and comments go; links keep their
text. What was escaped twice is made plain as well.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, Literal

from pydantic import BaseModel

from ...contracts import Cleaned, Cleaner, Every
from ...recipe.kinds import STRICT
from ...text import markup
from ...text.optional import needed

if TYPE_CHECKING:
    from selectolax.lexbor import LexborHTMLParser, LexborNode

rewrites: Final = True
sees: Final[Literal["a row"]] = "a row"
_GONE = frozenset((
    "script", "style", "template", "noscript", "iframe", "svg", "math", "object", "canvas", "audio", "video",
    "-comment"))
_APART = frozenset((
    "p", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "dl", "table", "blockquote", "hr", "title", "figure",
    "form", "article", "section"))
_LINES = frozenset((
    "div", "li", "dt", "dd", "tr", "address", "aside", "body", "caption", "center", "details", "dialog", "fieldset",
    "figcaption", "footer", "header", "html", "head", "main", "nav", "option", "summary", "tbody", "thead", "tfoot",
    "legend"))
_CELLS = frozenset({"td", "th"})
_ANGLE = re.compile(r"<(?!!--|!DOCTYPE)(?:(/?)([a-z][a-z0-9]*)(\s[^<>]*|/)?>)?", re.I)
_BLOCK = re.compile(r"<(?:p|div|[uod]l|li|t[rdh]|table|h[1-6]|section|article|body)[\s>]", re.I)
_BLANKS, _AMPERSAND = re.compile(r"[ \t\n\r\f]+"), re.compile(r"&(?!#?\w{1,32};)")
_HELD = re.compile("\ufdd0(\\d+)\ufdd1")  # of no character: places that quoted parts come back to
_ROUNDS = 10


class Settings(BaseModel):
    """Whether links stay."""

    model_config = STRICT

    links: bool = False
    """Whether the address of a link stands behind its text, in brackets; `false` keeps the text alone."""


def cleaner(settings: Settings, every: Every) -> Cleaner:
    """Each text without its markup. Raises Misuse where selectolax is missing."""
    with needed("selectolax", "the step `html`"):
        from selectolax.lexbor import LexborHTMLParser

    def clean(texts: tuple[str, ...]) -> Cleaned:
        made = tuple(_settled(text, LexborHTMLParser, links=settings.links) for text in texts)
        return Cleaned(made, "" if made == texts else "markup made plain")

    return clean


def _settled(text: str, parser: type[LexborHTMLParser], *, links: bool) -> str:
    """The text after as many rounds as it was escaped; as it came where that has no end."""
    made = text
    for _ in range(_ROUNDS):
        if not markup.is_markup(made):
            return made
        before, made = made, _plain(made, parser, links=links)
        if made == before:
            return made
    return text


def _plain(text: str, parser: type[LexborHTMLParser], *, links: bool) -> str:
    """What a reader would see of a text that holds markup."""
    held: list[str] = []

    def hold(match: re.Match[str]) -> str:
        held.append(match[0])
        return f"\ufdd0{len(held) - 1}\ufdd1"

    quoted = markup.QUOTED.sub(hold, text) if "`" in text or "~~~" in text else text
    page = _Page(links=links, flows=bool(_BLOCK.search(quoted)))
    for node, opens in _walked(parser(_guarded(quoted), is_fragment=True).root):
        if opens:
            page.open(node)
        else:
            page.close(node)
    return _HELD.sub(lambda match: held[int(match[1])], page.text())


def _guarded(text: str) -> str:
    """The text with what is no markup in it escaped, so that the parser keeps it: `a < b`, `<T>`, `?a=1&copy=2`."""
    lowered = text.lower()

    def escaped(match: re.Match[str]) -> str:
        name = (match[2] or "").lower()
        known = re.fullmatch(markup.EVERY, name) and (
            match[1] or re.fullmatch(markup.ALONE, name) or f"</{name}" in lowered or "=" in (match[3] or ""))
        return match[0] if known else "&lt;" + match[0][1:]

    return _AMPERSAND.sub("&amp;", _ANGLE.sub(escaped, text))


def _walked(first: LexborNode | None) -> Iterator[tuple[LexborNode, bool]]:
    """Every node from the first on, when it begins and when it ends; without recursion, however deep they lie."""
    node = first
    above: list[LexborNode] = []
    while node is not None or above:
        if node is None:
            node = above.pop()
            yield node, False
            node = node.next
            continue
        yield node, True
        below = None if node.tag in _GONE else node.child
        if below is not None:
            above.append(node)
            node = below
        else:
            yield node, False
            node = node.next


class _Page:
    """Lines as they fill up. flows: whether line breaks of the source are blanks, as between blocks they are."""

    def __init__(self, *, links: bool, flows: bool) -> None:
        self._links, self._flows = links, flows
        self._parts: list[str] = []
        self._breaks, self._depth, self._blank = 0, 0, False
        self._code: list[str] = []
        self._quoted: list[str] = []
        self._marked = False  # right after a list's `- `: what stands in the item follows on its line

    def open(self, node: LexborNode) -> None:
        """What stands at the beginning of an element, or a text."""
        tag = node.tag or ""
        if tag == "-text" and self._code:
            self._quoted.append(node.text_content or "")
        elif tag == "-text":
            self._write(node.text_content or "")
        elif self._code and tag not in ("pre", "code"):
            self._quoted += ["\n"] if tag == "br" else []
        elif tag == "br":
            self._put("\n")
        elif tag in ("pre", "code"):
            self._code.append(tag)
        elif tag in ("ul", "ol"):
            self._break(1 if self._depth else 2)
            self._depth += 1
        elif tag in _APART:
            self._break(2)
        elif tag in _LINES:
            self._break(1)
        if tag == "li" and not self._code:
            self._put("  " * max(0, self._depth - 1) + "- ")
            self._marked = True

    def close(self, node: LexborNode) -> None:
        """What stands at its end."""
        tag = node.tag or ""
        if self._code:
            if tag in ("pre", "code"):
                self._code.pop()
            if not self._code:
                self._verbatim(tag, "".join(self._quoted))
                self._quoted.clear()
        elif tag in ("ul", "ol"):
            self._depth = max(0, self._depth - 1)
            self._break(1 if self._depth else 2)
        elif tag in _APART:
            self._break(2)
        elif tag in _LINES:
            self._break(1)
        elif tag in _CELLS:
            self._blank = True
        elif tag == "a" and self._links and (target := node.attributes.get("href")):
            self._write(f" ({target})")

    def text(self) -> str:
        """All of it, no line with blanks at its ends and no more than one empty line in a row."""
        lines = [line.rstrip() for line in "".join(self._parts).split("\n")]
        return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()

    def _verbatim(self, tag: str, text: str) -> None:
        if markup.is_markup(text):  # code about markup stays quoted, or the next reader would take it for markup
            text = f"`{text}`" if tag == "code" and not {"`", "\n"} & set(text) else f"```\n{text.strip()}\n```"
        self._break(2 if tag == "pre" else 0)
        self._put(text)
        self._break(2 if tag == "pre" else 0)

    def _write(self, text: str) -> None:
        text = text.replace("\xa0", " ")
        if not self._flows:
            self._put(text)
            return
        words = _BLANKS.sub(" ", text)
        if words.strip(" "):
            self._blank |= words.startswith(" ")
            self._put(words.strip(" "))
            self._blank = words.endswith(" ")
        else:
            self._blank |= bool(words)

    def _break(self, lines: int) -> None:
        if lines and not self._marked:
            self._breaks, self._blank = max(self._breaks, lines), False

    def _put(self, text: str) -> None:
        if self._breaks:
            self._parts.append("\n" * self._breaks)
        elif self._blank and self._parts and not self._parts[-1].endswith((" ", "\n")):
            self._parts.append(" ")
        self._breaks, self._blank, self._marked = 0, False, False
        self._parts.append(text)
