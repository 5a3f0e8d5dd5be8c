"""No token or key reaches a file of a run. The keys here are made up."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from tunesmith.runs import lineage, records
from tunesmith.runs.records import Journal
from tunesmith.runs.redact import redacted

LETTERS = "aB3dE5gH7jK9mN1pQ2rS4tU6vW8xY0zC"
PLANTED = (
    "hf_" + LETTERS,
    "sk-" + LETTERS,
    "sk-proj-" + LETTERS,
    "ghp_" + LETTERS,
    "github_pat_" + LETTERS,
    "glpat-" + LETTERS,
    "xoxb-" + "1234567890-" + LETTERS,
    "pypi-" + LETTERS * 2,
    "AKIA" + "ABCDEFGH12345678",
    "AIza" + LETTERS + "abc",
    "eyJ" + LETTERS + "." + "eyJ" + LETTERS + "." + LETTERS,
    "-----BEGIN RSA PRIVATE KEY-----\n" + LETTERS + "\n-----END RSA PRIVATE KEY-----",
)
SURROUNDED = (
    ("Authorization: Bearer " + LETTERS, LETTERS),
    ("https://user:hunter2secret@example.org/x", "hunter2secret"),
    ("api_key=" + LETTERS, LETTERS),
    ("password: '" + LETTERS + "'", LETTERS),
)


@pytest.mark.parametrize("secret", PLANTED, ids=lambda secret: secret[:12])
def test_a_planted_key_is_blotted_out_wherever_it_stands(secret: str) -> None:
    shown = str(redacted({"a": [f"see {secret}, then", {"b": secret}], "c": (secret,)}))
    assert secret not in shown
    assert LETTERS not in shown
    assert shown.count("[secret]") == 3
    assert "see [secret], then" in shown


@pytest.mark.parametrize(("text", "secret"), SURROUNDED, ids=["bearer", "url", "assignment", "password"])
def test_what_stands_around_a_secret_stays(text: str, secret: str) -> None:
    assert redacted(text) == text.replace(secret, "[secret]")


def test_the_values_of_secret_variables_are_blotted_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_SERVICE_TOKEN", "an odd value that no pattern knows")
    monkeypatch.setenv("DB_PASSWORD", "short")
    assert redacted("x an odd value that no pattern knows x short") == "x [secret] x short"


@pytest.mark.parametrize("honest", [
    hashlib.sha256(b"x").hexdigest(), "runs/2026-11-21-orders-3f2a", "risk-free and task-oriented words",
    "https://example.org:8080/a@b", "the token count is 512", "password: short", 0.25, None, True, 12,
])
def test_honest_values_stay_as_they_are(honest: object) -> None:
    assert redacted(honest) == honest


@pytest.mark.parametrize("secret", PLANTED, ids=lambda secret: secret[:12])
def test_no_key_reaches_records_or_lineage(tmp_path: Path, secret: str) -> None:
    with Journal(tmp_path / "records.jsonl") as journal:
        journal.append({"kind": "note", "text": f"read {secret}"})
    lineage.write(tmp_path / "lineage.json", {"chosen": {"base": f"path/{secret}"}})
    for path in tmp_path.iterdir():
        assert secret.splitlines()[-1] not in path.read_text()
        assert LETTERS not in path.read_text()
    assert list(records.read(tmp_path / "records.jsonl")) == [{"kind": "note", "text": "read [secret]"}]
