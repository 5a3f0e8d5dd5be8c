"""What a served run saw, held against what it was trained on: a report, and the rows most worth labelling."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ...data.times import moment
from ...errors import Misuse
from ...pages.monitor import Watched, monitor_page
from ...pages.place import demand_page
from ...reading.quoting import quoted
from ...recipe import read
from ...records import Conversation, Figure, Finding, Labelled, Pair, Seen, Tagged
from ...runs import durable, folder
from .. import parts
from .watching import reference_of

if TYPE_CHECKING:
    from ...monitoring.drift import Drift
    from ...monitoring.reference import Reference
    from ...monitoring.window import Window
    from ...recipe.sections import Recipe

FEW: Final = 200  # rows of a window below which small drifts are not seen
REPEATED: Final = 0.2  # the share of rows that repeat another, from which on it is told
SHOWN: Final = 10
WORDS: Final = 20


@dataclass(frozen=True)
class Report:
    """What a window is like. facts: amounts, times and shares; strange: rows least like the reference."""

    run: str
    log: str
    facts: Mapping[str, Any]
    drift: Drift
    findings: Sequence[Finding]
    figures: Sequence[Figure]
    strange: Sequence[Seen]
    words: Mapping[str, int]

    def as_json(self) -> dict[str, Any]:
        """Everything, under the names that `monitor --json` promises."""
        return {
            "run": self.run, "log": self.log, "alarm": self.drift.alarm, "false_alarm_rate": self.drift.rate,
            **self.facts, "tests": [each.as_json() for each in self.drift.tests],
            "not_tested": dict(self.drift.left_out), "findings": [each.as_json() for each in self.findings],
            "figures": [each.as_json() for each in self.figures], "new_words": dict(self.words),
            "strange": [{"where": each.where, "text": each.text} for each in self.strange],
        }


@dataclass(frozen=True)
class Looked:
    """A run with its reference and a window of its log, opened once for all that is asked of them."""

    run: folder.Run
    recipe: Recipe
    log: Path
    reference: Reference
    window: Window


def look(
    path: Path, *, log: Path | None = None, model: str = "", since: str | None = None, last: int | None = None
) -> Looked:
    """Open a run, its reference and a window. since: a date or a time; last: how many rows.

    Raises Misuse for what is no run, no log or no time, and what `reference_of` raises.
    """
    from ...monitoring import window

    run = folder.open_run(path)
    recipe = read.read(run.recipe_file)
    began = None if since is None else _time(since)
    file = log or run.seen_file
    window.demand(file)  # before the reference is made, which can take a while
    reference = reference_of(run, recipe)
    found = window.read(file, reference.known, model=model, name=run.name, since=began, last=last)
    return Looked(run, recipe, file, reference, found)


def report(looked: Looked, *, rate: float = 0.05, harvested: str = "") -> Report:
    """Every test, what they found, and what to look at.

    rate: how often an alarm may be false; harvested: the file that rows to label are drawn into, if any.
    """
    from ...monitoring.drift import compare
    from ...monitoring.figures import figures
    from ...monitoring.harvest import strangeness

    window, reference = looked.window, looked.reference
    rows = window.rows
    both = (window.before, window.within) if window.before is not None else None
    drift = compare(reference.rows, rows, rate=rate, seed=looked.recipe.training.seed, service=both)
    texts = [window.entries[place].asked for place in window.answered]
    strange: list[Seen] = []
    words: Counter[str] = Counter()
    if drift.alarm and any(texts):
        far = strangeness(reference.rows, rows)
        strange = [Seen(window.entries[window.answered[place]].id, texts[place] or "")
                   for place in np.argsort(-far, kind="stable").tolist() if texts[place]][:SHOWN]
        words = _new_words([text for text in texts if text], reference)
    return Report(
        looked.run.name, str(looked.log), _facts(looked), drift, _findings(looked, drift, harvested),
        figures(reference.rows, rows), strange, dict(words.most_common(WORDS)))


def write(found: Report, file: Path) -> None:
    """Write the report as a page. Raises Misuse where the file is something else than a page, or cannot be."""
    demand_page(file)
    durable.write_file(file, monitor_page(Watched(
        found.run, found.facts, found.drift.rate, [each.as_json() for each in found.drift.tests],
        found.drift.left_out, found.findings, found.figures, found.strange, found.words)).encode())


def harvest(looked: Looked, file: Path, rows: int) -> dict[str, int]:
    """Write the rows most worth labelling, as `tunesmith label` and `train` read them; how many for which reason.

    Raises Misuse where the file is there, the log has no texts, or the task has no row of one text.
    """
    from ...monitoring.harvest import harvest as choose

    if file.exists():
        raise Misuse("monitoring.exists", "the file exists already", str(file), "name another one with `--harvest`")
    shaped = _shape(looked.recipe)
    window = looked.window
    if not any(window.entries[place].asked for place in window.answered):
        raise Misuse("monitoring.no_text", "the log holds features and no texts, so there is no row to label",
                     str(looked.log), "set `monitoring.keep` to `text` in the run's recipe, and serve it again")
    chosen = choose(looked.reference.rows, window, rows)
    lines = []
    for each in chosen:
        entry = window.entries[each.entry]
        said: dict[str, Any] = {"answered": entry.label or entry.answered, "why": "; ".join(each.why)}
        said |= {"confidence": entry.confidence} if entry.confidence is not None else {}
        said |= {"correction": entry.judgement.correction} if entry.judgement and entry.judgement.correction else {}
        row = shaped(entry.asked or "") | {"from_row": f"{looked.log.name}:{entry.id}"} | said
        lines.append(json.dumps(row, ensure_ascii=False) + "\n")
    durable.write_file(file, "".join(lines).encode())
    return {"rows": len(chosen), **Counter(why.partition(" (")[0] for each in chosen for why in each.why)}


def _shape(recipe: Recipe) -> Any:
    """How a text that was asked is written as a row of the run's task, under the columns that its recipe names."""
    takes = recipe.task.module.takes
    field = {Labelled: "text", Tagged: "text", Pair: "prompt"}.get(takes[0])
    if takes[0] is Conversation:
        return lambda text: {"messages": [{"role": "user", "content": text}]}
    if field is None or parts.parts(recipe) or recipe.task.type in ("embed", "masked", "denoise"):
        raise Misuse("monitoring.task", f"the run learnt `{recipe.task.type}`, whose rows are not made of what was "
                     "asked alone", "--harvest", "name a run of classify, tag, chat, completion or seq2seq")
    column = recipe.data.columns.get(field) or field
    return lambda text: {column: text}


def _time(since: str) -> float:
    found = moment(since)
    if found is None:
        raise Misuse("monitoring.since", f"`{since}` is no date and no time", "--since",
                     "write 2026-11-21, 2026-11-21T09:30:00+04:00, or seconds since 1970")
    return found


def _facts(looked: Looked) -> dict[str, Any]:
    window = looked.window
    times = [entry.time for entry in window.entries]
    seconds_taken = window.within.seconds
    middle, slow = np.quantile(seconds_taken, [0.5, 0.95]).tolist() if len(seconds_taken) else (None, None)
    return {
        "model": window.model, "rows": len(window.entries), "seen": window.seen,
        "from": _told(min(times)) if times else None, "to": _told(max(times)) if times else None,
        "reference_rows": len(looked.reference.rows), "reference_held_out": looked.reference.held,
        "errors": window.within.errors[0], "judged": window.within.bad[1], "bad": window.within.bad[0],
        "seconds_median": middle, "seconds_95": slow,
        "tokens_in": sum(entry.tokens_in for entry in window.entries),
        "tokens_out": sum(entry.tokens_out for entry in window.entries), "lost": dict(window.lost),
    }


def _told(time: float) -> str:
    return datetime.fromtimestamp(time, UTC).isoformat(timespec="seconds")


def _findings(looked: Looked, drift: Drift, harvested: str) -> list[Finding]:
    """The alarms, then what a reader should know of the rows."""
    window, where = looked.window, str(looked.log)
    found = _alarms(drift, looked, harvested)
    if window.lost:
        rows = sum(window.lost.values())
        found.append(Finding("warning", "monitoring.lost", f"{rows} rows or judgements could not be written: "
                             + "; ".join(window.lost), where, "look at the disk, or lower `monitoring.share`"))
    if window.seen > len(window.entries):
        found.append(Finding("note", "monitoring.newest", f"of {window.seen} rows the newest {len(window.entries)} are "
                             "compared", where, "name a smaller window with `--since` or `--last`"))
    if len(window.rows) < FEW:
        found.append(Finding("note", "monitoring.few", f"the window has {len(window.rows)} rows: small drifts are seen "
                             f"from {FEW} on", where, "wait for more, or name a larger window"))
    texts = [entry.asked for entry in window.entries if entry.asked]
    copies = len(texts) - len(set(texts))
    if texts and copies > REPEATED * len(texts):
        found.append(Finding("note", "monitoring.repeated", f"{copies} of {len(texts)} rows repeat another: rows are "
                             "taken as independent, and one program or person that repeats itself is no drift", where,
                             "look at the rows before you believe an alarm"))
    if not looked.reference.languages:
        found.append(Finding("note", "monitoring.no_languages", "languages are not compared, as the reference was made "
                             "without what tells them", where, "pip install 'tunesmith[data]', take the run's "
                             "`reference.json` away, and call it again"))
    return found


def _alarms(drift: Drift, looked: Looked, harvested: str) -> list[Finding]:
    """What drifted in one finding, and what became worse in another."""
    from ...monitoring.drift import EFFECTS, OF_SERVICE, TITLES

    def told(served: bool) -> str:
        return "; ".join(f"{TITLES[each.name]} ({EFFECTS[each.name]} {each.effect:.3g})"
                         for each in drift.tests if each.alarm and (each.name in OF_SERVICE) == served)

    where, found = str(looked.log), []
    if asked := told(False):
        found.append(Finding("warning", "monitoring.drift", f"what is asked has drifted: {asked}", where,
                             f"label the rows of {quoted(harvested)}, and train on from the run with them" if harvested
                             else f"`tunesmith monitor {looked.run.path} --harvest rows.jsonl` draws rows to label and "
                             "to train on from the run"))
    if worse := told(True):
        found.append(Finding("warning", "monitoring.worse", f"answers are worse than before the window: {worse}", where,
                             "look at the server's load and at the answers that were judged"))
    return found


def _new_words(texts: Sequence[str], reference: Reference) -> Counter[str]:
    """In how many texts each word stands that the training rows lack."""
    from ...monitoring.features import words

    return Counter(word for text in texts for word in set(words(text))
                   if not reference.known.has(word) and not word.isdigit())
