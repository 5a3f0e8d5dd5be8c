"""The sections of a recipe. Each option's docstring is its documentation: what it is, its range, what to try.

The docstrings' first sentences become comments of the written recipe, and `tunesmith explain` prints them whole.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from .data import Data
from .kinds import Card, MetricName, Observers, Options
from .monitoring import Monitoring
from .sources import Also
from .starred import Choice, Section, default
from .vocabulary import Vocabulary

MANY = 10**9
ADAPTER = "lora"
OPTIMISER = "adamw"


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

    monitoring: Monitoring = Field(default_factory=Monitoring)
    """What is kept of each answer while the run is served: nothing, unless this says so."""
