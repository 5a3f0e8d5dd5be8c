"""Labelling without a terminal: what may be typed, what is written, what a killed process leaves."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tunesmith.data.load import load
from tunesmith.errors import Busy, Refusal
from tunesmith.labelling.answers import Choice, Number, Part, Several, Unclear, Written, chosen
from tunesmith.labelling.doubt import offered
from tunesmith.labelling.file import opened
from tunesmith.labelling.items import Item, Offered, digest_of, read
from tunesmith.labelling.rows import labelled
from tunesmith.labelling.session import Session
from tunesmith.labelling.words import Words
from tunesmith.records import Answer, Conversation, Labelled, Message, Pair, Question, Row, Tagged

LABELS = ("praise", "complaint", "price", "question")


def item(values: dict[str, Any], example: Any = None, offered: Offered | None = None) -> Item:
    found = example or Labelled(values["text"], None, "new.jsonl:1", "g")
    return Item(Row(values, "new.jsonl:1"), found, digest_of(found), offered)


def suggestion(label: str = "praise", score: float = 0.6) -> Offered:
    rest = (1 - score) / 3
    return Offered(label, 0.5, score, "probability", {name: score if name == label else rest for name in LABELS})


@pytest.mark.parametrize(("typed", "label"), [
    ("1", "praise"), ("4", "question"), ("#2", "complaint"), ("c", "complaint"), ("PRAI", "praise"), ("pri", "price"),
    ("price", "price"), ("=price", "price"),
])
def test_a_label_is_named_by_its_number_or_by_its_first_letters(typed, label):
    assert chosen(typed, LABELS) == label


@pytest.mark.parametrize(("typed", "told"), [
    ("pr", "could be `praise`, `price`"), ("5", "numbered 1 to 4"), ("0", "numbered 1 to 4"), ("x", "no label begins"),
    ("complent", "the nearest is `complaint`"), ("=c", "no label is called `c`"), ("=", "no label is called"),
])
def test_what_names_no_label_or_several_is_told(typed, told):
    with pytest.raises(Unclear, match=told):
        chosen(typed, LABELS)


def test_labels_that_are_numbers_are_typed_as_they_are():
    stars = ("0", "1", "2", "10")
    assert [chosen(typed, stars) for typed in ("0", "1", "10", "#1", "#4")] == ["0", "1", "10", "0", "10"]
    assert "#1 0" in Choice(stars).choices(item({"text": "x"}))[0]


def test_labels_that_differ_in_capitals_alone_are_told_apart():
    assert chosen("US", ("us", "US")) == "US"
    assert chosen("us", ("us", "US")) == "us"


def test_of_many_labels_the_likeliest_are_shown_with_their_own_numbers():
    many = tuple(f"label {letter}" for letter in "abcdefghijklmnop")
    scores = {name: 0.9 if name.endswith("n") else 0.01 for name in many}
    [line] = Choice(many).choices(item({"text": "x"}, offered=Offered(many[13], 0.1, 0.9, "probability", scores)))
    assert line.startswith("14 label n")
    assert "11 more" in line
    assert len(Choice(many).every()) == 16


def test_several_labels_are_typed_with_commas_or_blanks_and_none_is_an_answer():
    kind = Several(LABELS)
    assert kind.read("4, pra", item({"text": "x"}), None) == (["praise", "question"], True)
    assert kind.read("2 2 1", item({"text": "x"}), None) == (["praise", "complaint"], True)
    assert kind.read("-", item({"text": "x"}), ["praise"]) == ([], True)


def test_numbers_texts_and_parts_of_a_context_are_held_to_what_they_can_be():
    question = Question("Who?", "Anna met Ben.", None, "q.jsonl:1", "g")
    asked = item({}, question)
    assert Number().read("2.5", asked, None) == (2.5, True)
    assert Part().read("Ben", asked, None) == ("Ben", True)
    assert Part().columns(question, "Ben")["answers"] == {"text": ["Ben"], "answer_start": [9]}
    assert Part().columns(question, "")["answers"] == {"text": [], "answer_start": []}
    assert Written(talk=False).read("two\\nlines", asked, None) == ("two\nlines", True)
    for kind, typed in ((Number(), "many"), (Number(), "nan"), (Part(), "Carl"), (Written(talk=False), "= ")):
        with pytest.raises(Unclear):
            kind.read(typed, asked, None)


SENTENCE = Tagged(("Anna", "Berg", "met", "Ben", "in", "New", "York"), None, "s.conll:1", "g")


@pytest.mark.parametrize(("typed", "before", "after"), [
    ("1-2 PER", None, "B-PER I-PER O O O O O"),
    ("6-7 loc; 4 p", "B-PER I-PER O O O O O", "B-PER I-PER O B-PER O B-LOC I-LOC"),
    ("2 -", "B-PER I-PER O B-PER O O O", "O O O B-PER O O O"),
    ("-", "B-PER I-PER O B-PER O O O", "O O O O O O O"),
    ("2-4 LOC", "B-PER I-PER O B-PER O O O", "O B-LOC I-LOC I-LOC O O O"),
])
def test_entities_are_named_by_the_numbers_of_their_words(typed, before, after):
    kind = Words(("PER", "LOC"), "iob2")
    tags, final = kind.read(typed, item({}, SENTENCE), before.split() if before else None)
    assert (" ".join(tags), final) == (after, False)


def test_entities_are_written_by_the_scheme_of_the_run():
    kind = Words(("PER",), "bioes")
    assert kind.read("1-3 PER; 5 PER", item({}, SENTENCE), None)[0] == ["B-PER", "I-PER", "E-PER", "O", "S-PER", "O",
                                                                        "O"]


@pytest.mark.parametrize("typed", ["8 PER", "0 PER", "3-2 PER", "1-2", "PER 1", "1 X"])
def test_a_change_of_words_that_are_not_there_is_told(typed):
    with pytest.raises(Unclear):
        Words(("PER", "LOC"), "iob2").read(typed, item({}, SENTENCE), None)


def test_entities_are_shown_in_brackets_and_words_with_their_numbers():
    kind = Words(("PER", "LOC"), "iob2")
    tags = ["B-PER", "I-PER", "O", "B-PER", "O", "B-LOC", "I-LOC"]
    assert kind.told(tags, item({}, SENTENCE)) == "[Anna Berg]PER met [Ben]PER in [New York]LOC"
    assert kind.choices(item({}, SENTENCE))[0].startswith("words: 1 Anna  2 Berg  3 met")


KINDS = [
    (Choice(LABELS), {"text": "a", "id": 7}, Labelled("a", None, "r", "g"), "price"),
    (Choice(LABELS), {"text": "a", "label": "praise"}, Labelled("a", ("praise",), "r", "g"), "price"),
    (Choice(LABELS), {"Body": "a", "context": "c"}, Labelled("a", None, "r", "g"), "price"),
    (Choice(LABELS), {"premise": "a", "hypothesis": "b"}, Labelled("a", None, "r", "g", second="b"), "price"),
    (Choice(LABELS), {"prompt": "a", "answer": "b", "messages": []}, Labelled("a", None, "r", "g"), "price"),
    (Choice(LABELS), {"text": "a", "suggested": "mine", "score": 12, "by": "me", "row_digest": "x"},
     Labelled("a", None, "r", "g"), "price"),
    (Choice(LABELS), {"text": "a", "prediction": "praise", "why": "low score"}, Labelled("a", None, "r", "g"), "price"),
    (Several(LABELS), {"text": "a", "label": "old"}, Labelled("a", None, "r", "g"), ["price", "praise"]),
    (Several(LABELS), {"text": "a"}, Labelled("a", None, "r", "g"), []),
    (Words(("PER",), "iob2"), {"column 1": ["Anna", "ate"], "column 2": ["O", "O"]},
     Tagged(("Anna", "ate"), None, "r", "g"), ["B-PER", "O"]),
    (Words(("PER",), "iob2"), {"text": "Anna ate"}, Tagged(("Anna", "ate"), None, "r", "g", text="Anna ate"),
     ["B-PER", "O"]),
    (Written(talk=False), {"question": "a", "context": "b"}, Pair("a", "", "r", "g"), "so"),
    (Written(talk=True), {"messages": [{"role": "user", "content": "hi"}]},
     Conversation((Message("user", "hi"), Message("assistant", "")), "r", "g"), "hello"),
    (Part(), {"question": "who", "context": "a b", "id": "7"}, Question("who", "a b", None, "r", "g", id="7"), "b"),
    (Part(), {"question": "who", "context": "a b"}, Question("who", "a b", None, "r", "g"), ""),
]


@pytest.mark.parametrize(("kind", "values", "example", "answer"), KINDS)
def test_what_is_written_is_read_as_training_data_as_it_is(tmp_path, kind, values, example, answer):
    made = labelled(item(values, example, suggestion()), kind, answer, "anna")
    path = tmp_path / "l.jsonl"
    path.write_text((json.dumps(made) + "\n") * 2)
    loaded = load(str(path))
    assert loaded.format == kind.format
    read = loaded.examples[0]
    assert digest_of(read) == digest_of(example)
    said = {Labelled: lambda: read.labels, Tagged: lambda: read.tags, Pair: lambda: read.answer,
            Conversation: lambda: read.messages[-1].content, Question: lambda: read.answers}[type(read)]()
    wanted = (tuple(answer) if isinstance(answer, list) else answer if kind.format in ("pair", "messages") else
              (answer,) if kind.format != "squad" else (Answer(answer, 2),) if answer else ())
    assert said == wanted
    kept = {**made, **made.get("row", {})}
    for name, value in values.items():
        if name not in ("row_digest", "messages"):
            assert value in (kept.get(name), kept.get(f"before_{name}")), name


def test_two_rows_that_ask_the_same_are_known_by_one_digest_whatever_they_answer():
    assert digest_of(Labelled("a", ("x",), "1", "g", "s")) == digest_of(Labelled("a", None, "2", "h"))
    assert digest_of(Labelled("a", None, "1", "g")) != digest_of(Labelled("b", None, "1", "g"))
    assert digest_of(Labelled("a", None, "1", "g")) != digest_of(Labelled("a", None, "1", "g", second="b"))
    of_text = Tagged(("a",), None, "2", "g", text="a", starts=(0,))
    assert digest_of(Tagged(("a",), ("O",), "1", "g")) == digest_of(of_text)
    talk = (Message("user", "a"), Message("assistant", "b"), Message("user", "c"))
    assert digest_of(Conversation((*talk, Message("assistant", "d")), "1", "g")) == digest_of(
        Conversation((*talk, Message("assistant", "e")), "1", "g"))


@pytest.fixture
def session(tmp_path):
    """Twelve rows with suggestions, and the file that they are labelled into."""
    rows = [item({"text": f"row {n}"}, offered=suggestion()) for n in range(12)]
    with opened(tmp_path / "out.jsonl") as file:
        yield Session(rows, Choice(LABELS), file, "anna")


def written(session: Session) -> list[str]:
    return [json.loads(line)["label"] for line in session.file.path.read_text().splitlines()]


def test_every_decision_is_in_the_file_before_the_next_row_is_shown(session):
    session.take("")
    assert written(session) == ["praise"]
    assert "row 2 of 12, 1 labelled" in session.head()
    session.take("q")
    assert session.finished
    assert session.as_json() == {"labelled": 1, "accepted": 1, "corrected": 0, "skipped": 0, "left": 11}


def test_what_is_undone_is_asked_again_and_is_gone_from_the_file(session):
    for typed in ("", "2", "s"):
        session.take(typed)
    assert session.as_json() == {"labelled": 2, "accepted": 1, "corrected": 1, "skipped": 1, "left": 10}
    for left in (["praise", "complaint"], ["praise"], []):
        assert "undone" in session.take("u")[0]
        assert written(session) == left
    assert session.place == 0
    assert "nothing to undo" in session.take("u")[0]
    session.take("3")
    assert written(session) == ["price"]


def test_what_is_not_understood_changes_nothing_and_the_row_is_asked_again(session):
    assert "could be" in session.take("p")[0]
    assert "cannot be written" in session.take("\udcff")[0]
    assert session.place == 0 and written(session) == []
    assert any("undoes" in line for line in session.take("?"))


def test_without_a_suggestion_enter_accepts_nothing(tmp_path):
    with opened(tmp_path / "out.jsonl") as file:
        session = Session([item({"text": "x"})], Choice(LABELS), file)
        assert "nothing is suggested" in session.take("")[0]
        session.take("1")
        assert session.finished
    made = json.loads((tmp_path / "out.jsonl").read_text())
    assert "by" not in made and "suggested" not in made


def test_a_row_shows_its_text_its_other_columns_and_how_sure_the_model_is(tmp_path):
    with opened(tmp_path / "out.jsonl") as file:
        values = {"text": "x" * 5000, "label": "price", "why": "drift", "from_row": "a.csv:3", "row_digest": "7"}
        session = Session([item(values, offered=suggestion("complaint", 0.7))], Choice(LABELS), file)
        assert session.head().endswith("a.csv:3")
        text, others, suggested, choices = session.body()
        assert text.endswith("… and 1,000 characters more")
        assert others == "(label: price; why: drift)"
        assert suggested == "suggested: complaint (probability 0.70, next question 0.10)"
        assert choices == "1 praise   2 complaint   3 price   4 question"


def test_a_line_that_was_half_written_is_cut_off_and_its_row_asked_again(tmp_path):
    path = tmp_path / "out.jsonl"
    path.write_text('{"label": "a", "row_digest": "1"}\n{"label": "b", "row_di')
    with opened(path) as file:
        assert (file.done, file.torn) == ({"1"}, True)
        file.append({"label": "c", "row_digest": "2"})
    with opened(path) as file:
        assert (file.done, file.torn) == ({"1", "2"}, False)


def test_a_last_line_that_only_lacks_its_end_is_kept_and_a_file_of_nothing_else_is_refused(tmp_path):
    path = tmp_path / "out.jsonl"
    path.write_text('{"label": "a", "row_digest": "1"}\n{"label": "b", "row_digest": "2"}')  # an editor took the end
    with opened(path) as file:
        assert (file.done, file.torn) == ({"1", "2"}, False)
        file.append({"label": "c", "row_digest": "3"})
    assert [json.loads(line)["label"] for line in path.read_text().splitlines()] == ["a", "b", "c"]
    path.write_text("all that somebody wrote, without an end")
    with pytest.raises(Refusal), opened(path):
        pass
    assert path.read_text() == "all that somebody wrote, without an end"


def test_a_file_of_other_rows_is_not_added_to_and_two_do_not_write_into_one(tmp_path):
    path = tmp_path / "out.jsonl"
    path.write_text('{"label": "a", "row_digest": "1"}\n{"text": "mine"}\n')
    with pytest.raises(Refusal) as refused, opened(path):
        pass
    assert refused.value.where == f"{path}:2"
    with opened(tmp_path / "other.jsonl"), pytest.raises(Busy), opened(tmp_path / "other.jsonl"):
        pass


def test_rows_are_read_once_each_and_bad_ones_told(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"text": "a"}\n{"text": ""}\nno json\n{"text": "a", "n": 2}\n{"text": "b"}\n{"body": "c"}\n')
    found = read([str(path)], {digest_of(Labelled("b", None, "", ""))})
    assert [one.row.values["text"] for one in found.items] == ["a"]
    assert (found.rows, found.copies, found.done) == (3, 1, 1)
    assert sorted(finding.where for finding in found.findings) == [f"{path}:{line}" for line in (2, 3, 6)]


def test_words_are_told_from_texts_by_the_first_row(tmp_path):
    (tmp_path / "a.conll").write_text("Anna\tB-PER\nate\tO\n\nBen\tB-PER\n")
    found = read([str(tmp_path / "a.conll")], set())
    assert [one.example.words for one in found.items] == [("Anna", "ate"), ("Ben",)]
    (tmp_path / "b.jsonl").write_text('{"tokens": ["Anna", "ate"]}\n')
    assert isinstance(read([str(tmp_path / "b.jsonl")], set()).items[0].example, Tagged)


@pytest.mark.parametrize(("sure", "unsure"), [
    ({"label": "a", "scores": {"a": 0.9, "b": 0.1}}, {"label": "a", "scores": {"a": 0.51, "b": 0.49}}),
    # the margin, not the likeliest alone: the first is far ahead of many small ones
    ({"label": "a", "scores": {"a": 0.5, **{f"l{n}": 0.05 for n in range(10)}}},
     {"label": "a", "scores": {"a": 0.55, "b": 0.45}}),
    ({"labels": ["a"], "scores": {"a": 0.9, "b": 0.05}}, {"labels": ["a"], "scores": {"a": 0.99, "b": 0.45}}),
    ({"tags": ["O"], "score": 0.9}, {"tags": ["O"], "score": 0.4}),
    ({"answer": "x", "score": 0.9}, {"answer": "", "score": 0.4}),
])
def test_the_least_sure_has_the_most_doubt(sure, unsure):
    one, other = offered(sure), offered(unsure)
    assert one is not None and other is not None
    assert one.doubt < other.doubt


def test_a_generated_text_is_doubted_by_the_likelihood_of_its_tokens_and_an_error_suggests_nothing():
    likely, unlikely = offered({"text": "a"}, -0.1), offered({"text": "b"}, -2.5)
    assert likely is not None and unlikely is not None and likely.doubt < unlikely.doubt
    assert offered({"where": "x", "error": "broken"}) is None


@pytest.mark.parametrize(("kind", "values", "example", "answer"), [
    KINDS[0], KINDS[1], KINDS[3], KINDS[9], KINDS[10],
    (Choice(LABELS), {"Body": "a", "id": 7}, Labelled("a", None, "r", "g"), "price")])
def test_a_rows_own_columns_stand_beside_its_answer_where_they_can(kind, values, example, answer):
    made = labelled(item(values, example), kind, answer, "")
    assert "row" not in made
    assert values.keys() - {"label"} <= made.keys()
