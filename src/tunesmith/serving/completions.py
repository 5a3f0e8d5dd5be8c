"""`POST /v1/completions`: texts are gone on with, without any template."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from ..encoding.documents import plain
from . import telling
from .answers import Answer
from .refusals import RESPONSES
from .service import service_of
from .streaming import while_heard
from .talk import Drawing, begun
from .wishes import CompletionWish, sampling_of, stops_of, untaken
from .written import Part

router = APIRouter()


@router.post("/v1/completions", responses=RESPONSES, response_model=None)
async def completions(wish: CompletionWish, request: Request) -> Response:
    """Go on with a text, or with several."""
    service = service_of(request)
    untaken(wish)
    served = service.find(wish.model, "chat", "completion")
    prompts = [wish.prompt] if isinstance(wish.prompt, str) else wish.prompt
    drawing = Drawing(sampling_of(wish, served.predictor.sampling), stops_of(wish), wish.n or 1, wish.logprobs or 0)

    def read() -> list[Sequence[int]]:
        return [plain.prompt(text, served.predictor.codec).ids for text in prompts]

    talk = await while_heard(request, begun(served, read, len(prompts), drawing, service.settings.timeout))
    return await _Completion(request, talk, wish, "\n".join(prompts)).response()


class _Completion(Answer):
    """How texts go on."""

    prefix = "cmpl"
    wish: CompletionWish

    def object(self, *, streamed: bool) -> str:
        return "text_completion"

    def choice(self, index: int, parts: Sequence[Part]) -> Mapping[str, Any]:
        whole = Part("".join(part.text for part in parts), [token for part in parts for token in part.tokens],
                     parts[-1].finish)
        return self.piece(index, whole)[0]

    def opening(self, index: int) -> Mapping[str, Any] | None:
        return None

    def piece(self, index: int, part: Part) -> Sequence[Mapping[str, Any]]:
        told = None
        if self.wish.logprobs is not None:
            told = telling.of_completion(part.tokens, self.talk.served.predictor.codec, self.wish.logprobs)
        return [{"index": index, "text": part.text, "logprobs": told, "finish_reason": part.finish or None}]
