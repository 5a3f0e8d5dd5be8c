"""The sections of a recipe. Each option's docstring is its documentation: what it is, its range, what to try.

The docstrings' first sentences become comments of the written recipe, and `tunesmith explain` prints them whole.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from .documents import Documents
from .kinds import STRICT, Card, Files, MetricName, Observers, ShareOrFiles
from .sources import Also, Mix
from .starred import Choice, Section, default
from .vocabulary import Vocabulary

MANY = 10**9
ADAPTER = "lora"
OPTIMISER = "adamw"


class Options(BaseModel):
    """What all sections share: frozen, no conversions of type, no unknown option."""

    model_config = STRICT


Token = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^\S+$", examples=["<|im_end|>"])]


class SpecialTokens(Options):
    """Tokens with a meaning of their own. Those that the base lacks are added, and learn with any adapter.

    A new token begins as the mean of all others. Those that a shipped `data.template` needs are added without being
    named here.
    """

    bos: Token | None = None
    """The token that a text begins with; null: the base's own, which is seldom worth changing."""

    eos: Token | None = None
    """The token that ends a text, and on which generation stops; null: the base's own.

    Name the end of turn that your template writes, where it is not a control token of the base.
    """

    pad: Token | None = None
    """The token that fills up short rows where other programs pad; null: the base's own. Nothing is padded here."""

    additional: tuple[Token, ...] = ()
    """Further control tokens, such as `["<|im_start|>", "<|tool|>"]`: each is one token, and never split.

    Name what your template or your data mark with. For the words of a new language there is `base.vocabulary`.
    """


class Base(Options):
    """The pretrained model that the run starts from. `base: X` is short for `base: {name: X}`."""

    name: str = Field(min_length=1)
    """The model to start from: a starter's name, a folder, a GGUF file, an earlier run, or `owner/name` on the Hub.

    A folder holds a transformers model in safetensors. A path that exists is taken before the Hub is asked;
    `owner/name@revision` is a branch, a tag or a commit, `owner/name:file.gguf` one file. The run keeps the commit, and
    goes on with it. HF_TOKEN opens what is gated, HF_HUB_OFFLINE=1 takes what is in the cache. A small
    instruct model (`smollm2-135m-instruct`) is a good first try; a larger one mostly beats longer tuning.
    """

    dtype: Literal["auto", "bfloat16", "float32"] = "auto"
    """The number format that the base computes in: `auto`, `bfloat16` or `float32`.

    `auto` takes bfloat16 where the processor multiplies it in hardware, else float32, and says which. What learns is
    kept in float32 either way. Try `float32` when a loss is not finite, or to compare machines exactly.
    """

    dropout: float | None = Field(default=0.0, ge=0.0, lt=1.0)
    """Share of the numbers inside the base that are set to zero at random while it trains, 0 to below 1; null: its own.

    Encoders say 0.1 of themselves, most language models 0. With 0 the layers compute by hand, several times as fast.
    Try 0.1 where rows are few and the held-out loss rises early. LoRA has a dropout of its own.
    """

    special_tokens: SpecialTokens = Field(default_factory=SpecialTokens)
    """Tokens with a meaning of their own, set or added. `{eos: "<|im_end|>", additional: ["<|im_start|>"]}`."""

    vocabulary: Vocabulary = Field(default_factory=Vocabulary)
    """New pieces for a language that the base hardly knows. `{tokens: 4000}` learns them from the training rows."""


class Data(Options):
    """What is learnt from, and what is held out. Relative paths count from the folder of the recipe."""

    train: Files
    """The examples: a file, a folder, a glob, or `owner/rows` on the Hub; or a list of them.

    JSONL, JSON, CSV, TSV and plain text, each also with `.gz`; Parquet; XLSX, of which the first sheet is read. Typed
    on the command line, a relative path counts from the current folder. A path that exists is taken before the Hub is
    asked; there, `owner/rows` is the split `train`, `owner/rows:test` another, `owner/rows:main/test` that of the
    configuration `main`, `owner/rows:data/*.jsonl` some files; `owner/rows@revision` is any of these at a branch, a tag
    or a commit.
    """

    validation: ShareOrFiles = 0.1
    """The rows that early stopping and the choice of the best checkpoint look at: a share of `train`, or files.

    From 0 to below 1; 0: none. A share is taken by group, so rows that belong together stay on one side. 0.1 is usual;
    with over 10,000 rows, 0.02 is enough.
    """

    test: ShareOrFiles = 0.1
    """The rows that decide the verdict and that nothing else looks at: a share of `train`, or files.

    From 0 to below 1; 0: none, and no verdict. Below about 100 rows only large gains can be proved.
    """

    mix: Mix = Field(default_factory=dict)
    """Sources that are mixed into training by weight: `mix: {general: {files: general.jsonl, share: 0.1}}`.

    Replaying a share of general rows keeps what the base knew. They are only trained on: `validation`, `test` and the
    verdict are of `train`'s own rows. Each source has a name of your choice, and may have a format of its own.
    """

    temperature: float = Field(default=1.0, ge=1, le=1000)
    """How sources of `data.mix` without a `share` are weighed, the training file among them: rows ** (1 / temperature).

    1 to 1000. 1 is in proportion to their rows; larger ones give small sources more, 1000 gives all nearly the same.
    Try 2 to 5 where one source is a hundred times another.
    """

    documents: Documents = Field(default_factory=Documents)
    """Rows of plain text made into texts of like length. `{characters: 2000}` joins lines that follow each other."""

    format: Annotated[Section, Choice("format")] | None = None
    """The shape of the rows; null: recognised from their columns, and said.

    Name one when the rows could be read in two ways. `tunesmith explain data.format` lists them.
    """

    columns: dict[str, str] = Field(default_factory=dict)
    """Which column is which, where the names are not the usual ones: `{prompt: Question text, answer: Reply}`.

    The left side is the name that the format knows, the right side the column of the file; `{notes: ""}` leaves a
    column out.
    """

    header: bool | tuple[str, ...] | None = None
    """Whether the first row of CSV and TSV files names the columns; null: told by the rows, and said where it does not.

    `true`, `false`, or a list of names for a file that has none: `[text, label, id]`. Columns without names are called
    `column 1`, `column 2` and so on, also those of CoNLL files.
    """

    system: str | None = None
    """The system prompt of conversations that bring none; null: none is added.

    Use the prompt that the model will be served with.
    """

    group: str | None = None
    """The column whose equal values keep rows on one side of the split; null: by the first user turn, or the text.

    Name the customer, the document or the ticket where rows of one source resemble each other; else the test rows are
    no news to the model, and the verdict too good.
    """

    leaks: Literal["warn", "drop", "refuse"] = "warn"
    """What happens to held-out rows whose group is trained on too: `warn`, `drop` or `refuse`.

    `drop` leaves them out of `validation` and `test`, and of `test` also those whose group is in `validation`, and
    tells how many; `refuse` is an error. Try `drop` where a published test set shares texts with what you train on.
    """

    template: str | None = None
    """The chat template: the name of a shipped one (`chatml`, `chatml-tools`), or a Jinja file; null: the base's own.

    A tuned model answers well only with the template that it was tuned with. Name one for a base that has none, and
    `chatml-tools`, which writes calls of tools as Hermes and Qwen2.5 do, where the base's does not write those of rows.
    """

    turns: Literal["all", "last"] = "all"
    """Which of the assistant's turns are learnt: `all`, or only the `last` of each conversation.

    `train: false` on a turn keeps it out in either case. Try `last` where only the last answer was checked by somebody.
    """

    thinking: Literal["template", "think", "no_think"] = "template"
    """What becomes of reasoning: as the `template` has it by itself, `think`, or `no_think`.

    Reasoning is read from `reasoning_content`, `reasoning` or `thinking` of a turn, or between `<think>` and `</think>`
    at its beginning. `template` asks the model as its template does unless told otherwise; `think` and `no_think` are
    `enable_thinking` (Qwen, GLM) and `thinking` (DeepSeek) set to true or false, and `no_think` takes all reasoning out
    of the rows. Serve the model with the same setting. Try `think` where a row's reasoning is said to be left out.
    """

    tools: str | None = None
    """The tools that are offered in conversations that bring none: a JSON file of OpenAI's definitions; null: none.

    Rows bring theirs in the column `tools`; `data.columns` says so if it has another name. Name the file that the
    model will be served with.
    """

    too_long: Literal["refuse", "cut", "drop", "split"] = "refuse"
    """What happens to rows longer than `training.max_length`: `refuse`, `cut`, `drop` or `split`.

    `refuse` is an error that names them; `drop` leaves them out, `split` makes several of one conversation or text (a
    prompt with its answer is not parted), `cut` keeps the beginning; each of these three warns with counts. Try a
    larger `training.max_length` first.
    """


class Training(Options):
    """How long, how fast and how carefully the model learns."""

    learning_rate: float = Field(default=2e-4, gt=0, le=1)
    """The size of the optimiser's steps at its highest, after the warm-up.

    Above 0, at most 1. With `lora`: 1e-4 to 5e-4; with `full`: 1e-5 to 5e-5. Halve it when the loss jumps, double it
    when the loss hardly falls.
    """

    epochs: float = Field(default=3.0, gt=0, le=10_000)
    """How often all training rows are seen; 0.5 is half of them once.

    Above 0, at most 10,000. Try 1 to 3; with under 500 rows up to 10, with `training.patience` on.
    """

    steps: int | None = Field(default=None, ge=1, le=MANY)
    """The most optimiser steps that are taken; null: no limit.

    1 to 1,000,000,000. Whichever of `epochs` and `steps` ends first ends the training. Try 20 for a rehearsal.
    """

    batch_size: int = Field(default=8, ge=1, le=1_000_000)
    """How many examples make one optimiser step.

    1 to 1,000,000; how they are cut to fit into memory does not change the result. Try 8 to 32; a larger one learns
    more steadily and takes fewer, slower steps.
    """

    max_length: int = Field(default=1024, ge=8, le=10_000_000)
    """The most tokens of one document; `data.too_long` says what happens to longer rows.

    8 to 10,000,000, and no more than the base can read. Nothing is padded, so a large value costs nothing for short
    rows. `tunesmith check` tells how long the rows are.
    """

    save_every: int = Field(default=100, ge=0, le=MANY)
    """The number of steps between two checkpoints; 0: only at the end.

    0 to 1,000,000,000. Choose it so that one is written every 10 minutes or so: that much work is lost at most.
    """

    keep: int = Field(default=2, ge=1, le=10_000)
    """How many checkpoints are kept, the newest; the best one is always kept too.

    1 to 10,000. Two are enough unless the disk is unreliable or you want to look back.
    """

    seed: int = Field(default=0, ge=0, le=2**32 - 1)
    """The number that every random choice is derived from: the split, the order, dropout, sampled prompts.

    0 to 4,294,967,295. Try three seeds before you believe a small gain.
    """

    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    """How the learning rate falls after the warm-up: `cosine`, `linear` or `constant`.

    `cosine` and `linear` end at 0, and differ little; `constant` suits a run that you mean to continue.
    """

    warmup: float = Field(default=0.03, ge=0, le=1)
    """The share of all steps over which the learning rate rises from 0 to its full size.

    0 to 1. Try 0.03 to 0.1; more when the loss jumps at the start.
    """

    clip: float = Field(default=1.0, ge=0, le=1e6)
    """The largest norm of the gradients of one step, which are scaled down to it; 0: never.

    0 to 1,000,000. 1 is usual; try 0.3 when the loss jumps.
    """

    patience: int = Field(default=0, ge=0, le=10_000)
    """How many evaluations without a better validation loss end the training; 0: it runs to its end.

    0 to 10,000. Try 3, with `evaluation.every` set so that an epoch has several evaluations.
    """

    device: Literal["auto", "cpu", "mps", "cuda"] | Card = "auto"
    """Where it computes: `auto`, `cpu`, `mps`, `cuda` or one card (`cuda:1`).

    `auto` takes an accelerator where there is one.
    """

    optimiser: Annotated[Section, Choice("optimiser", OPTIMISER)] = Field(
        default_factory=lambda: default("optimiser", OPTIMISER)
    )
    """How gradients become steps. `optimiser: X` is short for `optimiser: {type: X}`.

    `adamw` is right for nearly everything; its weight decay is an option of this section.
    """


class Evaluation(Options):
    """How tuned and base are compared, and how often on the way."""

    every: int = Field(default=0, ge=0, le=MANY)
    """The number of steps between two evaluations on the validation rows; 0: only at the end.

    0 to 1,000,000,000. Try a quarter of an epoch's steps, so that the best checkpoint is not missed.
    """

    generate: int = Field(default=32, ge=0, le=1_000_000)
    """How many test prompts are answered by base and tuned model; 0: none, and only the loss is compared.

    0 to 1,000,000. The narrower the interval is to be, the more: 32 to look at, 200 or more to prove a metric of text.
    """

    max_new_tokens: int = Field(default=128, ge=1, le=1_000_000)
    """The most tokens of one generated answer.

    1 to 1,000,000. A little more than the longest answer in the data; much more only wastes time on a base that does
    not stop.
    """

    metric: MetricName = None
    """The metric that decides the verdict; null: the first of the task.

    Name the one that your users would notice, such as `exact_match` where an answer is right or wrong.
    `tunesmith explain evaluation.metric` lists them.
    """

    also: Also = Field(default_factory=dict)
    """Rows of other kinds, on which tuned is compared with base to tell what tuning cost: files, or sections by name.

    `also: wiki.txt`, `also: [wiki.txt, maths.jsonl]` or `also: {maths: {files: maths.jsonl, metric: exact_match}}`.
    Each gets a word of its own beside the verdict, which it does not decide. Name what the model must still be good at.
    """

    batch_size: int = Field(default=16, ge=1, le=100_000)
    """How many rows are scored or answered at once.

    1 to 100,000. It changes speed and memory, not results; halve it when memory runs out.
    """


class Run(Options):
    """Where the run is kept."""

    folder: str = Field(default="runs", min_length=1, max_length=4000)
    """The folder that run folders are made in, counted from the current folder."""

    name: str = Field(default="run", max_length=50, pattern=r"^\w[\w.-]*$", examples=["orders-2"])
    """What the run is called: a part of its folder's name. By default the name of the recipe's file.

    Up to 50 letters, digits, `-`, `_` and `.`.
    """

    observers: Observers = ()
    """Who else is told of every step: `tensorboard`, `wandb`, `mlflow`, `trackio`, or a list of them.

    One with options is `{type: wandb, project: orders}`; a dotted name (`mypackage.my_observer`) is one of your own.
    They are told what the run's own records say, cannot change the run, and one that fails is left out. Try
    `tensorboard`.
    """


class Recipe(Options):
    """What the user asks for: read once, then never changed."""

    base: Base
    """The pretrained model that the run starts from. `base: X` is short for `base: {name: X}`."""

    task: Annotated[Section, Choice("task")]
    """What is learnt: `chat` (the assistant's turns) or `completion` (text, or the answers to prompts).

    `task: X` is short for `task: {type: X}`; a dotted name (`mypackage.my_task`) is a task of your own.
    """

    data: Data
    """What is learnt from, and what is held out."""

    adapter: Annotated[Section, Choice("adapter", ADAPTER)] = Field(default_factory=lambda: default("adapter", ADAPTER))
    """Which weights learn, and how. `adapter: X` is short for `adapter: {type: X}`.

    `lora` adds small matrices and leaves the base alone: little memory, hard to spoil. `full` changes every weight:
    try it when there are many thousand rows, with a tenth of the learning rate.
    """

    training: Training = Field(default_factory=Training)
    """How long, how fast and how carefully the model learns."""

    evaluation: Evaluation = Field(default_factory=Evaluation)
    """How tuned and base are compared, and how often on the way."""

    run: Run = Field(default_factory=Run)
    """Where the run is kept."""
