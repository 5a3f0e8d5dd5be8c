"""What a model that the recipe names says of texts, kept: asked once, whatever the rows are read again for.

Answers are kept under the model's digest, the texts and all that they are asked with, some hundred together, so that a
long asking that was cut short goes on. The likeliest token is taken each time, so that they can be made again.
"""

from __future__ import annotations

import hashlib
import json
import logging
import secrets
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ...cache import cache_folder
from ...contracts import Asking, Given
from ...data.system import with_system
from ...errors import Misuse
from ...kernels import ideas
from ...recipe.starred import default
from ...records import Conversation, Head, Pair

if TYPE_CHECKING:
    from ...inference.predictor import Predictor
    from ...recipe import Section

log = logging.getLogger(__name__)
TOGETHER: Final = 256  # texts whose answers are kept in one file
BATCH: Final = 16
VERSION: Final = 1  # to be raised where the same model would be asked in another way


@dataclass(frozen=True)
class _Opened:
    """A model, the task that asks it, and whether it is spoken with."""

    model: Predictor
    task: Section
    talks: bool


def ask(texts: Sequence[str], model: str, asking: Asking) -> Sequence[str]:
    """The answer to each text, "" where it had no end or the text did not fit; equal texts are asked about once.

    model: a run, a starter, a folder, a GGUF file, a name on the Hub. Raises Misuse for one that does not answer in
    words, and what opening it raises.
    """
    from ...models import bases

    digest = bases.find(model, "data.augment").digest
    opened: _Opened | None = None
    known: dict[str, str] = {}
    left = iter(dict.fromkeys(texts))
    while together := list(islice(left, TOGETHER)):
        kept = _file(digest, together, asking)
        answers = _read(kept, len(together))
        if answers is None:
            opened = opened or _open(model)
            answers = list(_asked(opened, together, asking))
            _write(kept, answers)
            log.info("`%s` was asked about %d of %d texts", model, len(known) + len(together), len(set(texts)))
        known.update(zip(together, answers, strict=True))
    return [known[text] for text in texts]


def _open(name: str) -> _Opened:
    from ...inference import predictor
    from ...models import bases, load
    from ...recipe import read

    if (Path(name) / "recipe.yaml").is_file():
        recipe = read.read(Path(name) / "recipe.yaml")
        task = recipe.task
        if not task.module.generates or Pair not in task.module.takes:
            raise Misuse("augment.no_answers", f"`{name}` learnt task `{task.type}`, which answers nothing in words",
                         "data.augment", "name a run of `chat`, `seq2seq` or `completion`, or a base")
        return _Opened(predictor.open_run(Path(name)), task, Conversation in task.module.takes)
    two = bool(load.json_of(bases.find(name, "data.augment"), "config.json").get("is_encoder_decoder"))
    opened = predictor.open_base(name, Head("encoder-decoder")) if two else predictor.open_base(name)
    return _Opened(opened, default("task", "seq2seq" if two else "chat"), not two)


def _asked(opened: _Opened, texts: Sequence[str], asking: Asking) -> Iterator[str]:
    """What is said of each text, in their order."""
    model, task = opened.model, opened.task
    words = asking.words if opened.talks else asking.plain
    settings, language = _languages(opened, asking)
    pairs = [Pair(words.replace("{text}", text), "", "", "", language=language) for text in texts]
    examples = [with_system(pair, model.system) if opened.talks else pair for pair in pairs]
    found = {each.example: each for each in task.module.predict(
        model.model, examples, settings, given=Given(lambda: model.codec), max_new_tokens=asking.most,
        batch_size=BATCH)}
    for place in range(len(texts)):
        said = found.get(place)
        yield said.text if said is not None and said.stopped_by == "end" and not said.unread else ""


def _languages(opened: _Opened, asking: Asking) -> tuple[Any, str]:
    """The task's settings with the language of the texts, and that of the answers; where the tokenizer marks any."""
    from ...encoding.documents import source_target

    settings = opened.task.settings
    if opened.talks or opened.task.type != "seq2seq" or not source_target.marks_languages(opened.model.codec):
        return settings, ""
    source, target = asking.languages
    return settings.model_copy(update={"source_language": source} if source else {}), target


def _file(digest: str, texts: Sequence[str], asking: Asking) -> Path:
    told = json.dumps([VERSION, digest, asdict(asking), list(texts)])
    return cache_folder() / "answers" / f"{hashlib.sha256(told.encode()).hexdigest()}.json"


def _read(file: Path, many: int) -> list[str] | None:
    with suppress(OSError, ValueError):
        found = json.loads(file.read_text(encoding="utf-8")) if ideas.on("cache") else None
        if isinstance(found, list) and len(found) == many and all(isinstance(each, str) for each in found):
            return found
    return None


def _write(file: Path, answers: Sequence[str]) -> None:
    """A cache that cannot be written costs the next start the asking."""
    if not ideas.on("cache"):
        return
    draft = file.with_suffix(f".{secrets.token_hex(4)}")
    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        draft.write_text(json.dumps(answers), encoding="utf-8")
        draft.replace(file)
    with suppress(OSError):
        draft.unlink(missing_ok=True)
