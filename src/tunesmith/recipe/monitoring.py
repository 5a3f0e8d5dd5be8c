"""What a served run keeps of what it is asked, so that it can be held against what the run learnt from."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from .kinds import Options


class Monitoring(Options):
    """What is kept of each answer while the run is served, and for how long. Nothing, unless the recipe says so."""

    keep: Literal["nothing", "features", "text"] = "nothing"
    """What is kept of an answered request: `nothing`, only `features`, or its `text` too.

    `features` are lengths, the language, the label, how likely the ten likeliest labels were, the share of words that
    the training rows lack, and how often each of 1,024 hashed groups of words and letters stands there: enough for
    `tunesmith monitor` to see a drift, and no sentence can be read from it. Rows to label (`--harvest`) need `text`.
    """

    share: float = Field(default=1.0, gt=0, le=1)
    """The share of requests that is kept, chosen by a hash of the answer's id: above 0, at most 1.

    Lower it where there are more than some thousand requests a day: 500 rows a window show most drifts.
    """

    days: int = Field(default=30, ge=1, le=3650)
    """After how many days what was kept is deleted: 1 to 3,650. Keep no longer than your users were told."""

    megabytes: int = Field(default=500, ge=1, le=1_000_000)
    """How large the file may grow, in millions of bytes, before the oldest rows are deleted: 1 to 1,000,000."""

    mask: bool = True
    """Whether addresses, phone numbers, cards, accounts and keys are masked before anything is written.

    `true` or `false`. They are told by their forms; names of people are not told. Nothing unmasked reaches the disk.
    """

    reference: int = Field(default=1000, ge=0, le=10_000)
    """Of how many rows the run carries the features, to compare with; 0: none.

    0 to 10,000; a thousand take a megabyte of the run's folder, without their texts. Held-out rows come first.
    """
