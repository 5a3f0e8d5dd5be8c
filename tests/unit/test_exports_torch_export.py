"""Runs leave as .pt2 files: a fresh process with torch alone says what transformers says, and nothing is unpickled."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file

from graphs import code_of, oracle, part_of, run_with, said_by, texts_of
from tunesmith.errors import Problems, Refusal
from tunesmith.exports import torch_export
from tunesmith.exports._pt2 import pickles
from tunesmith.workflow.exporting.export import export

HEADS = ["classify", *(pytest.param(head, marks=pytest.mark.long) for head in (
    "embed", "chat", "causal labels", "tag", "part", "extract", "masked", "seq2seq"))]
FRESH = """
import sys, torch
from safetensors.torch import load_file, save_file
model = torch.export.load(sys.argv[1]).module()
with torch.inference_mode():
    said = model(**load_file(sys.argv[2]))
save_file({str(place): each.contiguous() for place, each in enumerate(said)}, sys.argv[3])
assert not [name for name in sys.modules if name.split(".")[0] in ("transformers", "tunesmith")]
"""


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Each head's run and its export, made once."""
    made: dict[str, tuple[Path, Path]] = {}

    def of(head: str) -> tuple[Path, Path]:
        if head not in made:
            folder = tmp_path_factory.mktemp("graphs")
            run, _ = run_with(head, folder)
            made[head] = run, export(run, "torch_export", output=folder / "out", **part_of(head)).folder
        return made[head]

    return of


@pytest.mark.parametrize("head", HEADS)
def test_the_code_on_the_card_runs_as_it_is_printed(runs, head, capsys):
    run, folder = runs(head)
    try:
        exec(code_of(folder / "README.md").replace(f'"{run.name}"', f'"{folder}"'), {})
    finally:
        torch.set_grad_enabled(True)
    assert capsys.readouterr().out.strip()


def test_a_process_without_transformers_says_what_transformers_says_whatever_the_shape(runs, tmp_path):
    run, folder = runs("classify")
    network = oracle("classify", run, tmp_path / "merged")
    for texts, tokens in ((1, 1), (3, 11), (2, 512)):
        given = texts_of(network, texts, tokens) | {"token_type_ids": torch.zeros(texts, tokens, dtype=torch.int64)}
        save_file({name: each.numpy() for name, each in given.items()}, tmp_path / "asked")
        subprocess.run([sys.executable, "-c", FRESH, folder / "model.pt2", tmp_path / "asked", tmp_path / "said"],
                       check=True)
        np.testing.assert_allclose(load_file(tmp_path / "said")["0"], said_by(network, given)[0], rtol=0, atol=2e-5)


@pytest.mark.long
def test_a_decoder_answers_as_the_run_does(runs):
    _, folder = runs("chat")
    answers = json.loads((folder / "parity.json").read_text())["answers"]
    assert answers["equal"] + answers["ties"] == answers["prompts"] and answers["largest_difference"] < 2e-5


def test_the_file_holds_nothing_to_unpickle_and_does_not_tell_where_things_lay(runs):
    _, folder = runs("classify")
    assert not list(pickles(folder / "model.pt2"))
    with zipfile.ZipFile(folder / "model.pt2") as archive:
        held = b"".join(archive.read(name) for name in archive.namelist())
    assert not [place for place in (Path(torch.__file__).parents[1], Path(__file__).parents[2], Path.home())
                if str(place).encode() in held]


def with_pickles(folder: Path) -> None:
    """Another maker's file, whose example inputs are pickled."""
    program = torch.export.export(torch.nn.Linear(2, 2), (torch.ones(1, 2),))
    torch.export.save(program, folder / "model.pt2")


def cut_short(folder: Path) -> None:
    """The graph is empty."""
    with zipfile.ZipFile(folder / "model.pt2", "w") as archive:
        archive.writestr("model/models/model.json", "{}")


@pytest.mark.parametrize(("damage", "kind"), [(with_pickles, "export.pickle"), (cut_short, "export.reload")])
def test_a_file_that_is_another_is_refused(runs, damage, kind, monkeypatch):
    run, folder = runs("classify")
    reload = torch_export.reload

    def written(model, source, into, settings):
        for file in folder.iterdir():
            if file.name not in ("README.md", "parity.json"):
                (into / file.name).write_bytes(file.read_bytes())

    def damaged(into, source):
        damage(into)
        return reload(into, source)

    monkeypatch.setattr(torch_export, "write", written)
    monkeypatch.setattr(torch_export, "reload", damaged)
    with pytest.raises((Refusal, Problems)):
        export(run, "torch_export", prompts=3)
    why = json.loads((run / "exports" / "torch_export.refused.json").read_text())
    assert kind in {one["kind"] for one in why["refused"]}
