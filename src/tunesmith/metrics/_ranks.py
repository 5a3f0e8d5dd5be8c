"""Ranks of right answers among all answers, in memory that does not grow with the square of their number.

Letters: N prompts, A different answers, H width of a vector.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from torch import Tensor

NUMBERS_AT_ONCE: Final = 1 << 22
T = TypeVar("T", bound=Hashable)


def ranks(prompts_NH: Tensor, answers_AH: Tensor, right: Sequence[Sequence[int]]) -> tuple[list[int], list[int]]:
    """For each prompt the place of the answer that is asked for, from 1, and which answer is nearest of all.

    right: for each prompt the right answers, the one that is asked for first; the others are passed over. An answer
    that is as near stands before it: where all vectors are alike, or are no numbers, nothing was found.
    """
    found: list[int] = []
    nearest: list[int] = []
    at_once = max(1, NUMBERS_AT_ONCE // max(1, len(answers_AH)))
    for start in range(0, len(prompts_NH), at_once):
        near = prompts_NH[start : start + at_once] @ answers_AH.T
        for row, places in zip(near, right[start : start + at_once], strict=True):
            before = ~(row < row[places[0]])
            before[list(places)] = False
            found.append(1 + int(before.sum()))
            nearest.append(int(row.argmax()))
    return found, nearest


def numbered(each: Sequence[T]) -> tuple[list[int], list[T]]:
    """For each thing the number of the first that equals it, and the different things in their order."""
    numbers: dict[T, int] = {}
    return [numbers.setdefault(one, len(numbers)) for one in each], list(numbers)


def all_right(prompts: Sequence[int], answers: Sequence[int]) -> list[list[int]]:
    """For each row its own answer, then the others that rows with the same prompt have."""
    of_prompt: dict[int, dict[int, None]] = {}
    for prompt, answer in zip(prompts, answers, strict=True):
        of_prompt.setdefault(prompt, {})[answer] = None
    return [[answer, *(other for other in of_prompt[prompt] if other != answer)]
            for prompt, answer in zip(prompts, answers, strict=True)]
