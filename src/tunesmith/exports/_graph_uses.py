"""Code for the card of a graph: what a user types, with what stands in the folder, and that a test runs as printed."""

from __future__ import annotations

from ._source import Source

ONNX = """\
import numpy as np
import onnxruntime
from transformers import {classes}

folder = "{name}"
session = onnxruntime.InferenceSession(f"{{folder}}/model.onnx")
tokenizer = AutoTokenizer.from_pretrained(folder)
"""
TORCH = """\
import numpy as np
import torch
from transformers import {classes}

folder = "{name}"
program = torch.export.load(f"{{folder}}/model.pt2")  # only ever a file whose maker you trust
model = program.module()
torch.set_grad_enabled(False)
tokenizer = AutoTokenizer.from_pretrained(folder)
"""
TEXTS = """\
texts = tokenizer({texts}, padding=True, truncation=True, max_length={longest}, return_tensors="{tensors}")
"""
NAMES = "names = AutoConfig.from_pretrained(folder).id2label\n"
READING = {
    "single": NAMES + "[logits] = {asked}\nprint([names[int(label)] for label in logits.argmax(-1)])",
    "multi": NAMES + "[logits] = {asked}\n"
             "print([[names[int(label)] for label in np.flatnonzero(row > 0)] for row in logits])",
    "regression": "[logits] = {asked}\nprint(logits[:, 0])",
    "token": NAMES + "[logits] = {asked}\n"
             "for ids, row in zip(texts[\"input_ids\"], logits):\n"
             "    print([(tokenizer.decode([token]), names[int(label)]) for token, label in zip(ids, row.argmax(-1))])",
    "masked": "[logits] = {asked}\n"
              "print(tokenizer.decode(logits[texts[\"input_ids\"] == tokenizer.mask_token_id].argmax(-1)))",
    "none": "states, vectors = {asked}\nprint(vectors @ vectors.T)",
    "span": "start, end = {asked}\n"
            "inside = np.array([text == 1 for text in texts.sequence_ids(0)])  # the context, and not the question\n"
            "pairs = np.where(np.triu(np.outer(inside, inside)), start[0][:, None] + end[0], -np.inf)\n"
            "first, last = np.unravel_index(pairs.argmax(), pairs.shape)\n"
            "print(tokenizer.decode(texts[\"input_ids\"][0, first : last + 1]))",
}
GOING_ON = """\
stop = GenerationConfig.from_pretrained(folder).eos_token_id
{asking}
ids = np.asarray(ids["input_ids"])
{read}
answer, new = [], ids
while len(answer) < 256:
    seen = ids.shape[1] + len(answer)
    mask, places = np.ones((1, seen), np.int64), np.arange(seen - new.shape[1], seen)[None]
    {step}
    answer.append(int(logits[0, -1].argmax()))
    new = np.array([answer[-1:]])
    if answer[-1] in np.atleast_1d(stop):
        break
print(tokenizer.decode(answer, skip_special_tokens=True))"""
READ = {"np": """\
read = {each.name: np.zeros((1, each.shape[1], 0, each.shape[3]), np.float32)
        for each in session.get_inputs() if each.name.startswith("past_key_values")}""", "pt": """\
shapes = [node.meta["val"].shape for node in program.graph.nodes if node.name.startswith("past_")]
read = [torch.zeros(1, shape[1], 0, shape[3]) for shape in shapes]"""}
STEP = {"np": """\
logits, *kept = session.run(None, {"input_ids": new, "attention_mask": mask, "position_ids": places, **read})
    read = dict(zip(read, kept))""", "pt": """\
new, mask, places = map(torch.from_numpy, (new, mask, places))
    logits, *read = model(input_ids=new, attention_mask=mask, position_ids=places, past=read)"""}
TRANSLATING = """\
settings = GenerationConfig.from_pretrained(folder)
{asking}
written = [settings.decoder_start_token_id]
while len(written) < 256:
    [logits] = {asked}
    forced = settings.forced_bos_token_id if len(written) == 1 else None
    written.append(int(logits[0, -1].argmax()) if forced is None else forced)
    if written[-1] in np.atleast_1d(settings.eos_token_id):
        break
print(tokenizer.decode(written, skip_special_tokens=True))"""
TRANSLATED = {
    "np": """session.run(None, {"input_ids": np.asarray(ids["input_ids"]), "decoder_input_ids": np.array([written]),
                                  "attention_mask": np.asarray(ids["attention_mask"])})""",
    "pt": """model(input_ids=ids["input_ids"], attention_mask=ids["attention_mask"],
                     decoder_input_ids=torch.tensor([written]))"""}


def onnx(source: Source) -> str:
    """Python that asks the folder's graph with ONNX Runtime."""
    return _code(source, ONNX, "np", "session.run(None, dict(texts))")


def torch_export(source: Source) -> str:
    """Python that asks the folder's graph with torch."""
    return _code(source, TORCH, "pt", "model(**texts)")


def _code(source: Source, opening: str, tensors: str, asked: str) -> str:
    kind, name = source.head.kind, source.name
    if kind in ("causal", "encoder-decoder"):
        asking = source.asking.replace('return_tensors="pt"', f'return_tensors="{tensors}"')
        opened = opening.format(name=name, classes="AutoTokenizer, GenerationConfig")
        if kind == "causal":
            return opened + GOING_ON.format(asking=asking, read=READ[tensors], step=STEP[tensors])
        return opened + TRANSLATING.format(asking=asking, asked=TRANSLATED[tensors])
    how = READING[source.head.problem or "single" if kind == "sequence" else kind]
    texts = {"masked": '[f"… {tokenizer.mask_token} …"]', "span": '["…?"], ["…"]'}.get(kind, '["…", "…"]')
    classes = "AutoConfig, AutoTokenizer" if how.startswith(NAMES) else "AutoTokenizer"
    return opening.format(name=name, classes=classes) + TEXTS.format(
        texts=texts, longest=source.codec.longest, tensors=tensors) + how.format(asked=asked)
