"""One training by TRL's SFTTrainer, in an environment that has trl and peft.

    python trl_sft.py SETTINGS.json

Rows come encoded (`rows`), or as text (`texts`) where TRL's own preparation is part of what is measured.
"""

import tempfile

from datasets import Dataset, load_dataset
from peft import LoraConfig
from trl import SFTConfig, SFTTrainer
from watch import Watch, rows, settings


def conversations(file):
    """GSM8K as prompt and completion, the shape that TRL learns the completion of."""
    return load_dataset("json", data_files=file, split="train").map(
        lambda row: {"prompt": [{"role": "user", "content": row["question"]}],
                     "completion": [{"role": "assistant", "content": row["answer"]}]},
        remove_columns=["question", "answer"])


def configured(wanted, output):
    """The settings of the training; what `options` names, beside what both sides share."""
    options = wanted["options"]
    dtype = options.get("dtype")
    return SFTConfig(
        output_dir=output, per_device_train_batch_size=wanted["batch_size"], max_steps=wanted["steps"],
        learning_rate=wanted["learning_rate"], lr_scheduler_type="cosine", warmup_steps=wanted["warmup_steps"],
        max_length=None if options.get("padding_free") else wanted["max_length"], seed=0, use_cpu=True,
        report_to=[], save_strategy="no", logging_strategy="no", disable_tqdm=True,
        train_sampling_strategy="group_by_length" if options.get("grouped") else "sequential",
        **({"gradient_checkpointing": False} if options.get("best") else {}),
        **({"bf16": dtype == "bfloat16"} if dtype else {}),
        **({"model_init_kwargs": {"dtype": "bfloat16"}} if dtype == "bfloat16" and wanted["rank"] else {}),
        **{name: True for name in ("padding_free", "torch_compile") if options.get(name)},
    )


def main():
    wanted = settings()
    data = conversations(wanted["texts"]) if wanted.get("texts") else Dataset.from_list(rows(wanted["rows"]))
    adapter = wanted["rank"] and LoraConfig(r=wanted["rank"], lora_alpha=wanted["alpha"], target_modules="all-linear",
                                            task_type="CAUSAL_LM")
    watch = Watch(wanted)
    with tempfile.TemporaryDirectory() as output:
        SFTTrainer(model=wanted["model"], args=configured(wanted, output), train_dataset=data, callbacks=[watch],
                   peft_config=adapter or None).train()
        watch.report()


if __name__ == "__main__":
    main()
