"""What a first recipe says for each kind of examples: the task, a base that fits it, and settings to begin with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..reading.numbers import is_number
from ..records import Conversation, Example, Labelled, Pair, Question, Tagged, Text

GENERATOR, ENCODER = "smollm2-135m-instruct", "minilm-l6"
LENGTHS = (128, 256, 512, 1024, 2048)
FEW_LABELS = 8
MANY_EXAMPLES = 5000

RECIPE = """\
# yaml-language-server: $schema={schema}
# {examples} examples of the format `{format}` were recognised.{unused}
base: {base}  # what it starts from: a starter, a folder, a GGUF file or an earlier run
task: {task}  # {learnt}
data:
  train: {train}{reading}{template}
  validation: 0.1  # shares that are held out: this one watches the training,
  test: 0.1  # this one decides the verdict
adapter: {adapter}
training:
  learning_rate: {rate}  # the first thing to try otherwise: `tunesmith explain training.learning_rate`
  epochs: {epochs}
  batch_size: {batch_size}
  max_length: {max_length}  # tokens; {long}
  seed: 0
{evaluation}run: {{folder: runs, name: {name}}}
"""


@dataclass(frozen=True)
class Draft:
    """What differs from task to task.

    epochs: of few rows and of many; characters_per_token: few, so that rows are rather thought too long; context:
    tokens that the default base reads; too_long: what becomes of rows that are longer than that, where a task does not
    make windows of them.
    """

    task: str
    base: str
    adapter: str
    rate: str
    epochs: tuple[int, int]
    batch_size: int
    evaluation: str
    long: str
    characters_per_token: float
    context: int
    too_long: str = ""


_GENERATING = Draft(
    task="chat", base=GENERATOR, adapter="{type: lora, rank: 16, alpha: 32, targets: all-linear}", rate="2e-4",
    epochs=(3, 1), batch_size=8, evaluation="evaluation: {generate: 32, max_new_tokens: 128}\n",
    long="`tunesmith check` tells where a row is longer", characters_per_token=2.5, context=LENGTHS[-1])
REWRITING = replace(_GENERATING, task="seq2seq", adapter="full", rate="1e-4")  # pairs, for a base such as T5
_READING = Draft(
    task="classify", base=ENCODER, adapter="full", rate="5e-5", epochs=(3, 3), batch_size=16, evaluation="",
    long="`tunesmith check` tells where a row is longer", characters_per_token=1.5, context=512, too_long="cut")
_WINDOWS = "longer rows are read in windows of so many"

DRAFTS: dict[type[Example], Draft] = {
    Conversation: _GENERATING,
    Pair: _GENERATING,
    Text: replace(_GENERATING, task="completion", evaluation="evaluation: {generate: 0, max_new_tokens: 128}\n"),
    Labelled: _READING,
    Tagged: replace(_READING, task="tag", long=_WINDOWS, too_long=""),
    Question: replace(_READING, task="extract", long=_WINDOWS, too_long=""),
}


def learnt(examples: Sequence[Example]) -> str:
    """What is learnt of these examples, for a reader."""
    first = examples[0]
    if isinstance(first, Conversation):
        return "the assistant's turns are learnt"
    if isinstance(first, Pair):
        return "the answers are learnt"
    if isinstance(first, Tagged):
        return "each word's tag is learnt"
    if isinstance(first, Question):
        return "where the answer stands in the context is learnt"
    if isinstance(first, Labelled):
        return _labels([example for example in examples if isinstance(example, Labelled)])
    return "all of the text is learnt"


def _labels(examples: Sequence[Labelled]) -> str:
    """What labels there are: numbers, one a row, or several."""
    every = {label for example in examples for label in example.labels or ()}
    several = any(len(example.labels or ()) != 1 for example in examples)
    also = "; `embed` learns from such pairs too" if examples[0].second is not None else ""
    if not several and len(every) > FEW_LABELS and all(map(is_number, every)):
        return f"a number is learnt, from {min(map(float, every)):g} to {max(map(float, every)):g}{also}"
    return f"{'any' if several else 'one'} of {len(every)} labels{also}"
