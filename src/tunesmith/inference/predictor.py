"""A base or a run, opened for use: to speak with, to be measured, to be compared."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from ..encoding import chat, codec, templates
from ..errors import Failure, Misuse, Refusal
from ..generation.decode import Answer, stream
from ..generation.sampling import Sampling
from ..models import bases, load, precision
from ..models.model import LanguageModel
from ..recipe import read
from ..records import Message
from ..runs import checkpoints, folder, lineage

if TYPE_CHECKING:
    from ..models.bases import Base

LONGEST_ANSWER = 512


@dataclass(frozen=True)
class Predictor:
    """A model with the codec and the system prompt that it was proved with; `sampling` as its base ships it."""

    name: str
    model: LanguageModel
    codec: codec.Codec
    sampling: Sampling
    system: str | None = None

    def chat(self, messages: Sequence[Message], sampling: Sampling) -> Iterator[str | Answer]:
        """The answer to a conversation, piece by piece; the last value is the whole `Answer`."""
        opened = tuple(messages)
        if self.system is not None and (not opened or opened[0].role != "system"):
            opened = (Message("system", self.system), *opened)
        return stream(self.model, self.codec, chat.prompt(opened, self.codec).ids, sampling)


def open(name: str, *, base: bool = False) -> Predictor:
    """A run's folder or a base's name, opened. `base`: the base that the run started from.

    Raises Misuse for what is neither, Failure for a run without a checkpoint, Refusal for a template that is no
    longer the one that the run was proved with.
    """
    if (Path(name) / "recipe.yaml").is_file():
        return open_run(Path(name), base=base)
    return open_base(name)


def open_base(name: str) -> Predictor:
    """A base as it is, with its own template."""
    found = bases.find(name)
    device = torch.device(pick_device("auto"))
    dtype, _ = precision.choose("auto", device)
    model = LanguageModel.frozen(load.network(found, dtype=dtype, device=device))
    return Predictor(name, model, open_codec(found, None, datetime.now().astimezone()), shipped_sampling(found))


def open_run(path: Path, *, base: bool = False) -> Predictor:
    """A run's tuned model, its best checkpoint where it has one; or the base as the run saw it."""
    run = folder.open_run(path)
    recipe = read.read(run.recipe_file)
    kept = lineage.read(run.lineage_file)
    found = bases.find(recipe.base.name, f"{run.recipe_file}: base.name")
    encoder = open_codec(found, recipe.data.template, datetime.fromisoformat(kept["chosen"]["date"]))
    demand_same_template(encoder, kept, str(path))
    sampling = shipped_sampling(found)
    network = open_network(found, kept["chosen"])
    if base:
        return Predictor("base", LanguageModel.frozen(network), encoder, sampling, recipe.data.system)
    model = LanguageModel(network, recipe.adapter.module, recipe.adapter.settings, seed=recipe.training.seed)
    model.load(learnt(run, model))
    return Predictor(run.name, model, encoder, sampling, recipe.data.system)


def learnt(run: folder.Run, model: LanguageModel) -> dict[str, torch.Tensor]:
    """The tensors of the best checkpoint, or of the newest where none was found best."""
    from safetensors.torch import load_file

    newest, damaged = checkpoints.newest(run, set_aside=False)
    if newest is None and damaged:
        raise Refusal(damaged[0].kind, damaged[0].what, damaged[0].where, "restore the folder from a copy")
    if newest is None:
        raise Failure("run.no_checkpoint", f"run `{run.name}` has no checkpoint yet", str(run.path),
                      f"go on with `tunesmith train --resume {run.path}`")
    best = newest.facts["memory"].get("best")
    chosen = checkpoints.load(run, best["step"]) if best else newest
    tensors: dict[str, torch.Tensor] = load_file(chosen.folder / model.adapter.weights_file)
    return tensors


def open_codec(base: Base, template: str | None, date: datetime) -> codec.Codec:
    """The base's tokenizer with its own template, or the one named: a shipped one, or a Jinja file.

    date: what the template is told today is.
    """
    return codec.build(
        load.tokenizer(base),
        template=template_source(template) if template else None,
        context=base.context,
        generation_stop=load.generation_stop(base),
        name=template or "the base's own template",
        date=date,
    )


def template_source(name: str) -> str:
    """The Jinja text of a shipped template's name or of a file. Raises Misuse where there is neither."""
    path = Path(name)
    if not path.is_absolute():
        return templates.named(name)
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Misuse("template.unreadable", f"the template cannot be read: {error}", name,
                     "name a Jinja file in UTF-8 that you may read") from error


def open_network(base: Base, chosen: Mapping[str, Any]) -> Any:
    """The base's network in the dtype and on the device that a run chose."""
    dtype = {"bfloat16": torch.bfloat16, "float32": torch.float32, "float64": torch.float64}[chosen["dtype"]]
    return load.network(base, dtype=dtype, device=torch.device(chosen["device"]))


def pick_device(wanted: str) -> str:
    """The device that `training.device` names; `auto` takes an accelerator where there is one."""
    if wanted != "auto":
        return wanted
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def shipped_sampling(base: Base) -> Sampling:
    """How the base's own generation config samples; greedy where it says nothing."""
    found = load.generation_defaults(base)
    if not found.get("do_sample", False):
        return Sampling(max_new_tokens=LONGEST_ANSWER)
    return Sampling(
        max_new_tokens=LONGEST_ANSWER,
        temperature=found.get("temperature", 1.0),
        top_p=found.get("top_p", 1.0),
        top_k=found.get("top_k", 0),
        repetition_penalty=found.get("repetition_penalty", 1.0),
    )


def demand_same_template(encoder: codec.Codec, kept: dict[str, Any], where: str) -> None:
    """Raise Refusal where template or tokenizer are not the ones that the run's mask proof proved."""
    for name, digest in encoder.digests().items():
        if kept["digests"].get(name, digest) != digest:
            raise Refusal(
                f"run.{name}", f"the {name} is not the one that this run was trained with", where,
                f"put back the {name} with digest {kept['digests'][name]}, or train again",
            )
