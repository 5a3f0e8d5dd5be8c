"""The kinds of values that options take beside plain numbers and words, each with its own check and schema."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, PlainValidator, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from .. import catalog
from .starred import Choice, Section, default, named, problem

# Sections are frozen, convert no types and take no unknown option
STRICT = ConfigDict(
    frozen=True, strict=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False
)


def _files(value: object) -> tuple[str, ...]:
    found = [value] if isinstance(value, str) else value
    if not isinstance(found, list | tuple) or not found or not all(isinstance(name, str) and name for name in found):
        raise PydanticCustomError("must", "{must}", {"must": "a file, folder or glob, or a list of them"})
    return tuple(found)


def _share_or_files(value: object) -> float | tuple[str, ...]:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if number and 0 <= value < 1:  # type: ignore[operator]  # mypy does not follow `number`
        return float(value)  # type: ignore[arg-type]
    if number or not isinstance(value, str | list | tuple):
        raise PydanticCustomError("must", "{must}", {"must": "a share from 0 to below 1, a file, or a list of files"})
    return _files(value)


def _one_or_many(value: Any) -> Any:
    if isinstance(value, tuple):
        return value[0] if len(value) == 1 else list(value)
    return value


def _metric(value: object) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str):
        names = ", ".join(f"`{name}`" for name in catalog.names("metric"))
        raise PydanticCustomError("must", "{must}", {"must": f"the name of a metric ({names})"})
    module = vars(named("metric", value))
    if "needs" not in module or "measure" not in module:
        raise problem("metric.unknown", f"`{value}` is no metric", f"use one of: {', '.join(catalog.names('metric'))}")
    return value


def _listed(kind: str, value: object, option: str) -> tuple[Section, ...]:
    """Files of one open folder, each with its options, none of them twice."""
    found = value if isinstance(value, list | tuple) else [value]
    sections: list[Section] = []
    wrong: list[tuple[str, str, str]] = []
    for one in found:
        try:
            sections.append(Choice(kind).validate(one))
        except ValidationError as error:
            wrong += [_mistake(kind, one, each, option) for each in error.errors()]
        except PydanticCustomError as error:
            context = error.context or {}
            if "remedy" not in context:
                raise
            wrong.append((context["kind"], context["what"], context["remedy"]))
    if wrong:
        kinds, whats, remedies = ("; ".join(dict.fromkeys(each)) for each in zip(*wrong, strict=True))
        raise problem(kinds if ";" not in kinds else "recipe.value", whats, remedies)
    if len({section.type for section in sections}) < len(sections):
        raise PydanticCustomError("must", "{must}", {"must": f"a list in which no {kind} is named twice"})
    return tuple(sections)


def _mistake(kind: str, given: Any, error: ErrorDetails, option: str) -> tuple[str, str, str]:
    """The kind, the fact and the remedy of one mistake in the options of one file of a list."""
    name = str(given["type"]) if isinstance(given, dict) else str(given)
    told = ".".join((name, *map(str, error["loc"])))
    if error["type"] == "extra_forbidden":
        known = list(vars(named(kind, name))["Settings"].model_fields)
        near = catalog.nearest(str(error["loc"][-1]), known)
        return "recipe.unknown_option", f"there is no option `{told}`", \
            f"use `{near}`" if near else f"use one of: {', '.join(known)}"
    if error["type"] == "missing":
        return "recipe.missing_option", f"`{told}` is missing", \
            f"add it, as in `{{type: {name}, {error['loc'][-1]}: …}}`"
    return "recipe.value", f"`{told}`: {error['msg'].lower()}", f"see `tunesmith explain {option}`"


def _observers(value: object) -> tuple[Section, ...]:
    return _listed("observer", value, "run.observers")


def _augments(value: object) -> tuple[Section, ...]:
    return _listed("augment", value, "data.augment")


def _audits(value: object) -> tuple[Section, ...]:
    named = {section.type: section for section in _listed("audit", value, "data.audit")}
    return tuple({**{section.type: section for section in every("audit")}, **named}.values())


def every(kind: str) -> tuple[Section, ...]:
    """A section for each file of an open folder, with its own defaults."""
    return tuple(default(kind, name) for name in catalog.names(kind))


def _written(sections: tuple[Section, ...]) -> list[dict[str, Any]]:
    return [section.as_json() for section in sections]


class Options(BaseModel):
    """What all sections share: frozen, no conversions of type, no unknown option."""

    model_config = STRICT


Files = Annotated[
    tuple[str, ...],
    PlainValidator(_files, json_schema_input_type=str | list[str]),
    PlainSerializer(_one_or_many),
]
Card = Annotated[str, Field(pattern=r"^cuda:\d{1,3}$", examples=["cuda:1"])]
Share = Annotated[float, Field(ge=0, lt=1)]
ShareOrFiles = Annotated[
    float | tuple[str, ...],
    PlainValidator(_share_or_files, json_schema_input_type=Share | str | list[str]),
    PlainSerializer(_one_or_many),
]
MetricName = Annotated[str | None, PlainValidator(_metric, json_schema_input_type=str | None)]
_Observer = Annotated[Section, Choice("observer")]
_Augment = Annotated[Section, Choice("augment")]
_Audit = Annotated[Section, Choice("audit")]
Observers = Annotated[
    tuple[Section, ...],
    PlainValidator(_observers, json_schema_input_type=_Observer | list[_Observer]),
    PlainSerializer(_written),
]
Augments = Annotated[
    tuple[Section, ...],
    PlainValidator(_augments, json_schema_input_type=_Augment | list[_Augment]),
    PlainSerializer(_written),
]
Audits = Annotated[
    tuple[Section, ...],
    PlainValidator(_audits, json_schema_input_type=_Audit | list[_Audit]),
    PlainSerializer(_written),
]
