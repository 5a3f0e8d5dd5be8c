"""What checks found, as the workflow hands it on."""

from __future__ import annotations

import pytest

from tunesmith.records import Finding, Looked, Noticed, Seen
from tunesmith.workflow.rows.audit import named

REMEDY = "take them out: `tunesmith clean DATA --output CLEAN.jsonl`, which keeps DATA as it is"


@pytest.mark.parametrize(("where", "told"), [
    ("mails/a.csv:17", "tunesmith clean mails/a.csv --output"),
    ("my mails/$(a).csv:17", "tunesmith clean 'my mails/$(a).csv' --output"),
    (r"odd\1.csv:3", r"tunesmith clean 'odd\1.csv' --output"),
    ("data.train", "tunesmith clean DATA --output"),
    ("", "tunesmith clean DATA --output"),
])
def test_a_command_names_the_file_of_the_rows_that_it_is_about(where, told):
    rows = (Seen(where, "text"),)
    [found] = named(Looked((Noticed(Finding("warning", "audit.x", "so", where, REMEDY), 1, rows),))).noticed
    assert told in found.finding.remedy and found.finding.remedy.endswith("which keeps DATA as it is")
    assert found.rows == rows
