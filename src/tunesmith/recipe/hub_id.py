"""Names of repositories on the Hugging Face Hub, as recipes write them.

owner/name                      the whole of it: a base, or the training split of a data set
owner/name@v1.0                 at a branch, a tag or a commit
owner/rows:test                 a split; `owner/rows:main/test` is one of the configuration `main`
owner/rows:data/*.jsonl         files of a data set; `owner/model:tiny.Q4_1.gguf` is a file of a base
hf://datasets/owner/rows@…/…    a file of a data set, as messages and fsspec name it
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

URL = "hf://datasets/"
_NAME = r"[A-Za-z0-9](?:[\w.-]{0,94}\w)?"
_REVISION = r"[\w][\w./+-]{0,199}"
_ID = re.compile(rf"(?P<repo>{_NAME}/{_NAME})(?:@(?P<revision>{_REVISION}))?(?::(?P<part>[^:]+))?")
_ADDRESS = re.compile(rf"(?P<repo>{_NAME}/{_NAME})(?:@(?P<revision>[\w][\w.+-]{{0,199}}))?/(?P<part>.+)")
FILES = (".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".parquet", ".xlsx", ".xlsm", ".txt", ".md", ".gz", ".gguf",
         ".safetensors", ".bin", ".pt", ".yaml", ".yml")
COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True, slots=True)
class HubId:
    """A repository, the revision that is asked for ("": its main branch), and which part of it ("": by itself)."""

    repo: str
    revision: str = ""
    part: str = ""

    @property
    def pinned(self) -> bool:
        """Whether the revision is a commit, which never changes."""
        return bool(COMMIT.fullmatch(self.revision))

    def at(self, revision: str) -> HubId:
        """The same part at another revision."""
        return replace(self, revision=revision)

    def __str__(self) -> str:
        revision = f"@{self.revision}" if self.revision else ""
        return f"{self.repo}{revision}" + (f":{self.part}" if self.part else "")


def parse(written: str) -> HubId | None:
    """The id that a name may be; None where it can only be a path. Whoever asks has looked for a path before."""
    address = written.startswith(URL)
    found = _ADDRESS.fullmatch(written.removeprefix(URL)) if address else _ID.fullmatch(written)
    if found is None or ".." in (found["revision"] or "") or ".." in (found["part"] or "").split("/"):
        return None
    if not found["part"] and not found["revision"] and found["repo"].lower().endswith(FILES):
        return None  # a file that is missing here
    return HubId(found["repo"], found["revision"] or "", found["part"] or "")
