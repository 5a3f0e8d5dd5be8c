"""The numbers of SQuAD's official scripts, re-derived here from what they publish, and ours beside them."""

from __future__ import annotations

import random
import string

import pytest

from tunesmith.metrics import squad_em, squad_f1
from tunesmith.records import Answer, Prediction, Question

WORDS = ("the", "a", "an", "The", "Baku", "baku", "AN", "cat's", "cats", "U.S.", "us", "1,000", "1000", "İzmir", "ağ",
         "-", "--", "...", "«Paris»", "(Paris)", "Paris", "co-operate", "theatre", "a.", "_", "\u00a0", "é", "e\u0301")
GAPS = (" ", "  ", "\t", "\n", "\u2009", "")


def left(text: str) -> str:
    """What the scripts leave of an answer: lower case, punctuation out, articles to blanks, blanks made one."""
    kept = [letter for letter in text.lower() if letter not in string.punctuation]
    words, word = [], ""
    for letter in [*kept, " "]:  # an article is one that no letter, digit or underscore touches, as `\\b` has it
        if letter.isalnum() or letter == "_":
            word += letter
        else:
            words += [" " if word in ("a", "an", "the") else word, letter]
            word = ""
    return " ".join("".join(words).split())


def f1_of_2_0(gold: str, said: str) -> float:
    one, other = left(gold).split(), left(said).split()
    if not one or not other:
        return float(one == other)
    rest, shared = list(other), 0
    for word in one:
        if word in rest:
            rest.remove(word)
            shared += 1
    if not shared:
        return 0.0
    precision, recall = 1.0 * shared / len(other), 1.0 * shared / len(one)
    return (2 * precision * recall) / (precision + recall)


def scores_of_2_0(golds: list[str], said: str) -> tuple[float, float]:
    kept = [gold for gold in golds if left(gold)] or [""]
    return max(float(left(gold) == left(said)) for gold in kept), max(f1_of_2_0(gold, said) for gold in kept)


def scores_of_1_1(golds: list[str], said: str) -> tuple[float, float]:
    exact = max(float(left(gold) == left(said)) for gold in golds)
    return exact, max(f1_of_2_0(gold, said) if left(gold) and left(said) else 0.0 for gold in golds)


def ours(golds: list[str], said: str) -> tuple[float, float]:
    question = Question("?", "…", tuple(Answer(gold, 0) for gold in golds), "squad.json:1", "1")
    prediction = Prediction(0, output={"answer": said})
    [exact] = squad_em.measure(prediction, question, squad_em.Settings())
    [f1] = squad_f1.measure(prediction, question, squad_f1.Settings())
    return exact, f1


def drawn(chance: random.Random, most: int) -> str:
    return "".join(chance.choice(WORDS) + chance.choice(GAPS) for _ in range(chance.randrange(most)))


def cases() -> list[tuple[list[str], str]]:
    chance = random.Random(11)
    found = []
    for _ in range(1000):
        golds = [drawn(chance, 6) for _ in range(chance.choice((0, 1, 1, 3, 3, 6)))]
        near = golds[0].swapcase() + chance.choice(("", " the", "!", " cat")) if golds else ""
        found.append((golds, near if chance.random() < 0.4 else drawn(chance, 6)))
    return found


def test_a_thousand_random_answers_score_as_the_script_of_version_2_0_has_it():
    found = [(ours(*case), scores_of_2_0(*case)) for case in cases()]
    assert [one for one, _ in found] == [other for _, other in found]
    assert sum(1 for (exact, f1), _ in found if exact) > 100 and sum(1 for (exact, f1), _ in found if 0 < f1 < 1) > 100


def test_where_something_is_left_of_every_right_answer_version_1_1_says_the_same():
    clear = [case for case in cases() if case[0] and all(map(left, case[0]))]
    assert len(clear) > 300
    assert [ours(*case) for case in clear] == [scores_of_1_1(*case) for case in clear]


@pytest.mark.parametrize(("golds", "said", "exact", "f1"), [
    (["the Broncos", "Denver Broncos"], "Denver  broncos!", 1.0, 1.0),
    (["gold"], "a golden gold", 0.0, 2 / 3),
    ([], "", 1.0, 1.0),
    ([], "something", 0.0, 0.0),
    (["something"], "", 0.0, 0.0),
])
def test_scores_that_can_be_checked_by_eye(golds, said, exact, f1):
    assert ours(golds, said) == pytest.approx((exact, f1))
