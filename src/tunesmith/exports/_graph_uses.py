"""Code for the card of a graph: what a user types, with what stands in the folder, and that a test runs as printed."""

from __future__ import annotations

from ._source import Source

OPENING = """\
import numpy as np
import onnxruntime
from transformers import {classes}

folder = "{name}"
session = onnxruntime.InferenceSession(f"{{folder}}/model.onnx")
tokenizer = AutoTokenizer.from_pretrained(folder)
"""
TEXTS = """\
texts = tokenizer({texts}, padding=True, truncation=True, max_length={longest}, return_tensors="np")
"""
NAMES = "names = AutoConfig.from_pretrained(folder).id2label\n"
READING = {
    "single": NAMES + "[logits] = session.run(None, dict(texts))\n"
              "print([names[int(label)] for label in logits.argmax(-1)])",
    "multi": NAMES + "[logits] = session.run(None, dict(texts))\n"
             "print([[names[int(label)] for label in np.flatnonzero(row > 0)] for row in logits])",
    "regression": "[logits] = session.run(None, dict(texts))\nprint(logits[:, 0])",
    "token": NAMES + "[logits] = session.run(None, dict(texts))\n"
             "for ids, row in zip(texts[\"input_ids\"], logits):\n"
             "    print([(tokenizer.decode([token]), names[int(label)]) for token, label in zip(ids, row.argmax(-1))])",
    "masked": "[logits] = session.run(None, dict(texts))\n"
              "print(tokenizer.decode(logits[texts[\"input_ids\"] == tokenizer.mask_token_id].argmax(-1)))",
    "none": "vectors = session.run([\"sentence_embedding\"], dict(texts))[0]\nprint(vectors @ vectors.T)",
    "span": "start, end = session.run([\"start_logits\", \"end_logits\"], dict(texts))\n"
            "pairs = np.triu(start[0][:, None] + end[0])\n"
            "first, last = np.unravel_index(pairs.argmax(), pairs.shape)\n"
            "print(tokenizer.decode(texts[\"input_ids\"][0, first : last + 1]))",
}
GOING_ON = """\
stop = GenerationConfig.from_pretrained(folder).eos_token_id
{asking}
ids = np.asarray(ids["input_ids"])
read = {{each.name: np.zeros((1, each.shape[1], 0, each.shape[3]), np.float32)
        for each in session.get_inputs() if each.name.startswith("past_key_values")}}
answer, new = [], ids
while len(answer) < 256:
    seen = ids.shape[1] + len(answer)
    logits, *kept = session.run(None, {{
        "input_ids": new, "attention_mask": np.ones((1, seen), np.int64),
        "position_ids": np.arange(seen - new.shape[1], seen)[None], **read}})
    read = dict(zip(read, kept))
    answer.append(int(logits[0, -1].argmax()))
    new = np.array([answer[-1:]])
    if answer[-1] in np.atleast_1d(stop):
        break
print(tokenizer.decode(answer, skip_special_tokens=True))"""
TRANSLATING = """\
settings = GenerationConfig.from_pretrained(folder)
{asking}
written = [settings.decoder_start_token_id]
while len(written) < 256:
    [logits] = session.run(None, {{"input_ids": np.asarray(ids["input_ids"]), "decoder_input_ids": np.array([written]),
                                  "attention_mask": np.asarray(ids["attention_mask"])}})
    forced = settings.forced_bos_token_id if len(written) == 1 else None
    written.append(int(logits[0, -1].argmax()) if forced is None else forced)
    if written[-1] in np.atleast_1d(settings.eos_token_id):
        break
print(tokenizer.decode(written, skip_special_tokens=True))"""


def onnx(source: Source) -> str:
    """Python that asks the folder's graph with ONNX Runtime."""
    kind, name = source.head.kind, source.name
    if kind in ("causal", "encoder-decoder"):
        asking = source.asking.replace('return_tensors="pt"', 'return_tensors="np"')
        opening = OPENING.format(name=name, classes="AutoTokenizer, GenerationConfig")
        return opening + (GOING_ON if kind == "causal" else TRANSLATING).format(asking=asking)
    how = READING[source.head.problem or "single" if kind == "sequence" else kind]
    texts = {"masked": '[f"… {tokenizer.mask_token} …"]', "span": '["…?"], ["…"]'}.get(kind, '["…", "…"]')
    classes = "AutoConfig, AutoTokenizer" if how.startswith(NAMES) else "AutoTokenizer"
    return OPENING.format(name=name, classes=classes) + TEXTS.format(texts=texts, longest=source.codec.longest) + how
