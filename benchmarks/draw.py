"""`RESULTS.md`, drawn from `results.csv`: for each machine and job the newest figures of everybody.

    python benchmarks/draw.py [--check]

`--check` writes nothing and exits with 1 where the file is not what the table says.
"""

import sys
from collections.abc import Iterable, Mapping, Sequence

import results
from results import Row

DRAWN = results.HERE / "RESULTS.md"
OURS = "tunesmith"
HEAD = """\
# Results

Drawn by `benchmarks/draw.py` from `benchmarks/results.csv`; change neither by hand. `make bench` measures again.

Tokens are real ones: padding does not count. Of each process the first step is left out, and every step in which
something was compiled; "all steps" has them. Brackets hold the quartiles. The roof is the best matrix product of the
same run. "times" is our mean divided by theirs, "memory" our peak divided by theirs, both within one run. Each job's
rows, settings and contenders are in `benchmarks/jobs.py` and `benchmarks/contenders.py`.
"""
TITLES = {
    "A": "A: LoRA on GSM8K", "B": "B: LoRA on raw text, rows of 512 tokens", "C": "C: every weight, on A's rows",
    "D": "D: every weight of an encoder, short texts", "D banking77": "D: every weight of an encoder, Banking77",
    "E": "E: LoRA on conversations of several turns",
    "G": "G: answers at once",
    "N": "N: near-duplicates among short rows",
}
Figures = dict[str, dict[str, Row]]  # contender, quantity


def main() -> None:
    text = drawn(results.read())
    if "--check" in sys.argv:
        sys.exit(DRAWN.read_text(encoding="utf-8") != text)
    DRAWN.write_text(text, encoding="utf-8")


def drawn(rows: Iterable[Row]) -> str:
    """The whole page."""
    machines: dict[str, dict[str, Figures]] = {}
    for row in rows:  # a later run takes the place of an earlier one, contender by contender
        figures = machines.setdefault(row.machine, {}).setdefault(row.job, {})
        known = figures.get(row.contender, {})
        if known and next(iter(known.values())).run != row.run:
            known = {}
        figures[row.contender] = {**known, row.quantity: row}
    parts = [HEAD]
    for machine, by_job in machines.items():
        parts.append(f"\n## {machine}\n")
        parts += [f"\n### {title(job)}\n\n{section(job, by_job[job])}" for job in sorted(by_job)]
        parts.append(f"\n{versions(by_job.values())}")
    return "".join(parts)


def title(job: str) -> str:
    """A job's heading."""
    if job in TITLES:
        return TITLES[job]
    name, _, more = job.partition(" ")
    return f"{TITLES.get(name, name)}{f', {more}' if more else ''}"


def section(job: str, figures: Figures) -> str:
    """The table that fits what was measured."""
    newest = max(row.run for each in figures.values() for row in each.values())
    roofs = figures.get("roof", {})
    others = {name: each for name, each in figures.items() if name != "roof"}
    if any("tokens/s mean" in each for each in others.values()):
        return f"{speeds(others, figures.get(OURS, {}))}{roof_line(roofs)}"
    if job.endswith(" parts"):
        return parts_of({name: each for name, each in others.items() if run_of(each) == newest})
    return plain(others)


def speeds(figures: Figures, ours: Mapping[str, Row]) -> str:
    """Training speed, the fastest first."""
    order = sorted(figures.items(), key=lambda item: -value(item[1], "tokens/s mean"))
    lines = [
        [name, digits(value(each, "tokens/s mean")), spread(each["tokens/s median"]),
         digits(value(each, "tokens/s, all steps")), digits(value(each, "supervised tokens/s")),
         f"{value(each, 'peak GB'):.2f}", f"{value(each, 'share of roof'):.0%}",
         ratio(ours, each, "tokens/s mean"), ratio(ours, each, "peak GB"),
         str(each["tokens/s mean"].count), run_of(each)[:16]]
        for name, each in order
    ]
    return table(("", "tokens/s, mean", "median", "all steps", "supervised tokens/s", "peak GB", "of the roof", "times",
                  "memory", "steps", "measured"), lines)


def roof_line(roofs: Mapping[str, Row]) -> str:
    """The products that the shares are of."""
    told = ", ".join(f"{name.removesuffix(' GFLOP/s')} {digits(row.value)}" for name, row in roofs.items())
    return f"\nProducts, GFLOP/s: {told}.\n" if told else ""


def parts_of(figures: Figures) -> str:
    """Where a step goes: what was measured, then what the roof would allow."""
    rows = {name: each["ms a step"] for name, each in figures.items()}
    ideal = {name: row for name, row in rows.items() if name.startswith("at the roof")}
    found = {name: row for name, row in rows.items() if name not in ideal}
    whole = sum(row.value for row in found.values())
    lines = [[name, f"{row.value:.1f}", f"{row.value / whole:.1%}"]
             for name, row in sorted(found.items(), key=lambda item: -item[1].value)]
    lines.append(["together", f"{whole:.1f}", "100.0%"])
    lines += [[name, f"{row.value:.1f}", f"{row.value / whole:.1%}"] for name, row in ideal.items()]
    return table(("", "ms a step", "share"), lines)


def plain(figures: Figures) -> str:
    """Any other quantity, as it stands."""
    lines = [
        [name, quantity, spread(row), ratio(figures.get(OURS, {}), each, quantity, turned=True), str(row.count),
         row.run[:16]]
        for name, each in figures.items() for quantity, row in each.items()
    ]
    return table(("", "what", "value", "theirs / ours", "count", "measured"), lines)


def value(figures: Mapping[str, Row], quantity: str) -> float:
    """One figure."""
    return figures[quantity].value


def ratio(ours: Mapping[str, Row], theirs: Mapping[str, Row], quantity: str, *, turned: bool = False) -> str:
    """Ours divided by theirs (`turned`: theirs by ours), where both are of one run and none is 0."""
    if quantity not in ours or quantity not in theirs or ours[quantity].run != theirs[quantity].run:
        return ""
    if not ours[quantity].value or not theirs[quantity].value:
        return ""
    share = ours[quantity].value / theirs[quantity].value
    return f"{1 / share if turned else share:.2f}"


def run_of(figures: Mapping[str, Row]) -> str:
    """When a contender was measured."""
    return next(iter(figures.values())).run


def spread(row: Row) -> str:
    """A figure with its quartiles."""
    quartiles = f" ({digits(row.low)} to {digits(row.high)})" if row.low is not None and row.high is not None else ""
    return digits(row.value) + quartiles


def digits(number: float) -> str:
    """A figure as a reader wants it."""
    return f"{number:,.0f}" if abs(number) >= 100 else f"{number:.3g}"


def versions(by_job: Iterable[Figures]) -> str:
    """Who was measured in which versions, each said once."""
    told = {row.versions: None for figures in by_job for each in figures.values() for row in each.values()}
    return "Versions: " + "; ".join(told) + ".\n"


def table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """A table in Markdown; every column but the first to the right."""
    rule = ["---", *["---:"] * (len(head) - 1)]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in (head, rule, *lines))


if __name__ == "__main__":
    main()
