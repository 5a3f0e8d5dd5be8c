"""A model that another program computes, asked by a task as if it were one of ours: in ids and numbers.

It stands where a task reads: `generate` takes its greedy answers, a loss its log-probabilities, a head's task what it
says of a document. So every metric of every task can be measured on it. It cannot learn.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final, final

import numpy as np
import torch
from torch import Tensor

from ..contracts import Floats, Reads, Reloaded
from ..errors import Misuse
from ..records import Batch, Document, Head

NOWHERE: Final = torch.device("cpu")  # its numbers come back as numpy's


@final
class Elsewhere:
    """What `program` says, as a task reads it of `contracts.Model`."""

    def __init__(self, program: Reloaded | Reads, head: Head) -> None:
        self.program = program
        self.head = head
        self.device = NOWHERE
        self.head_is_new = False

    def part(self, name: str) -> Elsewhere:
        """Itself: a part of several leaves alone."""
        return self

    @property
    def network(self) -> torch.nn.Module:
        """None of torch's: raises Misuse."""
        raise Misuse("export.no_search", "the other program has no search that a task of two texts could use", "",
                     "use `tunesmith export RUN merged`")

    def answers(self, prompts: Sequence[Sequence[int]], limits: Sequence[int]) -> Iterator[tuple[int, Sequence[int]]]:
        """Pairs of a prompt's index and the ids of its greedy answer, the one that ended it included."""
        return self._writes.answer(prompts, limits)

    def log_probabilities(self, batch: Batch) -> Tensor:
        """(S,) log-probability of the target of each supervised row."""
        said = self._writes_of if self.head.kind == "causal" else self._reads.says
        return torch.from_numpy(np.concatenate([said(document) for document in batch.documents]))

    def outputs(self, batch: Batch, rows: Tensor | None = None) -> Tensor:
        """(R, L) what the head says of the rows wanted; of a `sequence` head without rows that of each document."""
        said = [self._reads.says(document) for document in batch.documents]
        if self.head.kind == "sequence":
            return torch.from_numpy(np.stack(said))
        kept = [each[: end - start] for each, (start, end) in zip(said, pairwise(batch.borders), strict=True)]
        found = torch.from_numpy(np.concatenate(kept))
        return found if rows is None else found[rows]

    def states(self, batch: Batch, rows: Tensor | None = None) -> Tensor:
        """(R, H) for each row the vector of its whole document: of states the other program tells no more.

        Their mean over the rows of a document, which is all that is asked of them, is that vector.
        """
        vectors_DH = torch.from_numpy(np.stack([self._reads.says(document) for document in batch.documents]))
        return vectors_DH[batch.document_of if rows is None else batch.document_of[rows]]

    def _writes_of(self, document: Document) -> Floats:
        """(S,) of a text that is gone on with: one pass from its first learnt token to its last."""
        learnt = np.flatnonzero(document.weights > 0)
        if not len(learnt):
            return np.empty(0)
        ids = document.ids[: learnt[-1] + 2].tolist()
        found = self._writes.score(ids, int(learnt[0]) + 1).given
        return np.asarray(found[learnt - learnt[0]], np.float64)

    @property
    def _writes(self) -> Reloaded:
        """The program as one that goes on with a text, which a causal head's is."""
        return self.program  # type: ignore[return-value]

    @property
    def _reads(self) -> Reads:
        """The program as one that says something of whole texts, which that of any other head is."""
        return self.program  # type: ignore[return-value]
