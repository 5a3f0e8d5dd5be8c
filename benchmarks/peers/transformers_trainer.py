"""One training by transformers' own Trainer, with PEFT for LoRA.

    python transformers_trainer.py SETTINGS.json
"""

import tempfile

from datasets import Dataset
from peft import LoraConfig, get_peft_model
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    DataCollatorForSeq2Seq,
    Trainer,
    TrainingArguments,
)
from watch import Watch, rows, settings


def main():
    wanted = settings()
    options = wanted["options"]
    model = AutoModelForCausalLM.from_pretrained(wanted["model"], dtype=options["dtype"])
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
        Trainer(model=model, args=arguments, train_dataset=Dataset.from_list(rows(wanted["rows"])),
                data_collator=DataCollatorForSeq2Seq(tokenizer), callbacks=[watch]).train()
        watch.report()


if __name__ == "__main__":
    main()
