"""What options are called in transformers, TRL, PEFT, Axolotl and LLaMA-Factory, and which of ours was meant.

Their names are never accepted: an option has one name here. They only lead to the right one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_WORDS: Final = {
    "base": "model base_model model_id model_name model_name_or_path",
    "base.dtype": "bf16 fp16 torch_dtype",
    "data.train": "dataset datasets dataset_name data_files train_file path",
    "data.validation": "val val_size val_set_size eval_dataset validation_split validation_file",
    "data.test": "test_size test_split test_file",
    "data.format": "data.type dataset_type dataset_format",
    "data.template": "chat_template",
    "adapter.rank": "r lora_r lora_rank",
    "adapter.alpha": "lora_alpha",
    "adapter.dropout": "lora_dropout",
    "adapter.targets": "target_modules lora_target lora_target_modules",
    "training.learning_rate": "lr",
    "training.epochs": "num_epochs num_train_epochs",
    "training.steps": "max_steps num_steps",
    "training.batch_size": "per_device_train_batch_size train_batch_size micro_batch_size gradient_accumulation_steps",
    "training.max_length": "max_seq_length max_seq_len sequence_len cutoff_len",
    "training.schedule": "lr_scheduler lr_scheduler_type",
    "training.warmup": "warmup_ratio warmup_steps",
    "training.clip": "max_grad_norm gradient_clipping",
    "training.patience": "early_stopping_patience",
    "training.save_every": "save_steps",
    "training.keep": "save_total_limit",
    "training.optimiser": "optim optimizer",
    "evaluation.every": "eval_steps",
    "evaluation.max_new_tokens": "max_tokens",
    "run.folder": "output_dir",
    "run.name": "run_name",
}
OURS: Final[Mapping[str, str]] = {word: ours for ours, words in _WORDS.items() for word in words.split()}
