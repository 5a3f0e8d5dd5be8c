"""The answers that one request asks of a model that writes text, from the wish to the last token."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field

from ..errors import Problem, Problems
from ..generation.continuous import Wanted
from ..generation.sampling import Sampling
from .answering import Asked
from .refusals import of_problem
from .registry import Served
from .written import Part, Written


@dataclass(frozen=True, slots=True)
class Drawing:
    """How answers are drawn: n of each prompt, cut off before any of `stops`; top: likeliest tokens told of each."""

    sampling: Sampling
    stops: tuple[str, ...]
    n: int
    top: int


@dataclass(eq=False)
class Talk:
    """Answers under way. first: seconds until the first token, once it is there."""

    served: Served
    asked: Asked
    written: Sequence[Written]
    tokens_in: int
    began: float
    first: float | None = None
    _loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop)

    async def parts(self) -> AsyncIterator[tuple[int, Part]]:
        """An answer's place and what came of it, until all have ended; what tells nothing is passed over."""
        while (heard := await self.asked.next()) is not None:
            index, told = heard
            if self.first is None:
                self.first = self.seconds
            part = self.written[index].take(told)
            if part.finish and not told.stopped_by:
                self.asked.end(index)
            if part.text or part.tokens or part.finish:
                yield index, part

    async def whole(self) -> list[list[Part]]:
        """Every answer's parts."""
        found: list[list[Part]] = [[] for _ in self.written]
        async for index, part in self.parts():
            found[index].append(part)
        return found

    @property
    def seconds(self) -> float:
        """Since the request came."""
        return self._loop.time() - self.began

    @property
    def tokens_out(self) -> int:
        """Written so far, of all answers."""
        return sum(each.count for each in self.written)

    @property
    def ended(self) -> bool:
        """Whether every answer has come to its end."""
        return all(each.ended for each in self.written)

    def usage(self) -> dict[str, int]:
        """As OpenAI counts."""
        return {"prompt_tokens": self.tokens_in, "completion_tokens": self.tokens_out,
                "total_tokens": self.tokens_in + self.tokens_out}

    def close(self) -> None:
        """Nobody wants more of it."""
        self.asked.close()


async def begun(served: Served, read: Callable[[], Sequence[Sequence[int]]], prompts: int, drawing: Drawing,
                seconds: float) -> Talk:
    """The answers of a request, in the queue. read: gives the prompts' ids; called where it holds nobody up.

    Raises Refused where there is no room, and where the prompt cannot be read.
    """
    assert served.answering is not None, "only what writes text is asked for text"
    loop = asyncio.get_running_loop()
    began = loop.time()
    asked = served.answering.reserve(prompts * drawing.n, seconds)
    try:
        ids = await served.desk.do(read, seconds)
        wanted = [Wanted(tuple(each), drawing.sampling, drawing.top, place * drawing.n + index)
                  for place, each in enumerate(ids) for index in range(drawing.n)]
        asked.begin(wanted)
    except (Problem, Problems) as problem:
        asked.close()
        raise of_problem(problem) from problem
    except BaseException:
        asked.close()
        raise
    codec = served.predictor.codec
    return Talk(served, asked, [Written(codec, drawing.stops) for _ in wanted], sum(map(len, ids)), began)
