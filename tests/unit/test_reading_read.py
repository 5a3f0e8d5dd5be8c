"""Files of every kind become rows that know their file and line."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunesmith.errors import Misuse, Problems
from tunesmith.reading.files import find
from tunesmith.reading.read import rows
from tunesmith.records import Finding, Row

# any character that a row may hold: no halves of surrogate pairs, no NUL
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=30)


def read(folder, name="a.jsonl"):
    return list(rows(name, base_folder=folder))


def only_rows(found):
    return [(one.values, one.where) for one in found if isinstance(one, Row)]


def kinds(found):
    return [one.kind for one in found if isinstance(one, Finding)]


def write(folder, name, text):
    data = text.encode() if isinstance(text, str) else text
    (folder / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)


@given(st.lists(st.dictionaries(TEXTS, st.one_of(TEXTS, st.integers(), st.none(), st.booleans())), min_size=1))
def test_json_lines_come_back_as_they_were_written(tmp_path_factory, values):
    folder = tmp_path_factory.mktemp("lines")
    write(folder, "a.jsonl", "".join(json.dumps(one) + "\n" for one in values))
    assert only_rows(read(folder)) == [(one, f"a.jsonl:{number}") for number, one in enumerate(values, 1)]


@given(st.lists(st.dictionaries(TEXTS, st.one_of(TEXTS, st.lists(st.integers()))), min_size=1),
       st.sampled_from([None, 0, 2, "\t"]), st.booleans())
def test_an_array_comes_back_as_it_was_written_however_it_is_laid_out(tmp_path_factory, values, indent, ascii):
    folder = tmp_path_factory.mktemp("array")
    write(folder, "a.json", json.dumps(values, indent=indent, ensure_ascii=ascii))
    assert [found for found, _ in only_rows(read(folder, "a.json"))] == values


@given(st.lists(st.lists(TEXTS.filter(lambda text: "\r" not in text), min_size=2, max_size=2), min_size=1),
       st.sampled_from(["\n", "\r\n"]))
def test_csv_cells_come_back_as_they_were_written(tmp_path_factory, cells, ending):
    folder = tmp_path_factory.mktemp("csv")
    table = io.StringIO()
    writer = csv.writer(table, lineterminator=ending, quoting=csv.QUOTE_ALL)
    writer.writerows([["first", "second"], *cells])
    write(folder, "a.csv", table.getvalue())
    assert [list(found.values()) for found, _ in only_rows(read(folder, "a.csv"))] == cells


def test_blank_lines_between_rows_are_passed_and_counted(tmp_path):
    write(tmp_path, "a.jsonl", '\n{"a": 1}\n\n  \n{"a": 2}')
    assert only_rows(read(tmp_path)) == [({"a": 1}, "a.jsonl:2"), ({"a": 2}, "a.jsonl:5")]


def test_line_separators_of_unicode_do_not_end_a_row(tmp_path):
    write(tmp_path, "a.jsonl", '{"a": "x\u2028y\u2029z\x85"}\n')
    assert only_rows(read(tmp_path)) == [({"a": "x\u2028y\u2029z\x85"}, "a.jsonl:1")]


def test_an_element_of_an_array_is_found_at_the_line_where_it_starts(tmp_path):
    write(tmp_path, "a.json", '[\n  {\n    "a": 1\n  },\n\n  {"a":\n 2}, {"a": 3}\n]\n')
    assert [where for _, where in only_rows(read(tmp_path, "a.json"))] == ["a.json:2", "a.json:6", "a.json:7"]


def test_an_array_larger_than_a_row_may_be_is_read_from_a_single_line(tmp_path):
    values = [{"a": "x" * 2**20} for _ in range(9)]
    write(tmp_path, "a.json", json.dumps(values))
    assert len(only_rows(read(tmp_path, "a.json"))) == 9


def test_json_lines_in_a_file_called_json_are_read_as_lines(tmp_path):
    write(tmp_path, "a.json", '{"a": 1}\n{"a": 2}\n')
    assert [where for _, where in only_rows(read(tmp_path, "a.json"))] == ["a.json:1", "a.json:2"]


def test_an_array_in_a_file_called_jsonl_is_read_as_an_array(tmp_path):
    write(tmp_path, "a.jsonl", '[\n{"a": 1},\n{"a": 2}\n]')
    assert [where for _, where in only_rows(read(tmp_path))] == ["a.jsonl:2", "a.jsonl:3"]


def test_after_a_broken_element_the_next_one_is_read(tmp_path):
    write(tmp_path, "a.json", '[\n  {"a": 1},\n  {"a": {"b": [{}, oops]}},\n  {"a": 3}\n]')
    found = read(tmp_path, "a.json")
    assert [values for values, _ in only_rows(found)] == [{"a": 1}, {"a": 3}]
    assert [(one.kind, one.where) for one in found if isinstance(one, Finding)] == [("data.json", "a.json:3")]


def test_where_rows_after_a_broken_one_cannot_be_told_apart_it_is_said(tmp_path):
    write(tmp_path, "a.json", '[{"a": 1}, {"a": oops}, {"a": 3}]')
    assert kinds(read(tmp_path, "a.json")) == ["data.json", "data.rest_unread"]


@pytest.mark.parametrize(("text", "kind", "line"), [
    ('[{"a": 1}', "data.cut_short", 1),
    ('[{"a": 1}\n{"a": 2}]', "data.json", 2),
    ('[{"a": 1}]\n{"a": 2}', "data.json", 2),
    ('{\n"data": [{"a": 1}]\n}', "data.not_array", 1),
    ("nothing", "data.not_array", 1),
])
def test_what_is_no_array_of_rows_is_told_with_its_line(tmp_path, text, kind, line):
    write(tmp_path, "a.json", text)
    errors = [one for one in read(tmp_path, "a.json") if isinstance(one, Finding)]
    assert [(one.kind, one.where) for one in errors] == [(kind, f"a.json:{line}")]


def test_a_cell_over_several_lines_keeps_the_line_where_its_row_starts(tmp_path):
    write(tmp_path, "a.csv", 'q,a\n"one\ntwo",1\nthree,2\n')
    assert only_rows(read(tmp_path, "a.csv")) == [({"q": "one\ntwo", "a": "1"}, "a.csv:2"),
                                                  ({"q": "three", "a": "2"}, "a.csv:4")]


def test_a_quote_that_is_never_closed_costs_its_own_row_only(tmp_path):
    write(tmp_path, "a.csv", 'q,a\n1,2\n"3,4\n5,6\n7,8\n')
    found = read(tmp_path, "a.csv")
    assert [values["q"] for values, _ in only_rows(found)] == ["1", "5", "7"]
    assert [(one.kind, one.where) for one in found if isinstance(one, Finding)] == [("data.csv", "a.csv:3")]


def test_unbalanced_quotes_of_a_tsv_lose_no_row(tmp_path):
    write(tmp_path, "a.tsv", 'q\ta\n"I see," he said\tx\n"open\ty\nz\t"\n')
    found = read(tmp_path, "a.tsv")
    assert [values["q"] for values, _ in only_rows(found)] == ['"I see," he said', '"open', "z"]
    assert kinds(found) == ["data.quotes"]


def test_balanced_quotes_of_a_tsv_are_quotes(tmp_path):
    write(tmp_path, "a.tsv", 'q\ta\n"one\ttwo\nthree"\tx\n')
    assert only_rows(read(tmp_path, "a.tsv")) == [({"q": "one\ttwo\nthree", "a": "x"}, "a.tsv:2")]


def test_semicolons_part_the_cells_where_the_header_has_no_comma(tmp_path):
    write(tmp_path, "a.csv", "Sual;Cavab\nbir, iki;üç\n")
    found = read(tmp_path, "a.csv")
    assert only_rows(found) == [({"Sual": "bir, iki", "Cavab": "üç"}, "a.csv:2")]
    assert kinds(found) == ["data.delimiter"]


def test_a_cell_longer_than_the_csv_module_allows_by_itself_is_read(tmp_path):
    write(tmp_path, "a.csv", "q,a\n" + "x" * 200_000 + ",y\n")
    assert len(only_rows(read(tmp_path, "a.csv"))[0][0]["q"]) == 200_000


def test_paragraphs_are_rows_where_blank_lines_part_them(tmp_path):
    write(tmp_path, "a.txt", "\none\ntwo\n\n  \nthree\r\n")
    found = read(tmp_path, "a.txt")
    assert only_rows(found) == [({"text": "one\ntwo"}, "a.txt:2"), ({"text": "three"}, "a.txt:6")]
    assert [one.what for one in found if isinstance(one, Finding)] == [
        "the file is read as one text for each paragraph (blank lines part them)"]


def test_lines_are_rows_where_there_are_no_blank_ones(tmp_path):
    write(tmp_path, "a.md", "one\ntwo\n")
    found = read(tmp_path, "a.md")
    assert only_rows(found) == [({"text": "one"}, "a.md:1"), ({"text": "two"}, "a.md:2")]
    assert "each line" in next(one.what for one in found if isinstance(one, Finding))


@pytest.mark.parametrize(("name", "text"), [
    ("a.jsonl.gz", '{"q": "ə"}\n'), ("a.json.gz", '[{"q": "ə"}]'), ("a.csv.gz", "q\nə\n"), ("a.tsv.gz", "q\nə\n"),
])
def test_gz_files_of_each_kind_are_read(tmp_path, name, text):
    write(tmp_path, name, text)
    assert [values for values, _ in only_rows(read(tmp_path, name))] == [{"q": "ə"}]


@pytest.mark.parametrize(("name", "text"), [
    ("a.jsonl", '{"q": "x"}\n'), ("a.json", '[{"q": "x"}]'), ("a.csv", "q\nx\n"), ("a.tsv", "q\nx\n"),
])
def test_a_byte_order_mark_is_left_out_and_said(tmp_path, name, text):
    write(tmp_path, name, b"\xef\xbb\xbf" + text.encode())
    found = read(tmp_path, name)
    assert [values for values, _ in only_rows(found)] == [{"q": "x"}]
    assert kinds(found) == ["data.bom"]


def test_a_folder_stands_for_its_files_in_order_and_says_what_it_leaves_aside(tmp_path):
    (tmp_path / "d" / "deep").mkdir(parents=True)
    for name in ("d/b.jsonl", "d/a.csv", "d/deep/c.json", "d/README.md", "d/.hidden.jsonl", "d/x.png"):
        write(tmp_path, name, "x")
    files, findings = find("d", tmp_path)
    assert files == ("d/a.csv", "d/b.jsonl", "d/deep/c.json")
    assert [(one.kind, one.where) for one in findings] == [("data.files_aside", "d")]
    assert "`d/README.md`" in findings[0].what and "`d/x.png`" in findings[0].what


def test_a_folder_of_texts_stands_for_its_texts(tmp_path):
    (tmp_path / "d").mkdir()
    write(tmp_path, "d/a.md", "x")
    assert find("d", tmp_path) == (("d/a.md",), [])


def test_a_glob_stands_for_what_it_matches_in_order_and_each_file_comes_once(tmp_path):
    for name in ("b.jsonl", "a.jsonl", "c.csv"):
        write(tmp_path, name, "x")
    assert find(["b.jsonl", "*.jsonl"], tmp_path)[0] == ("b.jsonl", "a.jsonl")


def test_a_file_whose_name_looks_like_a_glob_is_that_file(tmp_path):
    write(tmp_path, "a[1].jsonl", '{"q": 1}')
    assert only_rows(read(tmp_path, "a[1].jsonl")) == [({"q": 1}, "a[1].jsonl:1")]


def test_a_path_stays_as_the_user_wrote_it(tmp_path, monkeypatch):
    (tmp_path / "d").mkdir()
    write(tmp_path, "a.jsonl", '{"q": 1}')
    assert next(iter(rows("../a.jsonl", base_folder=tmp_path / "d"))).where == "../a.jsonl:1"
    assert next(iter(rows(tmp_path / "a.jsonl"))).where == f"{tmp_path}/a.jsonl:1"
    monkeypatch.setenv("HOME", str(tmp_path))
    assert next(iter(rows("~/a.jsonl"))).where == "~/a.jsonl:1"


def test_all_files_that_cannot_be_opened_are_told_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe.jsonl")
    (tmp_path / "loop.jsonl").symlink_to("loop.jsonl")
    (tmp_path / "empty").mkdir()
    write(tmp_path, "orders.jsonl", "{}")
    write(tmp_path, "table.ods", "x")
    with pytest.raises(Problems) as caught:
        find(["orers.jsonl", "pipe.jsonl", "loop.jsonl", "empty", "table.ods", "none*.csv"], tmp_path)
    told = {problem.where: problem for problem in caught.value.problems}
    assert {where: problem.kind for where, problem in told.items()} == {
        "orers.jsonl": "data.missing", "pipe.jsonl": "data.no_file", "loop.jsonl": "data.unreadable",
        "empty": "data.missing", "table.ods": "data.unknown_kind", "none*.csv": "data.missing"}
    assert told["orers.jsonl"].remedy == "use `orders.jsonl`"
    assert caught.value.exit_code == 2


def test_a_missing_file_of_rows_is_not_sought_among_recipes(tmp_path):
    write(tmp_path, "hats.yaml", "base: b")
    with pytest.raises(Misuse, match="there is no file") as caught:
        find(["hats.jsonl"], tmp_path)
    assert caught.value.remedy == "correct the path in the recipe's `data`"


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may read every file")
def test_a_file_without_permission_is_told(tmp_path):
    write(tmp_path, "a.jsonl", "{}")
    (tmp_path / "a.jsonl").chmod(0)
    with pytest.raises(Misuse, match="cannot be opened"):
        read(tmp_path)


def test_links_that_lead_in_a_circle_end(tmp_path):
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "again").symlink_to("..", target_is_directory=True)
    write(tmp_path, "d/a.jsonl", '{"q": 1}')
    assert find("d", tmp_path)[0] == ("d/a.jsonl",)


def test_a_quote_of_a_tsv_that_would_swallow_cells_is_a_plain_character(tmp_path):
    write(tmp_path, "a.tsv", 'q\ta\n"open\tx\nnext\ty"\n')
    assert [values for values, _ in only_rows(read(tmp_path, "a.tsv"))] == [
        {"q": '"open', "a": "x"}, {"q": "next", "a": 'y"'}]


@pytest.mark.parametrize(("name", "text"), [
    ("a.csv", '[\n {"prompt": "p", "answer": "a"}\n]'), ("a.tsv", '{"prompt": "p", "answer": "a"}\n'),
    ("a.jsonl", "prompt,answer\np,a\n"), ("a.json", "prompt,answer\np,a\n"),
])
def test_a_file_under_the_name_of_another_kind_is_told_once(tmp_path, name, text):
    write(tmp_path, name, text)
    assert kinds(read(tmp_path, name)) == ["data.wrong_kind"]


def test_a_wrong_byte_is_named_with_what_stands_before_it(tmp_path):
    write(tmp_path, "a.jsonl", '{"prompt": "Zoë", "answer": "M'.encode() + b'\xfcde"}')
    [found] = read(tmp_path)
    assert found.what.endswith('byte 0xFC follows `"Zoë", "answer": "M`')
