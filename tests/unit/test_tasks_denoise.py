"""Gaps that an encoder-decoder fills: how they are drawn, what is learnt, and that nothing of a text is lost."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as some

import tunesmith
from tiny import tiny_t5
from tunesmith.cli import main
from tunesmith.records import OF_TARGET, Head, Text
from tunesmith.tasks import denoise
from tunesmith.tasks.denoise import Settings

PUPILS = "the pupils read a book, and the teacher asks what was in it. "
CLOSING, SENTINELS = (1,), tuple(range(900, 1000))


def gaps(longest: int = 512, **options: float) -> denoise._Gaps:
    return denoise._Gaps(SENTINELS, CLOSING, longest, Settings(**options))


@given(length=some.integers(2, 400), share=some.floats(0.01, 0.89), span=some.floats(1, 50), seed=some.integers(0, 99))
def test_the_gaps_filled_again_give_the_text_and_hold_the_share_that_is_wanted(length, share, span, seed):
    ids = np.arange(10, 10 + length)
    document = gaps(share=share, span=span).cut(ids, np.random.default_rng(seed))
    assert (gaps().whole(document) == ids).all()
    part = document.token_columns[OF_TARGET]
    source, target = document.ids[part == 0], document.ids[part == 1]
    spans = int(np.isin(source, SENTINELS).sum())
    assert (target[0], *target[-2:]) == (900, 900 + spans, 1) and source[-1] == 1
    assert len(target) - 2 - spans == min(max(round(length * share), 1), length - 1)
    assert source[np.isin(source, SENTINELS)].tolist() == list(range(900, 900 + spans))
    assert (document.weights == part).all() and (document.targets[part == 1] == target).all()


def test_spans_are_as_long_as_wanted_and_lie_anywhere():
    taken, starts = [], []
    for seed in range(300):
        document = gaps(share=0.15, span=3).cut(np.arange(10, 210), np.random.default_rng(seed))
        target = document.ids[document.token_columns[OF_TARGET] == 1]
        spans = np.split(target[:-2], np.flatnonzero(np.isin(target[:-2], SENTINELS)))[1:]
        taken += [len(span) - 1 for span in spans]
        starts += [span[1] - 10 for span in spans]
    assert np.mean(taken) == pytest.approx(3) and min(taken) == 1 and max(taken) > 6
    assert np.histogram(starts, 4, (0, 200))[0].min() > 0.2 * len(starts)


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> Path:
    return tiny_t5(tmp_path_factory.mktemp("gaps") / "base", sentinels=40, d_model=64, d_kv=16, d_ff=128)


def recipe(folder: Path, base: Path, texts: list[str], **training: object) -> dict[str, object]:
    (folder / "rows.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    return {"base": {"name": str(base), "dtype": "float32"}, "task": {"type": "denoise"},
            "data": {"train": str(folder / "rows.jsonl"), "validation": 0, "test": 0.1, "near": None},
            "adapter": "full",
            "training": {"max_length": 64, **training}, "run": {"folder": str(folder / "runs"), "name": "gaps"}}


def test_the_loss_and_its_gradients_are_transformers_own(base, tmp_path):
    from transformers import T5ForConditionalGeneration

    steps = tunesmith.steps(tunesmith.load_recipe(recipe(tmp_path, base, [PUPILS] * 3 + ["red hats"] * 17)))
    document = steps._session.documents[0]
    part = torch.from_numpy(document.token_columns[OF_TARGET])
    ids = torch.from_numpy(document.ids)
    network = T5ForConditionalGeneration.from_pretrained(base)
    wanted = network(input_ids=ids[part == 0][None], labels=ids[part == 1][None]).loss
    from tunesmith.encoding.batches.packing import pack

    session = steps._session
    found = denoise.loss(session.model, pack([document]), session.recipe.task.settings)
    torch.testing.assert_close(found.terms.sum() / found.weights.sum(), wanted, rtol=1e-5, atol=1e-6)


def test_a_long_text_goes_on_in_the_next_document_and_each_fits(base):
    from tunesmith.models import bases, load

    codec = load.codec(bases.find(str(base)), None, datetime(2026, 1, 1), longest=64)
    text = Text(PUPILS * 5, "a.txt:1", "a")
    [(made, found)] = denoise.encode([text], codec, Settings(), Head())
    assert not found and len(made) > 4 and max(map(len, made)) <= 64
    proof = denoise.proof(codec, Head(), Settings())
    assert not proof.prove(made, text)
    [told] = proof.prove(made[1:], text)
    assert told.kind == "row.gaps"
    [(none, [short])] = denoise.encode([Text("", "a.txt:2", "")], codec, Settings(), Head())
    assert not none and (short.kind, short.where) == ("row.short", "a.txt:2")


def test_a_base_without_sentinels_is_refused_with_what_would_help(tmp_path, capsys):
    told = recipe(tmp_path, tiny_t5(tmp_path / "base"), [PUPILS] * 20)
    (tmp_path / "recipe.yaml").write_text(json.dumps(told))
    assert main(["check", str(tmp_path / "recipe.yaml")]) == 3
    assert "base.special_tokens.additional" in capsys.readouterr().err


def test_a_tiny_t5_learns_a_text_by_heart_and_the_verdict_says_so(base, tmp_path, capsys):
    words = PUPILS.split()
    texts = [" ".join(words[n % 5 :] + words[: n % 5]) for n in range(200)]
    told = recipe(tmp_path, base, [f"{text} {n}" for n, text in enumerate(texts)], learning_rate=3e-3, steps=60,
                  epochs=99, batch_size=16)
    (tmp_path / "recipe.yaml").write_text(json.dumps(told))
    assert main(["train", str(tmp_path / "recipe.yaml")]) == 0
    [run] = (tmp_path / "runs").iterdir()
    found = json.loads((run / "verdict.json").read_text())
    assert (found["verdict"], found["primary"]) == ("better", "loss")
    (tmp_path / "new.txt").write_text(PUPILS + "\n")
    capsys.readouterr()
    assert main(["predict", str(run), str(tmp_path / "new.txt")]) == 0
    assert json.loads(capsys.readouterr().out)["text"]
