"""One training by TRL's SFTTrainer with LoRA, run by `train_speed.py` in an environment of its own.

    python trl_sft.py MODEL_FOLDER ROWS.jsonl STEPS default|best DTYPE

Prints one line of JSON: real tokens (no padding), seconds and steps after the first step, and the peak memory.
"""

import json
import resource
import sys
import time

from datasets import Dataset
from peft import LoraConfig
from transformers import TrainerCallback
from trl import SFTConfig, SFTTrainer


def best(dtype):
    """The best plain setting: no recomputation, the faster dtype, loss in chunks, rows of like length together."""
    return {
        "gradient_checkpointing": False,
        "bf16": dtype == "bfloat16",
        "model_init_kwargs": {"dtype": dtype},
        "loss_type": "chunked_nll",
        "train_sampling_strategy": "group_by_length",
    }


class Clock(TrainerCallback):
    """When each step ended, and how many real tokens had been seen."""

    def __init__(self):
        self.seen = []

    def on_step_end(self, args, state, control, **kwargs):
        self.seen.append((time.perf_counter(), int(state.num_input_tokens_seen)))


def main():
    model, rows, steps, setting, dtype = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4], sys.argv[5]
    with open(rows, encoding="utf-8") as file:
        pairs = [json.loads(line) for line in file]
    data = Dataset.from_list([
        {"prompt": [{"role": "user", "content": pair["question"]}],
         "completion": [{"role": "assistant", "content": pair["answer"]}]} for pair in pairs
    ])
    config = SFTConfig(
        output_dir="/tmp/trl-out", per_device_train_batch_size=8, max_steps=steps, learning_rate=2e-4, max_length=512,
        report_to=[], save_strategy="no", logging_strategy="no", include_num_input_tokens_seen="non_padding",
        use_cpu=True, disable_tqdm=True, seed=0, **(best(dtype) if setting == "best" else {}),
    )
    clock = Clock()
    trainer = SFTTrainer(
        model=model, args=config, train_dataset=data, callbacks=[clock],
        peft_config=LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM"),
    )
    trainer.train()
    (began, before), (ended, after) = clock.seen[0], clock.seen[-1]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"tokens": after - before, "seconds": ended - began, "steps": len(clock.seen) - 1,
                      "memory_bytes": peak}))


if __name__ == "__main__":
    main()
