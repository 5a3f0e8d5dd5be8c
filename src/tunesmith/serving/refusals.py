"""What is said in place of an answer, in the shape that OpenAI's clients read: message, type, parameter, code."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.responses import Response

from ..catalog import nearest
from ..errors import Problem, Problems, is_spent
from .denied import kind

RETRY_SECONDS = 1
WAY = re.compile(r"list\[|constrained-str$|str$")  # which of several kinds of value pydantic has tried
SHOWN = 200  # characters of somebody's own words that are said back


class Error(BaseModel):
    """What went wrong, as OpenAI's API tells it."""

    message: str
    type: str
    param: str | None = None
    code: str | None = None


class Body(BaseModel):
    """The body of every answer that is none."""

    error: Error


RESPONSES: dict[int | str, dict[str, Any]] = {
    400: {"model": Body, "description": "the request is wrong; the message names the field"},
    404: {"model": Body, "description": "no such model is served"},
    429: {"model": Body, "description": "too many are waiting; `Retry-After` says when to try again"},
    503: {"model": Body, "description": "not ready, shutting down, or not answered in time; `Retry-After` says when"},
}


class Refused(Exception):
    """No answer, and why. param: the field that is wrong; retry: seconds after which it may be tried again."""

    def __init__(self, status: int, message: str, *, param: str | None = None, code: str | None = None,
                 retry: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.param = param
        self.code = code
        self.retry = retry

    def told(self) -> dict[str, Any]:
        """The body."""
        return {"error": {"message": self.message, "type": kind(self.status), "param": self.param, "code": self.code}}

    def response(self) -> Response:
        """The whole answer. ASCII, for half a character that somebody sent can be said back in no other way."""
        headers = {} if self.retry is None else {"Retry-After": str(self.retry)}
        return Response(json.dumps(self.told()), self.status, headers, "application/json")


def busy(message: str, code: str, *, status: int = 503) -> Refused:
    """Nothing is wrong with the request: it may come again."""
    return Refused(status, message, code=code, retry=RETRY_SECONDS)


def of_problem(error: Problem | Problems) -> Refused:
    """What the library refuses is wrong with the request: of several things the first, and how many more."""
    first, *rest = error.problems if isinstance(error, Problems) else (error,)
    more = f" (and {len(rest)} more)" if rest else ""
    return Refused(400, ": ".join(filter(None, [first.what, first.remedy])) + more, code=first.kind)


def of_failure(error: BaseException) -> Refused:
    """A fault of ours, without its details; spent memory is told as such."""
    if is_spent(error):
        return busy("the memory of the machine is spent; try again, or ask for less at once", "memory.spent")
    return Refused(500, f"the server has a bug: {type(error).__name__}", code="bug")


def installed(app: FastAPI) -> None:
    """Let every refusal of this app have this shape."""

    async def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, Refused)
        return error.response()

    async def problem(request: Request, error: Exception) -> Response:
        assert isinstance(error, Problem | Problems)
        return of_problem(error).response()

    async def invalid(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        return of_validation(error.errors(), _fields(request)).response()

    async def routed(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        said = Refused(error.status_code, _routed(request, error), code={404: "not_found"}.get(error.status_code))
        response = said.response()
        response.headers.update(error.headers or {})
        return response

    async def failed(request: Request, error: Exception) -> Response:
        raise error  # the guard's: a number for whoever asked, the rest into the log

    app.add_exception_handler(Refused, refused)
    app.add_exception_handler(Problem, problem)
    app.add_exception_handler(Problems, problem)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, routed)
    app.add_exception_handler(Exception, failed)


def of_validation(errors: Sequence[Any], known: Sequence[str]) -> Refused:
    """All that is wrong with a body, each by its field; an unknown field with the nearest one that there is."""
    told = [_wrong(error, known) for error in errors]
    return Refused(400, "; ".join(dict.fromkeys(message for _, message in told)), param=told[0][0] if told else None,
                   code="invalid_body")


def _wrong(error: Mapping[str, Any], known: Sequence[str]) -> tuple[str | None, str]:
    path = ".".join(str(part)[:SHOWN] for part in error["loc"][1:] if not WAY.match(str(part)))
    kind, message = error["type"], str(error["msg"])[:SHOWN]
    if kind == "json_invalid":
        return None, f"the body is no JSON: {error.get('ctx', {}).get('error', message)}"
    if kind == "extra_forbidden":
        near = nearest(path, known) if "." not in path else None
        return path, f"`{path}` is no field here" + (f"; use `{near}`" if near else "")
    if kind == "model_attributes_type" and not path:  # curl's own Content-Type is that of a form
        return None, "the body must be a JSON object, sent with the header `Content-Type: application/json`"
    if kind == "missing":
        return path or None, f"`{path}` is missing" if path else "the request has no body"
    return path or None, f"`{path}`: {message}" if path else message


def _fields(request: Request) -> list[str]:
    """The names of the fields that the route's body has."""
    route = request.scope.get("route")
    field = getattr(route, "body_field", None)  # Starlette's own routes have none
    model = field.field_info.annotation if field is not None else None
    return list(model.model_fields) if isinstance(model, type) and issubclass(model, BaseModel) else []


def _routed(request: Request, error: HTTPException) -> str:
    if error.status_code == 404:
        return f"there is nothing at `{request.url.path[:SHOWN]}`; `/openapi.json` has every route"
    if error.status_code == 405:
        return f"`{request.method}` is not answered at `{request.url.path[:SHOWN]}`"
    return str(error.detail)
