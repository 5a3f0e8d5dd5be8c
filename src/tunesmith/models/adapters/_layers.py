"""Which layers an adapter means: by their numbers in the stack, from 0 at the bottom, or by their names."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from fnmatch import fnmatchcase
from typing import Annotated

from pydantic import Field, PlainSerializer, PlainValidator
from pydantic_core import PydanticCustomError

from ...catalog import nearest
from ...errors import Misuse

RANGE = re.compile(r"(\d{1,6})-(\d{0,6})")
EMBEDDINGS = "embeddings"
EMBEDDING_NAMES = ("wte", "wpe", "shared", "relative_attention_bias")


def _listed(value: object) -> tuple[int | str, ...]:
    items = value if isinstance(value, list | tuple) else [value]
    for item in items:
        number = isinstance(item, int) and not isinstance(item, bool) and item >= 0
        if not number and not (isinstance(item, str) and item.strip()):
            raise PydanticCustomError("must", "{must}", {"must": "a number from 0, a name, or a list of them"})
    return tuple(items)


def _ranges(value: object) -> tuple[int | str, ...]:
    items = _listed(value)
    wrong = next((item for item in items if isinstance(item, str) and not RANGE.fullmatch(item)), None)
    if wrong is not None or not items:
        raise PydanticCustomError("must", "{must}", {"must": "numbers of layers, or ranges such as `8-15` and `8-`"})
    return items


def _one_or_many(items: Sequence[int | str]) -> int | str | list[int | str]:
    return items[0] if len(items) == 1 else list(items)


_Item = Annotated[int, Field(ge=0)] | Annotated[str, Field(min_length=1)]
Names = Annotated[
    tuple[int | str, ...], PlainValidator(_listed, json_schema_input_type=_Item | list[_Item]),
    PlainSerializer(_one_or_many),
]
Numbers = Annotated[
    tuple[int | str, ...], PlainValidator(_ranges, json_schema_input_type=_Item | list[_Item]),
    PlainSerializer(_one_or_many),
]


def number(name: str) -> int | None:
    """The number of the layer that a weight or a module belongs to; None for one outside the stack."""
    return next((int(part) for part in name.split(".") if part.isdigit()), None)


def in_layers(names: Iterable[str], wanted: Sequence[int | str]) -> list[str]:
    """The names that belong to the layers wanted. Raises Misuse for a layer that is not there."""
    given = list(names)
    top = _top(given)
    numbers: set[int] = set()
    for item in wanted:
        first, last = (item, item) if isinstance(item, int) else _ends(item, top)
        if not first <= last <= top:
            raise Misuse("adapter.layers", f"there is no layer `{item}`", "adapter.layers",
                         f"use numbers from 0, the lowest, to {top}")
        numbers.update(range(first, last + 1))
    return [name for name in given if number(name) in numbers]


def frozen(names: Collection[str], wanted: Sequence[int | str]) -> set[str]:
    """The names of weights that are not to learn. Raises Misuse where an item names none, or where none is left."""
    found: set[str] = set()
    for item in wanted:
        if isinstance(item, int):
            top = _top(names)
            if item > top + 1:
                raise Misuse("adapter.freeze", f"there are {top + 1} layers, not {item}", "adapter.freeze",
                             f"use a number up to {top + 1}")
            matched = {name for name in names if (place := number(name)) is not None and place < item}
        else:
            matched = {name for name in names if _means(item, name)}
            if not matched:
                raise _unknown(item, names)
        found |= matched
    if found and found >= set(names):
        raise Misuse("adapter.freeze", "nothing is left to learn", "adapter.freeze", "freeze less")
    return found


def is_embedding(name: str) -> bool:
    """Whether a name is an embedding's, of tokens (GPT-2's `wte`, T5's `shared`), positions or distances."""
    return "embed" in name or name.removesuffix(".weight").rpartition(".")[2] in EMBEDDING_NAMES


def is_head(name: str) -> bool:
    """Whether a name is the output head's: it stands at the top, outside the stack of layers.

    A head with labels, of one layer or several, learns whole beside any adapter.
    """
    if name.partition(".")[0] in ("classifier", "pre_classifier", "score", "qa_outputs", "head"):
        return True
    return name.removesuffix(".weight").rpartition(".")[2] in ("lm_head", "head", "embed_out", "output_layer")


def _means(item: str, name: str) -> bool:
    """Whether a word, whole parts of a name or a pattern of them, stands for a weight."""
    if item == EMBEDDINGS:
        return is_embedding(name) and not is_head(name)
    return fnmatchcase(f".{name}.", f"*.{item}.*")


def _unknown(item: str, names: Iterable[str]) -> Misuse:
    parts = sorted({part for name in names for part in name.split(".")[:-1] if not part.isdigit()})
    near = nearest(item, [EMBEDDINGS, *parts])
    return Misuse("adapter.freeze", f"no weight is called `{item}`", "adapter.freeze",
                  f"use `{near}`" if near else f"use `{EMBEDDINGS}`, a number of layers, or one of: {', '.join(parts)}")


def _top(names: Iterable[str]) -> int:
    return max((place for name in names if (place := number(name)) is not None), default=-1)


def _ends(item: str, top: int) -> tuple[int, int]:
    first, _, last = item.partition("-")
    return int(first), int(last) if last else top
