"""In which order a recipe trains on its examples, and how often it will have seen each source by the end."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import numpy as np

from ...encoding.batches.flat import examples_of
from ...encoding.order import total_steps
from ...errors import Misuse
from ...recipe.sources import MAIN
from ...records import Document, Finding, Order, Prediction, Source

if TYPE_CHECKING:
    from ...recipe.sections import Recipe
    from ...training.engine import Sums

# Up to four times, rows seen again taught nearly as much as new ones would have (Muennighoff et al. 2023, "Scaling
# data-constrained language models")
OFTEN = 4
SHARES = 1000  # a share by size is a fraction of this denominator or a smaller one, so that it can be kept exactly


def order(recipe: Recipe, documents: Sequence[Document], counts: Mapping[str, int]) -> Order:
    """The order of a training. counts: how many examples each source has, in their order; none where nothing is mixed.

    An epoch is over when the training file's own rows were seen once. Raises Misuse where sources that are to be seen
    so many times leave no row to it.
    """
    training = recipe.training
    if not counts:
        rows = len(np.unique(examples_of(documents)))
        steps = total_steps(rows, training.batch_size, training.epochs, training.steps)
        return Order(training.batch_size, training.seed, training.epochs, steps)
    ends = list(accumulate(counts.values()))
    placed = {name: Source(name, Fraction(0), end - count, end, "" if name == MAIN else name)
              for (name, count), end in zip(counts.items(), ends, strict=True)}
    left = {name: _left(documents, source) for name, source in placed.items()}
    shares, steps = _shares(recipe, counts, left)
    sources = tuple(replace(source, share=shares[name]) for name, source in placed.items())
    return Order(training.batch_size, training.seed, training.epochs, steps, sources=sources)


def findings(planned: Order, documents: Sequence[Document]) -> list[Finding]:
    """How many rows of each source are trained on, and how often; an error for a source of which none is left."""
    return [_told(source, planned, _left(documents, source)) for source in planned.sources]


def as_json(planned: Order, documents: Sequence[Document]) -> dict[str, dict[str, Any]]:
    """The sources for `check --json`: share, rows, how many are taken until the end, and how many times each is."""
    left = {source.name: _left(documents, source) for source in planned.sources}
    return {
        source.name: {"share": float(source.share), "rows": left[source.name], "taken": _taken(source, planned),
                      "times": _taken(source, planned) / max(1, left[source.name])}
        for source in planned.sources
    }


def by_source(planned: Order) -> Callable[[Sums], dict[str, float]]:
    """What a step's record says of each source that it held: `loss.NAME`, in nats per unit of weight."""

    def losses(sums: Sums) -> dict[str, float]:
        totals = {source.name: [0.0, 0.0] for source in planned.sources}
        for examples, terms, weights in sums.parts:
            for example, term, weight in zip(examples, terms.tolist(), weights.tolist(), strict=True):
                name = next(source.name for source in planned.sources if example < source.end)
                totals[name][0] += term
                totals[name][1] += weight
        return {f"loss.{name}": term / weight for name, (term, weight) in totals.items() if weight}

    return losses


def held_out(
    planned: Order, held: Mapping[str, int], found: Mapping[int, Prediction]
) -> tuple[float, dict[str, float]]:
    """The loss of the validation rows, nats per unit of weight, and of each source `loss.NAME` where there are several.

    held: how many of these rows each source has, in their order. A source's loss counts by its share of the training,
    whatever its rows weigh: a tag and a sentence are no units that could be added up.
    """
    losses: dict[str, float] = {}
    start = 0
    for name, rows in held.items() if planned.sources else [(MAIN, max(found, default=0) + 1)]:
        own = [each for index, each in found.items() if start <= index < start + rows]
        if weight := sum(each.weight for each in own):
            losses[name] = sum(each.term for each in own) / weight
        start += rows
    if len(losses) < 2:
        return next(iter(losses.values()), math.nan), {}
    shares = {source.name: float(source.share) for source in planned.sources if source.name in losses}
    loss = sum(shares[name] * losses[name] for name in shares) / sum(shares.values())
    return loss, {f"loss.{name}": each for name, each in losses.items()}


def _shares(
    recipe: Recipe, counts: Mapping[str, int], left: Mapping[str, int]
) -> tuple[dict[str, Fraction], int]:
    """What each source has of all rows, and the steps of the training.

    A source has what the recipe says, or the rows that so many epochs of it are; the rest is parted by rows ** (1 /
    temperature). left: how many examples of each have documents.
    """
    training = recipe.training
    shares = {name: Fraction(str(mixed.share)) for name, mixed in recipe.data.mix.items()
              if mixed.share}  # 0.1 is a tenth, not near it
    times = {name: recipe.data.mix[name].epochs for name in recipe.data.mix}
    rows = {name: max(1, round(many * left[name])) for name, many in times.items() if many}
    weights = _weights(recipe, {name: count for name, count in counts.items() if name not in {*shares, *rows}})
    free = 1 - sum(shares.values(), Fraction(0))
    if not rows:
        parted = shares | {name: free * weight for name, weight in weights.items()}
        return parted, total_steps(left[MAIN], training.batch_size, training.epochs, training.steps,
                                   share=float(parted[MAIN]))
    # of all rows, `free` parts less the counted rows are parted by weight, and the training file's are its epochs
    own = left[MAIN] * training.epochs / float(weights[MAIN])
    steps = total_steps(1, training.batch_size, (own + sum(rows.values())) / float(free), training.steps)
    counted = {name: Fraction(count, steps * training.batch_size) for name, count in rows.items()}
    rest = free - sum(counted.values(), Fraction(0))
    if rest <= 0:
        raise Misuse("data.mix_epochs", f"the `epochs` of {_named(rows)} ask for {sum(rows.values()):,} rows, and the "
                     f"training has {steps * training.batch_size:,} in {steps:,} steps, which leaves none to "
                     "`data.train`", "data.mix", "lower their `epochs`, or raise `training.steps`")
    return shares | counted | {name: rest * weight for name, weight in weights.items()}, steps


def _weights(recipe: Recipe, counts: Mapping[str, int]) -> dict[str, Fraction]:
    """Of what has no share of its own the part of each, the training file's what the others leave."""
    sizes = {name: max(count, 1) ** (1 / recipe.data.temperature) for name, count in counts.items()}
    whole = sum(sizes.values())
    weights = {name: max(Fraction(size / whole).limit_denominator(SHARES), Fraction(1, SHARES))
               for name, size in sizes.items() if name != MAIN}
    return weights | {MAIN: 1 - sum(weights.values(), Fraction(0))}


def _named(names: Iterable[str]) -> str:
    return " and ".join(f"`data.mix.{name}`" for name in names)


def _left(documents: Sequence[Document], source: Source) -> int:
    """How many examples of a source have documents."""
    examples = np.unique(examples_of(documents))
    return int(((examples >= source.start) & (examples < source.end)).sum())


def _taken(source: Source, planned: Order) -> int:
    return round(source.share * planned.steps * planned.batch_size)


def _told(source: Source, planned: Order, rows: int) -> Finding:
    option = f"data.mix.{source.name}" if source.cycle else "data.train"
    if not rows:
        return Finding("error", "data.empty", f"no row of `{option}` is left to train on", option, "give it more rows")
    taken = _taken(source, planned)
    what = (f"`{source.name}` gives {float(source.share):.4g} of the rows: {taken:,} until the end, each of its "
            f"{rows:,} {taken / rows:.2g} times")
    if source.cycle and taken / rows > max(OFTEN, planned.epochs):
        return Finding("warning", "data.mix", f"{what}, so that they are learnt by heart", option,
                       "give it more rows, or lower its `share` or `epochs`")
    return Finding("note", "data.mix", what, option)
