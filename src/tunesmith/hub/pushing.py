"""Files put into a repository of the Hub, in one commit, by its own library.

Contents go before the commit, one after another, the smallest first: whatever stops it, a second try sends only what
the Hub does not have yet, and a repository never holds half a model.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import Failure, Misuse, Problem
from . import faults
from .library import endpoint, offline, online

VARIABLES = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")
AGAIN = "do the same again: what the Hub has by now is not sent again"


@dataclass(frozen=True)
class Pushed:
    """A commit that stands. url: its page."""

    url: str
    commit: str


def token() -> str:
    """The token of the environment. Raises Misuse where there is none, or where nothing may be sent."""
    if offline():
        raise Misuse("hub.offline", "the environment says that nothing is asked of the Hub", "HF_HUB_OFFLINE",
                     "unset `HF_HUB_OFFLINE`")
    for name in VARIABLES:
        if found := os.environ.get(name, "").strip():
            return found
    raise Misuse("hub.no_token", "putting files on the Hub needs a token", "HF_TOKEN",
                 "make one that may write at https://huggingface.co/settings/tokens, and put it into `HF_TOKEN`")


def push(folder: Path, names: Sequence[str], repo: str, *, message: str, private: bool) -> Pushed:
    """The named files of a folder in one commit of a model's repository, which is made where there is none.

    private: whether a repository that is made now can be seen by its owner alone. Raises Misuse where the Hub refuses,
    Failure where it stops; the next call goes on.
    """
    import httpx2

    key = token()
    with online(repo) as hub:
        api = hub.HfApi(endpoint=endpoint(), token=key)
        try:
            api.create_repo(repo, private=private, exist_ok=True)
            files = [hub.CommitOperationAdd(name, folder / name) for name in names]
            for file in sorted(files, key=lambda each: each.upload_info.size):
                api.preupload_lfs_files(repo, [file], free_memory=False)
            done = api.create_commit(repo, files, commit_message=message)
        except hub.errors.HfHubHTTPError as error:
            raise _refused(error, repo) from error
        except (httpx2.TransportError, RuntimeError, OSError) as error:  # its threads wrap what stopped them
            cause: Any = error.__cause__
            if isinstance(cause, hub.errors.HfHubHTTPError):
                raise _refused(cause, repo) from error
            raise Failure("hub.stopped", f"the Hub did not take it to the end: {faults.short(cause or error)}", repo,
                          AGAIN) from error
    return Pushed(f"{endpoint()}/{repo}", str(done.oid))


def _refused(error: Any, repo: str) -> Problem:
    """The problem that an answer of the Hub tells to somebody who wanted to write."""
    status = error.response.status_code
    if status in (401, 403):
        return Misuse("hub.may_not_write", f"the token may not write to `{repo}`", repo,
                      "use a token with the right to write, of an account that `" + repo.partition("/")[0] + "` is")
    if status >= 500:
        return Failure("hub.stopped", f"the Hub answered {status}", repo, AGAIN)
    return faults.answered(error, repo, "model", "main", repo)
