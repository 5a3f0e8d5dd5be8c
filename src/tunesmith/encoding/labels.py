"""The proof of labelled texts: each document's class, read back by its name."""

from __future__ import annotations

from collections.abc import Sequence

from ..records import Document, Example, Finding, Head, Labelled
from .codec import Codec

REPORT = "report this with the row: the run is refused so that nothing wrong is learnt"


class Proof:
    """Proves labelled examples one after another."""

    def __init__(self, codec: Codec, head: Head) -> None:
        self._codec, self._head = codec, head

    def prove(self, made: Sequence[Document], example: Example) -> list[Finding]:
        """An error where what is learnt of a row is not its label."""
        assert isinstance(example, Labelled)
        learnt = [int(target) for document in made for target in document.targets[document.weights > 0]]
        if [self._head.labels[place] for place in learnt] == list(example.labels or ()):
            return []
        return [Finding("error", "labels.wrong", f"the row is labelled {example.labels}, and something else would be "
                        "learnt", example.where, REPORT)]

    def notes(self) -> list[Finding]:
        """Nothing that rows share."""
        return []


def proof(codec: Codec, head: Head) -> Proof:
    """The proof of a task with labels."""
    return Proof(codec, head)
