"""Labelled rows as instructions: each is asked in a sentence and answered with its label, and again in other sentences.

For `task: chat` (or `completion`, `seq2seq`) on rows with labels. Every row of every side becomes one prompt by the
first template, so that held-out rows are asked as the model will be asked later; of the training rows more are made by
the others, so that it learns what is asked and not one sentence. The labels are the answers, spelled as `labels` says;
none is changed.

Source: Wei et al. 2022, "Finetuned language models are zero-shot learners" (ten templates a data set).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Annotated, Final

from pydantic import BaseModel, Field

from ...contracts import Ask
from ...errors import Misuse
from ...recipe.kinds import STRICT
from ...records import Example, Labelled, Pair
from ._drawing import drawn

takes: Final = (Labelled,)
SLOT: Final = re.compile(r"\{(text|second|what|choices)\}")
OF_ONE: Final = (
    "What is the {what} of this text?{choices}\n\n{text}",
    "{text}\n\nWhat is the {what} of the text above?{choices}",
    "Text: {text}\n\nName its {what}.{choices}",
    "Tell the {what} of the following text, and nothing else.{choices}\n\n{text}",
    "Here is a text.\n\n{text}\n\nWhich {what} fits it?{choices}",
)
OF_TWO: Final = (
    "First text: {text}\nSecond text: {second}\n\nWhat is the {what} of the two?{choices}",
    "What is the {what} of these two texts?{choices}\n\n1. {text}\n2. {second}",
    "Read both texts and name their {what}.{choices}\n\n{text}\n\n{second}",
)


class Settings(BaseModel):
    """How rows are asked, and how labels are spelled."""

    model_config = STRICT

    share: float = Field(default=1.0, gt=0, le=10)
    """How many rows more are made for each training row, by other templates than the first: above 0, at most 10."""

    what: str = "label"
    """What the labels tell, as the shipped templates name it: `sentiment`, `topic`, `intent`."""

    labels: dict[str, str] = Field(default_factory=dict)
    """How each label is spelled in the answer: `{"0": negative, "1": positive}`; others are as they stand.

    Where any are given, every prompt offers them all, in this order.
    """

    templates: tuple[Annotated[str, Field(pattern=r"\{text\}")], ...] = ()
    """Prompts in place of the shipped ones, which are English: each with `{text}`, of rows of two texts `{second}` too.

    `{what}` and `{choices}`, the sentence that offers the labels, may stand in them. The first asks the held-out rows.
    """

    none: str = "none"
    """The answer where a row has no label of several that it may have."""


def learnt(example: Example, settings: Settings) -> Example:
    """A labelled row of any side as the first template asks it; any other row as it is."""
    return _asked(example, _templates(example, settings)[0], settings) if isinstance(example, Labelled) else example


def vary(
    examples: Sequence[Example], settings: Settings, *, seed: int, ask: Ask
) -> Iterator[tuple[int, Example | str]]:
    """The drawn rows as other templates ask them."""
    for index, example, chance in drawn(examples, settings.share, seed=seed):
        if isinstance(example, Labelled):
            others = _templates(example, settings)[1:]
            yield index, _asked(example, chance.choice(others), settings) if others else "there is one template only"


def _templates(example: Labelled, settings: Settings) -> Sequence[str]:
    """The templates for a row. Raises Misuse where one would leave out its second text."""
    if not settings.templates:
        return OF_ONE if example.second is None else OF_TWO
    wrong = next((each for each in settings.templates if "{second}" not in each), None)
    if example.second is not None and wrong is not None:
        raise Misuse("augment.second", f"the template `{wrong[:60]}` has no place for a row's second text",
                     example.where, "put `{second}` into each of `templates`")
    return settings.templates


def _asked(example: Labelled, template: str, settings: Settings) -> Pair:
    spelled = list(dict.fromkeys(settings.labels.values()))
    values = {"text": example.text, "second": example.second or "", "what": settings.what,
              "choices": f" Choose from: {', '.join(spelled)}." if spelled else ""}
    labels = [settings.labels.get(label, label) for label in example.labels or ()]
    answer = "" if example.labels is None else ", ".join(labels) or settings.none
    prompt = SLOT.sub(lambda found: values[found[1]], template)
    return Pair(prompt, answer, example.where, example.group, example.source)
