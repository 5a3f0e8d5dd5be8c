"""Cleaning published sets: the ledger adds up, and a second time over nothing changes."""

from __future__ import annotations

import csv
import json
import re
from collections import Counter

import pytest

from tunesmith import cli
from tunesmith.text.shingles import words as words_of

SETS = {  # of each: its file, the words of the command, rows that come, rows that go out, rows that are changed
    "text_az": ("text_az/ted_az.txt", ["--steps", "unicode,html,whitespace,quality,duplicates"], 20852, 20274, 188),
    "imdb_html": ("imdb_html/train.csv", ["--steps", "unicode,html,whitespace,quality,duplicates"], 700, 700, 700),
    "html_faq": ("html_faq/faq_covidbert.csv",
                 ["--columns", "answer_html", "--steps", "unicode,html,whitespace,duplicates"], 213, 210, 208),
}


@pytest.fixture
def data(shared):
    return shared / "data"


def cleaned(source, output, words, capsys):
    assert cli.main(["clean", str(source), "--output", str(output), *words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def alike(one, other):
    """The share of all words that both texts have, as often as they have them."""
    both = (Counter(one) & Counter(other)).total()
    return 2 * both / (len(one) + len(other))


def lines(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("name", SETS)
def test_the_ledger_of_a_published_set_adds_up_and_its_clean_rows_stay_as_they_are(name, data, tmp_path, capsys):
    file, words, came, out, changed = SETS[name]
    told = cleaned(data / file, tmp_path / "one.jsonl", words, capsys)
    assert told["rows"] == {"in": came, "made": 0, "out": out, "dropped": came - out, "changed": changed}
    rows, ledger = lines(tmp_path / "one.jsonl"), lines(tmp_path / "one.ledger.jsonl")
    assert len(rows) == out
    assert Counter(line["what"] for line in ledger) == {"changed": changed, **({"dropped": came - out} if came > out
                                                                              else {})}
    dropped = Counter(line["steps"][-1]["step"] for line in ledger if line["what"] == "dropped")
    assert dropped == told["dropped"]
    assert len({line["where"] for line in ledger}) == len(ledger)
    again = cleaned(tmp_path / "one.jsonl", tmp_path / "two.jsonl", words, capsys)
    assert again["rows"] == {"in": out, "made": 0, "out": out, "dropped": 0, "changed": 0}
    assert (tmp_path / "one.jsonl").read_bytes() == (tmp_path / "two.jsonl").read_bytes()


def test_labels_and_other_columns_of_a_published_set_are_not_touched(data, tmp_path, capsys):
    file, words, *_ = SETS["imdb_html"]
    cleaned(data / file, tmp_path / "one.jsonl", words, capsys)
    with (data / file).open(encoding="utf-8", newline="") as opened:
        before = list(csv.DictReader(opened))
    after = lines(tmp_path / "one.jsonl")
    others = before[0].keys() - {"text", "review"}
    assert others
    assert [{name: row[name] for name in others} for row in before] == [
        {name: row[name] for name in others} for row in after]


def test_answers_made_plain_say_what_the_plain_answers_of_the_set_say(data, tmp_path, capsys):
    file, words, *_ = SETS["html_faq"]
    cleaned(data / file, tmp_path / "one.jsonl", words, capsys)
    rows = [row for row in lines(tmp_path / "one.jsonl") if row["answer"] and row["answer_html"]]
    shares = sorted(alike(words_of(row["answer"]), words_of(row["answer_html"])) for row in rows)
    assert shares[len(shares) // 2] == 1
    assert sum(share >= 0.9 for share in shares) >= 0.9 * len(shares)
    assert not [row for row in rows if re.search(r"</\w+>|&nbsp;", row["answer_html"])]
