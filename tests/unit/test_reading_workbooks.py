"""Workbooks become the rows that the CSV saved from them gives; hostile and damaged ones are named, not obeyed."""

from __future__ import annotations

import csv
import datetime
import io
import random
import zipfile

import openpyxl
import pytest

from tunesmith.data.load import load
from tunesmith.reading.read import rows
from tunesmith.records import Finding, Row


def read(folder, name="a.xlsx"):
    return list(rows(name, base_folder=folder))


def values(found):
    return [one.values for one in found if isinstance(one, Row)]


def findings(found):
    return [(one.kind, one.where) for one in found if isinstance(one, Finding)]


def write(folder, *cells, name="a.xlsx"):
    book = openpyxl.Workbook()
    for row in cells:
        book.active.append(row)
    book.save(folder / name)
    return book


def repacked(folder, part, edit, name="a.xlsx"):
    """The workbook with one part of its archive edited; the edit of a missing part makes it."""
    source = zipfile.ZipFile(io.BytesIO((folder / name).read_bytes()))
    with zipfile.ZipFile(folder / name, "w", zipfile.ZIP_DEFLATED) as target:
        for one in source.namelist():
            content = source.read(one)
            target.writestr(one, edit(content) if one == part else content)
        if part not in source.namelist():
            target.writestr(part, edit(b""))


SHEET = "xl/worksheets/sheet1.xml"


def test_rows_are_those_of_the_same_cells_as_csv_under_their_numbers_in_the_sheet(tmp_path):
    cells = [["prompt", "answer"], ["Two lines\nof text", 'a "quote", and ə'], ["What is 6 * 7?", "42"], ["p", ""]]
    write(tmp_path, *cells)
    with (tmp_path / "a.csv").open("w", newline="") as file:
        csv.writer(file).writerows(cells)
    ours = read(tmp_path)
    assert values(ours) == values(read(tmp_path, "a.csv"))
    assert [one.where for one in ours] == ["a.xlsx:2", "a.xlsx:3", "a.xlsx:4"]
    assert len(load("a.xlsx", base_folder=tmp_path).examples) == 2  # the empty answer is an error, as in the CSV


def test_blank_rows_and_a_title_further_down_keep_the_numbers_of_the_sheet(tmp_path):
    write(tmp_path, [], ["text", "note"], [], ["one"], [None, None], ["two", "b"], [None, "only"])
    assert [(one.values, one.where) for one in read(tmp_path)] == [
        ({"text": "one", "note": ""}, "a.xlsx:4"), ({"text": "two", "note": "b"}, "a.xlsx:6"),
        ({"text": "", "note": "only"}, "a.xlsx:7")]


def test_numbers_dates_and_truth_are_the_text_that_a_reader_sees_and_it_is_said(tmp_path):
    day, moment = datetime.date(2026, 11, 21), datetime.datetime(2026, 11, 21, 8, 30)
    write(tmp_path, ["whole", "part", "day", "moment", "true", "text"], [42, 2.5, day, moment, True, "x"],
          [3.0, 1e-7, None, None, False, "y"])
    found = read(tmp_path)
    assert values(found) == [
        {"whole": "42", "part": "2.5", "day": "2026-11-21", "moment": "2026-11-21 08:30:00", "true": "TRUE",
         "text": "x"},
        {"whole": "3", "part": "1e-07", "day": "", "moment": "", "true": "FALSE", "text": "y"}]
    told = [one.what for one in found if isinstance(one, Finding)]
    assert "`whole`, `part`" in told[0] and "`day`, `moment`" in told[1] and len(told) == 2


def test_a_formula_without_a_value_and_a_cell_with_an_error_are_named(tmp_path):
    write(tmp_path, ["prompt", "answer"], ["a", "b"], ["c", '=A3&"!"'], ["d", "#REF!"], ["e", "f"])
    found = read(tmp_path)
    assert values(found) == [{"prompt": "a", "answer": "b"}, {"prompt": "e", "answer": "f"}]
    assert findings(found) == [("data.formula", "a.xlsx:3"), ("data.cell_error", "a.xlsx:4")]
    repacked(tmp_path, SHEET, lambda xml: xml.replace(b"<v></v>", b"<v>c!</v>").replace(b"<v />", b"<v>c!</v>")
             .replace(b'<c r="B3"', b'<c r="B3" t="str"'))
    assert {"prompt": "c", "answer": "c!"} in values(read(tmp_path))


def test_a_header_that_cannot_be_read_is_not_replaced_by_the_next_row(tmp_path):
    write(tmp_path, ["prompt", '=A1&"!"'], ["a", "b"], ["c", "d"])
    found = read(tmp_path)
    assert not values(found) and findings(found) == [("data.formula", "a.xlsx:1")]


def test_the_first_sheet_that_is_shown_is_read_and_the_others_are_named(tmp_path):
    book = write(tmp_path, ["text"], ["hidden"])
    book.active.sheet_state = "hidden"
    for title in ("Shown", "Notes"):
        book.create_sheet(title).append(["text"])
        book[title].append([title])
    book.active = book["Shown"]
    book.save(tmp_path / "a.xlsx")
    found = read(tmp_path)
    assert values(found) == [{"text": "Shown"}]
    assert findings(found) == [("data.sheets", "a.xlsx:1")] and "`Sheet` and" not in found[0].what
    assert "`Notes`" in found[0].what


def test_what_a_sheet_says_of_its_own_size_is_not_believed(tmp_path):
    write(tmp_path, ["text"], ["one"])
    repacked(tmp_path, SHEET, lambda xml: xml.replace(b'ref="A1:A2"', b'ref="A1:XFD1048576"'))
    assert values(read(tmp_path)) == [{"text": "one"}]


@pytest.mark.parametrize("number", [b"1048577", b"99999999999"])
def test_rows_beyond_the_last_that_the_format_has_end_the_reading(tmp_path, number):
    write(tmp_path, ["text"], ["one"], ["far"])
    repacked(tmp_path, SHEET, lambda xml: xml.replace(b'r="3"', b'r="' + number + b'"').replace(b"A3", b"A" + number))
    found = read(tmp_path)
    assert values(found) == [{"text": "one"}] and findings(found) == [("data.cut_short", "a.xlsx:1048576")]


def test_an_archive_that_would_fill_the_memory_is_refused_before_it_is_unpacked(tmp_path):
    write(tmp_path, ["text"], ["one"])
    repacked(tmp_path, "xl/sharedStrings.xml", lambda xml: xml + b" " * (40 << 20))
    assert (tmp_path / "a.xlsx").stat().st_size < 100_000
    assert findings(read(tmp_path)) == [("data.too_large", "a.xlsx:1")]


@pytest.mark.parametrize("entity", [
    b'<!DOCTYPE x [<!ENTITY a "' + b"ha" * 5000 + b'">' + b"".join(
        b'<!ENTITY %c "%s">' % (98 + n, b"&%c;" % (97 + n) * 60) for n in range(6)) + b"]>",
    b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>',
])
def test_entities_are_neither_blown_up_nor_fetched(tmp_path, entity):
    write(tmp_path, ["text"], ["one"])

    def edit(xml):
        head, mark, rest = xml.partition(b"?>")
        head, rest = (head + mark, rest) if mark else (b"", xml)
        use = b"&g;" if b"ENTITY g" in entity else b"&a;"
        return head + entity + rest.replace(b"one", use)

    repacked(tmp_path, SHEET, edit)
    found = read(tmp_path)
    assert findings(found) == [("data.cut_short", "a.xlsx:1")] and "root:" not in str(found)


def test_macros_are_ignored(tmp_path):
    write(tmp_path, ["text"], ["one"], name="a.xlsm")
    repacked(tmp_path, "xl/vbaProject.bin", lambda xml: b"\xd0\xcf\x11\xe0 Sub Auto_Open()", name="a.xlsm")
    assert values(read(tmp_path, "a.xlsm")) == [{"text": "one"}]


@pytest.mark.parametrize(("content", "kind"), [
    (b"prompt,answer\na,b\n", "data.wrong_kind"), (b"PAR1 and more", "data.wrong_kind"),
    (b"<html><table><tr><td>a</td></tr></table></html>", "data.wrong_kind"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "data.wrong_kind"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600) + "EncryptedPackage".encode("utf-16-le"), "data.encrypted"),
    (b"PK\x03\x04 and no archive", "data.cut_short"), (b"", "data.cut_short"),
])
def test_what_is_no_workbook_is_told_with_a_remedy(tmp_path, content, kind):
    (tmp_path / "a.xlsx").write_bytes(content)
    found = read(tmp_path)
    assert findings(found) == [(kind, "a.xlsx:1")] and found[0].remedy


def test_damage_ends_in_a_finding_and_never_in_an_exception(tmp_path):
    write(tmp_path, ["prompt", "answer"], *[[f"question {number}", number] for number in range(60)], name="whole.xlsx")
    whole, draw = (tmp_path / "whole.xlsx").read_bytes(), random.Random(0)
    for number in range(60):
        data = bytearray(whole)
        if number < 30:
            data = data[:draw.randrange(1, len(whole))]
        else:
            data[draw.randrange(len(whole))] ^= 1 << draw.randrange(8)
        (tmp_path / "a.xlsx").write_bytes(data)
        found = read(tmp_path)
        assert number >= 30 or [one for one in found if isinstance(one, Finding) and one.severity == "error"]
