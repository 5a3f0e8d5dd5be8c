"""A comparison's facts, made up, and hostile where a test wants it."""

from __future__ import annotations

from judged import HOSTILE, judged
from tunesmith.evaluation.comparison import Beside, Compared, Comparison, Differing


def compared(*, runs: int = 3, hostile: bool = False) -> Comparison:
    """So many runs with one verdict; the second is held against the first, the others are refused."""

    def said(text: str, number: int) -> str:
        return f"{text} {HOSTILE[number % len(HOSTILE)]}" if hostile else text

    one = judged(hostile=hostile)
    sides = tuple(
        Compared(said(f"runs/{place}", place), said(f"hats-{place}", place), said("tiny", 1), "chat", 60, place != 1,
                 [(step, loss + place) for step, loss in one.losses], one.held_out, one.verdict)
        for place in range(runs))
    measured = {name: each for name, each in one.verdict.metrics.items() if name != "loss"}
    pairs = [Beside(0, 1, measured, dict.fromkeys(measured, "better"), "", {"loss": said("it counts tokens", 2)})]
    pairs += [Beside(0, place, {}, {}, said("their held-out rows differ", 3)) for place in range(2, runs)]
    options = (
        Differing("training.learning_rate", (1e-2, 1e-6, None)[:runs], ("a:1 (default)", "b:1", "absent")[:runs]),
        Differing(said("data.system", 4), tuple(said("be kind", place) for place in range(runs)), ("a:2",) * runs),
    )
    return Comparison(sides, options, (Differing("digests.data_train", tuple(["ab" * 32] * runs)),), pairs)
