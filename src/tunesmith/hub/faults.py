"""What the Hub's refusals mean for the person who asked, and what to do about each. No token is ever in them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..errors import Failure, Misuse, Problem
from ..recipe.hub_id import HubId
from .library import endpoint, token

LOGIN = "`hf auth login`, or put a token into `HF_TOKEN`"
MOST = 8


def answered(error: Any, name: str, kind: str, revision: str, where: str) -> Problem:
    """The problem that an answer of the Hub tells."""
    code, status = error.response.headers.get("X-Error-Code", ""), error.response.status_code
    page = f"{endpoint()}/{'datasets/' if kind == 'dataset' else ''}{name}"
    what = "data set" if kind == "dataset" else "model"
    if code == "GatedRepo":
        return Misuse("hub.gated", f"`{name}` is gated: its owners want to be asked first", where,
                      f"ask at {page}; once they agreed, " + ("use a token of that account" if token() else LOGIN))
    if code == "RevisionNotFound":
        return Misuse("hub.no_revision", f"`{name}` has no revision `{revision}`", where,
                      f"name a branch, a tag or a commit of {page}")
    if code == "DisabledRepo":
        return Misuse("hub.disabled", f"`{name}` was disabled on the Hub", where, f"use another {what}")
    if "Invalid credentials" in error.response.headers.get("X-Error-Message", ""):
        return Misuse("hub.token", "the Hub does not know the token", where, f"make a new one, then {LOGIN}")
    if code == "RepoNotFound" or status in (401, 404):
        private = "" if token() else f"; if it is private, {LOGIN}"
        return Misuse("hub.unknown", f"`{name}` is neither a path here nor a {what} that you may read on the Hub",
                      where, f"correct the name{private}")
    if status == 403:
        return Misuse("hub.forbidden", f"you may not read `{name}`", where, f"ask its owners at {page}, then {LOGIN}")
    return Failure("hub.unavailable", f"the Hub answered {status} for `{name}`", where, "try again in a few minutes")


def not_cached(asked: HubId, kind: str, reason: str, cache: Path, where: str) -> Misuse:
    """The problem of a name that is no path here, not in the cache, and that nobody can be asked about."""
    commits = sorted(path.name for path in (cache / _folder(asked.repo, kind) / "snapshots").glob("*"))
    if commits:
        held = f"it holds `{asked.repo}` at {', '.join(f'`{asked.repo}@{commit}`' for commit in commits[:MOST])}"
    else:
        names = sorted(path.name.removeprefix(f"{kind}s--").replace("--", "/") for path in cache.glob(f"{kind}s--*"))
        more = f" and {len(names) - MOST} more" if len(names) > MOST else ""
        held = f"it holds {', '.join(f'`{name}`' for name in names[:MOST])}{more}" if names else f"it holds no {kind}"
    return Misuse("hub.not_cached", f"`{asked}` is neither a path here nor in the cache {cache}, and {reason}", where,
                  f"correct the path; or fetch it where there is a network: `{command(asked, kind)}`; {held}")


def command(asked: HubId, kind: str) -> str:
    """The command that fetches a repository into the cache."""
    data = " --repo-type dataset" if kind == "dataset" else ""
    return f"hf download {asked.repo}{data}" + (f" --revision {asked.revision}" if asked.revision else "")


def short(error: Exception) -> str:
    """The first line of an error's own words."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]


def _folder(name: str, kind: str) -> str:
    return f"{kind}s--{name.replace('/', '--')}"
