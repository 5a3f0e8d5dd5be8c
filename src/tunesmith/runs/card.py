"""The model card in the Hub's format, made from what a run wrote down of itself: its recipe, lineage and verdict.

Names of files stand in it, paths do not: a card is for others, and where things lay on this machine is not theirs.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from ..records import SIDES
from .redact import redacted

PIPELINES = {"causal": "text-generation", "masked": "fill-mask", "encoder-decoder": "text2text-generation",
             "sequence": "text-classification", "token": "token-classification", "span": "question-answering",
             "none": "sentence-similarity"}
LIBRARIES = {("transformers", "none"): "sentence-transformers"}  # beside what opens it everywhere, what it is for
OWN_SECTIONS = ("run",)
LONGEST_DIGEST = 32
MOST_WARNINGS = 8
LONGEST_WARNING = 300
PLAIN = re.compile(r"[A-Za-z_][\w./-]*( [\w./-]+)*", re.ASCII)
OTHER_WORDS = frozenset({"y", "yes", "n", "no", "on", "off", "true", "false", "null"})
PATH = re.compile(r"(?<![\w./:<])/(?:[^\s/`]+/)+")
SPECIAL = re.compile(r"[<\[\]*_|\\]")
TITLES = {"base": "the base's files", "data_train": "training rows", "data_validation": "validation rows",
          "data_test": "test rows", "tokenizer": "tokenizer", "template": "chat template", "recipe": "recipe"}


@dataclass(frozen=True)
class Use:
    """How the model is opened with one program: its name, the language of the code, the code."""

    program: str
    language: str
    code: str


@dataclass(frozen=True)
class Facts:
    """What a card tells. Mappings are as the run's own files hold them.

    library: what opens the folder that the card stands in; base, data: names for others; parity: that of an export;
    check: what was found in the rows before the run began.
    """

    name: str
    library: str
    base: str
    licence: str | None
    languages: Sequence[str]
    data: Sequence[str]
    recipe: Mapping[str, Any]
    lineage: Mapping[str, Any]
    verdict: Mapping[str, Any] | None
    uses: Sequence[Use]
    notes: Sequence[str] = ()
    parity: Mapping[str, Any] | None = None
    check: Mapping[str, Any] | None = None


def render(facts: Facts) -> str:
    """The whole `README.md`: the facts for the Hub at its head, then the same for a reader."""
    text = "\n\n".join(["---\n" + _yaml(metadata(facts)) + "---", *filter(None, _sections(facts))]) + "\n"
    return str(redacted(text))


def metadata(facts: Facts) -> dict[str, Any]:
    """The head of the card, under the Hub's names."""
    found = {
        "base_model": _identifier(facts.base),
        "library_name": LIBRARIES.get((facts.library, _head(facts)), facts.library),
        "pipeline_tag": _pipeline(facts),
        "tags": ["tunesmith", *dict.fromkeys([facts.recipe["task"]["type"], facts.recipe["adapter"]["type"]])],
        "datasets": list(dict.fromkeys(map(_identifier, facts.data))),
        "license": facts.licence,
        "language": list(facts.languages),
        "model-index": _index(facts),
    }
    return {name: value for name, value in found.items() if value}


def _head(facts: Facts) -> str:
    return str(facts.lineage["chosen"].get("head", {}).get("kind", "causal"))


def _pipeline(facts: Facts) -> str:
    return PIPELINES.get(_head(facts), "text-classification")


def _index(facts: Facts) -> list[dict[str, Any]]:
    """The verdict's figures as the Hub's leaderboards read them; the intervals stand among a metric's arguments."""
    if facts.verdict is None:
        return []
    metrics = [
        {"type": name, "name": f"{name}, held-out rows", "value": one["tuned"],
         "args": {"compared_with": facts.verdict["against"], "compared_value": one["against"],
                  "difference": one["difference"], "difference_low_95": one["low"],
                  "difference_high_95": one["high"], "rows": one["rows"], "groups": one["groups"]}}
        for name, one in facts.verdict["metrics"].items()
    ]
    dataset = {"type": _identifier(facts.data[0]), "name": f"rows of {', '.join(facts.data)} that were held out"}
    task = {"type": _pipeline(facts), "name": facts.recipe["task"]["type"]}
    return [{"name": facts.name, "results": [{"task": task, "dataset": dataset, "metrics": metrics}]}]


def _sections(facts: Facts) -> Iterator[str]:
    recipe, chosen = facts.recipe, facts.lineage["chosen"]
    yield f"# {facts.name}"
    yield (f"`{facts.base}`, tuned with [tunesmith](https://pypi.org/project/tunesmith/) for the task "
           f"`{recipe['task']['type']}` on {', '.join(f'`{name}`' for name in facts.data)} "
           f"(adapter: `{recipe['adapter']['type']}`), begun on {str(chosen['date'])[:10]}.")
    yield _verdict(facts.verdict)
    yield _elsewhere(facts.verdict)
    yield "## How to use it"
    if any(facts.name in use.code for use in facts.uses):
        yield f"`{facts.name}` stands for this folder: put its path there, or its name on the Hub."
    yield from (f"With {use.program}:\n\n```{use.language}\n{use.code}\n```" for use in facts.uses)
    yield _parity(facts.parity)
    yield _data(facts.check)
    yield "## What it was made from"
    yield _table(("what", "SHA-256, first half"), [
        (TITLES.get(name, name), f"`{str(digest)[:LONGEST_DIGEST]}`")
        for name, digest in sorted(facts.lineage["digests"].items()) if digest])
    yield f"The recipe, without paths:\n\n```yaml\n{_yaml(_told(recipe)).rstrip()}\n```"
    yield "## Limits"
    yield "\n".join(f"- {note}" for note in _limits(facts))
    yield "## Versions"
    versions = ", ".join(f"{name} {version}" for name, version in sorted(facts.lineage["versions"].items()) if version)
    yield f"{versions}. Computed in {chosen['dtype']} on `{str(chosen['device']).split(':')[0]}`."


def _verdict(verdict: Mapping[str, Any] | None) -> str:
    if verdict is None:
        return "## Verdict\n\nNone: this model was not measured against its base on held-out rows."
    lines = [
        (f"**{name}** (decides)" if name == verdict["primary"] else name, f"{one['against']:.4g}",
         f"{one['tuned']:.4g}", f"{one['difference']:+.4g}", f"{one['low']:+.4g} to {one['high']:+.4g}",
         str(one["rows"]), str(one["groups"]))
        for name, one in verdict["metrics"].items()
    ]
    head = ("metric", verdict["against"], "tuned", "difference", "95% interval", "rows", "groups")
    return (f"## Verdict: {verdict['verdict']}\n\nMeasured on rows that it was not trained on, the same rows for both; "
            f"*better* means that the interval of the difference is clear of zero.\n\n{_table(head, lines)}")


def _elsewhere(verdict: Mapping[str, Any] | None) -> str:
    """What tuning did to rows of other kinds, by the metric that gave each its word."""
    also = (verdict or {}).get("also", {})
    if not also:
        return ""
    lines = []
    for name, other in also.items():
        one = other["metrics"].get(other["primary"])
        figures = ("", "", "", "") if one is None else (
            f"{one['against']:.4g}", f"{one['tuned']:.4g}", f"{one['low']:+.4g} to {one['high']:+.4g}",
            str(one["rows"]))
        lines.append((name, other["word"], other["primary"], *figures))
    head = ("data", "word", "metric", "base", "tuned", "95% interval of the difference", "rows")
    return ("## What tuning cost elsewhere\n\nMeasured on rows of other kinds; *kept* means that the whole interval is "
            f"within 2% of the base's value.\n\n{_table(head, lines)}")


def _data(check: Mapping[str, Any] | None) -> str:
    """How many rows there were on each side, and the warnings of the checks that looked them over."""
    if check is None or "amounts" not in check:
        return ""  # a run of an earlier release
    rows = ", ".join(f"{count:,} rows in {side}" for side in SIDES if (count := check["rows"][side]))
    learnt = check["amounts"]["train"]
    warnings = [each for told in check["audit"].values() for each in told["noticed"] if each["severity"] == "warning"]
    told = [f"- {_one_line(each['what'])}" for each in warnings[:MOST_WARNINGS]]
    left = len(warnings) - len(told)
    told += [f"- and {left} more, in `check.json`"] if left else []
    found = "Of what the rows were checked for, these are warnings:\n\n" + "\n".join(told) if told else \
        f"The rows were checked for {', '.join(check['audit'])}: nothing warns of them." if check["audit"] else ""
    return (f"## Data\n\n{rows}; {learnt['supervised']:,} of {learnt['tokens']:,} tokens in train are learnt.\n\n"
            f"{found}").rstrip()


def _one_line(text: str) -> str:
    """A sentence that holds words of rows, which must not become a tag or a link, and of paths the names alone."""
    line = " ".join(PATH.sub("", text).split())
    line = line if len(line) <= LONGEST_WARNING else f"{line[:LONGEST_WARNING]}…".replace("`", "")
    parts = re.split(r"(`[^`]*`)", line)
    return "".join(part if place % 2 else SPECIAL.sub(r"\\\g<0>", part) for place, part in enumerate(parts))


def _parity(parity: Mapping[str, Any] | None) -> str:
    if parity is None:
        return ""
    if "cost" in parity:
        return _cost(parity["cost"])
    if "readings" in parity:
        said = parity["readings"]
        return (f"These files were opened again before they were put here: what they say of {said['documents']} texts "
                f"differs from what the run says by {said['largest_difference']:.1e} at most (`parity.json`).")
    answers = parity["answers"]
    tied = f" ({answers['ties']} differ where two tokens are equally likely)" if answers["ties"] else ""
    return (f"These files were opened again before they were put here: {answers['equal']} of {answers['prompts']} "
            f"greedy answers are token for token those of the run{tied}, and the log-probabilities of "
            f"their {answers['tokens']:,} tokens differ by {answers['largest_difference']:.1e} nats at most "
            "(`parity.json`).")


def _cost(cost: Mapping[str, Any]) -> str:
    """What a format lost that is smaller than the run, by the run's own metrics."""
    lines = [
        (f"**{name}** (decides)" if name == cost["primary"] else name, f"{one['against']:.4g}", f"{one['tuned']:.4g}",
         f"{one['difference']:+.4g}", f"{one['low']:+.4g} to {one['high']:+.4g}", str(one["rows"]))
        for name, one in cost["metrics"].items()
    ]
    head = ("metric", "run", "these files", "difference", "95% interval", "rows")
    return (f"## What this format cost: {cost['verdict']}\n\nThese files say less than the run did: they were opened "
            "again by the program that will use them, and measured on the rows of the verdict above, against the run "
            f"itself (`verdict.json`).\n\n{_table(head, lines)}")


def _limits(facts: Facts) -> Iterator[str]:
    measured = "only what stands above" if (facts.verdict or {}).get("also") else "nothing else"
    yield f"It knows what its base knew and what the rows above taught; {measured} of it was measured."
    yield "The figures hold for rows like the held-out ones."
    for finding in (facts.verdict or {}).get("findings", ()):
        yield " ".join(str(finding["what"]).split())
    yield from facts.notes
    if facts.licence is None:
        yield "The base's files do not name a licence: find out which one holds before you pass this model on."


def _told(recipe: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _without_paths(value) for name, value in recipe.items() if name not in OWN_SECTIONS}


def _without_paths(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_paths(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_paths(item) for item in value]
    if isinstance(value, str) and PurePath(value).is_absolute():
        return PurePath(value).name
    return value


def _identifier(name: str) -> str:
    """A name as the Hub allows it in an id."""
    return re.sub(r"[^\w./-]+", "-", name, flags=re.ASCII).strip("-./") or "unnamed"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def _yaml(value: Any) -> str:
    from ruamel.yaml import YAML

    writer = YAML(typ="rt", pure=True)
    writer.default_flow_style, writer.allow_unicode, writer.width = False, True, 1000
    stream = io.StringIO()
    writer.dump(_quoted(value), stream)
    return stream.getvalue()


def _quoted(value: Any) -> Any:
    """Texts that an older YAML would read as something else in quotes: the language `no` is no denial."""
    from ruamel.yaml.scalarstring import DoubleQuotedScalarString

    if isinstance(value, Mapping):
        return {key: _quoted(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_quoted(item) for item in value]
    if isinstance(value, str) and (value.lower() in OTHER_WORDS or not PLAIN.fullmatch(value)):
        return DoubleQuotedScalarString(value)
    return value
