"""A graph that was opened again, asked as whoever uses it would: by the names of its inputs, with numpy alone.

Letters: B texts, T tokens, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Protocol, final

import numpy as np
from numpy.typing import NDArray

from ..contracts import Floats, Scored
from ..errors import Refusal
from ..models.offline import transformers
from ..records import OF_TARGET, SEGMENT, Document, Head
from ._graph import PAST, PRESENT
from ._reading import EXACT
from ._words import Words

Arrays = Mapping[str, NDArray[Any]]
LENGTHS: Final = (1, 2, 7, 33)  # tokens; none of which the graph was traced with, together with the context's longest
MOST: Final = 512
TARGET: Final = 3


class Runs(Protocol):
    """A graph in the program that computes it. inputs: their names, and of each axis its size where that is fixed."""

    @property
    def inputs(self) -> Mapping[str, Sequence[int | None]]: ...

    def __call__(self, given: Arrays) -> Arrays:
        """Its outputs by their names."""


@final
class Reading:
    """A graph that says something of whole texts, and the tokenizer beside it; satisfies contracts.Reads."""

    def __init__(self, runs: Runs, folder: Path, head: Head) -> None:
        self.runs, self.head = runs, head
        self.tokenizer: Any = transformers().AutoTokenizer.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False)
        self.config = transformers().AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)

    @property
    def vocabulary(self) -> Mapping[str, int]:
        """Every token's text and id."""
        found: Mapping[str, int] = self.tokenizer.get_vocab()
        return found

    def encode(self, text: str, second: str | None = None) -> Sequence[int]:
        """The ids of a text, or of two, between the tokenizer's own marks."""
        ids: list[int] = self.tokenizer(text, second)["input_ids"]
        return ids

    def says(self, document: Document) -> Floats:
        """What the head says of a document, each of its rows or the whole; without a head its vector."""
        if self.head.kind == "encoder-decoder":
            return self._likely(document)
        segments = document.token_columns.get(SEGMENT, np.zeros(len(document), np.int64))
        given = {"input_ids": document.ids, "attention_mask": np.ones(len(document)), "token_type_ids": segments}
        return np.asarray(self._told(self._asked(given))[0], np.float64)

    def _asked(self, given: Arrays) -> Arrays:
        """What the graph says of texts (B, T), or of one; of what it is given it gets what it takes."""
        return self.runs({name: np.atleast_2d(array).astype(np.int64) for name, array in given.items()
                          if name in self.runs.inputs})

    def _told(self, said: Arrays) -> Floats:
        """(B, …) of all outputs what the run says too."""
        if self.head.kind == "span":
            return np.asarray(np.stack([said["start_logits"], said["end_logits"]], axis=-1), np.float64)
        return np.asarray(said["sentence_embedding" if self.head.kind == "none" else "logits"], np.float64)

    def _likely(self, document: Document) -> Floats:
        """The log-probability of each learnt token of a target, its decoder reading the target one place later."""
        target = document.token_columns[OF_TARGET].astype(bool)
        written, source = document.ids[target], document.ids[~target]
        begun = np.concatenate([[self.config.decoder_start_token_id], written[:-1]])
        said = self._asked({"input_ids": source, "attention_mask": np.ones(len(source)), "decoder_input_ids": begun})
        likely = log_softmax(said["logits"][0])[np.arange(len(written)), written]
        return np.asarray(likely[document.weights[target] > 0], np.float64)

    def hold_shapes(self, longest: int, *, exactly: bool) -> None:
        """Ask texts of many lengths alone and padded together. Raises Refusal where a text's neighbours change it.

        exactly: a graph that rounds the states of a batch together need only give numbers.
        """
        lengths = sorted({*LENGTHS, min(longest, MOST)})
        plain = [token for token in sorted(self.vocabulary.values()) if token not in self.tokenizer.all_special_ids]
        texts = [np.array([plain[(3 * place + length) % len(plain)] for place in range(length)]) for length in lengths]
        together = np.full((len(texts), max(lengths)), self.tokenizer.pad_token_id or 0)
        mask = np.zeros_like(together)
        for row, text in enumerate(texts):
            together[row, : len(text)], mask[row, : len(text)] = text, 1
        apart = 0.0
        for text, beside in zip(texts, self._told(self._shaped(together, mask)), strict=True):
            alone = self._told(self._shaped(text[None], np.ones_like(text)[None]))[0]
            rows = beside[: len(text)] if self.head.kind in ("token", "masked", "span") else beside
            apart = max(apart, float(np.abs(alone - rows).max()))
        if not apart <= (EXACT if exactly else np.inf):
            raise Refusal("export.shapes", f"what the graph says of a text is off by {apart:.3g} where others stand "
                          f"beside it, and {EXACT:g} is allowed", "", "report this with the base's name; use "
                          "`tunesmith export RUN merged` until then")

    def _shaped(self, ids: NDArray[Any], mask: NDArray[Any]) -> Arrays:
        written = np.broadcast_to(ids[:, :1], (len(ids), TARGET))
        return self._asked({"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids),
                            "decoder_input_ids": written})


@final
class Writing(Words):
    """A graph that goes on with texts, and what stands beside it; satisfies contracts.Reloaded."""

    def __init__(self, runs: Runs, folder: Path) -> None:
        super().__init__(folder)
        self.runs = runs

    def _generate(self, prompts: Sequence[Sequence[int]], limit: int) -> list[list[int]]:
        longest = max(map(len, prompts))
        ids = np.full((len(prompts), longest), self.tokenizer.pad_token_id or 0, np.int64)
        mask = np.zeros_like(ids)
        for row, prompt in enumerate(prompts):
            ids[row, longest - len(prompt) :], mask[row, longest - len(prompt) :] = prompt, 1
        positions, past = (mask.cumsum(1) - 1).clip(0), self._nothing_read(len(prompts))
        answers: list[list[int]] = [[] for _ in prompts]
        for _ in range(limit):
            said = self.runs({"input_ids": ids, "attention_mask": mask, "position_ids": positions, **past})
            ids = said["logits"][:, -1].argmax(-1)[:, None].astype(np.int64)
            for answer, token in zip(answers, ids[:, 0].tolist(), strict=True):
                answer.append(token)
            if all(self.stop.intersection(answer) for answer in answers):
                break
            mask = np.concatenate([mask, np.ones_like(ids)], axis=1)
            positions = positions[:, -1:] + 1
            past = {name: said[name.replace(PAST, PRESENT)] for name in past}
        return answers

    def _nothing_read(self, texts: int) -> dict[str, NDArray[Any]]:
        """No keys and no values: what is handed in before the first token."""
        return {name: np.zeros((texts, shape[1] or 0, 0, shape[3] or 0), np.float32)
                for name, shape in self.runs.inputs.items() if name.startswith(PAST)}

    def score(self, ids: Sequence[int], start: int) -> Scored:
        """What it thinks of the ids from `start` on, each after all that stands before it."""
        read = np.array([list(ids)], np.int64)
        said = self.runs({"input_ids": read, "attention_mask": np.ones_like(read),
                          "position_ids": np.arange(read.shape[1])[None], **self._nothing_read(1)})
        likely = log_softmax(said["logits"][0, start - 1 : -1])
        return Scored(likely[np.arange(len(likely)), read[0, start:]], likely.max(-1))


def log_softmax(logits_TV: NDArray[Any]) -> Floats:
    """Log-probabilities in float64."""
    wide = logits_TV.astype(np.float64)
    wide -= wide.max(-1, keepdims=True)
    return np.asarray(wide - np.log(np.exp(wide).sum(-1, keepdims=True)), np.float64)
