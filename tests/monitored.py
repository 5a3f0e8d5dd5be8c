"""A monitor's page as the tests look at it: with every part, and where it is wanted full of hostile text."""

from __future__ import annotations

from judged import HOSTILE
from tunesmith.pages.monitor import Watched
from tunesmith.records import Figure, Finding, Seen


def monitored(*, hostile: bool = False) -> Watched:
    texts = HOSTILE if hostile else ("two tickets for the opera",)
    labels = (*texts, "card_payment_failed")
    tests = [{"test": name, "effect": 0.7, "effect_is": "area under the curve", "p": 0.0005, "adjusted_p": 0.004,
              "alarm": name != "errors", "reference_rows": 1000, "window_rows": 500}
             for name in ("length", "vocabulary", "classifier", "kernel", "labels", "errors")]
    return Watched(
        run="2026-11-22-desk", facts={
            "rows": 500, "reference_rows": 1000, "errors": 3, "bad": 12, "from": "2026-11-21T00:00:00+00:00",
            "to": "2026-11-22T00:00:00+00:00", "seconds_median": 0.4, "seconds_95": 1.9, "tokens_in": 12000,
            "tokens_out": 3400},
        rate=0.05, tests=tests, left_out={"language": "no language is known on one side"},
        findings=[Finding("warning", "monitoring.drift", texts[0], texts[-1], "`tunesmith monitor RUN`")],
        figures=[Figure("Labels", "% of rows", {"reference": tuple(range(len(labels))), "window": (5.0,) * len(labels)},
                        names=labels),
                 Figure("Length of what is asked", "% of rows", {"reference": (10.0, 90.0), "window": (90.0, 10.0)},
                        edges=(0.0, 10.0, 400.0), across="characters")],
        strange=[Seen(f"answer-{n}", text) for n, text in enumerate(texts)],
        words={text: 3 for text in texts})
