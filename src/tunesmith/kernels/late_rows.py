"""AdamW over the rows of a matrix that only few of them get a gradient in each step: an embedding's.

A row without a gradient still moves: its two means shrink, what is left of them is taken from it, and decay pulls. It
takes those steps when it is next read, one after the other with the numbers that each step had, so that it is what
it would be had it taken them in time: the same bits in float32, whenever anybody reads it. There is no closed form: the
learning rate changes, and epsilon keeps root and sum apart. What a step costs goes with the rows that it reads, and
not with the vocabulary.

Letters: V rows of the matrix, U rows that a step reads, H width.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from . import build
from .adamw import Rule
from .build import POINTER, REAL, WHOLE

REMEMBERED = 4096  # steps; then all rows take theirs
_MATRIX = (*[POINTER] * 4, WHOLE, POINTER, WHOLE, POINTER)
_TYPES: dict[str, tuple[Any, ...]] = {
    "pace_f32": (POINTER, *[REAL] * 5),
    "late_rows_f32": (*_MATRIX, POINTER, WHOLE, WHOLE, *[REAL] * 3),
    "step_rows_f32": (*_MATRIX, POINTER, POINTER, WHOLE, *[REAL] * 4),
}


@dataclass(eq=False)
class LateRows:
    """A matrix (V, H), its running means, the count of steps that torch keeps, and its copy in bfloat16 if it has one.

    taken: (V,) the steps that each row has taken; paces: what each of the last steps was made of, `remembered` of them.
    """

    parameter: Tensor
    mean: Tensor
    square: Tensor
    step: Tensor
    copy: Tensor | None
    taken: Tensor = field(init=False)
    paces: Tensor = field(init=False)
    remembered: int = 0
    betas: tuple[float, float, float] = (0.9, 0.999, 1e-8)

    def __post_init__(self) -> None:
        self.taken = torch.full((len(self.parameter),), int(self.step), dtype=torch.int64)
        self.paces = torch.empty(64, 3, dtype=self.parameter.dtype)

    @property
    def now(self) -> int:
        """The steps that have been taken, by the rows that were in time."""
        return int(self.step)

    @torch.no_grad()
    def catch_up(self, ids: Tensor | None = None) -> None:
        """Let these rows take the steps that they have not taken; ids: any number of times each, default all rows."""
        if not self.remembered:
            return
        rows = None if ids is None else torch.unique(ids)
        if _native(self):
            _function("late_rows_f32")(*self._matrix(rows), self.paces.data_ptr(), self.now - self.remembered,
                                       self.now, *self.betas)
        else:
            self._wait(torch.arange(len(self.taken)) if rows is None else rows)
        self._changed()
        if rows is None:
            self.remembered = 0

    @torch.no_grad()
    def take(self, rows_U: Tensor, gradients_UH: Tensor, rule: Rule) -> None:
        """Take a step, on `scale` times the gradients of rows that are each named once. The others wait."""
        self.betas = rule.beta1, rule.beta2, rule.epsilon
        self.catch_up(rows_U)
        if self.remembered >= REMEMBERED:
            self.catch_up()
        self.step += 1
        pace = self._remember(rule)
        if _native(self, gradients_UH):
            gradients = gradients_UH.contiguous()
            _function("step_rows_f32")(*self._matrix(rows_U), gradients.data_ptr(), pace.data_ptr(), self.now,
                                       rule.scale, *self.betas)
        else:
            self._stepped(rows_U, gradients_UH * rule.scale, pace)
            self.taken[rows_U] = self.now
        self._changed()

    def _remember(self, rule: Rule) -> Tensor:
        """(3,) the rates of the mean and of the root, without their bias, and what decay leaves of a weight."""
        if self.remembered == len(self.paces):
            self.paces = torch.cat([self.paces, torch.empty_like(self.paces)])
        pace = self.paces[self.remembered]
        self.remembered += 1
        if _native(self):
            _function("pace_f32")(pace.data_ptr(), self.now, rule.rate, rule.beta1, rule.beta2, rule.decay)
        else:
            pace[0] = rule.rate / (1 - rule.beta1**self.now)
            pace[1] = 1 / math.sqrt(1 - rule.beta2**self.now)
            pace[2] = 1 - rule.rate * rule.decay
        return pace

    def _wait(self, rows: Tensor) -> None:
        """The twin of the native way: step by step, the rows that have not taken it."""
        first = self.now - self.remembered
        for number, pace in enumerate(self.paces[: self.remembered]):
            late = rows[self.taken[rows] <= first + number]
            self._stepped(late, torch.zeros((), dtype=self.mean.dtype), pace)
            self.taken[late] = first + number + 1

    def _stepped(self, rows: Tensor, gradients: Tensor, pace: Tensor) -> None:
        (beta1, beta2, epsilon), (rate, root, kept) = self.betas, pace
        mean = self.mean[rows]
        mean = mean + (gradients - mean) * (1 - beta1)
        square = self.square[rows] * beta2 + gradients * gradients * (1 - beta2)
        value = self.parameter[rows] * kept - mean * rate / (square.sqrt() * root + epsilon)
        self.parameter[rows], self.mean[rows], self.square[rows] = value, mean, square
        if self.copy is not None:
            self.copy[rows] = value.to(self.copy.dtype)

    def _matrix(self, rows: Tensor | None) -> tuple[Any, ...]:
        """What every native function is told first."""
        return (self.parameter.data_ptr(), self.mean.data_ptr(), self.square.data_ptr(), build.pointer(self.copy),
                self.parameter.shape[1], build.pointer(rows), len(self.taken if rows is None else rows),
                self.taken.data_ptr())

    def _changed(self) -> None:
        torch.autograd.graph.increment_version([self.parameter, *([] if self.copy is None else [self.copy])])


def serves(parameter: Tensor) -> bool:
    """Whether rows of such a matrix may be late: the native way is there, or the numbers are for tests."""
    return parameter.ndim == 2 and parameter.is_cpu and parameter.is_contiguous() and (
        parameter.dtype == torch.float64 or (parameter.dtype == torch.float32 and build.library() is not None))


def _native(late: LateRows, *others: Tensor) -> bool:
    tensors = (late.parameter, late.mean, late.square, *others)
    copied = late.copy is None or (late.copy.dtype == torch.bfloat16 and late.copy.is_contiguous())
    return build.library() is not None and copied and all(each.dtype == torch.float32 for each in tensors)


@functools.cache
def _function(name: str) -> Callable[..., None]:
    run = build.function(name, *_TYPES[name])
    assert run is not None
    return run
