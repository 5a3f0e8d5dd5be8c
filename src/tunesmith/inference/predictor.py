"""A base or a run, opened for use: to speak with, to be measured, to be compared."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
from safetensors.torch import load_file

from ..encoding.documents import chat, plain
from ..encoding.templates.template import Tool
from ..encoding.tokens.codec import Codec
from ..errors import Misuse, Refusal
from ..generation.decode import Answer, stream
from ..generation.sampling import Sampling
from ..models import bases, earlier, load, precision
from ..models.model import CAUSAL, LanguageModel, Share
from ..recipe import read
from ..records import Conversation, Head, Message
from ..runs import folder, lineage

if TYPE_CHECKING:
    from ..models.pretrained import Base

LONGEST_ANSWER = 512
# Greedy small models run in circles: of 20 GSM8K answers of a tuned SmolLM2-135M 16 ended without a penalty, 20 with
UNSAID_PENALTY = 1.1


@dataclass(frozen=True)
class Predictor:
    """A model with the codec and the system prompt that it was proved with; `sampling` as its base ships it.

    turns: whether it learnt conversations; else it goes on with a text.
    """

    name: str
    model: LanguageModel
    codec: Codec
    sampling: Sampling
    system: str | None = None
    turns: bool = True

    def chat(self, messages: Sequence[Message], sampling: Sampling) -> Iterator[str | Answer]:
        """The answer to a conversation, piece by piece; the last value is the whole `Answer`.

        Without turns it is how the last message goes on, as in training without any template. Raises Misuse for a run
        whose head does not go on with a text.
        """
        return stream(self.model, self.codec, self.prompt(messages), sampling)

    def prompt(self, messages: Sequence[Message], tools: Sequence[Tool] = ()) -> Sequence[int]:
        """The ids that are answered: rendered as in training, with the run's own system prompt where none is given.

        tools: definitions of those that may be called; by default the run's own.
        """
        if self.model.head.kind != "causal":
            raise Misuse("chat.no_answers", f"`{self.name}` learnt a task that is not for speaking with", "",
                         "use `tunesmith predict RUN FILE`")
        if not self.turns:
            return plain.prompt(messages[-1].content, self.codec).ids
        opened = tuple(messages)
        if self.system is not None and (not opened or opened[0].role != "system"):
            opened = (Message("system", self.system), *opened)
        return chat.prompt(opened, self.codec, tools).ids


def open(name: str, *, base: bool = False, share: Share | None = None) -> Predictor:
    """A run's folder or a base's name, opened. `base`: the base that the run started from; share: as of LanguageModel.

    Raises Misuse for what is neither, Failure for a run without a checkpoint, Refusal for a template that is no
    longer the one that the run was proved with.
    """
    if (Path(name) / "recipe.yaml").is_file():
        return open_run(Path(name), base=base, share=share)
    return open_base(name, share=share)


def open_base(name: str, head: Head = CAUSAL, *, share: Share | None = None) -> Predictor:
    """A base as it is, with its own template and what stands on its network."""
    found = bases.find(name)
    device = precision.device("auto")
    dtype, _ = precision.choose("auto", device)
    model = LanguageModel.frozen(load.network(found, dtype=dtype, device=device, head=head), head, share=share)
    return Predictor(name, model, load.codec(found, None, datetime.now().astimezone()), shipped_sampling(found))


def open_run(
    path: Path, *, base: bool = False, dtype: torch.dtype | None = None, share: Share | None = None
) -> Predictor:
    """A run's tuned model, its best checkpoint where it has one; or the base as the run saw it.

    A base that can answer by itself does so in its own vocabulary, not in the one that the run extended. dtype: another
    number format to compute in than the run's own.
    """
    run = folder.open_run(path)
    recipe = read.read(run.recipe_file)
    kept = lineage.read(run.lineage_file)
    grown = bases.of_run(path, recipe)
    found = bases.without_pieces(grown) if base and recipe.task.module.generates else grown
    encoder = load.codec(
        found, recipe.data.template, datetime.fromisoformat(kept["chosen"]["date"]),
        tools=recipe.data.tools, thinking=recipe.data.thinking, longest=recipe.training.max_length)
    if found == grown:
        demand_same_template(encoder, kept, str(path))
    sampling = shipped_sampling(found)
    turns = Conversation in recipe.task.module.takes
    chosen = kept["chosen"]
    head = earlier.head_of(path)
    network = load.network(
        found, dtype=dtype or precision.SETTINGS[chosen["dtype"]], device=precision.of_run(chosen["device"]), head=head,
        seed=recipe.training.seed,
    )
    if base:
        model = LanguageModel.frozen(network, head, share=share)
        return Predictor("base", model, encoder, sampling, recipe.data.system, turns)
    model = LanguageModel(
        network, recipe.adapter.module, recipe.adapter.settings, seed=recipe.training.seed, head=head,
        share=share)
    model.load(load_file(earlier.best_checkpoint(path) / model.adapter.weights_file))
    return Predictor(run.name, model, encoder, sampling, recipe.data.system, turns)


def both(path: Path) -> Iterator[tuple[Literal["base", "tuned"], Predictor]]:
    """The base as a run saw it, then the tuned model; each is to be used before the next is asked for.

    They are one network with the adapter off and on, where it can be: the answers are the same to the last bit.
    """
    recipe = read.read(folder.open_run(path).recipe_file)
    if recipe.task.module.generates and recipe.base.vocabulary.tokens:
        yield "base", open_run(path, base=True)
        yield "tuned", open_run(path)
        return
    tuned = open_run(path)
    try:
        untuned = tuned.model.untuned()
    except Misuse:  # the base's own weights learnt
        yield "base", open_run(path, base=True)
    else:
        with untuned:
            yield "base", tuned
    yield "tuned", tuned


def shipped_sampling(base: Base) -> Sampling:
    """How the base's own generation config samples; where it says nothing, greedily, with a penalty on repetition."""
    found = load.generation_defaults(base)
    if not found:
        return Sampling(max_new_tokens=LONGEST_ANSWER, repetition_penalty=UNSAID_PENALTY)
    if not found.get("do_sample", False):
        return Sampling(max_new_tokens=LONGEST_ANSWER, repetition_penalty=found.get("repetition_penalty", 1.0))
    return Sampling(
        max_new_tokens=LONGEST_ANSWER,
        temperature=found.get("temperature", 1.0),
        top_p=found.get("top_p", 1.0),
        top_k=found.get("top_k", 0),
        repetition_penalty=found.get("repetition_penalty", 1.0),
    )


def demand_same_template(encoder: Codec, kept: dict[str, Any], where: str) -> None:
    """Raise Refusal where template or tokenizer are not the ones that the run's mask proof proved."""
    for name, digest in encoder.digests().items():
        if kept["digests"].get(name, digest) != digest:
            raise Refusal(
                f"run.{name}", f"the {name} is not the one that this run was trained with", where,
                f"put back the {name} with digest {kept['digests'][name]}, or train again",
            )
