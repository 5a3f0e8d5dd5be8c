"""Every published chat template on seeded random dialogues, held against transformers and the dialogues themselves.

`python tests/templates.py [DIALOGUES]` writes the table of docs/templates.md anew. Nothing here looks at how encoding
comes to a mask: the ids of a prompt are transformers' own, and what the supervised tokens spell must be the turn's own
text, between nothing but literals of the template.
"""

from __future__ import annotations

import json
import random
import re
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from unittest import mock

from dialogues import NAME, TOOLS, dialogue
from template_subjects import DATE, FAMILIES, Subject, names, source, subject
from tunesmith.encoding.documents import chat
from tunesmith.encoding.documents.shift import spans
from tunesmith.encoding.proofs import chat as proof
from tunesmith.encoding.templates import sandbox, views
from tunesmith.errors import Refusal
from tunesmith.records import Conversation, Message

DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "templates.md"
BEGIN, END = "<!-- table -->\n", "<!-- end -->\n"
DIALOGUES = 200
FRAME, FRAME_OF_CALLS = 130, 450  # characters that a template may write around an answer, and around a call
INSIDE = re.compile(r"(?:<think>(.*?)</think>)?(.*)", re.DOTALL)


class Clock:
    """Stands at DATE for transformers, which tells templates the time."""

    @staticmethod
    def now():
        return DATE


@dataclass
class Outcome:
    """What became of the dialogues of one kind: how many were right, and the faults and refusals of the others."""

    right: int = 0
    wrong: list = field(default_factory=list)
    refused: Counter = field(default_factory=Counter)

    @property
    def proven(self) -> bool:
        """Whether all of them were right, and there were some."""
        return bool(self.right) and not self.wrong and not self.refused

    @property
    def why(self) -> str:
        """The reason most often given."""
        return self.refused.most_common(1)[0][0] if self.refused else ""


def rendered(conversation: Conversation, turns: int, given: Subject, *, asked: bool, ids: bool = False):
    """What transformers makes of the first turns."""
    messages = [views.turn(message, given.made.template.ways) for message in conversation.messages[:turns]]
    told = dict(given.switches)
    if conversation.tools:
        told |= {"functions": json.dumps(list(conversation.tools), ensure_ascii=False, indent=4),
                 "datetime": DATE.strftime("%Y-%m-%d %H:%M:%S")}
    with mock.patch("transformers.utils.chat_template_utils.datetime", Clock):
        return given.tokenizer.apply_chat_template(
            messages, tools=list(conversation.tools) or None, add_generation_prompt=asked, tokenize=ids,
            sanitize_control_tokens=ids, return_dict=False, **told)


def faults(conversation: Conversation, given: Subject, documents: list) -> list[str]:
    """What differs in the documents of a dialogue from transformers and from the dialogue itself."""
    found = [(document, *span) for document in documents for span in spans(document)]
    turns = [place for place, turn in enumerate(conversation.messages) if turn.role == "assistant" and turn.train]
    if len(found) != len(turns):
        return [f"{len(found)} stretches of {len(turns)} turns"]
    told = []
    last = {id(document): start for document, start, _ in found}
    for (document, start, stop), turn in zip(found, turns, strict=True):
        message = conversation.messages[turn]
        # transformers' marks around typed tokens do not survive a template that writes JSON in ASCII
        comparable = not (conversation.tools and "ensure_ascii=True" in source(given.name))
        comparable &= start == last[id(document)]  # the last prompt of a document holds those before it
        if comparable and document.ids[:start].tolist() != rendered(conversation, turn, given, asked=True, ids=True):
            told.append("the prompt is not transformers'")
        spelt = given.tokenizer.decode(document.ids[start:stop])
        told += spoken(message, spelt, given, conversation)
        end = spelt_end(spelt, given)
        if not end:
            told.append(f"it ends with {spelt[-20:]!r}")
        if turn != turns[-1] or not end:  # the last turn's render stands for those before it
            continue
        asked = rendered(conversation, turn, given, asked=True)
        full = rendered(conversation, turn + 1, given, asked=False)
        if full.startswith(asked) and not full[len(asked):].startswith(spelt.removesuffix(end)) and (
            "think" not in asked[-20:].lower()
        ):
            told.append(f"{spelt!r} is not in {full[len(asked):]!r}")
    return told


def spelt_end(spelt: str, given: Subject) -> str:
    """The token that ends a turn, if it is one that the published model stops on or that the template always writes."""
    _, (_, *ends) = FAMILIES[given.name]
    return next((end for end in sorted(ends, key=len, reverse=True) if spelt.endswith(end)), "")


def spoken(message: Message, spelt: str, given: Subject, conversation: Conversation) -> list[str]:
    """What is wrong with the text of a turn: its own parts, each once, and literals of the template around them."""
    rest, told = spelt, []
    inside, said = INSIDE.fullmatch(message.content).groups()
    wanted = [message.reasoning.strip(), (inside or "").strip(), said.strip()]
    for call in message.calls:
        wanted += [NAME, *(str(value) for value in call.arguments.values())]
    for part in wanted:
        spelling = next((each for each in (part, json.dumps(part, ensure_ascii=False)[1:-1], json.dumps(part)[1:-1])
                         if each in rest), None)
        if spelling is None:
            told.append(f"{part!r} is not in {spelt!r}")
        else:
            rest = rest.replace(spelling, " ", 1 if part is not NAME else -1)
    literals = source(given.name) + " ".join(str(each) for each in FAMILIES[given.name][1]) + message_frame(message)
    if len(rest) > (FRAME_OF_CALLS if message.calls else FRAME):
        told.append(f"{len(rest)} characters beside the answer in {spelt!r}")
    around = [word for word in re.findall(r"\w+", rest) if not (message.calls and word.isdigit())]  # calls are counted
    told += [f"{word!r} beside the answer in {spelt!r}" for word in around if word not in literals]
    return told


def message_frame(message: Message) -> str:
    """What a call is made of beside the tool's name and the arguments' texts."""
    return " ".join([*(key for call in message.calls for key in call.arguments), *(call.id for call in message.calls),
                     "name arguments parameters string true type function"]) if message.calls else " think opensource "


def tried(given: Subject, dialogues: int, kinds: set[str], seed: str) -> Outcome:
    """The dialogues of one kind."""
    draw, outcome, prover = random.Random(f"{given.name} {seed}"), Outcome(), proof.Proof(given.made)
    typed = sorted(given.made.special)
    for number in range(dialogues):
        conversation = dialogue(draw, typed, number, kinds)
        try:
            documents, findings = chat.documents(conversation, given.made)
        except Refusal as refusal:
            outcome.refused[f"{refusal.kind}: {refusal.what}"] += 1
            continue
        if findings:
            outcome.refused[f"{findings[0].kind}: {findings[0].what}"] += 1
            continue
        proved = [finding for finding in prover.prove(documents, conversation) if finding.severity == "error"]
        found = faults(conversation, given, documents)
        if proved:
            outcome.refused[f"{proved[0].kind}: {proved[0].what}"] += 1
        elif found:
            outcome.wrong.append((conversation.where, found[0]))
        else:
            outcome.right += 1
    return outcome


def takes_system(given: Subject) -> bool:
    """Whether the template takes a system prompt."""
    turns = [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}]
    for tools in ({}, sandbox.with_tools(TOOLS)):
        try:
            sandbox.run(given.made.template._compiled, turns, given.made.template.special, generation_prompt=True,
                        given=tools)
        except sandbox.RENDER_ERRORS:
            continue
        return True
    return False


@dataclass
class Result:
    """A line of the table: the outcome of plain dialogues, of thoughts and of tools.

    switch: the `data.thinking` that thoughts needed; offered: whether the template takes no dialogue without tools;
    kept: whether a prompt still holds the thoughts of earlier turns.
    """

    name: str
    plain: Outcome
    thoughts: Outcome
    tools: Outcome
    switch: str = ""
    offered: bool = False
    kept: bool = False

    @property
    def all(self) -> tuple[Outcome, Outcome, Outcome]:
        """Every kind of dialogue."""
        return self.plain, self.thoughts, self.tools

    @property
    def wrong(self) -> list:
        """What a proof let pass and should not have."""
        return [fault for outcome in self.all for fault in outcome.wrong]


def measured(name: str, dialogues: int = DIALOGUES) -> Result:
    """All kinds of dialogues with one template."""
    try:
        given = subject(name)
        given.made.require_template()
    except Refusal as refusal:
        outcome = Outcome(refused=Counter([f"{refusal.kind}: {refusal.what}"]))
        return Result(name, outcome, outcome, outcome)
    system = {"system"} if takes_system(given) else set()
    third = max(1, dialogues // 3)
    plain, offered = tried(given, dialogues - 2 * third, system, "plain"), False
    if not plain.right and not plain.wrong:  # a template that needs tools
        again = tried(given, dialogues - 2 * third, system | {"offered"}, "plain")
        if again.right or again.wrong:
            plain, offered, system = again, True, system | {"offered"}
    tools = tried(given, third, system | {"tools"}, "tools")
    kinds = system | {"thoughts"} | ({"inside"} if "</think>" in source(name) else set())
    thoughts, switch = tried(given, third, kinds, "thoughts"), ""
    if not thoughts.proven and not thoughts.wrong:
        thinking = subject(name, {"enable_thinking": True, "thinking": True})
        again = tried(thinking, third, kinds, "thoughts")
        if again.proven or again.wrong:
            given, thoughts, switch = thinking, again, "think"
    return Result(name, plain, thoughts, tools, switch, offered, keeps(given, offered))


def keeps(given: Subject, offered: bool) -> bool:
    """Whether the thought of an earlier turn stands in a later prompt."""
    said = (Message("user", "q"), Message("assistant", "a", reasoning="Thoughtprobe"), Message("user", "q"))
    try:
        return "Thoughtprobe" in given.made.template.render(
            said, generation_prompt=True, tools=TOOLS if offered else ())
    except Refusal:
        return False


WHY = {
    "template.no_end": "no token ends a turn",
    "template.calls": "calls are not written",
    "template.prefix": "after a call the prompt is not what the answer then follows",
    "template.unsafe": "it changes a list, which the sandbox (transformers' too) forbids",
    "mask.early_stop": "generation would stop within a turn",
    "mask.typed_control": "the template joins what was typed into a control token",
    "row.reasoning": "only empty thoughts are written",
}


def why(outcome: Outcome) -> str:
    """Why dialogues are refused, in a few words; the template's own where it speaks for itself."""
    kind, _, what = outcome.why.partition(": ")
    return WHY.get(kind) or f"\"{what.partition(' (template ')[0]}\""


def row(found: Result) -> str:
    """A line of the table."""
    word = "proven" + (", with tools" if found.offered else "") if found.plain.proven else "refused"
    if not found.plain.proven:
        return f"| {found.name} | {FAMILIES[found.name][0]} | {word} | {why(found.plain)} | | |"
    tools = "yes" if found.tools.proven else f"no: {why(found.tools)}"
    earlier = "earlier ones kept" if found.kept else "earlier ones stripped"
    with_switch = " with `think`" if found.switch else ""
    thoughts = f"learnt{with_switch}, {earlier}" if found.thoughts.proven else f"no: {why(found.thoughts)}"
    return f"| {found.name} | {FAMILIES[found.name][0]} | {word} | | {tools} | {thoughts} |"


def table() -> dict[str, str]:
    """The lines that docs/templates.md holds, by name."""
    text = DOCUMENT.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0]
    return {line.split("|")[1].strip(): line for line in text.splitlines()[2:] if line.startswith("|")}


def distinct() -> list[str]:
    """One name of each source."""
    return list({source(name): name for name in names()}.values())


def counts(lines: dict[str, str]) -> str:
    """What the table says, counted."""
    words = Counter(lines[name].split("|")[3].strip().split(",")[0] for name in distinct())
    tools = sum(lines[name].split("|")[5].strip() == "yes" for name in distinct())
    thoughts = sum(lines[name].split("|")[6].strip().startswith("learnt") for name in distinct())
    return (f"Of {len(distinct())} distinct templates ({len(names())} files) {words['proven']} are proven and "
            f"{words['refused']} refused; of the proven ones {tools} with calls of tools, {thoughts} with reasoning.\n")


def write(dialogues: int, wanted: Sequence[str]) -> None:
    """Measure templates and put their lines into the document; the counts are right once all are there."""
    head = ["| template | family | | why refused | calls of tools | reasoning |", "|---|---|---|---|---|---|"]
    for name in wanted:
        found = measured(name, dialogues)
        print(row(found), [each.right for each in found.all], found.wrong[:2], flush=True)
        lines = table() | {name: row(found)}
        counted = [counts(lines)] if lines.keys() >= set(names()) else []
        body = "\n".join([*head, *(lines[each] for each in sorted(lines)), "", *counted])
        before, _, rest = DOCUMENT.read_text(encoding="utf-8").partition(BEGIN)
        DOCUMENT.write_text(before + BEGIN + body + END + rest.partition(END)[2], encoding="utf-8")


if __name__ == "__main__":
    write(int(sys.argv[1]) if len(sys.argv) > 1 else DIALOGUES, sys.argv[2:] or names())
