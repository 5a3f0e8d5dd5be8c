"""`POST /v1/chat/completions`: a conversation is answered, by the template that the run was proved with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from ..encoding.proofs.calls import way_of
from . import telling
from .answers import Answer
from .calling import Heard, Hearing, calls_or_tools, conversation, demand_told, offered
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
    messages, tools = conversation(wish), offered(wish)
    drawing = Drawing(sampling_of(wish, served.predictor.sampling), stops_of(wish), wish.n or 1, wish.top_logprobs or 0)

    def read() -> list[Sequence[int]]:
        if calls_or_tools(messages, tools):
            demand_told(messages, way_of(served.predictor.codec))
        return [served.predictor.prompt(messages, tools)]

    talk = await while_heard(request, begun(served, read, 1, drawing, service.settings.timeout))
    answer = _Chat(request, talk, wish, wish.messages[-1].text)
    if tools:
        way, names = way_of(served.predictor.codec), [tool["function"]["name"] for tool in tools]
        known = {call.id for message in messages for call in message.calls}
        answer.hearing = [Hearing(way, names, set(known)) for _ in talk.written]
    return await answer.response()


class _Chat(Answer):
    """An assistant's turns."""

    prefix = "chatcmpl"
    wish: ChatWish
    hearing: Sequence[Hearing] = ()  # of each answer, where tools are offered

    def object(self, *, streamed: bool) -> str:
        return "chat.completion.chunk" if streamed else "chat.completion"

    def choice(self, index: int, parts: Sequence[Part]) -> Mapping[str, Any]:
        heard = self._heard(index, Part("".join(part.text for part in parts),
                                        [token for part in parts for token in part.tokens], parts[-1].finish))
        message: dict[str, Any] = {"role": "assistant", "content": heard.text, "refusal": None}
        if heard.calls:
            message |= {"content": heard.text or None, "tool_calls": heard.calls}
        return {"index": index, "message": message, "finish_reason": heard.finish,
                "logprobs": self._told(heard.tokens)}

    def opening(self, index: int) -> Mapping[str, Any] | None:
        return _chunk(index, {"role": "assistant", "content": ""}, None, None)

    def piece(self, index: int, part: Part) -> Sequence[Mapping[str, Any]]:
        heard = self._heard(index, part)
        told, tokens = [], heard.tokens
        if heard.text or (tokens and not heard.calls):
            told.append(_chunk(index, {"content": heard.text}, self._told(tokens), None))
            tokens = ()
        if heard.calls:
            calls = [{"index": number, **call} for number, call in enumerate(heard.calls)]
            told.append(_chunk(index, {"tool_calls": calls}, self._told(tokens), None))
        if heard.finish:
            told.append(_chunk(index, {}, None, heard.finish))
        return told

    def _heard(self, index: int, part: Part) -> Heard:
        return self.hearing[index].take(part) if self.hearing else Heard(part.text, (), part.tokens, part.finish)

    def _told(self, tokens: Sequence[Any]) -> Mapping[str, Any] | None:
        if not self.wish.logprobs:
            return None
        return telling.of_chat(tokens, self.talk.served.predictor.codec, self.wish.top_logprobs or 0)


def _chunk(index: int, delta: Mapping[str, Any], told: Any, finish: str | None) -> Mapping[str, Any]:
    return {"index": index, "delta": delta, "logprobs": told, "finish_reason": finish}
