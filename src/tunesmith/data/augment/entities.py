"""Copies of tagged rows with other entities of the same type in the places of their own.

Entities come from the training rows and are drawn each as likely as any other, however often it stands there. Tags are
written anew for the number of words that an entity has, in the rows' own scheme, and a row's text with them. What a tag
says stays true, for a name of the same type stands where one stood; the sentence may become false or ungrammatical (a
case ending in Azerbaijani, an article in French), which does a reader of names no harm and a reader of facts some.

Source: Dai and Adel 2020, "An analysis of simple data augmentation for named entity recognition" (mention replacement).
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pydantic import BaseModel, Field

from ...contracts import Ask
from ...errors import Misuse
from ...recipe.kinds import STRICT
from ...records import Example, Tagged
from .. import schemes
from ..schemes import Entity
from ..varied import itself
from ._drawing import drawn
from ._texts import gaps, of_words

takes: Final = (Tagged,)
learnt: Final = itself


class Settings(BaseModel):
    """How many rows are copied, and how many of their entities are others."""

    model_config = STRICT

    share: float = Field(default=0.2, gt=0, le=10)
    """How many new rows are made for each training row: above 0, at most 10; 0.2 is one for every fifth."""

    entities: float = Field(default=0.5, gt=0, le=1)
    """The share of a row's entities that are replaced, above 0 to 1; at least one is."""


@dataclass(frozen=True, slots=True)
class _Mention:
    """The words of an entity, and what stands between them."""

    words: tuple[str, ...]
    between: tuple[str, ...]


def vary(
    examples: Sequence[Example], settings: Settings, *, seed: int, ask: Ask
) -> Iterator[tuple[int, Example | str]]:
    """Copies of drawn rows with some entities replaced. Raises Misuse where the tags of all rows name none."""
    scheme = schemes.recognise(each.tags or () for each in examples if isinstance(each, Tagged))
    known = _mentions(examples, scheme)
    if not known:
        raise Misuse("augment.no_entities", "the tags of the rows name no entities that could be replaced",
                     "data.augment", "take `entities` out")
    for index, example, chance in drawn(examples, settings.share, seed=seed):
        if isinstance(example, Tagged):
            yield index, _replaced(example, scheme, known, (settings.entities, chance))


def _mentions(examples: Sequence[Example], scheme: str) -> Mapping[str, Sequence[_Mention]]:
    """The entities of each type, each once, in the order in which they come."""
    found: dict[str, dict[_Mention, None]] = {}
    for example in examples:
        if isinstance(example, Tagged):
            spaces = gaps(example)
            for one in schemes.entities(example.tags or (), scheme):
                mention = _Mention(example.words[one.first : one.end], tuple(spaces[one.first + 1 : one.end]))
                found.setdefault(one.type, {})[mention] = None
    return {kind: tuple(mentions) for kind, mentions in found.items()}


def _replaced(
    example: Tagged, scheme: str, known: Mapping[str, Sequence[_Mention]], how: tuple[float, random.Random]
) -> Tagged | str:
    share, chance = how
    found = schemes.entities(example.tags or (), scheme)
    others = {one: [each for each in known[one.type] if each.words != example.words[one.first : one.end]]
              for one in found}
    may = [one for one in found if others[one]]
    if not may:
        return "no other entity of its types is known" if found else "it has no entity"
    wanted = set(chance.sample(may, max(1, round(share * len(may)))))
    words: list[str] = []
    spaces: list[str] = []
    moved: list[Entity] = []
    old, at = gaps(example), 0
    for one in [*found, Entity("", len(example.words), len(example.words))]:
        words += example.words[at : one.first]
        spaces += old[at : one.first]
        if not one.type:
            break
        own = _Mention(example.words[one.first : one.end], tuple(old[one.first + 1 : one.end]))
        mention = chance.choice(others[one]) if one in wanted else own
        moved.append(Entity(one.type, len(words), len(words) + len(mention.words)))
        words += mention.words
        spaces += [old[one.first], *mention.between]
        at = one.end
    return of_words(example, words, schemes.spelt(moved, len(words), scheme), [*spaces, old[-1]])
