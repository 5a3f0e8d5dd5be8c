"""The verdict for a reader, in Markdown: the word, the numbers with their intervals, the answers side by side."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ..contracts import Metric
from ..records import Measured, Verdict


def markdown(
    verdict: Verdict, facts: Mapping[str, str], metrics: Mapping[str, Metric] | None = None
) -> str:
    """The report. `facts` are told in the order given (`{"run": …, "base": …, "data": …}`).

    metrics: the modules of the metrics, from which units and directions are told.
    """
    parts = [f"# Verdict: {verdict.word}", sentence(verdict), _facts(facts), _table(verdict, metrics or {}),
             _baselines(verdict), _findings(verdict), _elsewhere(verdict), _examples(verdict.examples, verdict.against),
             *_elsewhere_answers(verdict)]
    return "\n\n".join(part for part in parts if part) + "\n"


def sentence(verdict: Verdict) -> str:
    """What decided, in words and numbers, with names in backticks."""
    one = verdict.metrics[verdict.primary]
    told = (f"Tuned against {_plain(verdict.against)} by `{verdict.primary}` on {one.rows} held-out "
            f"{_many(one.rows, 'row')} in {one.groups} {_many(one.groups, 'group')}: {one.against:.4g} became "
            f"{one.tuned:.4g}, a difference of {one.difference:+.4g}, 95% interval {one.low:+.4g} to {one.high:+.4g}.")
    if verdict.word != "not proven":
        return f"{told} Zero is outside the interval."
    enough = f" About {verdict.rows_needed:,} rows would have been enough, if this difference is the true one." \
        if verdict.rows_needed else ""
    return f"{told} Zero is not outside the interval.{enough}"


def _facts(facts: Mapping[str, str]) -> str:
    return "\n".join(f"- {_plain(name)}: {_plain(value)}" for name, value in facts.items())


def _table(verdict: Verdict, metrics: Mapping[str, Metric]) -> str:
    lines = [f"| metric | {_plain(verdict.against)} | tuned | difference | 95% interval | rows | groups |",
             "|---|---:|---:|---:|---:|---:|---:|"]
    lines += [_line(name, one, metrics.get(name), name == verdict.primary) for name, one in verdict.metrics.items()]
    return "\n".join(lines)


def _line(name: str, one: Measured, metric: Metric | None, decides: bool) -> str:
    title = f"**{name}** (decides)" if decides else name
    if metric is not None:
        title += f", {_plain(metric.unit)}, {'higher' if metric.higher_is_better else 'lower'} is better"
    return (f"| {title} | {one.against:.4g} | {one.tuned:.4g} | {one.difference:+.4g} | {one.low:+.4g} to "
            f"{one.high:+.4g} | {one.rows} | {one.groups} |")


def _baselines(verdict: Verdict) -> str:
    """What else stood in for a base that has no head, a line a metric."""
    if not verdict.baselines:
        return ""
    lines = ["## Other baselines", "", "These did worse than the one that decides.", "",
             "| baseline | metric | baseline's value | tuned | difference | 95% interval | rows | groups |",
             "|---|---|---:|---:|---:|---:|---:|---:|"]
    lines += [f"| {_plain(name)} {_line(metric, one, None, False)}"
              for name, measured in verdict.baselines.items() for metric, one in measured.items()]
    return "\n".join(lines)


def _findings(verdict: Verdict) -> str:
    if not verdict.findings:
        return ""
    lines = [f"- **{finding.severity}**: {_plain(finding.what)} ({_plain(finding.remedy)})"
             for finding in verdict.findings]
    return "\n".join(["## Beside the word", "", *lines])


def _elsewhere(verdict: Verdict) -> str:
    """What tuning did to other rows, a line a metric."""
    if not verdict.also:
        return ""
    against = _plain(verdict.against)
    lines = ["## Elsewhere", "", "These rows are not what the run is for: they tell what tuning cost, and decide "
             "nothing. *Kept*: the whole interval is within 2% of the base's value.", "",
             f"| data | word | metric | {against} | tuned | difference | 95% interval | rows | groups |",
             "|---|---|---|---:|---:|---:|---:|---:|---:|"]
    for name, other in verdict.also.items():
        for metric, one in sorted(other.metrics.items(), key=lambda pair: pair[0] != other.primary):
            title = f"{_plain(name)} | {other.word}" if metric == other.primary else " | "
            lines.append(f"| {title} {_line(metric, one, None, False)}")
        if not other.metrics:
            lines.append(f"| {_plain(name)} | {other.word} | nothing was measured | | | | | | |")
    return "\n".join(lines)


def _examples(examples: Sequence[Mapping[str, Any]], against: str, of: str = "") -> str:
    if not examples:
        return ""
    shown = [_example(number, example, against) for number, example in enumerate(examples, 1)]
    return "\n\n".join([f"## Answers side by side{of}", f"{len(shown)} drawn by the run's seed, none chosen.", *shown])


def _elsewhere_answers(verdict: Verdict) -> list[str]:
    return [_examples(other.examples, verdict.against, f": {_plain(name)}") for name, other in verdict.also.items()]


def _example(number: int, example: Mapping[str, Any], against: str) -> str:
    parts = [f"### {number}. {_plain(example['where'])}"]
    for title, key in (("Prompt", "prompt"), ("Reference", "reference"), (against, "against"), ("Tuned", "tuned")):
        cut = key in ("against", "tuned") and example["stopped_by"][key] == "length"
        parts.append(f"{_plain(title)}{' (cut at the longest answer allowed)' if cut else ''}:\n\n"
                     f"{_fenced(example[key])}")
    return "\n\n".join(parts)


def _fenced(text: str) -> str:
    """The text as a code block whose fence is longer than any run of backticks in it."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{text}\n{fence}"


def _plain(text: str) -> str:
    """The text on one line, with what Markdown or HTML would read as its own escaped; pairs of backticks stay."""
    parts = re.split(r"(`[^`]+`)", " ".join(text.split()))
    return "".join(part if place % 2 else re.sub(r"([\\<>\[\]|*_#&`])", r"\\\1", part)
                   for place, part in enumerate(parts))


def _many(count: int, word: str) -> str:
    return word if count == 1 else f"{word}s"
