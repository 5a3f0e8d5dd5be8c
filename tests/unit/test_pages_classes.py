"""What a verdict's page shows of labels and entities: bars, what was taken for what, spans found and missed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from judged import HOSTILE, judged
from seen import Seen
from tunesmith.evaluation.answers import worst_first
from tunesmith.evaluation.classes import confusions, labels_of, table
from tunesmith.evaluation.predictions import Kept
from tunesmith.metrics import accuracy
from tunesmith.pages.classes import MOST_NAMED, classes
from tunesmith.pages.spans import marked
from tunesmith.pages.verdict import verdict_page
from tunesmith.records import Prediction


def kept(wanted: list[str], said: list[str], sure: float = 0.9) -> list[Kept]:
    rows = []
    for row, (own, told) in enumerate(zip(wanted, said, strict=True)):
        tuned = Prediction(row, prompt=f"text {row}", text=told, reference=own, output={
            "label": told, "scores": {told: sure + 0.001 * row}}, expected={"label": own})
        base = replace(tuned, text=wanted[0], output={"label": wanted[0], "scores": {wanted[0]: 0.5}})
        rows.append(Kept(row, f"rows.csv:{row + 2}", str(row), {"base": base, "tuned": tuned}, {
            who: {"accuracy": [float(one.output["label"] == own)]} for who, one in (("base", base), ("tuned", tuned))}))
    return rows


def test_the_table_and_the_matrix_are_scikit_learns() -> None:
    rng = np.random.default_rng(0)
    names = [f"class {n}" for n in range(6)]
    wanted, said = ([names[n] for n in rng.integers(0, 6, 300)] for _ in range(2))
    labels = labels_of(kept(wanted, said))
    found = table(labels)
    theirs = precision_recall_fscore_support(wanted, said, labels=names, zero_division=0)
    for place, each in enumerate(found):
        assert (each.name, each.rows) == (names[place], theirs[3][place])
        assert (each.precision, each.recall, each.f1) == pytest.approx([part[place] for part in theirs[:3]])
    matrix = confusion_matrix(wanted, said, labels=names)
    for pair in confusions(labels):
        assert matrix[names.index(pair.wanted), names.index(pair.said)] == pair.rows
    assert sum(pair.rows for pair in confusions(labels)) == 300


def test_rows_with_several_labels_have_bars_and_no_matrix() -> None:
    one = Prediction(0, output={"labels": ["joy"]}, expected={"labels": ["joy", "love"]})
    rows = [Kept(0, "rows.tsv:1", "0", {"base": one, "tuned": one}, {"base": {}, "tuned": {}})]
    seen = Seen(str(classes(rows)))
    assert "joy 100.0" in seen.text and "love 0.0" in seen.text
    assert "Confusion matrix" not in seen.text


@pytest.mark.parametrize("count", [3, 20, MOST_NAMED + 20])
def test_every_matrix_says_what_was_mistaken_for_what_without_a_pointer(count: int) -> None:
    names = [f"class {n:03}" for n in range(count)]
    page = Seen(str(classes(kept(names, [names[1], *names[1:]]))))
    assert "Mistaken most often wanted said rows class 000 class 001 1" in page.text
    assert f"{count} " in page.text


def test_the_worst_mistakes_come_first_the_surest_before_the_others() -> None:
    rows = kept(["a", "b", "b", "b"], ["a", "c", "b", "d"])
    ranked = worst_first(rows, "accuracy", accuracy)
    assert [one.tuned for one in ranked][:2] == ["d", "c"]


def test_names_from_data_stay_text_on_the_page() -> None:
    rows = kept([*HOSTILE[:4], "plain"], ["plain", *HOSTILE[:4]])
    page = Seen(verdict_page(replace(judged(), rows=rows)))
    assert not [each for _, attributes in page.tags for each in attributes if each.startswith("on")]
    assert [name for name, _ in page.tags].count("script") == [name for name, _ in Seen(verdict_page(
        judged())).tags].count("script")


def test_entities_are_found_missed_not_there_and_of_the_wrong_type() -> None:
    def spans(*given: tuple[int, int, str]) -> dict[str, list[dict[str, object]]]:
        return {"entities": [{"start": start, "end": end, "type": name} for start, end, name in given]}

    text = "Anna met Bob in Baku on Monday"
    page = marked(text, spans((0, 4, "PER"), (9, 12, "PER"), (16, 20, "LOC")),
                  spans((0, 4, "PER"), (16, 20, "ORG"), (24, 30, "DATE")))
    found = [(attributes.get("class"), name) for name, attributes in Seen(str(page)).tags if name == "mark"]
    assert [kind for kind, _ in found] == ["right", "missed", "type", "wrong"]
    assert "ORG, not LOC wrong type" in Seen(str(page)).text and "DATE not there" in Seen(str(page)).text
    assert marked(text, {"label": "a"}, {"label": "b"}) is None
