"""One training by ms-swift, in an environment of its own, on rows that are encoded already.

    python ms_swift.py SETTINGS.json
"""

import tempfile

from datasets import Dataset
from swift.pipelines.train.sft import SwiftSft
from watch import Watch, rows, settings


class OurRows(SwiftSft):
    """The pipeline as it is, but for where the rows come from and who watches."""

    def __init__(self, wanted, watch, arguments):
        self.wanted, self.watch = wanted, watch
        super().__init__(arguments)

    def _prepare_dataset(self):
        encoded = rows(self.wanted["rows"])
        return [Dataset.from_list([{**row, "lengths": len(row["input_ids"])} for row in encoded]), None]

    def train(self, trainer):
        trainer.add_callback(self.watch)
        trainer.train()
        self.watch.report()


def main():
    wanted = settings()
    watch, grouped = Watch(wanted), bool(wanted["options"].get("grouped"))
    with tempfile.TemporaryDirectory() as folder:
        chosen = {
            "model": wanted["model"], "model_type": "llama", "template": "chatml", "dataset": "unused",
            "tuner_type": "lora" if wanted["rank"] else "full", "torch_dtype": wanted["options"]["dtype"],
            "per_device_train_batch_size": wanted["batch_size"], "gradient_accumulation_steps": 1,
            "max_steps": wanted["steps"], "learning_rate": wanted["learning_rate"], "lr_scheduler_type": "cosine",
            "warmup_steps": wanted["warmup_steps"], "max_length": wanted["max_length"], "seed": 0, "use_cpu": True,
            "gradient_checkpointing": False, "attn_impl": "sdpa", "output_dir": folder, "report_to": "none",
            "save_strategy": "no", "eval_strategy": "no", "logging_strategy": "no", "disable_tqdm": True,
            "dataset_shuffle": False, "dataloader_num_workers": 0, "group_by_length": grouped,
            "train_dataloader_shuffle": grouped,  # which grouping asks for; without it the rows come in their order
            **({"lora_rank": wanted["rank"], "lora_alpha": wanted["alpha"], "target_modules": "all-linear",
                "lora_dropout": 0.0} if wanted["rank"] else {}),
        }
        OurRows(wanted, watch, [word for name, value in chosen.items() for word in (f"--{name}", str(value))]).main()


if __name__ == "__main__":
    main()
