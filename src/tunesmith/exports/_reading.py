"""What an export says of whole texts, held against what the run says of them.

An export of a network that does not go on with a text is asked what its head says: of a source and its target how
likely the target is, token by token; where it has no head for the texts' vectors.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, final

import numpy as np
import torch

from ..contracts import Floats, Model
from ..encoding.batches.packing import pack, placed
from ..models import vectors
from ..models.asking import outputs
from ..models.offline import transformers
from ..records import OF_TARGET, SEGMENT, Document, Head

TOKENS: Final = 4096
# Two programs that compute the same weights in float32 were at most 3e-7 apart in vectors of length 1
EXACT: Final = 1e-4


def ask(model: Model, documents: Sequence[Document]) -> list[Floats]:
    """What a model of ours says of each document, by the code that the verdict is made with."""
    if model.head.kind == "encoder-decoder":
        with torch.inference_mode():
            return [model.log_probabilities(placed(pack([document]), model.device)).double().cpu().numpy()
                    for document in documents]
    if model.head.kind != "none":
        return [said.double().numpy() for said in outputs(model, documents)]
    with torch.inference_mode():
        return list(vectors.of_documents(model, documents, tokens=TOKENS).double().cpu().numpy())


@final
class Reading:
    """A network and its tokenizer as plain transformers opens them; satisfies contracts.Reads."""

    def __init__(self, network: Any, folder: Path, head: Head) -> None:
        self.network, self.head = network.eval(), head
        self.tokenizer = transformers().AutoTokenizer.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False)

    @property
    def vocabulary(self) -> Mapping[str, int]:
        """Every token's text and id."""
        found: Mapping[str, int] = self.tokenizer.get_vocab()
        return found

    def encode(self, text: str, second: str | None = None) -> Sequence[int]:
        """The ids of a text, or of two, between the tokenizer's own marks."""
        ids: list[int] = self.tokenizer(text, second)["input_ids"]
        return ids

    @torch.inference_mode()
    def says(self, document: Document) -> Floats:
        """What the head says of a document, each of its rows or the whole; without a head its vector."""
        if self.head.kind == "encoder-decoder":
            return self._likely(document)
        told = {"input_ids": torch.tensor(document.ids)[None]}
        if "token_type_ids" in self.tokenizer.model_input_names and SEGMENT in document.token_columns:
            told["token_type_ids"] = torch.tensor(np.array(document.token_columns[SEGMENT]))[None]
        found = self.network(**told)
        if self.head.kind == "span":
            said = torch.stack([found.start_logits[0], found.end_logits[0]], dim=-1)
        elif self.head.kind == "none":
            counted = torch.from_numpy(np.flatnonzero(document.weights))
            said = torch.nn.functional.normalize(found.last_hidden_state[0, counted].mean(0), dim=0)
        else:
            said = found.logits[0]
        return np.asarray(said.double().numpy(), np.float64)

    def _likely(self, document: Document) -> Floats:
        """The log-probability of each learnt token of a target, as the network scores its labels."""
        target = document.token_columns[OF_TARGET].astype(bool)
        labels = torch.tensor(document.ids[target])[None]
        logits = self.network(input_ids=torch.tensor(document.ids[~target])[None], labels=labels).logits[0]
        found = logits.log_softmax(-1).gather(1, labels[0][:, None])[:, 0]
        return np.asarray(found.double().numpy()[document.weights[target] > 0], np.float64)
