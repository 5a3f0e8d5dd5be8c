"""What `check` found as one page, from what `check --json` says of it: so a run's page is that of its `check.json`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...pages.check import Amount, Check, Checked, check_page
from ...pages.place import demand_page
from ...records import SIDES, Finding, Looked
from ...runs import durable
from ...runs.redact import redacted

if TYPE_CHECKING:
    from .check import CheckReport


def write(report: CheckReport, name: str, file: Path) -> None:
    """Write the page. Raises Misuse where the file is something else than such a page, or cannot be."""
    demand_page(file)
    durable.write_file(file, render(name, redacted(report.as_json())).encode())


def render(name: str, report: Mapping[str, Any]) -> str:
    """The page of a recipe or a run. report: as `CheckReport.as_json` gives it."""
    checks = [Check(each, told["looks_for"], Looked.from_json(told)) for each, told in report["audit"].items()]
    told_there = {noticed.finding for check in checks for noticed in check.looked.noticed}
    facts = report["facts"]
    return check_page(Checked(
        name=name, ok=report["ok"],
        facts={"base": facts["base"], "task": facts["task"], "longest allowed": f"{facts['max_length']:,} tokens",
               "too long": facts["too_long"], **_sources(report["sources"])},
        sides={side: Amount(report["rows"][side], **report["amounts"][side]) for side in SIDES},
        by_role=report["supervised"]["by_role"],
        findings=[finding for told in report["findings"] if (finding := Finding(**told)) not in told_there],
        checks=checks, left_out=facts["left_out"],
    ))


def _sources(sources: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """How many rows of each source are trained on, where any are mixed in."""
    told = ", ".join(f"{name} {source['taken']:,} of {source['rows']:,}" for name, source in sources.items())
    return {"rows of each source": told} if told else {}
