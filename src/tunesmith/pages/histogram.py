"""How long documents are, as bars."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from .markup import Markup, tag
from .numbers import many

BARS: Final = 40
WIDTH, HEIGHT = 1000, 200


def histogram(lengths: Sequence[int], limit: int) -> Markup:
    """Bars of equal width from 0 to the longest; limit: `training.max_length`, told beside them."""
    longest = max(lengths)
    wide = max(1, -(-longest // BARS))
    counts = [0] * (longest // wide + 1)
    for length in lengths:
        counts[length // wide] += 1
    bar = WIDTH / len(counts)
    most = max(counts)
    bars = (
        tag("rect", at={"x": f"{place * bar + bar * 0.08:.1f}", "width": f"{bar * 0.84:.1f}",
                        "y": f"{HEIGHT - _height(count, most):.1f}", "height": f"{_height(count, most):.1f}"})
        for place, count in enumerate(counts) if count
    )
    label = (f"{many(len(lengths), 'document')}, from {min(lengths)} to {many(longest, 'token')}; the fullest bar has "
             f"{most}")
    return tag(
        "figure.lengths",
        tag("div.bars", tag("span", f"{most:,}"), tag("svg", *bars, at={
            "viewBox": f"0 0 {WIDTH} {HEIGHT}", "preserveAspectRatio": "none", "role": "img", "aria-label": label})),
        tag("div.ends", tag("span", "0"), tag("span", f"{len(counts) * wide:,} tokens")),
        tag("figcaption", f"Documents by length, {many(wide, 'token')} to a bar. The limit is {limit:,}."),
    )


def _height(count: int, most: int) -> float:
    return max(2.0, count / most * HEIGHT)  # one document among thousands must still be seen
