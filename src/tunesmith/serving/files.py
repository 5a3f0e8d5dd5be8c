"""`/v1/files`: rows are sent before a job can be asked for, and a job's results are fetched."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect
from starlette.responses import Response, StreamingResponse

from ..errors import Busy, Failure, Problem, Problems
from ..jobs import files
from ..jobs.entries import File
from ..jobs.store import Store
from .multipart import Begun, Form
from .refusals import RESPONSES, Refused

FILE_BYTES = 512 << 20
FIELD_BYTES = 1024
NAME_CHARACTERS = 255
MOST = 10_000
STATUSES = {"jobs.file_too_large": 413, "jobs.too_many": 429, "runs.no_space": 507}
RETRY_SECONDS = 30


def router(store: Store) -> APIRouter:
    """The routes over a store's files."""
    routes = APIRouter(tags=["files"], responses=RESPONSES)

    @routes.post("/v1/files")
    async def upload(request: Request) -> dict[str, Any]:
        """Send a file: a form of `purpose` and `file`."""
        with told("file"):
            return _shown(await _uploaded(store, request))

    @routes.get("/v1/files")
    def listing(
        request: Request, after: str | None = None, limit: Annotated[int, Query(ge=1, le=MOST)] = MOST,
        order: Literal["asc", "desc"] = "desc", purpose: str | None = None,
    ) -> dict[str, Any]:
        """The files that there are."""
        known_only(request, ("after", "limit", "order", "purpose"))
        with told("after"):
            found = store.files(purpose=purpose, after=after, limit=limit + 1, newest=order == "desc")
        return page([_shown(file) for file in found], limit)

    @routes.get("/v1/files/{file_id}")
    def retrieve(file_id: str) -> dict[str, Any]:
        """What is known of a file."""
        with told("file_id", 404):
            return _shown(files.named(store, file_id))

    @routes.get("/v1/files/{file_id}/content", response_model=None)
    def content(file_id: str) -> Response:
        """The file as it was sent."""
        with told("file_id", 404):
            file = files.named(store, file_id)
            opened = files.opened(store, file)
        return StreamingResponse(files.pieces(opened), media_type="application/octet-stream",
                                 headers={"Content-Length": str(file.bytes)})

    @routes.delete("/v1/files/{file_id}")
    def delete(file_id: str) -> dict[str, Any]:
        """Remove a file. Jobs that were asked for with it keep its rows."""
        with told("file_id", 404):
            files.remove(store, file_id)
        return {"id": file_id, "object": "file", "deleted": True}

    return routes


@contextmanager
def told(param: str, status: int = 400) -> Iterator[None]:
    """What the jobs refuse, as OpenAI's clients read it; nothing tells where things lie on the server's disk."""
    try:
        yield
    except KeyError as error:
        raise Refused(status, f"there is no `{str(error.args[0])[:80]}`", param=param, code="not_found") from error
    except (Problem, Problems) as error:
        first, *rest = error.problems if isinstance(error, Problems) else (error,)
        if isinstance(first, Failure):
            raise Refused(STATUSES.get(first.kind, 503), first.what, code=first.kind, retry=RETRY_SECONDS) from error
        message = "; ".join(f"{one.what}: {one.remedy}" for one in (first, *rest))
        raise Refused(STATUSES.get(first.kind, status), message, param=first.where or None, code=first.kind,
                      retry=RETRY_SECONDS if isinstance(first, Busy) else None) from error


def page(data: list[dict[str, Any]], limit: int) -> dict[str, Any]:
    """A page of a list, of which one more was asked for than is shown."""
    shown = data[:limit]
    return {"object": "list", "data": shown, "has_more": len(data) > limit,
            "first_id": shown[0]["id"] if shown else None, "last_id": shown[-1]["id"] if shown else None}


def known_only(request: Request, known: tuple[str, ...]) -> None:
    """Raise Refused for a parameter of the address that nobody reads."""
    for name in request.query_params:
        if name not in known:
            raise Refused(400, f"`{name[:80]}` is no parameter here; there are: {', '.join(known)}",
                          param=name[:80], code="invalid_query")


def _shown(file: File) -> dict[str, Any]:
    return {"id": file.id, "object": "file", "bytes": file.bytes, "created_at": file.created_at,
            "filename": file.filename, "purpose": file.purpose, "status": "processed"}


async def _uploaded(store: Store, request: Request) -> File:
    """The file of a form, written to the disk as it comes."""
    form, fields, filename, inside = Form(request.headers.get("content-type", "")), dict[str, bytes](), None, ""
    with files.receiving(store.place, FILE_BYTES) as received:
        async for event in _events(form, request):
            if isinstance(event, Begun):
                inside = event.name
                if inside in fields or (inside == "file" and filename is not None):
                    raise Refused(400, f"`{inside}` stands there twice", param=inside, code="invalid_form")
                if inside == "file":
                    filename = event.filename or "upload.jsonl"
                elif inside == "purpose":
                    fields[inside] = b""
                else:
                    raise Refused(400, f"`{inside[:80]}` is no field here; there are: file, purpose",
                                  param=inside[:80], code="invalid_form")
            elif inside == "file":
                received.write(event.bytes)
            else:
                fields[inside] += event.bytes
                if len(fields[inside]) > FIELD_BYTES:
                    raise Refused(400, f"`{inside}` is too long", param=inside, code="invalid_form")
        purpose = fields.get("purpose", b"").decode("utf-8", "replace")
        if purpose != files.FINE_TUNE:
            raise Refused(400, f"`purpose` has to be `{files.FINE_TUNE}`, and is "
                          f"{f'`{purpose[:80]}`' if purpose else 'missing'}", param="purpose", code="invalid_purpose")
        if filename is None:
            raise Refused(400, "`file` is missing", param="file", code="invalid_form")
        if len(filename) > NAME_CHARACTERS:
            raise Refused(400, f"the file's name is longer than {NAME_CHARACTERS} characters", param="file",
                          code="invalid_form")
        if not received.size:
            raise Refused(400, "the file is empty", param="file", code="invalid_file")
        return await run_in_threadpool(files.keep, store, received, filename, files.FINE_TUNE)


async def _events(form: Form, request: Request) -> Any:
    try:
        async for piece in request.stream():
            for event in form.feed(piece):
                yield event
    except ClientDisconnect as error:
        raise Refused(400, "the client hung up", code="disconnected") from error
    form.close()
