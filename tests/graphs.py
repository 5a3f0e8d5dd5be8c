"""Runs with every head on tiny bases, and what transformers says of the same weights: for exports that are graphs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

from runs_of import run_on
from tiny import tiny_base, tiny_encoder, tiny_t5
from tunesmith.workflow.exporting.export import export

WORDS = ("anna", "goes", "to", "baku", "and", "sells", "two", "red", "hats", "to", "her", "friends", "in", "april")
AUTO = {"classify": "SequenceClassification", "pairs": "SequenceClassification", "marks": "SequenceClassification",
        "causal labels": "SequenceClassification", "tag": "TokenClassification", "part": "TokenClassification",
        "extract": "QuestionAnswering", "masked": "MaskedLM", "embed": "", "chat": "CausalLM", "seq2seq": "Seq2SeqLM"}
SHORT: dict[str, Any] = {"training": {"learning_rate": 5e-3, "steps": 4, "epochs": 9, "batch_size": 4,
                                      "max_length": 128}, "evaluation": {"generate": 2, "max_new_tokens": 8}}


def _rows(head: str, n: int) -> dict[str, Any]:
    word = WORDS[n % len(WORDS)]
    if head == "extract":
        context = f"Anna sold {n} {word} to her friends in Baku."
        return {"question": f"What was sold in {n}?", "context": context,
                "answers": {"text": [word], "answer_start": [context.index(f" {word}") + 1]}}
    if head in ("tag", "part"):
        return {"tokens": ["Anna", "sells", str(n), word], "tags": ["B-PER", "O", "O", ["O", "B-LOC"][n % 2]]}
    if head == "masked":
        return {"text": f"{' '.join(WORDS[n % 7 :])} {n} {word}"}
    if head == "seq2seq":
        return {"source": f"{word} {n}", "target": word[::-1]}
    label: Any = {"marks": n / 10, "pairs": n % 2}.get(head, ["few", "many", "none"][n % 3])
    return {"text": f"Anna has {n} {word}", "label": label} | ({"text2": word} if head == "pairs" else {})


def run_with(head: str, folder: Path, **sections: Any) -> tuple[Path, Path]:
    """A run that learnt with such a head, and its base."""
    folder.mkdir(parents=True, exist_ok=True)
    base = {"chat": tiny_base, "causal labels": tiny_base, "seq2seq": tiny_t5}.get(head, tiny_encoder)(folder / "base")
    if head in ("chat", "embed"):
        return run_on(base, folder, **{"task": head, **SHORT, **sections}), base
    rows = folder / "rows.jsonl"
    rows.write_text("".join(json.dumps(_rows(head, n)) + "\n" for n in range(40)))
    task: Any = head if head in ("classify", "tag", "extract", "masked", "seq2seq") else "classify"
    data: dict[str, Any] = {"train": str(rows), "validation": 0.1, "test": 0.25}
    if head == "part":
        labels = folder / "labels.jsonl"
        labels.write_text("".join(json.dumps(_rows("classify", n)) + "\n" for n in range(40)))
        data = data | {"train": str(labels), "mix": {"names": {"files": str(rows)}}}
        task = {"type": "several", "parts": {"train": "classify", "names": "tag"}}
    return run_on(base, folder, **{"task": task, "data": data, "adapter": "full", **SHORT, **sections}), base


def part_of(head: str) -> dict[str, str]:
    """What `export` is told beside: the part that leaves."""
    return {"part": "names"} if head == "part" else {}


def oracle(head: str, run: Path, folder: Path) -> Any:
    """The tuned network as plain transformers opens what `merged` wrote."""
    import transformers

    done = export(run, "merged", output=folder, prompts=1, **part_of(head))
    opener = getattr(transformers, f"AutoModel{'For' if AUTO[head] else ''}{AUTO[head]}")
    return opener.from_pretrained(done.folder, dtype=torch.float32).eval()


def texts_of(network: Any, texts: int, tokens: int, *, seed: int = 0) -> dict[str, torch.Tensor]:
    """Ids of no meaning, the second text padded where there are several."""
    drawn = torch.Generator().manual_seed(seed)
    ids = torch.randint(5, network.config.vocab_size, (texts, tokens), generator=drawn)
    mask = torch.ones_like(ids)
    if texts > 1 and tokens > 2:
        mask[1, tokens // 2 :] = 0
        ids[1, tokens // 2 :] = network.config.pad_token_id or 0
    return {"input_ids": ids, "attention_mask": mask}


def said_by(network: Any, given: dict[str, torch.Tensor]) -> list[np.ndarray]:
    """What transformers' own network says, in the order of its outputs; padded places are no part of it."""
    with torch.inference_mode():
        found = network(**given)
    names = [name for name in ("logits", "start_logits", "end_logits", "last_hidden_state") if name in found]
    return [found[name].numpy() for name in names]


def code_of(card: Path, language: str = "python") -> str:
    """The code that a card prints, its own folder's name made a path."""
    text = card.read_text()
    return text.split(f"```{language}\n")[1].split("```")[0]
