"""What every file of `data/augment/` promises."""

from __future__ import annotations

import importlib
import random
from collections import Counter
from dataclasses import replace
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from tunesmith import catalog
from tunesmith.data import schemes
from tunesmith.data.augment._keyboards import beside
from tunesmith.data.varied import of_files, parent, varied
from tunesmith.errors import Misuse
from tunesmith.recipe.sections import Recipe
from tunesmith.recipe.starred import Choice
from tunesmith.records import Answer, Conversation, Example, Labelled, Message, Pair, Question, Tagged

WAYS = {name: importlib.import_module(f"tunesmith.data.augment.{name}") for name in catalog.names("augment")}
NEEDED = {"paraphrase": {"model": "m"}, "translation": {"model": "m"}}  # options without a default
WORDS = ("Əli", "Bakıya", "gedir", "the", "Order", "came", "late", "and", "never", "sakit", "yaxşı", "deyil", "museum")
NAMES = (("Anna",), ("New", "York"), ("Bakı",), ("Əli", "Əliyev"), ("UN",), ("Lake", "Van", "Basin"))


def texts(count: int = 30) -> list[str]:
    chance = random.Random(5)
    return [f"{' '.join(chance.choices(WORDS, k=6))} {number}. {' '.join(chance.choices(WORDS, k=4))}!"
            for number in range(count)]


def tagged(scheme: str, count: int = 30) -> list[Tagged]:
    """Rows in one scheme, with the text that they were cut from: a blank between words, none before the last."""
    chance = random.Random(6)
    rows = []
    for number in range(count):
        words: list[str] = [chance.choice(WORDS)]
        found = []
        for _ in range(chance.randint(0, 2)):
            name = chance.choice(NAMES)
            found.append(schemes.Entity(chance.choice(("PER", "LOC")), len(words), len(words) + len(name)))
            words += [*name, chance.choice(WORDS)]
        words += [chance.choice(WORDS), str(number), "."]
        text, starts = " ".join(words[:-1]) + ".", [0]
        for word in words[:-1]:
            starts.append(starts[-1] + len(word) + 1)
        starts[-1] -= 1
        rows.append(Tagged(tuple(words), tuple(schemes.spelt(found, len(words), scheme)), f"f.conll:{number + 1}",
                           f"g{number}", "s", text if number % 2 else "", tuple(starts) if number % 2 else ()))
    return rows


def rows(kind: type[Example]) -> list[Example]:
    """Rows of one kind, whose every text is a text of its own."""
    made: list[Example] = []
    for number, text in enumerate(texts()):
        rest = {"where": f"f.jsonl:{number + 1}", "group": f"g{number}", "source": "s"}
        if kind is Labelled:
            made.append(Labelled(text, (("good", "bad")[number % 2],), **rest))
        elif kind is Pair:
            made.append(Pair(text, f"answer {number}", references=(f"answer {number}", "x"), **rest))
        elif kind is Conversation:
            turns = (Message("system", "s"), Message("user", text), Message("assistant", "A."), Message("user", text))
            made.append(Conversation(turns, **rest))
        elif kind is Question:
            made.append(Question(text, "A context.", (Answer("context", 2),), **rest))
    return made or list(tagged("iob2"))


def section(name: str, **options: object):
    return Choice("augment").validate({"type": name, "share": 1.0, **NEEDED.get(name, {}), **options})


def most(name: str) -> float:
    """The largest share of rows that a way takes: a model that is asked twice says the same twice."""
    return 1.0 if name in NEEDED else 3.0


def echo(prompts, model, asking):
    """A model that says every text with another word in it."""
    assert model == "m"
    return [f"{prompt} indeed" for prompt in prompts]


def made_by(name, examples, seed=1, ask=echo, **options):
    everything, told = varied(examples, [section(name, **options)], seed=seed, ask=ask)
    assert list(everything[: len(examples)]) == list(examples)
    return list(everything[len(examples) :]), told


KINDS = [(name, kind) for name, module in WAYS.items() for kind in module.takes]
each_kind = pytest.mark.parametrize(("name", "kind"), KINDS, ids=[f"{name}-{kind.__name__}" for name, kind in KINDS])


@pytest.mark.parametrize("name", WAYS)
def test_a_way_offers_what_the_contract_names(name):
    module = WAYS[name]
    assert module.takes and set(module.takes) <= set(get_args(Example))
    assert issubclass(module.Settings, BaseModel)
    assert "abel" in module.__doc__ or "tag" in module.__doc__, "say what becomes of the labels"


def test_no_rows_are_made_unless_somebody_asks():
    assert Recipe.model_fields["data"].annotation.model_fields["augment"].get_default() == ()
    assert varied(rows(Labelled), (), seed=1, ask=echo) == (rows(Labelled), [])


@each_kind
def test_the_same_seed_makes_the_same_rows_and_another_seed_others(name, kind):
    once, again, other = (made_by(name, rows(kind), seed)[0] for seed in (1, 1, 2))
    assert once and once == again
    if not NEEDED.get(name):
        assert other != once


@each_kind
def test_a_row_knows_its_parent_and_keeps_its_group_and_source(name, kind):
    examples = rows(kind)
    by_place = {example.where: example for example in examples}
    made, _ = made_by(name, examples)
    for row in made:
        place, way = parent(row.where)
        assert way == name
        assert (row.group, row.source) == (by_place[place].group, "s")
    assert list(of_files((*examples, *made))) == examples
    raw = [(place, row) for place, row in WAYS[name].vary(examples, section(name).settings, seed=1, ask=echo)
           if not isinstance(row, str)]
    assert all(0 <= place < len(examples) for place, _ in raw)


@each_kind
def test_no_row_says_the_same_as_its_parent_or_as_another_that_was_made_of_it(name, kind):
    examples = rows(kind)
    made, _ = made_by(name, examples, share=most(name))
    bare = [replace(row, where="") for row in made]
    assert not set(map(repr, bare)) & {repr(replace(row, where="")) for row in examples}
    assert max(Counter(map(repr, bare)).values()) == 1


@each_kind
def test_what_a_model_learns_to_say_is_as_it_was(name, kind):
    examples = rows(kind)
    by_place = {example.where: example for example in examples}
    for row in made_by(name, examples)[0]:
        old = by_place[parent(row.where)[0]]
        if name == "instructions":
            assert row.answer == old.labels[0] and old.text in row.prompt
        elif isinstance(row, Labelled):
            assert row.labels == old.labels
        elif isinstance(row, Pair):
            assert (row.answer, row.references) == (old.answer, old.references)
        elif isinstance(row, Question):
            assert (row.context, row.answers) == (old.context, old.answers)
        elif isinstance(row, Conversation):
            assert [turn for turn in row.messages if turn.role != "user"] == \
                [turn for turn in old.messages if turn.role != "user"]
            assert len(row.messages) == len(old.messages)


@each_kind
def test_a_share_makes_about_so_many_rows_and_a_larger_one_adds_to_them(name, kind):
    few, many = (made_by(name, rows(kind), share=share)[0] for share in (0.3, most(name)))
    assert {row.where for row in few} <= {row.where for row in many}
    assert len(few) <= 18 < len(many) <= 30 * most(name)


@each_kind
def test_rows_that_come_later_change_nothing_of_those_before(name, kind):
    examples = rows(kind)
    if name in ("entities", "sentences"):
        pytest.skip("what a row is replaced by or joined with is drawn from all rows")
    known = made_by(name, examples[:20])[0]
    assert known == [row for row in made_by(name, examples)[0] if row.group in {each.group for each in examples[:20]}]


@pytest.mark.parametrize("name", [name for name, module in WAYS.items() if Tagged in module.takes])
@pytest.mark.parametrize("scheme", ["iob2", "iob1", "io", "bioes", "bilou", "types"])
def test_tags_stay_aligned_and_keep_to_their_scheme(name, scheme):
    examples = tagged(scheme)
    by_place = {example.where: example for example in examples}
    made, _ = made_by(name, examples, share=2.0)
    assert len(made) > 10
    for row in made:
        assert len(row.words) == len(row.tags)
        assert all(word and not any(map(str.isspace, word)) for word in row.words)
        assert schemes.mended(row.tags, scheme) == list(row.tags)
        new, old = (schemes.entities(each.tags, scheme) for each in (row, by_place[parent(row.where)[0]]))
        assert sorted(one.type for one in new) == sorted(one.type for one in old)


@pytest.mark.parametrize("name", [name for name, module in WAYS.items() if Tagged in module.takes])
def test_words_stand_in_the_text_where_they_are_said_to(name):
    made, _ = made_by(name, tagged("iob2"), share=2.0)
    assert any(row.text for row in made) and any(not row.text for row in made)
    for row in made:
        if not row.text:
            assert row.starts == ()
            continue
        assert [row.text[start : start + len(word)] for start, word in zip(row.starts, row.words, strict=True)] == \
            list(row.words)
        assert "".join(row.text.split()) == "".join(row.words)


@pytest.mark.parametrize("name", WAYS)
def test_rows_of_another_kind_are_refused_by_name(name):
    strange = next(kind for kind in get_args(Example) if kind not in WAYS[name].takes)
    example = strange(*{"Text": ("t", "w", "g"), "Pair": ("p", "a", "w", "g"), "Labelled": ("t", ("l",), "w", "g"),
                        "Tagged": (("w",), ("O",), "w", "g"), "Conversation": ((), "w", "g"),
                        "Question": ("q", "c", (), "w", "g")}[strange.__name__])
    with pytest.raises(Misuse, match=f"`{name}` varies .* and the data holds {strange.__name__.lower()}s"):
        made_by(name, [example])


@pytest.mark.parametrize("name", WAYS)
@settings(max_examples=30, deadline=None)
@given(text=st.text(max_size=30), seed=st.integers(0, 9))
def test_no_text_is_too_odd_to_be_varied(name, text, seed):
    kind = next(kind for kind in (Labelled, Tagged, Pair) if kind in WAYS[name].takes)
    words = tuple(text.split()) or ("w",)
    tags = ("B-PER", *["O"] * (len(words) - 1))
    rest = {"where": "f:1", "group": "g"}
    example = {Labelled: lambda: Labelled(text, ("l",), **rest), Pair: lambda: Pair(text, "a", **rest),
               Tagged: lambda: Tagged(words, tags, **rest)}[kind]()
    other = replace(rows(kind)[0], where="f:2")
    made, _ = made_by(name, [example, other], seed)
    groups = {f"f:1 ({name})": "g", f"f:2 ({name})": other.group}
    assert all(row.group == groups[row.where] for row in made)
    assert not {learnt for learnt in made if replace(learnt, where="") in (
        replace(example, where=""), replace(other, where=""))}


@each_kind
def test_rows_of_the_other_sides_are_not_changed_but_where_the_task_takes_another_kind(name, kind):
    for row in rows(kind):
        told = WAYS[name].learnt(row, section(name).settings)
        assert told == row if name != "instructions" else (told.answer, told.group) == (row.labels[0], row.group)


def test_a_labelled_row_is_asked_as_its_options_say():
    learnt = WAYS["instructions"].learnt
    row = Labelled("{what} is {text}?", ("0", "1"), "f:1", "g", "s")
    chosen = section("instructions", what="topic", labels={"1": "sport", "0": "art"}).settings
    asked = learnt(row, chosen)
    assert asked.prompt == "What is the topic of this text? Choose from: sport, art.\n\n{what} is {text}?"
    assert (asked.answer, asked.where, asked.source) == ("art, sport", "f:1", "s")
    assert learnt(replace(row, labels=()), chosen).answer == "none"
    assert learnt(replace(row, labels=None), chosen).answer == ""
    assert learnt(replace(row, second="b"), chosen).prompt.startswith("First text: {what} is {text}?\nSecond text: b")
    with pytest.raises(Misuse, match="has no place for a row's second text"):
        learnt(replace(row, second="b"), section("instructions", templates=["{text}?"]).settings)


@pytest.mark.parametrize(("answer", "why"), [
    ("", "the model gave no whole answer"),
    ("The  order came LATE .", "the answer says the same word for word"),
    ("Sure, here it is:\n\nthe order came late .", "the answer says the same word for word"),
    ('"the order came late ."', "the answer says the same word for word"),
    ("late", "the answer is more than 2 times as long, or as short"),
    ("the order came late . " * 3, "the answer goes in circles"),
    ("it came late, the order .", ""),
])
def test_an_answer_that_cannot_stand_for_a_text_is_not_taken_and_told(answer, why):
    row = Labelled("the order came late .", ("l",), "f:1", "g")
    made, (finding,) = made_by("paraphrase", [row], ask=lambda texts, model, asking: [answer])
    assert len(made) == (not why) and (why in finding.what)
    assert not why or finding.what.endswith(f"could not: {why} (1)")


def test_letters_are_changed_as_the_layout_has_them_and_digits_never():
    row = Labelled("Şəhərdə 1234567890 yağış", ("l",), "f:1", "g")
    made, _ = made_by("noise", [row], share=10.0, ways=["keyboard"], letters=1.0)
    assert len(made) > 5
    for each in made:
        first, digits, last = each.text.split(" ")
        assert digits == "1234567890"
        assert all(new in beside("az")[old] for new, old in zip(first + last, "Şəhərdəyağış", strict=True))
    (plain,), _ = made_by("noise", [row], ways=["marks"], letters=1.0)
    assert plain.text == "Seherde 1234567890 yagis"


def test_about_the_share_of_letters_is_changed_that_is_asked_for():
    text = "the museum opened late and nobody came " * 50
    row = Labelled(text, ("l",), "f:1", "g")
    (made,), _ = made_by("noise", [row], ways=["keyboard"], letters=0.1)
    letters = sum(map(str.isalpha, text))
    assert 0.08 < sum(one != other for one, other in zip(made.text, text, strict=True)) / letters < 0.12


@pytest.mark.parametrize(("way", "text", "wanted"), [
    ("lower", "ilıq IŞIQ İL", "ilıq ışıq il"), ("upper", "ilıq ışıq", "İLIQ IŞIQ"),
    ("title", "(il) ışıq", "(İl) Işıq"), ("bare", "«Nə?» dedi :)", "Nə dedi :)"),
])
def test_cases_are_those_of_the_language(way, text, wanted):
    (made,), _ = made_by("case", [Labelled(text, ("l",), "f:1", "g")], ways=[way])
    assert made.text == wanted


def test_words_that_turn_a_sentence_round_are_never_lost_and_never_moved():
    row = Labelled("o film heç də pis deyil amma uzun idi don't watch NO cavab", ("l",), "f:1", "g")
    kept = ["heç", "deyil", "amma", "don't", "NO"]
    made, _ = made_by("words", [row], share=10.0, words=0.2)
    assert len(made) > 3 and all([word for word in each.text.split() if word in kept] == kept for each in made)
    made, _ = made_by("words", [row], share=10.0, words=0.5, keep=["film"])
    assert all("film" in each.text.split() for each in made)
    made, _ = made_by("words", [replace(row, second="b")])
    assert not made


def test_an_entity_is_replaced_by_one_of_its_own_type_from_the_rows():
    examples = tagged("bioes")
    known: dict[str, set[tuple[str, ...]]] = {}
    for row in examples:
        for one in schemes.entities(row.tags, "bioes"):
            known.setdefault(one.type, set()).add(row.words[one.first : one.end])
    by_place = {row.where: row for row in examples}
    for row in made_by("entities", examples, share=2.0, entities=1.0)[0]:
        old = by_place[parent(row.where)[0]]
        for one, before in zip(schemes.entities(row.tags, "bioes"), schemes.entities(old.tags, "bioes"), strict=True):
            assert row.words[one.first : one.end] in known[one.type]
            assert row.words[one.first : one.end] != old.words[before.first : before.end]
        assert [word for word, tag in zip(row.words, row.tags, strict=True) if tag == "O"] == \
            [word for word, tag in zip(old.words, old.tags, strict=True) if tag == "O"]


def test_sentences_are_all_there_in_another_order_and_joined_texts_have_one_label():
    text = 'One is here. "Two is there." Three?! Four'
    made, _ = made_by("sentences", [Labelled(text, ("l",), "f:1", "g")], ways=["shuffle"], share=10.0)
    assert len(made) > 3
    for each in made:
        assert Counter(each.text.split()) == Counter(text.split()) and each.text != text
        assert '"Two is there."' in each.text
    examples = rows(Labelled)
    labels = {example.text: example.labels for example in examples}
    for each in made_by("sentences", examples, ways=["join"])[0]:
        (second,) = [other for other in labels if each.text.endswith(f" {other}")]
        assert labels[second] == each.labels


def test_what_a_row_that_is_held_out_says_is_not_made():
    learnt, held = (Labelled(text, ("l",), f"f:{n}", f"g{n}") for n, text in enumerate(("The ORDER", "the  order")))
    everything, (finding,) = varied([learnt], [section("case", ways=["lower"])], seed=1, ask=echo, held=[held])
    assert list(everything) == [learnt] and finding.what.endswith("could not: a row that is held out says the same (1)")


def test_what_could_not_be_made_is_told_with_its_reason_and_count():
    examples = [replace(row, text=row.text.lower()) for row in rows(Labelled)]
    made, (finding,) = made_by("case", examples, ways=["lower"])
    assert made == [] and finding.severity == "warning"
    assert finding.what == ("`case` made 0 rows more of 30; 30 times it could not: it is as `lower` would have it (30)")
