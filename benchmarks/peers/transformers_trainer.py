"""One training by transformers' own Trainer, with PEFT for LoRA; of an encoder, with a head for classes.

Its weights are float32 there, and `bfloat16` is autocast.

    python transformers_trainer.py SETTINGS.json
"""

import tempfile

import torch
from datasets import Dataset
from peft import LoraConfig, get_peft_model
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DataCollatorForSeq2Seq,
    DataCollatorWithPadding,
    Trainer,
    TrainingArguments,
)
from watch import Watch, rows, settings


def main():
    wanted = settings()
    options = wanted["options"]
    model = encoder(wanted) if wanted.get("classes") else AutoModelForCausalLM.from_pretrained(
        wanted["model"], dtype=options["dtype"])
    if wanted["rank"]:
        model = get_peft_model(model, LoraConfig(r=wanted["rank"], lora_alpha=wanted["alpha"],
                                                 target_modules="all-linear", task_type="CAUSAL_LM"))
    watch = Watch(wanted)
    with tempfile.TemporaryDirectory() as output:
        arguments = TrainingArguments(
            output_dir=output, per_device_train_batch_size=wanted["batch_size"], max_steps=wanted["steps"],
            learning_rate=wanted["learning_rate"], lr_scheduler_type="cosine", warmup_steps=wanted["warmup_steps"],
            seed=0, use_cpu=True, bf16=options["dtype"] == "bfloat16", report_to=[], save_strategy="no",
            logging_strategy="no", disable_tqdm=True,
            train_sampling_strategy="group_by_length" if options.get("grouped") else "sequential",
        )
        tokenizer = AutoTokenizer.from_pretrained(wanted["model"])
        join = DataCollatorWithPadding if wanted.get("classes") else DataCollatorForSeq2Seq
        Trainer(model=model, args=arguments, train_dataset=Dataset.from_list(rows(wanted["rows"])),
                data_collator=join(tokenizer), callbacks=[watch]).train()
        watch.report()


def encoder(wanted):
    """The network with a head for classes, without dropout where that is asked for."""
    model = AutoModelForSequenceClassification.from_pretrained(
        wanted["model"], dtype="float32", num_labels=wanted["classes"])
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout) and wanted["options"].get("no_dropout"):
            module.p = 0.0
    return model


if __name__ == "__main__":
    main()
