"""A page whole: head, policy, styles and scripts, all in one file that asks nobody for anything.

The policy names each style and script by its digest, so nothing else on the page can run, load or send.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from pathlib import Path
from string import Template
from typing import Final

from .markup import Markup, tag, text

ASSETS: Final = Path(__file__).resolve().parents[1] / "assets"
UPLOT: Final = ("uplot/uPlot.min.css", "uplot/uPlot.iife.min.js")


def page(title: str, body: Markup, *, files: Sequence[str] = ()) -> str:
    """The HTML of a page. files: styles and scripts of `assets/` beside those that every page has, in their order."""
    styles = [asset(name) for name in ("page.css", *files) if name.endswith(".css")]
    scripts = [asset(name) for name in (*files, "page.js") if name.endswith(".js")]
    return Template(asset("page.html")).substitute(
        title=text(title),
        policy=_policy(styles, scripts),
        styles="\n".join(f"<style>{style}</style>" for style in styles),
        body=tag("main", body),
        scripts="\n".join(f"<script>{script}</script>" for script in scripts),
    )


def asset(name: str) -> str:
    """The text of a file of `assets/`."""
    return (ASSETS / name).read_text(encoding="utf-8")


def _policy(styles: Sequence[str], scripts: Sequence[str]) -> str:
    return "; ".join([
        "default-src 'none'", f"style-src {_digests(styles)}", f"script-src {_digests(scripts)}", "img-src data:",
        "base-uri 'none'", "form-action 'none'",
    ])


def _digests(contents: Sequence[str]) -> str:
    return " ".join(f"'sha256-{base64.b64encode(hashlib.sha256(each.encode()).digest()).decode()}'"
                    for each in contents)
