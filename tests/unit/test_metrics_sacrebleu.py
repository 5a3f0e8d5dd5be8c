"""BLEU, chrF and ROUGE with several references, against sacrebleu and rouge-score."""

from __future__ import annotations

import random
import string
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import sacrebleu
from rouge_score import rouge_scorer

from tunesmith.errors import Misuse
from tunesmith.evaluation.intervals import paired
from tunesmith.metrics import bleu, chrf, exact_match, rouge_1, rouge_2, rouge_l
from tunesmith.recipe.read import parse
from tunesmith.records import Pair, Prediction
from tunesmith.workflow.checking.check import check

LETTERS = string.ascii_letters + string.digits + "'-_.,$!? " + "əğıöşüç" + "भाषा" + "。日本"
CORPORA, ROWS = 125, 8  # a thousand rows, and a hundred and twenty-five corpora of them


def sentences(rng: random.Random, letters: str) -> list[tuple[str, tuple[str, ...]]]:
    """Answers and references that share much, something or nothing; some are empty, some have one reference."""
    words = ["".join(rng.choices(letters, k=rng.randint(1, 6))) for _ in range(12)]
    texts = [" ".join(rng.choices(words, k=rng.randint(0, 14))) for _ in range(6)]
    return [(rng.choice(texts), tuple(rng.choices(texts, k=rng.randint(1, 4)))) for _ in range(ROWS)]


def measured(metric: ModuleType, rows: list[tuple[str, tuple[str, ...]]]) -> np.ndarray:
    return np.array([
        metric.measure(Prediction(0, text=text, reference=references[0], stopped_by="end"),
                       Pair("", references[0], "rows.jsonl:1", "1", references=references), metric.Settings())
        for text, references in rows], np.float64)


def streams(rows: list[tuple[str, tuple[str, ...]]]) -> tuple[list[str], list[list[str | None]]]:
    """As sacrebleu wants them: one list for each place of a reference, None where a row has no more."""
    most = max(len(references) for _, references in rows)
    padded = [list(references) + [None] * (most - len(references)) for _, references in rows]
    return [text for text, _ in rows], [list(stream) for stream in zip(*padded, strict=True)]


@pytest.mark.parametrize(("metric", "theirs"), [(bleu, sacrebleu.corpus_bleu), (chrf, sacrebleu.corpus_chrf)])
def test_a_corpus_has_sacrebleus_own_score_whatever_the_number_of_references(metric: ModuleType, theirs) -> None:
    rng = random.Random(0)
    corpora = [sentences(rng, LETTERS) for _ in range(CORPORA)]
    ours = [metric.combine(measured(metric, rows), np.ones((1, ROWS)))[0] for rows in corpora]
    np.testing.assert_allclose(ours, [theirs(*streams(rows)).score for rows in corpora], rtol=1e-10, atol=1e-10)
    assert min(ours) < 10 < 40 < max(ours)


@pytest.mark.parametrize(("metric", "theirs"), [(bleu, sacrebleu.corpus_bleu), (chrf, sacrebleu.corpus_chrf)])
def test_each_of_a_thousand_rows_has_sacrebleus_score_of_a_corpus_of_that_row(metric: ModuleType, theirs) -> None:
    rng = random.Random(1)
    rows = [row for _ in range(CORPORA) for row in sentences(rng, LETTERS)]
    ours = metric.combine(measured(metric, rows), np.eye(len(rows)))
    np.testing.assert_allclose(ours, [theirs(*streams([row])).score for row in rows], rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(("metric", "theirs"), [(bleu, sacrebleu.corpus_bleu), (chrf, sacrebleu.corpus_chrf)])
def test_a_drawn_corpus_has_sacrebleus_score_of_the_rows_drawn(metric: ModuleType, theirs) -> None:
    rng = np.random.default_rng(0)
    rows = sentences(random.Random(2), LETTERS)
    draws = rng.integers(0, ROWS, (40, ROWS))
    counts = np.stack([np.bincount(draw, minlength=ROWS) for draw in draws]).astype(np.float64)
    expected = [theirs(*streams([rows[row] for row in draw])).score for draw in draws]
    np.testing.assert_allclose(metric.combine(measured(metric, rows), counts), expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(("metric", "name"), [(rouge_1, "rouge1"), (rouge_2, "rouge2"), (rouge_l, "rougeL")])
def test_rouge_equals_the_rouge_score_package_with_several_references(metric: ModuleType, name: str) -> None:
    rng = random.Random(3)
    scorer = rouge_scorer.RougeScorer([name], use_stemmer=False)
    rows = [row for _ in range(CORPORA) for row in sentences(rng, string.printable)]
    expected = [scorer.score_multi(references, text)[name].fmeasure for text, references in rows]
    np.testing.assert_allclose(measured(metric, rows)[:, 0], expected, atol=1e-12)
    assert 0 < np.mean(expected) < 1


def test_any_of_several_references_is_an_exact_match() -> None:
    references = ("Salam!", "Salam.")
    [[first], [second], [neither]] = measured(exact_match, [(text, references) for text in (*references, "Salam")])
    assert (first, second, neither) == (1, 1, 0)


@pytest.mark.parametrize(("metric", "theirs"), [(bleu, sacrebleu.BLEU()), (chrf, sacrebleu.CHRF())])
def test_the_unit_tells_the_signature_that_sacrebleu_writes(metric: ModuleType, theirs) -> None:
    theirs.corpus_score(["a b", "c"], [["a b", "c"], ["a", None]])
    assert metric.unit.endswith(f"sacrebleu {theirs.get_signature().format()}")


def test_the_interval_of_bleu_is_of_the_corpus_and_not_of_a_mean_of_rows() -> None:
    rng = random.Random(4)
    rows = [row for _ in range(6) for row in sentences(rng, string.ascii_lowercase)]
    right = [(references[0], references) for _, references in rows]
    found = paired(bleu, measured(bleu, rows), measured(bleu, right), range(len(rows)), seed=0)
    assert found.against == pytest.approx(sacrebleu.corpus_bleu(*streams(rows)).score)
    assert 0 < found.low < found.difference < found.high <= 100


@pytest.mark.parametrize("section", [
    {"metric": "chrf"}, {"also": {"others": {"files": "rows.jsonl", "metric": "bleu"}}},
])
def test_without_sacrebleu_a_check_names_the_missing_extra_before_anything_is_opened(
    section: dict[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "sacrebleu", None)
    for metric in (bleu, chrf):
        metric._scorer.cache_clear()
    recipe = parse({"base": str(tmp_path / "absent"), "task": "chat", "data": {"train": "absent.jsonl"},
                    "evaluation": section}, source="test")
    with pytest.raises(Misuse, match="needs sacrebleu") as problem:
        check(recipe)
    assert problem.value.remedy == "pip install 'tunesmith[metrics]'"
