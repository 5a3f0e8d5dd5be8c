"""A Hub on 127.0.0.1 that takes files: repositories made, contents by their digest, commits.

Tests say `from hub_uploads import Uploads`. `hub.dies_after` contents it answers 500, as a Hub that goes down in the
middle. Sources: huggingface_hub 2.4 (`hf_api.py`, `_commit_api.py`, `lfs.py`); git-lfs `docs/api/batch.md`.
"""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from hub import TOKEN

LARGE = 2000


class Uploads:
    """repos: files by repository; private: what each was made as; put: the digests that came, in order."""

    def __init__(self) -> None:
        self.repos: dict[str, dict[str, bytes]] = {}
        self.private: dict[str, bool] = {}
        self.blobs: dict[str, bytes] = {}
        self.put: list[str] = []
        self.messages: list[str] = []
        self.dies_after = 1 << 30
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                _answer(hub, self)

            do_PUT = do_POST

            def log_message(self, *words: object) -> None:
                """Nobody reads it."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Uploads:
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def _answer(hub: Uploads, to: BaseHTTPRequestHandler) -> None:
    body, path = to.rfile.read(int(to.headers.get("Content-Length", 0))), to.path.partition("?")[0]
    if to.headers.get("Transfer-Encoding") == "chunked":
        body = _chunks(to)
    if path.startswith("/content/"):
        if len(hub.put) >= hub.dies_after:
            return _send(to, 500, {"error": "down"})
        digest = path.rsplit("/", 1)[1]
        assert hashlib.sha256(body).hexdigest() == digest
        hub.blobs[digest] = body
        hub.put.append(digest)
        return _send(to, 200, {})
    if to.headers.get("Authorization") != f"Bearer {TOKEN}":
        return _send(to, 401, {"error": "Invalid credentials in Authorization header"})
    if path == "/api/validate-yaml":
        return _send(to, 200, {"errors": [], "warnings": []})
    asked = json.loads(body) if "/commit/" not in path else {}
    if path == "/api/repos/create":
        name = f"{asked['organization']}/{asked['name']}"
        if name in hub.repos:
            return _send(to, 409, {"error": "You already created this model repo", "url": f"{hub.url}/{name}"})
        hub.repos[name], hub.private[name] = {}, asked.get("visibility") == "private" or bool(asked.get("private"))
        return _send(to, 200, {"url": f"{hub.url}/{name}", "name": name})
    if "/preupload/" in path:
        return _send(to, 200, {"files": [
            {"path": each["path"], "uploadMode": "lfs" if each["size"] >= LARGE else "regular", "shouldIgnore": False}
            for each in asked["files"]]})
    if path.endswith("/info/lfs/objects/batch"):
        return _send(to, 200, {"transfer": "basic", "objects": [_instruction(hub, each) for each in asked["objects"]]})
    name = path.removeprefix("/api/models/").partition("/commit/")[0]
    for line in map(json.loads, body.splitlines()):
        if line["key"] == "header":
            hub.messages.append(line["value"]["summary"])
        elif line["key"] == "file":
            hub.repos[name][line["value"]["path"]] = base64.b64decode(line["value"]["content"])
        elif line["key"] == "lfsFile":
            hub.repos[name][line["value"]["path"]] = hub.blobs[line["value"]["oid"]]
    _send(to, 200, {"success": True, "commitOid": "c" * 40, "commitUrl": f"{hub.url}/{name}/commit/{'c' * 40}"})
    return None


def _instruction(hub: Uploads, asked: dict[str, Any]) -> dict[str, Any]:
    """Where a content goes; nothing where it is here already."""
    if asked["oid"] in hub.blobs:
        return asked
    return {**asked, "actions": {"upload": {"href": f"{hub.url}/content/{asked['oid']}"}}}


def _chunks(to: BaseHTTPRequestHandler) -> bytes:
    body = b""
    while size := int(to.rfile.readline(), 16):
        body += to.rfile.read(size)
        to.rfile.readline()
    to.rfile.readline()
    return body


def _send(to: BaseHTTPRequestHandler, status: int, found: dict[str, Any]) -> None:
    body = json.dumps(found).encode()
    to.send_response(status)
    to.send_header("Content-Type", "application/json")
    to.send_header("Content-Length", str(len(body)))
    to.end_headers()
    to.wfile.write(body)
