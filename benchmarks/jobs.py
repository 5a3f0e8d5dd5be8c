"""The jobs that are measured: which rows, what is learnt from them, and the recipe that says so.

A: LoRA on GSM8K. B: LoRA on raw text in rows of 512 tokens. C: every weight, on A's rows. E: LoRA on conversations of
several turns. These with SmolLM2-135M-Instruct, eight rows a step. D: every weight of MiniLM-L6, an encoder with a head
for 77 classes, 32 rows a step: on beginnings of GSM8K's questions, 6 to 71 tokens long, with classes that mean nothing,
and on Banking77. (F is the preparation of data.)
"""

import csv
import json
import random
from dataclasses import dataclass
from pathlib import Path

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
BASE = "smollm2-135m-instruct"
ENCODER = "minilm-l6"
RANK, ALPHA = 16, 32
CLASSES = 77
TEXT_CHARACTERS = 3000  # of a row of raw text: always more than 512 tokens, so that cutting makes it exactly that

RECIPE = """\
base: {{name: {base}, dtype: {dtype}}}
task: {task}
data: {{train: {train}, validation: {validation}, test: 0, too_long: {too_long}}}
adapter: {adapter}
training:
  {{learning_rate: {learning_rate}, epochs: 1, steps: {steps}, batch_size: {batch_size}, save_every: 0,
   max_length: {max_length}}}
evaluation: {{generate: 0, every: {every}}}
run: {{folder: {folder}, name: bench}}
"""


@dataclass(frozen=True, slots=True)
class Job:
    """One job. source: a data set of the shared folder; rank: of LoRA, None where every weight learns.

    classes: of the head, where it is no language model that learns; batch_size: rows a step.
    """

    name: str
    title: str
    source: str
    task: str
    rank: int | None
    learning_rate: float
    max_length: int
    too_long: str = "drop"
    base: str = BASE
    classes: int = 0
    batch_size: int = 8

    def write_rows(self, file: Path, count: int, *, skip: int = 0) -> None:
        """Write `count` rows, after `skip` others, as JSON lines that tunesmith recognises."""
        made = {"text_en": texts, "gsm8k, cut": beginnings, "banking77": questions}.get(self.source)
        rows = made(count, skip) if made else lines(self.source, self.max_length, count, skip)
        file.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")

    def recipe(self, train: Path, folder: Path, *, base: str, batch_size: int, steps: int | None = None,
               validation: Path | None = None, every: int = 0, dtype: str = "auto") -> str:
        """A recipe that trains on the file once, at most `steps`, and measures `validation` every so many steps."""
        adapter = "full" if self.rank is None else f"{{type: lora, rank: {self.rank}, alpha: {ALPHA}}}"
        return RECIPE.format(
            base=base, dtype=dtype, task=self.task, train=train, validation=validation or 0, too_long=self.too_long,
            adapter=adapter, learning_rate=self.learning_rate, batch_size=batch_size, max_length=self.max_length,
            steps=steps or "null", every=every, folder=folder,
        )


JOBS = {
    job.name: job
    for job in (
        Job("A", "LoRA on GSM8K", "gsm8k", "chat", RANK, 2e-4, 512),
        Job("B", "LoRA on raw text, rows of 512 tokens", "text_en", "completion", RANK, 2e-4, 512, "cut"),
        Job("C", "every weight, on A's rows", "gsm8k", "chat", None, 2e-5, 512),
        Job("D", "every weight of an encoder, short texts", "gsm8k, cut", "classify", None, 5e-5, 128, "drop",
            ENCODER, CLASSES, 32),
        Job("D banking77", "every weight of an encoder, Banking77", "banking77", "classify", None, 5e-5, 128, "drop",
            ENCODER, CLASSES, 32),
        Job("E", "LoRA on conversations of several turns", "chat_sgd", "chat", RANK, 2e-4, 1024),
    )
}


def lines(source: str, max_length: int, count: int, skip: int) -> list[dict[str, object]]:
    """Rows of a data set, without those that could be longer than `max_length` tokens: 2.5 characters make a token."""
    with (DATA / source / "train.jsonl").open(encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    rows = [row for row in rows if characters(row) <= 2.5 * max_length]
    return again(rows, count, skip)


def characters(row: dict[str, object]) -> int:
    """How long a row is, written out."""
    return len(json.dumps(row, ensure_ascii=False))


def texts(count: int, skip: int) -> list[dict[str, object]]:
    """Pieces of the encyclopaedia, each long enough for 512 tokens."""
    whole = (DATA / "text_en" / "wiki_demo_400k.txt").read_text(encoding="utf-8")
    starts = range(0, len(whole) - TEXT_CHARACTERS, TEXT_CHARACTERS * 9 // 10)
    return again([{"text": whole[start:start + TEXT_CHARACTERS]} for start in starts], count, skip)


def beginnings(count: int, skip: int) -> list[dict[str, object]]:
    """The first words of GSM8K's questions, few of most and many of some, each with a class that means nothing."""
    with (DATA / "gsm8k" / "train.jsonl").open(encoding="utf-8") as file:
        rows = [json.loads(line)["question"].split() for line in file]
    drawn = random.Random(0)
    words = [min(4 + int(drawn.expovariate(1 / 9)), 60) for _ in rows]
    return again([{"text": " ".join(row[:kept]), "label": f"class {place % CLASSES:02}"}
                  for place, (row, kept) in enumerate(zip(rows, words, strict=True))], count, skip)


def questions(count: int, skip: int) -> list[dict[str, object]]:
    """Rows of Banking77, in another order than the file's, which is class by class."""
    with (DATA / "banking77" / "train.csv").open(newline="", encoding="utf-8") as file:
        found = list(csv.DictReader(file))
    random.Random(0).shuffle(found)
    return again([{"text": row["text"], "label": row["category"]} for row in found], count, skip)


def again(rows: list[dict[str, object]], count: int, skip: int) -> list[dict[str, object]]:
    """`count` rows after `skip` others; from the start once they are used up."""
    return [rows[(skip + place) % len(rows)] for place in range(count)]


def write_held_out(file: Path, count: int) -> None:
    """Write rows of GSM8K's test side, which no job learns from."""
    with (DATA / "gsm8k" / "test.jsonl").open(encoding="utf-8") as source:
        file.write_text("".join(source.readline() for _ in range(count)), encoding="utf-8")
