"""Tagging by a network: transformers' own loss and pipeline, predictions, what stands in for a base."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from tagging import ROWS, SAID, TAGS, UNREAD, codec, long_row, made, network, row, settings
from tiny import tiny_encoder
from tunesmith.contracts import Given
from tunesmith.encoding.batches.packing import pack
from tunesmith.encoding.documents import tagged
from tunesmith.encoding.proofs.tagged import proof
from tunesmith.models import bases
from tunesmith.models.adapters import full
from tunesmith.models.model import LanguageModel
from tunesmith.records import Head, Rows, Tagged
from tunesmith.tasks import tag


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> bases.Base:
    return bases.find(str(tiny_encoder(tmp_path_factory.mktemp("tag") / "base")))


def test_a_word_that_gives_the_tokenizer_nothing_is_told_and_predicted_as_outside(base):
    odd = row(["Anna", UNREAD, "Baku"], ["B-PER", "O", "B-LOC"])
    documents, findings, head = made([odd])
    prover = proof(codec(), head, settings())
    assert not findings and not prover.prove(documents[0], odd)
    [told] = [finding for finding in prover.notes() if finding.kind == "tags.unread_words"]
    assert told.severity == "warning" and "1 words" in told.what and told.where == "rows.conll:1"
    model = LanguageModel.frozen(network(base, head), head)
    nothing = row([UNREAD], ["O"])
    found = list(tag.predict(model, [odd, nothing], settings(), given=Given(codec), max_new_tokens=1, batch_size=1))
    assert [len(each.output["tags"]) for each in found] == [3, 1]
    assert found[0].output["tags"][1] == "O" and found[1].output["tags"] == ["O"]


# Held to transformers


@pytest.mark.parametrize("longest", [0, 12])
def test_loss_and_gradients_are_those_of_transformers(base, longest):
    documents, _, head = made(ROWS, longest)
    flat = [replace(one, example=place) for place, some in enumerate(documents) for one in some]
    model = LanguageModel(network(base, head), full, full.Settings(), seed=0, head=head)
    loss = tag.loss(model, pack(flat), settings())
    assert len(loss.terms) == len(ROWS) and loss.weights.tolist() == [len(one.words) for one in ROWS]
    mean = loss.terms.sum() / loss.weights.sum()
    mean.backward()  # the mean of all tokens, as transformers has it
    theirs = network(base, head)
    width = max(map(len, flat))

    def padded(name: str, filler: int) -> torch.Tensor:
        return torch.tensor([[*getattr(one, name).tolist(), *[filler] * (width - len(one))] for one in flat])

    said = theirs(input_ids=padded("ids", 0), labels=padded("targets", -100),
                  attention_mask=torch.tensor([[1] * len(one) + [0] * (width - len(one)) for one in flat]))
    said.loss.backward()
    assert abs(mean.item() - said.loss.item()) <= 1e-10
    for name, weight in theirs.named_parameters():
        torch.testing.assert_close(model.learns[name].grad, weight.grad, rtol=0, atol=1e-10)


def test_transformers_pipeline_gives_every_word_the_same_tag(base, tmp_path):
    from transformers import AutoModelForTokenClassification, AutoTokenizer, pipeline

    head = tag.head(ROWS, settings())
    own = network(base, head, torch.float32)
    own.save_pretrained(tmp_path)
    AutoTokenizer.from_pretrained(base.folder).save_pretrained(tmp_path)
    opened = AutoModelForTokenClassification.from_pretrained(tmp_path)
    assert tuple(opened.config.id2label.values()) == head.labels
    asked = pipeline("token-classification", model=opened, tokenizer=AutoTokenizer.from_pretrained(tmp_path),
                     ignore_labels=[])
    plain = [one for one in ROWS if all(word.isalnum() for word in one.words)]
    for one, ours in zip(plain, predicted(own, head, plain), strict=True):
        starts = [entity["start"] for entity in ours["entities"]]
        theirs = {piece["start"]: piece for piece in asked(" ".join(one.words))}
        _, begins = tagged.placed(one)
        assert ours["tags"] == [theirs[start]["entity"] for start in begins]
        for entity in ours["entities"]:
            scores = [theirs[begins[word]]["score"] for word in range(*entity["words"])]
            assert entity["score"] == pytest.approx(float(np.mean(scores)), abs=1e-5)
        assert set(starts) <= set(begins)


def predicted(own: Any, head: Head, rows: list[Tagged], longest: int = 0, **chosen: Any) -> list[dict[str, Any]]:
    found = tag.predict(LanguageModel.frozen(own, head), rows, settings(**chosen),
                        given=Given(lambda: codec(longest)), max_new_tokens=1, batch_size=8)
    return [dict(each.output) for each in found]


# Predictions


def test_entities_stand_where_their_characters_say(base):
    head = tag.head(ROWS, settings())
    said = "Is  Anna\tin Paris?"
    raw = Tagged(("Is", "Anna", "in", "Paris", "?"), None, "rows.jsonl:1", "1", text=said, starts=(0, 4, 9, 12, 17))
    own = network(base, head)
    for given, text in ((raw, said), (ROWS[0], " ".join(SAID))):
        [found] = predicted(own, head, [given])
        assert len(found["tags"]) == len(given.words) and found["entities"]
        for entity in found["entities"]:
            assert text[entity["start"] : entity["end"]] == entity["text"]
            words = given.words[slice(*entity["words"])]
            assert entity["text"].startswith(words[0]) and entity["text"].endswith(words[-1])
            assert 0 < entity["score"] <= 1


def test_a_prediction_has_what_the_row_has_under_the_same_names(base):
    head = tag.head(ROWS, settings())
    model = LanguageModel.frozen(network(base, head), head)
    [with_tags, without] = tag.predict(model, [ROWS[0], row(tags=None)], settings(), given=Given(codec),
                                       max_new_tokens=1, batch_size=1)
    assert with_tags.expected["tags"] == TAGS and with_tags.expected["types"] == ["LOC", "PER"]
    assert [(one["type"], one["text"]) for one in with_tags.expected["entities"]] == [
        ("PER", "Anna Baku"), ("LOC", "Paris")]
    assert with_tags.reference == "Anna Baku (PER); Paris (LOC)"
    assert not without.expected and without.output == with_tags.output


def test_long_rows_are_predicted_whole_and_as_short_ones_where_all_is_seen(base):
    head = tag.head(ROWS, settings())
    own = network(base, head)
    [whole] = predicted(own, head, [long_row(60)])
    [windows] = predicted(own, head, [long_row(60)], longest=24)
    assert len(whole["tags"]) == len(windows["tags"]) == 60
    assert predicted(own, head, [row()], longest=24) == predicted(own, head, [row()])


def test_strict_predictions_count_entities_only_where_their_tags_keep_to_the_scheme(base):
    head = tag.head(ROWS, settings())
    own = network(base, head)
    rows = [long_row(100)]
    [loose], [strict] = predicted(own, head, rows), predicted(own, head, rows, strict=True)
    assert loose["tags"] == strict["tags"] and len(strict["entities"]) < len(loose["entities"])
    assert all(strict["tags"][entity["words"][0]].startswith("B-") for entity in strict["entities"])


# What stands in for a base


def held_and_learnt(longest: int = 0) -> tuple[Rows, Rows, Head]:
    documents, _, head = made(ROWS, longest)
    rows = Rows(ROWS, [replace(one, example=place) for place, some in enumerate(documents) for one in some])
    return rows, Rows([*ROWS, row(["Anna", "whistles"], ["B-PER", "O"])], []), head


def test_the_most_frequent_tag_of_a_word_is_counted_and_unknown_words_are_outside(base):
    learnt, held, head = held_and_learnt()
    model = LanguageModel.frozen(network(base, head, torch.float32), head)
    found = tag.baselines(model, learnt, held, settings(), given=Given(codec))
    assert list(found) == ["most frequent tag", "linear probe"]
    said = [each.output["tags"] for each in found["most frequent tag"]]
    assert said[0] == [*TAGS[:9], "B-LOC", "O", "B-LOC"]  # Baku is a place in one of two rows, the first label of a tie
    assert said[-1] == ["B-PER", "O"]
    assert [each.example for each in found["linear probe"]] == list(range(5))


def test_a_linear_probe_learns_its_rows_and_is_the_same_every_time(base):
    learnt, _, head = held_and_learnt(16)
    model = LanguageModel.frozen(network(base, head, torch.float32), head)
    first, again = (tag.baselines(model, learnt, Rows(ROWS, []), settings(), given=Given(lambda: codec(16)))
                    for _ in range(2))
    said = [each.output for each in first["linear probe"]]
    assert said == [each.output for each in again["linear probe"]]
    right = Counter(one == other for row_, each in zip(ROWS, said, strict=True)
                    for one, other in zip(row_.tags or (), each["tags"], strict=True))
    assert right[True] / right.total() > 0.9
