"""llama.cpp's own converter, in a process of its own: `python converter.py JOBS`.

JOBS: a JSON list of folder, file, type, and whether its tokenizer is one that the converter was never shown; of such a
one the name of its cut is given, since it knows names by the ids of known vocabularies only.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path


def main(jobs: list[tuple[str, str, str, bool]]) -> None:
    import gguf
    import torch
    from conversion import get_model_class
    from conversion.base import ModelBase, ModelType, TextModel, get_model_architecture

    known = TextModel.get_vocab_base_pre
    kinds = {"f32": gguf.LlamaFileType.ALL_F32, "f16": gguf.LlamaFileType.MOSTLY_F16,
             "bf16": gguf.LlamaFileType.MOSTLY_BF16, "q8_0": gguf.LlamaFileType.MOSTLY_Q8_0}
    for folder, file, kind, strange in jobs:
        path = Path(folder)
        found = get_model_class(get_model_architecture(ModelBase.load_hparams(path, False), ModelType.TEXT))
        TextModel.get_vocab_base_pre = (lambda self, tokenizer: "gpt-2") if strange else known
        if strange:
            found.set_vocab = TextModel._set_vocab_gpt2
        with torch.inference_mode():
            found(path, kinds[kind], Path(file)).write()


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
