"""Tagging: words in pieces, windows, what is learnt and read back, transformers' own loss and pipeline."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch

from tiny import tiny_encoder, tiny_pieces
from tunesmith.contracts import Given
from tunesmith.encoding.batches.packing import pack
from tunesmith.encoding.documents import tagged
from tunesmith.encoding.proofs.tagged import proof
from tunesmith.encoding.tokens import codec as codecs
from tunesmith.errors import Refusal
from tunesmith.models import bases, load
from tunesmith.models.adapters import full
from tunesmith.models.model import LanguageModel
from tunesmith.records import Document, Head, Rows, Tagged
from tunesmith.tasks import tag


def cut(text: str) -> list[str]:
    return text.split()


SAID = cut("The order of two red shirtmakers goes to Anna Baku in Paris")
TAGS = cut("O O O O O O O O B-PER I-PER O B-LOC")
UNREAD = "\u200b"  # a blank of no width: the tokenizer has nothing for it


def row(words: list[str] = SAID, tags: list[str] | None = TAGS, where: str = "rows.conll:1") -> Tagged:
    return Tagged(tuple(words), None if tags is None else tuple(tags), where, where)


ROWS = [row(), row(cut("Natalia sold clips in May"), cut("B-PER O O O O"), "rows.conll:14"),
        row(cut("Anna , Baku and Paris"), cut("B-PER O B-LOC O B-LOC"), "rows.conll:20"),
        row(cut("What is half ?"), cut("O O O O"), "rows.conll:26")]


def codec(longest: int = 0) -> Any:
    return codecs.build(tiny_pieces(), longest=longest)


def settings(**chosen: Any) -> tag.Settings:
    return tag.Settings(**chosen)


def made(rows: list[Tagged], longest: int = 0, **chosen: Any) -> tuple[list[list[Document]], list[Any], Head]:
    head = tag.head(ROWS + [one for one in rows if one.tags], settings(**chosen))
    found = list(tag.encode(rows, codec(longest), settings(**chosen), head))
    return [list(documents) for documents, _ in found], [finding for _, some in found for finding in some], head


def proved(documents: list[Document], example: Tagged, head: Head, **chosen: Any) -> list[str]:
    return [finding.what for finding in proof(codec(), head, settings(**chosen)).prove(documents, example)]


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> bases.Base:
    return bases.find(str(tiny_encoder(tmp_path_factory.mktemp("tag") / "base")))


def network(base: bases.Base, head: Head, dtype: torch.dtype = torch.float64) -> Any:
    return load.network(base, dtype=dtype, device=torch.device("cpu"), head=head, seed=3)


# What is learnt


def test_the_first_piece_of_every_word_learns_its_tag():
    [[document], *_], _, head = made(ROWS)
    [framed] = codec().frames.of_words([SAID])
    learnt = np.flatnonzero(document.weights)
    assert [head.labels[target] for target in document.targets[learnt]] == TAGS
    assert framed.words[learnt].tolist() == list(range(len(SAID)))
    assert (framed.words[learnt - 1] != framed.words[learnt]).all()


def test_all_pieces_learn_it_where_that_is_wanted_and_the_frame_never_does():
    [[document], *_], _, head = made(ROWS, learn="all")
    [framed] = codec().frames.of_words([SAID])
    assert len(framed) > len(SAID) + 2  # some words have several pieces
    assert (document.weights > 0).tolist() == (framed.words >= 0).tolist()
    assert [head.labels[document.targets[place]] for place in np.flatnonzero(document.weights)] == [
        TAGS[word] for word in framed.words if word >= 0]


def test_documents_tell_their_text_and_where_each_token_ends():
    [[document], *_], _, _ = made(ROWS)
    assert document.text == " ".join(SAID)
    spelt = [document.text[start:end].strip().lower() for start, end in pairwise([0, *document.ends])]
    assert "".join(spelt) == "".join(SAID).lower()


@pytest.mark.parametrize("learn", ["first", "all"])
@pytest.mark.parametrize("longest", [0, 12])
def test_what_is_learnt_is_read_back_and_nothing_is_wrong_with_it(learn, longest):
    documents, findings, head = made(ROWS, longest, learn=learn)
    prover = proof(codec(longest), head, settings(learn=learn))
    assert not findings
    assert not [prover.prove(*both) for both in zip(documents, ROWS, strict=True) if prover.prove(*both)]
    assert [finding.kind for finding in prover.notes()] == ["tags.scheme"]


# Windows


def long_row(words: int = 200) -> Tagged:
    return row((SAID * 20)[:words], (TAGS * 20)[:words])


@pytest.mark.parametrize("overlap", [0, 4, 64])
@pytest.mark.parametrize("longest", [8, 17, 40, 500])
def test_every_word_of_a_long_row_is_learnt_in_one_window_and_none_is_too_long(longest, overlap):
    [windows] = tagged.windows([long_row()], codec(longest), overlap)
    assert max(len(window.document) for window in windows) <= longest
    assert sorted(word for window in windows for word in window.own) == list(range(200))
    documents, _, head = made([long_row()], longest, overlap=overlap)
    assert len(documents[0]) == len(windows)
    assert not proved(documents[0], long_row(), head)


def test_windows_overlap_as_far_as_is_wanted_and_part_no_word():
    begins = np.array([True, False, True, True, False, False] * 20)
    found = tagged.parts(begins, 30, 10)
    assert found[0] == (0, 30) and found[-1][1] == 120
    for (_, end), (start, _) in pairwise(found):
        assert begins[start] and begins[end] and 10 <= end - start <= 12


def test_a_word_is_read_where_most_stands_around_it():
    found = tagged.parts(np.ones(100, bool), 40, 20)
    assert found == [(0, 40), (20, 60), (40, 80), (60, 100)]
    owner = tagged.owners(np.arange(100), found)
    for word, chosen in enumerate(owner):
        room = [min(word - start if start else 999, end - 1 - word if end < 100 else 999)
                if start <= word < end else -1 for start, end in found]
        assert room[chosen] == max(room)
    assert owner[0] == 0 and owner[99] == 3


def test_a_word_that_fills_more_than_a_window_is_learnt_by_its_first_piece():
    giant = row(["of", "x" * 90, "Anna"], ["O", "B-LOC", "B-PER"])
    documents, _, head = made([giant], 20)
    assert len(documents[0]) > 4
    assert not proved(documents[0], giant, head)
    learnt = [head.labels[target] for document in documents[0] for target in document.targets[document.weights > 0]]
    assert learnt == ["O", "B-LOC", "B-PER"]


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


# Faults that are planted are found


def spoilt(document: Document, **columns: Any) -> Document:
    return replace(document, **columns)


def test_a_tag_beside_its_word_is_found():
    [[document], *_], _, head = made(ROWS)
    shifted = spoilt(document, targets=np.roll(document.targets, 1), weights=np.roll(document.weights, 1))
    assert proved([shifted], ROWS[0], head)


def test_another_tag_is_found():
    [[document], *_], _, head = made(ROWS)
    targets = document.targets.copy()
    place = int(np.flatnonzero(document.weights)[8])
    targets[place] = head.labels.index("B-LOC")
    assert proved([spoilt(document, targets=targets)], ROWS[0], head) == [
        "word 9, `Anna`, is tagged B-PER, and B-LOC would be learnt"]


def test_a_word_that_is_not_learnt_or_learnt_twice_is_found():
    [[document], *_], _, head = made(ROWS)
    weights = document.weights.copy()
    weights[np.flatnonzero(weights)[3]] = 0
    assert proved([spoilt(document, weights=weights)], ROWS[0], head) == ["word 4, `two`, is learnt 0 times"]
    assert proved([document, document], ROWS[0], head) == ["word 1, `The`, is learnt 2 times"]


def test_pieces_that_should_not_learn_or_should_are_found():
    [[first], *_], _, head = made(ROWS)
    [[every], *_], _, _ = made(ROWS, learn="all")
    wrong = ["word 6, `shirtmakers`, is learnt by other pieces than it should be"]
    assert proved([every], ROWS[0], head) == proved([first], ROWS[0], head, learn="all") == wrong


def test_tokens_of_other_words_are_found():
    [[first], [second], *_], _, head = made(ROWS)
    ids = first.ids.copy()
    ids[3], ids[4] = ids[4], ids[3]
    assert "those of other words" in proved([spoilt(first, ids=ids)], ROWS[0], head)[0]
    assert "those of other words" in proved([second], ROWS[0], head)[0]


def test_a_frame_that_learns_or_is_another_is_found():
    [[document], *_], _, head = made(ROWS)
    weights = document.weights.copy()
    weights[0] = 1
    targets = document.targets.copy()
    targets[0] = 0
    assert proved([spoilt(document, weights=weights, targets=targets)], ROWS[0], head) == [
        "a token of the frame is learnt"]
    assert proved([spoilt(document, ids=np.append(document.ids[:-1], 7))], ROWS[0], head) == [
        "a document has another frame than the tokenizer writes"]


# Tags that are wrong


def test_broken_tags_are_repaired_and_told_with_their_number_and_rows():
    broken = row(["Anna", "Baku", "goes"], ["I-PER", "I-LOC", "O"], "rows.conll:9")
    documents, findings, head = made([broken], scheme="iob2")
    prover = proof(codec(), head, settings())
    assert not findings and not prover.prove(documents[0], broken)
    learnt = documents[0][0].targets[documents[0][0].weights > 0]
    assert [head.labels[target] for target in learnt] == ["B-PER", "B-LOC", "O"]
    [told] = [finding for finding in prover.notes() if finding.kind == "tags.mended"]
    assert told.severity == "warning" and told.where == "rows.conll:9"
    assert told.what.startswith("1 rows have tags that break the scheme `iob2`; 2 tags are changed")
    assert "`I-PER` to `B-PER` (1)" in told.what


def test_broken_tags_are_refused_by_name_where_that_is_wanted():
    broken = row(["Anna", "Baku"], ["B-PER", "I-LOC"], "rows.conll:9")
    documents, [found], _ = made([broken], scheme="iob2", broken="refuse")
    assert documents == [[]] and (found.severity, found.kind, found.where) == ("error", "tags.broken", "rows.conll:9")
    assert "word 2, `Baku`, is tagged `I-LOC`" in found.what and "`B-LOC` would be right" in found.what


def test_a_tag_that_no_training_row_knows_is_refused_with_what_it_may_mean():
    head = tag.head(ROWS, settings())
    held = row(["Paris"], ["B-OC"], "test.conll:7")
    [(documents, [found])] = tag.encode([held], codec(), settings(), head)
    assert not documents and (found.kind, found.where) == ("labels.unknown", "test.conll:7")
    assert "`B-OC`" in found.what and "`B-LOC`" in found.remedy


def test_rows_with_one_tag_only_and_rows_without_tags_are_refused():
    with pytest.raises(Refusal, match="every word of the training rows is tagged `O`"):
        tag.head([row(["a", "b"], ["O", "O"])], settings())
    with pytest.raises(Refusal, match="no tags"):
        tag.head([row(["a"], None)], settings())


def test_runs_of_io_tags_are_entities_and_plain_tags_are_words():
    io = [row(cut("Anna Baku in Paris"), cut("I-PER I-PER O I-LOC"))]
    assert tag.head(io, settings()) == Head("token", ("O", "I-LOC", "I-PER"), scheme="io")
    plain = [row(cut("Anna goes"), cut("NNP VBZ"))]
    assert tag.head(plain, settings()) == Head("token", ("NNP", "VBZ"), scheme="none")


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
