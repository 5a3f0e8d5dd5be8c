"""Turns of a conversation as the chat formats share them: which are taken, and what is odd about their order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

from ..errors import Problem, Refusal, raise_all
from ..reading.quoting import listed, quoted
from ..records import Conversation, Finding, Message, Row
from . import tools
from .fields import missing, normalised, text, wrong_type


def column_of(fields: Mapping[str, Any]) -> str:
    """The column that holds the turns, or should: `messages` where there is one, else `conversations`."""
    return "messages" if "messages" in fields else "conversations"


def speaker_key(fields: Mapping[str, Any]) -> str | None:
    """How the turns of a row name their speaker, `role` or `from`; None where a row has no turns.

    Where the first turn does not tell, `messages` are taken to have roles, and `conversations` speakers.
    """
    column = column_of(fields)
    if column not in fields:
        return None
    turns = fields[column]
    first = turns[0] if isinstance(turns, list) and turns else None
    if isinstance(first, Mapping) and ("role" in first or "from" in first):
        return "role" if "role" in first else "from"
    return "role" if column == "messages" else "from"


def unknown_role(row: Row, place: str, role: str, known: Iterable[str]) -> Refusal:
    """The refusal for a role that no template knows."""
    return Refusal("data.unknown_role", f"{place} has the role {quoted(role)}", row.where,
                   f"use one of: {listed(known)}")


def from_list(
    row: Row, message: Callable[[Row, str, Any], Message], *, answered: bool, usual: str = "conversations"
) -> Conversation:
    """The conversation of a row that holds its turns as a list; `message` reads one turn.

    answered: as `conversation` has it; usual: the column to name where there are no turns. Raises, all at once, what
    `message` refuses and what `conversation` does.
    """
    column = column_of(row.values)
    turns = row.values.get(column)
    if turns is None:
        raise missing(row, column if column in row.values else usual)
    if not isinstance(turns, list):
        raise wrong_type(row, column, turns, "an array of turns")
    problems: list[Problem] = []
    offered: tuple[Mapping[str, Any], ...] = ()
    try:
        offered = tools.definitions(row, "tools", row.values.get("tools"))
    except Refusal as problem:
        problems.append(problem)
    messages = []
    for number, turn in enumerate(turns, 1):
        try:
            messages.append(message(row, f"{column}[{number}]", turn))
        except Refusal as problem:
            problems.append(problem)
    if any(message.calls for message in messages):
        messages = tools.linked(messages)
    made = conversation(row, messages, system=text(row, "system", may_be_empty=True), problems=problems,
                        answered=answered)
    return replace(made, tools=offered) if offered else made


def conversation(
    row: Row, messages: Sequence[Message], *, system: str, problems: Sequence[Problem], answered: bool = True
) -> Conversation:
    """The conversation of a row; `system` is the text of its own column, put before the turns.

    answered: False where the answer may still be to come: an empty turn of the assistant then stands for it.

    Raises what stands in `problems` (one of a kind) and what forbids to learn from these turns, all at once.
    """
    found = {problem.kind: problem for problem in reversed(problems)}
    turns = tuple(messages)
    if system:
        if any(message.role == "system" for message in turns):
            found["data.two_systems"] = Refusal(
                "data.two_systems", "the row has a `system` column and a system turn too", row.where,
                "keep one of them")
        turns = (Message("system", system), *turns)
    if not answered:
        raise_all(list(found.values()))
        return _to_be_answered(row, turns)
    if not found and not any(message.role == "assistant" and message.train for message in turns):
        found["data.no_answer"] = Refusal(
            "data.no_answer", "the conversation has no assistant turn to learn from", row.where,
            "add the assistant's answer, or take the row out")
    for number, message in enumerate(turns, 1):
        if message.role == "assistant" and message.train and not message.content.strip() and not message.calls:
            found["data.empty_answer"] = Refusal(
                "data.empty_answer", f"turn {number}, the assistant's, is empty", row.where,
                "fill in the answer, or take the row out")
            break
    raise_all(list(found.values()))
    return Conversation(turns, row.where, _group(turns))


def _to_be_answered(row: Row, turns: tuple[Message, ...]) -> Conversation:
    """The conversation with a turn of the assistant at its end, empty where it is to come. Raises Refusal for none."""
    if not any(turn.content.strip() for turn in turns if turn.role != "system"):
        raise Refusal("data.nothing_asked", "the conversation has no turn to answer", row.where,
                      "write what is asked as the user's turn, or take the row out")
    if turns[-1].role != "assistant":
        turns = (*turns, Message("assistant", ""))
    return Conversation(turns, row.where, _group(turns))


def _group(turns: Sequence[Message]) -> str:
    """The first user turn; where there is none, all text."""
    first = next((turn.content for turn in turns if turn.role == "user"), None)
    return normalised(first if first is not None else " ".join(turn.content for turn in turns))


def tidy(given: Conversation) -> tuple[Conversation, list[Finding]]:
    """The conversation up to its last assistant turn, and warnings for turns dropped or out of order."""
    turns = given.messages
    last = max(index for index, turn in enumerate(turns) if turn.role == "assistant")
    findings: list[Finding] = []
    if last + 1 < len(turns):
        findings.append(_warning(given, "data.trailing_turns",
                                 f"{len(turns) - last - 1} turn(s) after the last answer are left out",
                                 "add the answer that follows, or leave it so"))
        given = replace(given, messages=turns[: last + 1])
    return given, [*findings, *_order(given)]


def last_only(given: Conversation) -> Conversation:
    """The conversation with its last trained turn as the only one that is learnt."""
    trained = [index for index, turn in enumerate(given.messages) if turn.role == "assistant" and turn.train]
    turns = tuple(replace(turn, train=False) if index in trained[:-1] else turn
                  for index, turn in enumerate(given.messages))
    return replace(given, messages=turns)


def _order(given: Conversation) -> list[Finding]:
    """What a strict template would refuse: the template has the last word, so these are warnings."""
    findings = []
    roles = [turn.role for turn in given.messages]
    remedy = "put the turns in the order system (if any), user, assistant, user, …"
    if "system" in roles[1:]:
        findings.append(_warning(given, "data.system_not_first", "a system turn stands after other turns", remedy))
    spoken = [(number, role) for number, role in enumerate(roles, 1) if role != "system"]
    if spoken[0][1] == "assistant":
        findings.append(_warning(given, "data.assistant_first", "the assistant speaks first", remedy))
    for (_, before), (number, role) in pairwise(spoken):
        if role == before != "tool":
            findings.append(_warning(given, "data.repeated_role",
                                     f"turn {number} is the {role}'s, as is the one before it", remedy))
            break
    for number, turn in enumerate(given.messages, 1):
        if turn.role in ("system", "user") and not turn.content.strip():
            findings.append(_warning(given, "data.empty_turn", f"turn {number}, the {turn.role}'s, is empty",
                                     "fill it in, or take it out"))
            break
    return findings


def _warning(given: Conversation, kind: str, what: str, remedy: str) -> Finding:
    return Finding("warning", kind, what, given.where, remedy)
