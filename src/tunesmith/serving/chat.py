"""`POST /v1/chat/completions`: a conversation is answered, by the template that the run was proved with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from ..records import Message
from . import telling
from .answers import Answer
from .refusals import RESPONSES, Refused
from .service import service_of
from .streaming import while_heard
from .talk import Drawing, begun
from .wishes import ChatWish, sampling_of, stops_of, untaken
from .written import Part

router = APIRouter()


@router.post("/v1/chat/completions", responses=RESPONSES, response_model=None)
async def chat_completions(wish: ChatWish, request: Request) -> Response:
    """Answer a conversation."""
    service = service_of(request)
    untaken(wish)
    if wish.top_logprobs is not None and not wish.logprobs:
        raise Refused(400, "`top_logprobs` needs `logprobs`", param="top_logprobs", code="invalid_body")
    served = service.find(wish.model, "chat")
    messages = [Message("system" if turn.role == "developer" else turn.role, turn.text) for turn in wish.messages]
    drawing = Drawing(sampling_of(wish, served.predictor.sampling), stops_of(wish), wish.n or 1, wish.top_logprobs or 0)
    talk = await while_heard(request, begun(
        served, lambda: [served.predictor.prompt(messages)], 1, drawing, service.settings.timeout))
    return await _Chat(request, talk, wish, wish.messages[-1].text).response()


class _Chat(Answer):
    """An assistant's turns."""

    prefix = "chatcmpl"
    wish: ChatWish

    def object(self, *, streamed: bool) -> str:
        return "chat.completion.chunk" if streamed else "chat.completion"

    def choice(self, index: int, parts: Sequence[Part]) -> Mapping[str, Any]:
        message = {"role": "assistant", "content": "".join(part.text for part in parts), "refusal": None}
        tokens = [token for part in parts for token in part.tokens]
        return {"index": index, "message": message, "finish_reason": parts[-1].finish, "logprobs": self._told(tokens)}

    def opening(self, index: int) -> Mapping[str, Any] | None:
        return _chunk(index, {"role": "assistant", "content": ""}, None, None)

    def piece(self, index: int, part: Part) -> Sequence[Mapping[str, Any]]:
        told = []
        if part.text or part.tokens:
            told.append(_chunk(index, {"content": part.text}, self._told(part.tokens), None))
        if part.finish:
            told.append(_chunk(index, {}, None, part.finish))
        return told

    def _told(self, tokens: Sequence[Any]) -> Mapping[str, Any] | None:
        if not self.wish.logprobs:
            return None
        return telling.of_chat(tokens, self.talk.served.predictor.codec, self.wish.top_logprobs or 0)


def _chunk(index: int, delta: Mapping[str, Any], told: Any, finish: str | None) -> Mapping[str, Any]:
    return {"index": index, "delta": delta, "logprobs": told, "finish_reason": finish}
