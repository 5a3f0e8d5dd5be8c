"""One training by LLaMA-Factory, in an environment of its own, on rows that are encoded already.

    python llama_factory.py SETTINGS.json

It imports torchaudio for sounds, and the published build of that does not load beside torch's CPU build; nothing here
has sounds, so a stand-in takes its place where it does not load.
"""

import importlib.machinery
import sys
import tempfile
import types
from pathlib import Path

from datasets import Dataset, DatasetDict


def without_sounds():
    """A stand-in for torchaudio where that does not load."""
    try:
        import torchaudio  # noqa: F401
    except (ImportError, OSError):
        stand_in = types.ModuleType("torchaudio")
        stand_in.__spec__ = importlib.machinery.ModuleSpec("torchaudio", None)
        sys.modules["torchaudio"] = stand_in


def main():
    without_sounds()
    from llamafactory.train.tuner import run_exp
    from watch import Watch, rows, settings

    wanted = settings()
    options = wanted["options"]
    watch = Watch(wanted)
    with tempfile.TemporaryDirectory() as folder:
        encoded = Dataset.from_list([{**row, "attention_mask": [1] * len(row["input_ids"])}
                                     for row in rows(wanted["rows"])])
        DatasetDict({"train": encoded}).save_to_disk(str(Path(folder, "rows")))
        lora = {"lora_rank": wanted["rank"], "lora_alpha": wanted["alpha"], "lora_target": "all"}
        run_exp({
            "stage": "sft", "do_train": True, "model_name_or_path": wanted["model"], "template": "smollm2",
            "finetuning_type": "lora" if wanted["rank"] else "full", **(lora if wanted["rank"] else {}),
            "dataset": "alpaca_en_demo", "tokenized_path": str(Path(folder, "rows")),
            "cutoff_len": wanted["max_length"], "output_dir": str(Path(folder, "out")),
            "per_device_train_batch_size": wanted["batch_size"], "gradient_accumulation_steps": 1,
            "max_steps": wanted["steps"], "learning_rate": wanted["learning_rate"],
            "lr_scheduler_type": "cosine", "warmup_steps": wanted["warmup_steps"], "seed": 0, "use_cpu": True,
            "bf16": options["dtype"] == "bfloat16", "disable_gradient_checkpointing": True, "flash_attn": "sdpa",
            "report_to": "none", "save_strategy": "no", "logging_strategy": "no", "disable_tqdm": True,
            **({"train_sampling_strategy": "group_by_length"} if options.get("grouped")
               else {"disable_shuffling": True}),
        }, callbacks=[watch])
        watch.report()


if __name__ == "__main__":
    main()
