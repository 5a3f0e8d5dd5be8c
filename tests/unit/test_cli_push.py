"""A run's export on the Hub: what is told first, what goes, what is refused, and what a second try sends again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hub import TOKEN, allowed
from hub_uploads import LARGE, Uploads
from runs_of import run_on
from tiny import tiny_base
from tunesmith import cli
from tunesmith.workflow.exporting.export import export

pytestmark = allowed
REPO = "anna/hats"


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("hats")
    run = run_on(tiny_base(folder / "base"), folder)
    export(run, "merged", options=["shard=30KB"], prompts=2)
    return run


@pytest.fixture
def run(made, tmp_path) -> Path:
    """The run, in a folder of its own."""
    import shutil

    return Path(shutil.copytree(made, tmp_path / made.name))


@pytest.fixture
def hub(monkeypatch, tmp_path):
    with Uploads() as found:
        for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("HF_ENDPOINT", found.url)
        monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda seconds: None)
        yield found


def files(run: Path) -> dict[str, bytes]:
    place = run / "exports" / "merged"
    return {path.name: path.read_bytes() for path in place.iterdir()}


def test_without_yes_every_file_and_its_bytes_are_told_and_nothing_is_sent(run, hub, capsys):
    assert cli.main(["push", str(run), REPO, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["files"] == {name: len(content) for name, content in files(run).items()}
    assert told["bytes"] == sum(told["files"].values()) and told["private"] is True and told["sent"] is False
    assert not hub.repos and not hub.put
    assert cli.main(["push", str(run), REPO, "--dry-run"]) == 0
    assert "nothing was sent" in capsys.readouterr().out and not hub.repos


def test_what_was_told_goes_in_one_commit_into_a_private_repository_with_its_card(run, hub, capsys):
    assert cli.main(["push", str(run), REPO, "--yes", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["sent"] and told["url"] == f"{hub.url}/{REPO}" and told["commit"] == "c" * 40
    assert hub.repos[REPO] == files(run) and hub.private[REPO] is True
    card = hub.repos[REPO]["README.md"].decode()
    assert "## Verdict" in card and "95% interval" in card and "## Limits" in card and "## How to use it" in card
    assert len(hub.messages) == 1 and run.name in hub.messages[0]


def test_a_repository_is_public_only_where_that_is_said(run, hub):
    assert cli.main(["push", str(run), REPO, "--yes", "--public"]) == 0
    assert hub.private[REPO] is False


def test_what_the_hub_has_is_not_sent_again_after_it_went_down(run, hub, capsys):
    large = [name for name, content in files(run).items() if len(content) >= LARGE]
    assert len(large) > 4
    hub.dies_after = 3
    assert cli.main(["push", str(run), REPO, "--yes"]) == 1
    assert "what the Hub has by now is not sent again" in capsys.readouterr().err
    assert hub.repos[REPO] == {}  # no half a model
    hub.dies_after = 1 << 30
    assert cli.main(["push", str(run), REPO, "--yes"]) == 0
    assert len(hub.put) == len(set(hub.put)) == len(large) and hub.repos[REPO] == files(run)


@pytest.mark.parametrize("file", ["chat_template.jinja", "README.md", "tokenizer_config.json", "weights"])
def test_a_secret_in_what_would_go_is_refused_by_file_and_line(made, tmp_path, hub, capsys, monkeypatch, file):
    run, secret = tmp_path / made.name, "hf_" + "planted" * 5
    import hashlib
    import shutil

    shutil.copytree(made, run)
    place = run / "exports" / "merged"
    path = next(place.glob("*.safetensors")) if file == "weights" else place / file
    path.write_bytes(path.read_bytes() + b"\n" + secret.encode() + b"\n")
    report = json.loads((place / "parity.json").read_text())  # as if it had been there when it was proved
    report["files"][path.name] = {"bytes": path.stat().st_size, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
    (place / "parity.json").write_text(json.dumps(report))
    assert cli.main(["push", str(run), REPO, "--yes", "--json"]) == 3
    told = capsys.readouterr()
    assert f"`{path.name}` holds what looks like a token" in told.err + told.out
    assert secret not in told.err + told.out and not hub.repos


def test_files_that_were_not_proved_do_not_go(run, hub, capsys):
    place = run / "exports" / "merged"
    (place / "notes.txt").write_text("mine")
    (place / "config.json").write_text("{}")
    (place / "generation_config.json").unlink()
    assert cli.main(["push", str(run), REPO, "--yes"]) == 3
    told = capsys.readouterr().err
    assert "`notes.txt` is none of the files" in told and "`config.json` was changed" in told
    assert "`generation_config.json` was proved and is no file" in told and not hub.repos


def test_an_export_that_was_not_made_is_told_with_the_command(run, hub, capsys):
    assert cli.main(["push", str(run), REPO, "--what", "gguf"]) == 2
    assert f"`tunesmith export {run} gguf` first" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["hats", "anna/hats@v1", "anna/hats:file", "a/b/c", "../x"])
def test_a_name_that_is_none_of_the_hubs_is_refused(run, hub, capsys, name):
    assert cli.main(["push", str(run), name, "--yes"]) == 2
    assert "is no name of a repository" in capsys.readouterr().err


def test_without_a_token_in_the_environment_nothing_is_sent(run, hub, capsys, monkeypatch):
    monkeypatch.delenv("HF_TOKEN")
    assert cli.main(["push", str(run), REPO, "--yes"]) == 2
    assert "put it into `HF_TOKEN`" in capsys.readouterr().err


def test_a_token_that_may_not_write_is_told_without_being_shown(run, hub, capsys, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_" + "wrongwrongwrong" * 2)
    assert cli.main(["push", str(run), REPO, "--yes"]) == 2
    told = capsys.readouterr().err
    assert "the token may not write to `anna/hats`" in told and "wrongwrong" not in told


def test_offline_is_offline(run, hub, capsys, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert cli.main(["push", str(run), REPO, "--yes"]) == 2
    assert "unset `HF_HUB_OFFLINE`" in capsys.readouterr().err and not hub.repos
