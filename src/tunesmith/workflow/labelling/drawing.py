"""Rows drawn out of files: compared by a model where one is named, and written where they are wanted."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ...contracts import Given
from ...drawing import draw
from ...drawing.features import Vectors
from ...errors import Misuse
from ...records import Head, Text
from ..events import Predicted, silent
from ..predict import Observe

if TYPE_CHECKING:
    from ...encoding.tokens.codec import Codec
    from ...models.model import LanguageModel

MOST_ROWS: Final = 100_000  # that a model reads: more of them would take hours
TOGETHER: Final = 256  # rows that are read at once
DRAFT: Final = ".draft"


def sample(
    paths: Sequence[str], output: Path, rows: int, by: draw.By, *, seed: int = 0, column: str | None = None,
    equal: bool = False, model: str | None = None, observe: Observe = silent,
) -> draw.Sample:
    """Draw so many rows of files and write them as JSON lines; each says where it stood.

    by, column, equal: as `data.draw`; model: a run or a base whose vectors say how far apart rows are. Raises Misuse
    where the output is there already.
    """
    if output.exists():
        raise Misuse("sample.exists", "the file exists already", str(output), "name another one with `--output`")
    if model is not None and by != "diverse":
        raise Misuse("sample.model", f"`{by}` compares no rows, so a model has nothing to say", "--with",
                     "leave `--with` out, or draw `--by diverse`")
    if column is not None and by != "strata":
        raise Misuse("sample.column", f"`{by}` looks at no column", "--column",
                     "leave `--column` out, or draw `--by strata`")
    compared = draw.Compared(_measure(model, observe), MOST_ROWS) if model is not None else None
    found = draw.draw(paths, rows, by, seed=seed, column=column, equal=equal, compared=compared)
    write([one.written() for one in found.drawn], output)
    return found


def write(rows: Sequence[dict[str, Any]], output: Path) -> None:
    """Put rows into a file of JSON lines, which takes its name only once it is whole."""
    output.parent.mkdir(parents=True, exist_ok=True)
    draft = output.with_name(output.name + DRAFT)
    draft.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    draft.replace(output)


def _measure(name: str, observe: Observe) -> draw.Measure:
    """What makes vectors of texts: the mean of a run's or a base's states, as sentence-transformers would."""
    model, codec = _opened(name)

    def measure(texts: Sequence[str]) -> Vectors:
        from ...tasks import embed

        # no text is all blank for a model: such a row has nothing to be far from
        examples = [Text(text if text.strip() else ".", "", "") for text in texts]
        settings, made = embed.Settings(), []
        for start in range(0, len(examples), TOGETHER):
            together = examples[start : start + TOGETHER]
            made += [np.asarray(said.output["vector"], np.float32) for said in embed.predict(
                model, together, settings, given=Given(lambda: codec), max_new_tokens=0, batch_size=0)]
            observe(Predicted(len(made)))
        return np.stack(made)

    return measure


def _opened(name: str) -> tuple[LanguageModel, Codec]:
    from datetime import datetime

    from ...inference import predictor
    from ...models import bases, load, precision
    from ...models.model import LanguageModel

    if (Path(name) / "recipe.yaml").is_file():
        run = predictor.open_run(Path(name))
        return run.model, run.codec
    base, head = bases.find(name, "--with"), Head("none")
    device = precision.device("auto")
    network = load.network(base, dtype=precision.choose("auto", device)[0], device=device, head=head)
    return LanguageModel.frozen(network, head), load.codec(base, None, datetime.now().astimezone())


