"""Who else is told of a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from pydantic import BaseModel


@dataclass(frozen=True)
class RunFacts:
    """What an observer is told of a run: its name and folder, its options with secrets blotted out, where it begins.

    step: the last step that stands, 0 where the run begins.
    """

    name: str
    folder: Path
    options: Mapping[str, Any]
    step: int


class Observer(Protocol):
    """Is told of a run, elsewhere than in its folder; it may fail, and never changes what it is told of."""

    @property
    def Settings(self) -> type[BaseModel]: ...
    def require(self, settings: Any) -> None:
        """Raise Misuse where what it needs is not installed or not set up: asked by `check`, before anything starts."""

    def open(self, facts: RunFacts, settings: Any) -> Any:
        """Whatever the other functions need, which they are handed first."""

    def step(self, handle: Any, number: int, values: Mapping[str, float]) -> None: ...
    def evaluation(self, handle: Any, number: int, values: Mapping[str, float]) -> None: ...
    def verdict(self, handle: Any, number: int, word: str, values: Mapping[str, float]) -> None: ...
    def close(self, handle: Any) -> None: ...
