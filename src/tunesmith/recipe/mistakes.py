"""Pydantic's complaints as mistakes that a user can act on: option, value, place, remedy."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence

from pydantic_core import ErrorDetails

from ..catalog import nearest
from ..errors import Misuse, Problem
from .lines import Document, Steps, spell
from .options import Option, every, meant, siblings
from .schema import describe, field_schema, words

KINDS = ((bool, "true or false"), (int | float, "a number"), (str, "text"), (list, "a list"), (dict, "a mapping"))
OWN_WORDS = ("value_error", "assertion_error")


def mistakes(errors: Sequence[ErrorDetails], document: Document) -> list[Problem]:
    """One mistake for each option, in the order of the recipe's sections."""
    known = every(document.values)
    found: dict[Steps, Problem] = {}
    guessed = set()
    for error in errors:
        path = option_path(error["loc"], known)
        if path in found:
            continue
        if error["type"] == "extra_forbidden":
            guess = meant(path, known)
            guessed.add(guess)
            found[path] = _unknown(path, guess, known, document)
        elif error["type"] == "missing":
            found[path] = _missing(path, known, document)
        elif error["type"] == "choice":
            named = (*path, "type") if (*path, "type") in document.places else path
            context = error["ctx"]
            found[path] = Misuse(context["kind"], f"`{spell(path)}`: {context['what']}", document.place(named),
                                 context["remedy"])
        else:
            found[path] = _wrong(path, error, known, document)
    return [problem for path, problem in found.items()
            if not (path in guessed and problem.kind == "recipe.missing_option")]


def option_path(location: Sequence[str | int], known: Mapping[Steps, Option]) -> Steps:
    """The option that an error belongs to: what pydantic adds for unions and items is left off."""
    path: Steps = ()
    for step in location:
        inside = not path or (path in known and known[path].inner is not None)
        if not inside:
            break
        path = (*path, step)
    return path


def _unknown(path: Steps, guess: Steps | None, known: Mapping[Steps, Option], document: Document) -> Misuse:
    if guess is not None:
        remedy = f"use `{spell(guess)}`"
    elif choices := siblings(path[:-1], known):
        remedy = f"use one of: {', '.join(choices)}"
    else:
        remedy = "delete it; this section has no options"
    return Misuse("recipe.unknown_option", f"there is no option `{spell(path)}`", document.place(path), remedy)


def _missing(path: Steps, known: Mapping[Steps, Option], document: Document) -> Misuse:
    return Misuse("recipe.missing_option", f"`{spell(path)}` is missing", document.place(path),
                  f"add it: {summary(known[path])}")


def _wrong(path: Steps, error: ErrorDetails, known: Mapping[Steps, Option], document: Document) -> Misuse:
    value = document.values
    for step in path:
        value = value.get(step) if isinstance(value, Mapping) else value
    name = f"`{spell(path)}`" if path else "the recipe"
    if error["type"] != "must" and (error["type"] in OWN_WORDS or "url" not in error):  # pydantic's own have a link
        words_of_it = error["ctx"]["error"] if error["type"] in OWN_WORDS else error["msg"]
        return Misuse("recipe.value", f"{name}: {words_of_it}", document.place(path),
                      f"see `tunesmith explain {spell(path)}`")
    option = known.get(path)
    field = {} if option is None or option.inner is not None else field_schema(option.owner, option.name)
    must = error["ctx"]["must"] if error["type"] == "must" else describe(field)
    near = nearest(str(value), words(field))
    remedy = f"use `{near}`" if near else f"see `tunesmith explain {spell(path)}`"
    kind_is_wrong = error["type"].endswith("_type") or error["type"] == "must"
    return Misuse("recipe.value", f"{name} must be {must}; {shown(value, must if kind_is_wrong else None)}",
                  document.place(path), remedy)


def summary(option: Option) -> str:
    """The first sentence of an option's documentation, without its full stop."""
    first = (option.info.description or "").split("\n\n")[0].replace("\n", " ")
    return re.split(r"(?<=\.)\s+(?=[A-Z`])", first)[0].rstrip(".")


def shown(value: object, must: str | None) -> str:
    """A value for messages, and what it is where it `must` be something else: "`three` is text"."""
    if value is None or value == "":
        return "it is empty"
    text = json.dumps(value, ensure_ascii=False) if not isinstance(value, str) else value
    text = f"`{text[:60]}…`" if len(text) > 60 else f"`{text}`"
    kind = next(word for form, word in KINDS if isinstance(value, form))
    return f"it is {text}" if must is None or kind.split()[-1] in must else f"{text} is {kind}"
