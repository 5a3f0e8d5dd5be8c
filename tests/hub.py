"""A Hub on 127.0.0.1 that speaks enough of the Hub's protocol: listings, contents, redirects, ranges, refusals.

Tests say `from hub import Hub, allowed`, mark themselves with `allowed`, and put repositories into it:

    with Hub() as hub:
        hub.put("model", "owner/tiny", {"config.json": b"…"})
        hub.environment(monkeypatch, tmp_path)

What was asked is in `hub.asked`. Large contents are redirected to a second address (`/cdn/`, on another port), as the
Hub does to its storage, so a test sees whether a token is sent there. Sources: huggingface_hub 2.4 (`hf_api.py`,
`file_download.py`, `utils/_http.py`) and the Hub's documentation of its HTTP API.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

allowed = pytest.mark.allow_hosts(["127.0.0.1"])
LARGE = 2000  # bytes from which a content is kept apart, with the SHA-256 as its digest
TOKEN = "hf_" + "secretsecretsecret" * 2


def folder_of(path: Path) -> dict[str, bytes]:
    """The files below a folder, as `Hub.put` takes them."""
    return {str(file.relative_to(path)): file.read_bytes() for file in sorted(path.rglob("*")) if file.is_file()}


@dataclass
class Repo:
    """Commits by their SHA, revisions by their name. private, gated: only for those who send `TOKEN`."""

    kind: str
    name: str
    commits: dict[str, Mapping[str, bytes]] = field(default_factory=dict)
    revisions: dict[str, str] = field(default_factory=dict)
    private: bool = False
    gated: bool = False


@dataclass(frozen=True)
class Asked:
    """A request that came."""

    method: str
    path: str
    token: str
    range: str
    apart: bool


class Hub:
    """The server; `cut` bytes of contents are sent whole before the connection breaks off, `cuts` times."""

    def __init__(self) -> None:
        self.repos: dict[tuple[str, str], Repo] = {}
        self.asked: list[Asked] = []
        self.cut, self.cuts = 0, 0
        self.down = False
        self.damaged = False
        self.ranges = True
        self._main, self._storage = (self._serve(apart) for apart in (False, True))

    def __enter__(self) -> Hub:
        return self

    def __exit__(self, *error: object) -> None:
        for server in (self._main, self._storage):
            server.shutdown()
            server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._main.server_port}"

    def put(self, kind: str, name: str, files: Mapping[str, bytes], *, revision: str = "main", **facts: Any) -> str:
        """A new commit of a repository, which a revision then names; returns the commit's SHA."""
        repo = self.repos.setdefault((kind, name), Repo(kind, name))
        for fact, value in facts.items():
            setattr(repo, fact, value)
        commit = hashlib.sha1(json.dumps([kind, name, len(repo.commits), sorted(files)]).encode()).hexdigest()
        repo.commits[commit] = dict(files)
        repo.revisions[revision] = commit
        return commit

    def environment(self, monkeypatch: pytest.MonkeyPatch, folder: Path, *, token: str = "") -> None:
        """Caches of one's own, this server as the Hub, and a token or none."""
        for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_TOKEN",
                     "HUGGING_FACE_HUB_TOKEN", "HF_TOKEN_PATH"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("HF_ENDPOINT", self.url)
        monkeypatch.setenv("HF_HOME", str(folder / "hf"))
        monkeypatch.setenv("TUNESMITH_CACHE", str(folder / "cache"))
        monkeypatch.setattr("huggingface_hub.file_download.time.sleep", lambda seconds: None)
        monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 1000)  # 10 MB: what a cut costs at most
        if token:
            monkeypatch.setenv("HF_TOKEN", token)

    def contents(self) -> list[str]:
        """The paths of the contents that were asked for, in order."""
        return [one.path.partition("/resolve/")[2].partition("/")[2] for one in self.asked if "/resolve/" in one.path]

    def _serve(self, apart: bool) -> ThreadingHTTPServer:
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                with contextlib.suppress(ConnectionError):  # whoever asked is gone
                    _answer(hub, self, apart)

            do_HEAD = do_GET

            def log_message(self, *words: object) -> None:
                """Nobody reads it."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        return server


def digest_of(content: bytes) -> str:
    """The digest under which the Hub keeps a content."""
    if len(content) >= LARGE:
        return hashlib.sha256(content).hexdigest()
    return hashlib.sha1(f"blob {len(content)}\0".encode() + content).hexdigest()


def _answer(hub: Hub, to: BaseHTTPRequestHandler, apart: bool) -> None:
    path, headers = unquote(urlsplit(to.path).path), to.headers
    token = headers.get("Authorization", "").removeprefix("Bearer ")
    hub.asked.append(Asked(to.command, path, token, headers.get("Range", ""), apart))
    if hub.down:
        return _send(to, 503, b"down")
    if apart:
        wanted = path.removeprefix("/cdn/")
        every = (content for repo in hub.repos.values() for files in repo.commits.values()
                 for content in files.values())
        return _content(hub, to, next(content for content in every if digest_of(content) == wanted))
    kind, name, rest = _parts(path)
    repo = hub.repos.get((kind, name))
    if token and token != TOKEN:
        return _refuse(to, 401, "", "Invalid credentials in Authorization header")
    if repo is None or (repo.private and not token):
        return _refuse(to, 404 if token else 401, "RepoNotFound", "Repository not found")
    revision = rest[1] if len(rest) > 1 else "main"
    commit = repo.revisions.get(revision, revision)
    if commit not in repo.commits:
        return _refuse(to, 404, "RevisionNotFound", f"Invalid rev id: {revision}")
    files = repo.commits[commit]
    if path.startswith("/api/"):
        return _send(to, 200, json.dumps(_listing(repo, commit)).encode(), {"Content-Type": "application/json"})
    if repo.gated and not token:
        return _refuse(to, 401, "GatedRepo", "Access to this repository is restricted")
    file = "/".join(rest[2:])
    if file not in files:
        return _refuse(to, 404, "EntryNotFound", "Entry not found")
    digest, content = digest_of(files[file]), files[file]
    facts = {"X-Repo-Commit": commit, "ETag": f'"{digest}"', "Accept-Ranges": "bytes"}
    if len(content) >= LARGE:
        facts |= {"X-Linked-ETag": f'"{digest}"', "X-Linked-Size": str(len(content)),
                  "Location": f"http://127.0.0.1:{hub._storage.server_port}/cdn/{digest}"}
        return _send(to, 302, b"", facts)
    return _content(hub, to, content, facts)


def _parts(path: str) -> tuple[str, str, list[str]]:
    """Kind, name, and what follows: `["resolve", revision, file…]`, with a revision of several parts joined."""
    words = path.strip("/").split("/")
    words = words[1:] if words[0] == "api" else words
    kind = {"datasets": "dataset", "models": "model"}.get(words[0], "")
    words = words[1:] if kind else words
    name, rest = "/".join(words[:2]), words[2:]
    if rest[1:3] == ["refs", "convert"] or rest[1:3] == ["refs", "pr"]:
        rest = [rest[0], "/".join(rest[1:4]), *rest[4:]]
    return kind or "model", name, rest


def _listing(repo: Repo, commit: str) -> dict[str, Any]:
    siblings: list[dict[str, Any]] = []
    for name, content in repo.commits[commit].items():
        digest = digest_of(content)
        file: dict[str, Any] = {"rfilename": name, "size": len(content), "blobId": digest[:40]}
        if len(content) >= LARGE:
            file["lfs"] = {"sha256": digest, "size": len(content), "pointerSize": 130}
        siblings.append(file)
    return {"id": repo.name, "sha": commit, "siblings": siblings, "private": repo.private, "gated": repo.gated,
            "disabled": False, "downloads": 0, "likes": 0, "tags": []}


def _content(hub: Hub, to: BaseHTTPRequestHandler, content: bytes, facts: Mapping[str, str] | None = None) -> None:
    """A content, or the rest of it from where a range says; cut off or damaged where the test wants that."""
    begin = int(to.headers.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")[0]) if hub.ranges else 0
    sent = {**(facts or {}), "Accept-Ranges": "bytes"}
    if begin:
        sent["Content-Range"] = f"bytes {begin}-{len(content) - 1}/{len(content)}"
    if hub.damaged:
        content = bytes(len(content))
    _send(to, 206 if begin else 200, content[begin:], sent, hub=hub)


def _refuse(to: BaseHTTPRequestHandler, status: int, code: str, message: str) -> None:
    _send(to, status, json.dumps({"error": message}).encode(), {"X-Error-Code": code, "X-Error-Message": message})


def _send(
    to: BaseHTTPRequestHandler, status: int, body: bytes, headers: Mapping[str, str] | None = None, *,
    hub: Hub | None = None,
) -> None:
    to.send_response(status)
    for name, value in (headers or {}).items():
        to.send_header(name, value)
    to.send_header("Content-Length", str(len(body)))
    to.end_headers()
    if to.command == "HEAD":
        return
    if hub and hub.cuts and hub.cut < len(body):
        hub.cuts -= 1
        to.wfile.write(body[:hub.cut])
        to.close_connection = True
        return
    to.wfile.write(body)
