"""One row through the steps of cleaning, as often as one of them still changes something: then none ever will again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ..contracts import Came, Cleaner, Every, Place
from ..data import columns as naming
from ..data.ledger import from_problem
from ..data.places import at, leaves, written
from ..data.recognise import shape
from ..data.texts import texts
from ..errors import Misuse, Problem, Problems, Refusal
from ..recipe import Section
from ..records import Conversation, Example, Finding, Labelled, Question, Row, Tagged, Text
from ..text.personal import masked

ROUNDS = 50
READ = "read"  # by the ledger, the step that a row does not pass which cannot be used


@dataclass(frozen=True)
class Plan:
    """What is done with rows, and with which of their texts.

    steps: those that see a row, in their order; last: those that see all rows; format: what the rows are, None where
    that is not known; columns: those whose texts are cleaned, where the user named them; mapping: as `data.columns`,
    where columns were told by what they hold; named: whether the user named the format.
    """

    steps: tuple[Section, ...]
    last: tuple[Section, ...] = ()
    format: Section | None = None
    columns: tuple[str, ...] = ()
    mapping: Mapping[str, str] = field(default_factory=dict)
    named: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a row, or of one of the pieces it was cut into: its values, None where it was dropped.

    told: steps, and what each said; the last one dropped the row where it was. finding: where the row cannot be used.
    """

    where: str
    values: Mapping[str, Any] | None
    told: tuple[tuple[str, str], ...] = ()
    piece: int = 1
    pieces: int = 1
    finding: Finding | None = None


@dataclass(frozen=True, slots=True)
class View:
    """What steps see of a row. places: where its texts stand; fixed: whether tags or answers point into them."""

    came: Came
    places: tuple[Place, ...]
    fixed: bool = False


@dataclass(slots=True)
class _Piece:
    """Texts on their way. told: what each step said; left: the texts that each step would leave as they are."""

    texts: tuple[str, ...]
    told: dict[str, dict[str, None]] = field(default_factory=dict)
    left: dict[str, tuple[str, ...]] = field(default_factory=dict)
    dropped: bool = False
    rounds: int = 0

    def part(self, texts: tuple[str, ...]) -> _Piece:
        """A piece that this one is cut into, with what was said of it."""
        return _Piece(texts, {name: dict(whys) for name, whys in self.told.items()}, rounds=self.rounds + 1)


class _Nothing:
    """No rows, for steps that look at none but the one they are given."""

    def __iter__(self) -> Iterator[Came]:
        return iter(())

    def where(self, row: int) -> str:
        """There is none."""
        raise IndexError(row)


NOTHING: Every = _Nothing()


class Settler:
    """Settles rows by a plan. every: for the steps that see all rows, which the steps of a plan are not."""

    def __init__(self, plan: Plan, every: Every) -> None:
        self._plan = plan
        self._steps = [(one.type, one.module.rewrites, one.module.cleaner(one.settings, every)) for one in plan.steps]

    def settle(self, row: Row) -> Sequence[Outcome]:
        """What became of a row: of one that was cut, an outcome for each piece. Raises Refusal where steps disagree."""
        try:
            view = viewed(row, self._plan)
        except (Problem, Problems) as error:
            if isinstance(error, Misuse):
                raise
            return [unusable(_together(list(from_problem(error))))]
        steps = [(name, cleaner) for name, rewrites, cleaner in self._steps if view.places or not rewrites]
        pieces = list(_settled(view.came.texts, steps, row.where))
        if len(pieces) > 1 and not self._may_cut():
            raise Refusal("clean.not_text", f"a step would cut the row into {len(pieces)}, and it is no plain text",
                          row.where, "set `sentences.characters=0`, which cuts nothing, or leave `sentences` out")
        return [self._outcome(row, view, piece, (number, len(pieces))) for number, piece in enumerate(pieces, 1)]

    def _may_cut(self) -> bool:
        return self._plan.format is None or self._plan.format.module.makes is Text

    def _outcome(self, row: Row, view: View, piece: _Piece, of: tuple[int, int]) -> Outcome:
        told = tuple((name, "; ".join(whys)) for name, whys in piece.told.items())
        if piece.dropped:
            return Outcome(row.where, None, told, *of)
        if piece.texts == view.came.texts:
            return Outcome(row.where, row.values, told, *of)
        values = written(row.values, view.places, piece.texts)
        emptied = [place for place, before, after in zip(view.places, view.came.texts, piece.texts, strict=True)
                   if before.strip() and not after.strip()]
        if emptied and not _usable(Row(values, row.where), self._plan):
            name = ".".join(map(str, emptied[0]))
            step, why = told[-1]
            return Outcome(row.where, None, (*told[:-1], (step, f"{why}; nothing is left of `{name}`")), *of)
        return Outcome(row.where, values, told, *of)


def unusable(finding: Finding) -> Outcome:
    """The outcome of a row that cannot be read or is not what the others are."""
    told = replace(finding, what=masked(finding.what))  # a refusal may quote what stands there
    return Outcome(finding.where, None, ((READ, told.what),), finding=told)


def _together(findings: Sequence[Finding]) -> Finding:
    """All that is wrong with one row as one finding."""
    return replace(findings[0], what="; ".join(dict.fromkeys(one.what for one in findings)),
                   remedy="; ".join(dict.fromkeys(one.remedy for one in findings)))


def viewed(row: Row, plan: Plan) -> View:
    """What steps see of a row. Raises Refusal for one that its format refuses."""
    if plan.columns:
        places = tuple(leaves(row.values, plan.columns))
        return View(Came(tuple(at(row.values, place) for place in places), _around(row, plan)), places)
    assert plan.format is not None
    ours, module = naming.renamed(row, plan.mapping), plan.format.module
    if not plan.named and not module.looks_like(ours.values):
        other = shape(ours.values)
        if other and {other, plan.format.type} != {"pair", "question"}:
            raise Refusal("data.mixed", f"the row has the format {other}, most others {plan.format.type}", row.where,
                          "put rows of one format into one file, or convert this row")
    examples = module.convert(ours, plan.format.settings)
    places = tuple((plan.mapping.get(str(place[0]), place[0]), *place[1:])
                   for place in module.texts(ours.values, plan.format.settings))
    said = tuple(at(row.values, place) for place in places) if places else \
        tuple(text for example in examples for text in texts(example))
    fixed = not places and any(isinstance(example, Tagged | Question) for example in examples)
    return View(Came(said, "\n".join(map(_beside, examples))), places, fixed)


def _around(row: Row, plan: Plan) -> str:
    """All that a row says by its format, where columns are named and the format is known: copies are copies of it."""
    if plan.format is None:
        return ""
    try:
        view = viewed(row, replace(plan, columns=()))
    except (Problem, Problems):
        return ""
    return "\n".join((*view.came.texts, view.came.beside))


def _beside(example: Example) -> str:
    """What is learnt of an example beside its texts, as a text: rows that differ in it are no copies."""
    if isinstance(example, Conversation):
        turns = [(turn.role, turn.train, turn.calls, turn.content if turn.role == "tool" else "")
                 for turn in example.messages]
        return repr((turns, example.tools))
    if isinstance(example, Labelled):
        return repr(example.labels)
    if isinstance(example, Tagged):
        return repr(example.tags)
    return repr(example.answers) if isinstance(example, Question) else ""


def _usable(row: Row, plan: Plan) -> bool:
    try:
        return any(text.strip() for text in viewed(row, plan).came.texts)
    except (Problem, Problems):
        return False


def _settled(said: tuple[str, ...], steps: Sequence[tuple[str, Cleaner]], where: str) -> Iterator[_Piece]:
    """The pieces that texts are cut into, or the one that they are, each as no step changes it any more."""
    waiting = [_Piece(said)]
    while waiting:
        piece = waiting.pop()
        while not piece.dropped and any(piece.left.get(name) != piece.texts for name, _ in steps):
            if piece.rounds == ROUNDS:
                raise Refusal("clean.unsettled", "the steps undo each other's work without end: "
                              f"{', '.join(piece.told)}", where,
                              "leave one of them out, or set their options so that they agree")
            parts = _round(piece, steps)
            if parts:
                waiting += reversed(parts)
                break
        else:
            yield piece


def _round(piece: _Piece, steps: Sequence[tuple[str, Cleaner]]) -> list[_Piece]:
    """Let all steps see to a piece; where one of them cuts it, its parts, for which they begin again."""
    piece.rounds += 1
    for name, cleaner in steps:
        if piece.left.get(name) == piece.texts:
            continue
        cleaned = cleaner(piece.texts)
        if cleaned.why:
            piece.told.setdefault(name, {})[cleaned.why] = None
        if cleaned.dropped:
            piece.told[name] = piece.told.pop(name)  # the last one is the one that dropped it
            piece.dropped = True
            return []
        if cleaned.more:
            return [piece.part(texts) for texts in (cleaned.texts, *cleaned.more)]
        piece.texts = piece.left[name] = cleaned.texts
    return []
