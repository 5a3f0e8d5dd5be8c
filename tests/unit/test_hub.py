"""Names on the Hub, against a server on this machine that speaks its protocol: fetched, gone on with, refused."""

from __future__ import annotations

import json
import logging
import os
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from hub import TOKEN, Hub, allowed, folder_of
from hub_rows import PAIRS, problem, prompts
from tiny import tiny_base
from tunesmith.data.load import load
from tunesmith.errors import Misuse, Refusal
from tunesmith.hub import fetch, listing
from tunesmith.models import about, bases
from tunesmith.models import load as load_base
from tunesmith.recipe.hub_id import HubId, parse

pytestmark = allowed


@pytest.fixture
def hub(monkeypatch, tmp_path):
    with Hub() as server:
        server.environment(monkeypatch, tmp_path)
        yield server


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return tiny_base(tmp_path_factory.mktemp("hub") / "tiny")


@pytest.mark.parametrize(("written", "meant"), [
    ("owner/tiny", HubId("owner/tiny")), ("owner/tiny@v1.0", HubId("owner/tiny", "v1.0")),
    ("owner/rows:main/test", HubId("owner/rows", "", "main/test")),
    ("owner/rows@refs/convert/parquet:default/train", HubId("owner/rows", "refs/convert/parquet", "default/train")),
    ("owner/m-GGUF:m.Q4_1.gguf", HubId("owner/m-GGUF", "", "m.Q4_1.gguf")),
    ("hf://datasets/owner/rows@abc/data/a.jsonl", HubId("owner/rows", "abc", "data/a.jsonl")),
    ("data/train.jsonl", None), ("models/tiny.gguf", None), ("./owner/tiny", None), ("/owner/tiny", None),
    ("~/tiny", None), ("../tiny", None), ("a/b/c", None), ("data/*.jsonl", None), ("tiny", None), ("", None),
    ("owner/rows:../../etc/passwd", None), ("owner/rows@../x", None), ("owner/", None),
])
def test_a_name_is_an_id_only_where_it_can_be_one(written, meant):
    assert parse(written) == meant


def test_an_id_reads_back_as_it_is_written():
    for written in ("a/b", "a/b@v1", "a/b:c/d", "a/b@refs/pr/1:x.jsonl"):
        assert str(parse(written)) == written


def test_a_base_is_fetched_without_code_pickles_and_other_weights_and_is_the_folder_that_it_was(hub, tiny):
    strange = {"modeling_x.py": b"raise SystemExit", "pytorch_model.bin": b"pickle", "consolidated.safetensors": b"no",
               "onnx/model.onnx": b"x", "tokenizer_config.json.bak": b"x", "LICENSE": b"mine"}
    commit = hub.put("model", "owner/tiny", {**folder_of(tiny), **strange})
    found = bases.find("owner/tiny", "base.name")
    assert found.digest == bases.find(str(tiny)).digest
    assert {path.name for path in found.folder.iterdir()} == {path.name for path in tiny.iterdir()}
    assert sorted(hub.contents()) == sorted(folder_of(tiny))
    assert commit in str(found.folder)


def test_a_path_that_exists_wins_over_the_hub(hub, tiny, tmp_path, monkeypatch):
    hub.put("model", "owner/tiny", {"config.json": b"{}"})
    hub.put("dataset", "owner/rows", {"train.jsonl": b'{"prompt": "hub", "answer": "a"}\n'})
    (tmp_path / "owner").mkdir()
    (tmp_path / "owner" / "tiny").symlink_to(tiny)
    (tmp_path / "owner" / "rows").mkdir()
    (tmp_path / "owner" / "rows" / "a.jsonl").write_bytes(b'{"prompt": "here", "answer": "a"}\n')
    monkeypatch.chdir(tmp_path)
    assert bases.find("owner/tiny").folder == tiny
    assert prompts(load("owner/rows")) == ["here"] and not hub.asked


def test_what_is_fetched_is_asked_for_once_and_a_commit_needs_no_network_at_all(hub, tiny):
    commit = hub.put("model", "owner/tiny", folder_of(tiny))
    first = bases.find("owner/tiny")
    asked = len(hub.asked)
    bases.find("owner/tiny")
    assert len(hub.asked) == asked + 1 and hub.asked[-1].path == "/api/models/owner/tiny"
    assert bases.find(f"owner/tiny@{commit}").digest == first.digest and len(hub.asked) == asked + 1


def test_other_tools_find_the_files_in_the_cache_and_theirs_are_taken(hub, tiny, monkeypatch, tmp_path):
    from huggingface_hub import hf_hub_download, scan_cache_dir, try_to_load_from_cache

    commit = hub.put("model", "owner/tiny", folder_of(tiny))
    bases.find("owner/tiny")
    cache = tmp_path / "hf" / "hub"
    for name in folder_of(tiny):
        assert Path(try_to_load_from_cache("owner/tiny", name, cache_dir=cache)).read_bytes() == (
            tiny / name).read_bytes()
    scanned = scan_cache_dir(cache)
    assert [repo.repo_id for repo in scanned.repos] == ["owner/tiny"] and not scanned.warnings
    hub.put("model", "owner/other", folder_of(tiny))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    for name in folder_of(tiny):
        hf_hub_download("owner/other", name, cache_dir=cache, endpoint=hub.url)
    asked = len(hub.contents())
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert bases.find("owner/other").digest == bases.find(f"owner/tiny@{commit}").digest
    assert len(hub.contents()) == asked


def test_a_download_that_was_cut_goes_on_from_where_it_stopped(hub):
    content = os.urandom(50_000)
    hub.put("model", "owner/big", {"model.safetensors": content})
    listed = listing(HubId("owner/big"), "model", "base.name")
    hub.cut, hub.cuts = 20_000, 1
    assert (fetch(listed, ["model.safetensors"], "") / "model.safetensors").read_bytes() == content
    assert [one.range for one in hub.asked if one.apart] == ["", "bytes=20000-"]


def test_a_download_that_failed_is_gone_on_with_by_the_next_start(hub):
    content = os.urandom(50_000)
    hub.put("model", "owner/big", {"model.safetensors": content})
    listed = listing(HubId("owner/big"), "model", "base.name")
    partial = listed.repository.folder / "blobs" / f"{listed.files['model.safetensors'].content}.tunesmith.incomplete"
    partial.parent.mkdir(parents=True)
    hub.cut, hub.cuts = 0, 99
    found = problem(fetch, listed, ["model.safetensors"], "")
    assert (found.kind, found.exit_code) == ("hub.stopped", 1) and "of 50,000 bytes" in found.what
    partial.write_bytes(content[:12_345])  # as if some had come before
    hub.cuts, before = 0, len(hub.asked)
    assert (fetch(listed, ["model.safetensors"], "") / "model.safetensors").read_bytes() == content
    assert [one.range for one in hub.asked[before:] if one.apart] == ["bytes=12345-"]
    assert not list(partial.parent.glob("*.incomplete"))


def test_a_content_that_is_not_the_one_listed_is_thrown_away(hub):
    hub.put("model", "owner/big", {"model.safetensors": os.urandom(5_000), "config.json": b'{"a": 1}'})
    hub.damaged = True
    listed = listing(HubId("owner/big"), "model", "base.name")
    for name in listed.files:
        assert problem(fetch, listed, [name], "").kind == "hub.damaged"
    assert not [path for path in listed.repository.folder.rglob("*") if path.is_file() and "refs" not in path.parts]


def test_the_room_that_is_needed_is_said_before_and_too_little_refuses(hub, tiny, monkeypatch):
    hub.put("model", "owner/tiny", folder_of(tiny))
    monkeypatch.setattr("tunesmith.hub.fetching.free_bytes", lambda path: 20)
    found = problem(bases.find, "owner/tiny")
    assert found.kind == "hub.no_space" and not hub.contents()


def test_how_much_comes_is_said(hub, tiny, caplog):
    hub.put("model", "owner/tiny", folder_of(tiny))
    with caplog.at_level(logging.INFO, "tunesmith"):
        bases.find("owner/tiny")
    assert "is no path here: the Hub's, at commit" in caplog.text and "are free" in caplog.text


@pytest.mark.parametrize(("facts", "token", "name", "kind"), [
    ({}, "", "owner/nothing", "hub.unknown"), ({}, TOKEN, "owner/nothing", "hub.unknown"),
    ({"private": True}, "", "owner/tiny", "hub.unknown"), ({"gated": True}, "", "owner/tiny", "hub.gated"),
    ({}, "hf_wrong", "owner/tiny", "hub.token"), ({}, "", "owner/tiny@v9", "hub.no_revision"),
    ({}, "", "owner/tiny:a.gguf", "hub.no_file"),
])
def test_what_may_not_be_read_is_told_apart_with_a_remedy(
        hub, tiny, monkeypatch, tmp_path, facts, token, name, kind):
    hub.put("model", "owner/tiny", folder_of(tiny), **facts)
    if token:
        monkeypatch.setenv("HF_TOKEN", token)
    found = problem(bases.find, name, "base.name")
    assert (found.kind, found.exit_code, found.where) == (kind, 2, "base.name")
    assert not token or token not in str(found)
    if kind == "hub.gated":
        assert "hf auth login" in found.remedy and f"{hub.url}/owner/tiny" in found.remedy
        assert not list(tmp_path.rglob("*.incomplete"))


def test_a_token_opens_what_is_gated_goes_to_the_hub_alone_and_stands_in_no_file(hub, tiny, monkeypatch, tmp_path):
    hub.put("model", "owner/tiny", folder_of(tiny), gated=True, private=True)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    assert bases.find("owner/tiny").digest == bases.find(str(tiny)).digest
    assert {one.token for one in hub.asked if not one.apart} == {TOKEN}
    assert {one.token for one in hub.asked if one.apart} == {""}
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and TOKEN.encode() in path.read_bytes()]


def test_the_token_of_a_login_is_taken_where_the_environment_has_none(hub, tiny, tmp_path):
    hub.put("model", "owner/tiny", folder_of(tiny), gated=True)
    (tmp_path / "hf").mkdir()
    (tmp_path / "hf" / "token").write_text(f"{TOKEN}\n")
    assert bases.find("owner/tiny")


def test_pickled_weights_are_refused_before_they_are_fetched(hub):
    hub.put("model", "owner/old", {"config.json": b"{}", "pytorch_model.bin": b"PK" + bytes(9000)})
    found = problem(bases.find, "owner/old", "base.name")
    assert isinstance(found, Refusal) and found.kind == "base.pickled" and "owner/old" in found.remedy
    assert not hub.contents()


def test_a_base_that_asks_for_code_is_refused_before_its_weights_come(hub, tiny):
    config = json.loads((tiny / "config.json").read_bytes()) | {"auto_map": {"AutoModelForCausalLM": "x.Model"}}
    hub.put("model", "owner/code", {**folder_of(tiny), "config.json": json.dumps(config).encode(), "x.py": b"1/0"})
    assert problem(bases.find, "owner/code").kind == "base.untrusted"
    assert not [name for name in hub.contents() if name.endswith((".safetensors", ".py"))]


def test_one_gguf_file_of_several_has_to_be_named(hub):
    hub.put("model", "owner/m-GGUF", {"m.Q4.gguf": b"GGUF", "m.Q8.gguf": b"GGUF and more"})
    found = problem(bases.find, "owner/m-GGUF", "base.name")
    assert found.kind == "hub.which_file" and "`owner/m-GGUF:m.Q4.gguf`" in found.remedy
    assert problem(bases.find, "owner/m-GGUF:m.Q4.gguf").kind not in ("hub.which_file", "hub.no_file")
    assert hub.contents() == ["m.Q4.gguf"]


def test_offline_the_cache_serves_and_what_is_missing_is_named_with_the_command_that_fetches_it(
        hub, tiny, monkeypatch):
    commit = hub.put("model", "owner/tiny", folder_of(tiny))
    digest = bases.find("owner/tiny").digest
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    asked = len(hub.asked)
    assert bases.find("owner/tiny").digest == digest and bases.find(f"owner/tiny@{commit}").digest == digest
    missing = problem(bases.find, "owner/more", "base.name")
    assert missing.kind == "hub.not_cached" and "`hf download owner/more`" in missing.remedy
    assert "`owner/tiny`" in missing.remedy and "HF_HUB_OFFLINE" in missing.what
    other = problem(bases.find, "owner/tiny@v2")
    assert f"`owner/tiny@{commit}`" in other.remedy and "--revision v2" in other.remedy
    assert len(hub.asked) == asked


@pytest.mark.parametrize(("how", "said", "kind"), [
    ("no server", "cannot be reached", "hub.not_cached"), ("a server that fails", "answers 503", "hub.unavailable")])
def test_a_hub_that_does_not_answer_is_done_without_where_the_cache_has_it(
        hub, tiny, monkeypatch, caplog, how, said, kind):
    hub.put("model", "owner/tiny", folder_of(tiny))
    digest = bases.find("owner/tiny").digest
    if how == "no server":
        monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    hub.down = True
    with caplog.at_level(logging.INFO, "tunesmith"):
        assert bases.find("owner/tiny").digest == digest
    assert said in caplog.text and "as it was at" in caplog.text
    assert problem(bases.find, "owner/more").kind == kind


@pytest.mark.parametrize("name", ["../../outside.json", "/etc/outside.json", "a/../../x.json", "a\\..\\x.json"])
def test_no_name_in_a_listing_leads_out_of_the_cache(hub, name, tmp_path):
    hub.put("model", "owner/bad", {"config.json": b"{}", name: b"{}"})
    found = problem(bases.find, "owner/bad")
    assert isinstance(found, Refusal) and found.kind == "hub.strange_path"
    assert not hub.contents() and not list(tmp_path.rglob("*outside*"))


def test_a_commit_that_is_pinned_stays_when_the_branch_moves(hub):
    first = hub.put("dataset", "owner/rows", {"train.jsonl": PAIRS})
    hub.put("dataset", "owner/rows", {"train.jsonl": b'{"prompt": "new", "answer": "a"}\n', "b": b""})
    assert prompts(load("owner/rows")) == ["new"]
    assert len(prompts(load(f"owner/rows@{first}"))) == 5


def test_a_typing_error_in_a_path_is_told_as_one(hub, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    found = problem(load, "data/train")
    assert isinstance(found, Misuse) and found.what.startswith("`data/train` is neither a path here")


def test_a_base_from_the_hub_is_called_by_its_id_and_has_the_licence_of_its_card(hub, tiny):
    card = b"---\nlicense: apache-2.0\nlanguage: [az, en]\n---\n# tiny\n"
    commit = hub.put("model", "owner/tiny", {**folder_of(tiny), "README.md": card})
    known = about.about(bases.find(f"owner/tiny@{commit}"))
    assert (known.reference, known.licence, known.languages) == ("owner/tiny", "apache-2.0", ("az", "en"))


def test_two_who_fetch_at_once_fetch_once(hub):
    content = os.urandom(30_000)
    hub.put("model", "owner/big", {"model.safetensors": content})
    listed = listing(HubId("owner/big"), "model", "base.name")
    with ThreadPoolExecutor(4) as pool:
        folders = list(pool.map(lambda _: fetch(listed, ["model.safetensors"], ""), range(4)))
    assert {(folder / "model.safetensors").read_bytes() for folder in folders} == {content}
    assert len(hub.contents()) == 1


def test_a_server_that_knows_no_ranges_is_read_from_the_beginning(hub):
    content = os.urandom(30_000)
    hub.put("model", "owner/big", {"model.safetensors": content})
    hub.ranges, hub.cut, hub.cuts = False, 20_000, 1
    listed = listing(HubId("owner/big"), "model", "base.name")
    assert (fetch(listed, ["model.safetensors"], "") / "model.safetensors").read_bytes() == content


def test_what_answers_in_the_hubs_place_is_told_as_such(hub, monkeypatch):
    hub.put("model", "owner/tiny", {"config.json": b"{}"})
    monkeypatch.setattr("hub._listing", lambda repo, commit: ["please log in to this network"])
    assert problem(bases.find, "owner/tiny").kind == "hub.unavailable"


@pytest.mark.parametrize(("package", "name", "extra"), [
    ("huggingface_hub", "owner/tiny", "hub"), ("pyarrow", "a.parquet", "tables"), ("openpyxl", "a.xlsx", "tables")])
def test_a_missing_package_is_named_with_the_extra_that_brings_it(monkeypatch, hub, tmp_path, package, name, extra):
    (tmp_path / "a.parquet").write_bytes(b"PAR1")
    with zipfile.ZipFile(tmp_path / "a.xlsx", "w") as archive:
        archive.writestr("a", "b")
    monkeypatch.setitem(sys.modules, package, None)
    found = problem(load, name, base_folder=tmp_path)
    assert found.exit_code == 2 and found.remedy == f"pip install 'tunesmith[{extra}]'"


def test_loading_what_was_fetched_asks_nobody_and_leaves_the_users_word_as_it_was(hub, tiny, monkeypatch):
    import torch
    from huggingface_hub import constants

    hub.put("model", "owner/tiny", folder_of(tiny))
    found = bases.find("owner/tiny")
    asked = len(hub.asked)
    monkeypatch.setattr(constants, "ENDPOINT", hub.url)
    assert load_base.tokenizer(found) and load_base.network(found, dtype=torch.float32, device=torch.device("cpu"))
    assert len(hub.asked) == asked and constants.HF_HUB_OFFLINE
    assert "HF_HUB_OFFLINE" not in os.environ and bases.find("owner/tiny")
