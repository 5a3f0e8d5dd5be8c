"""Tools as OpenAI's clients offer them, and an assistant's calls as they send them back in a conversation."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, WithJsonSchema
from pydantic_core import PydanticCustomError

from ..encoding.templates.calls import json_object

STRICT = ConfigDict(frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True, allow_inf_nan=False)
DEEPEST = 32  # values within values of a definition or of arguments
NAME = r"^[A-Za-z0-9_.-]{1,64}$"


class Function(BaseModel):
    """What is called."""

    model_config = STRICT

    name: str = Field(pattern=NAME)
    """Up to 64 letters, digits, `_`, `-` and `.`."""

    description: str | None = None
    """What it does, for the model."""

    parameters: dict[str, Any] | None = None
    """Its arguments, as a JSON schema; shown to the model, which is not held to it."""

    strict: Literal[False] | None = None
    """Only false: a model is not held to a schema."""


class Tool(BaseModel):
    """A tool that may be called."""

    model_config = STRICT

    type: Literal["function"]
    """What it is."""

    function: Function
    """What is called."""


class Called(BaseModel):
    """The tool that was called, and with what."""

    model_config = STRICT

    name: str = Field(min_length=1, max_length=64)
    """The tool's."""

    arguments: str
    """A JSON object in a text; an empty text is an empty object."""


class ToolCall(BaseModel):
    """A call that an assistant made."""

    model_config = STRICT

    id: str = Field(min_length=1, max_length=200)
    """What the turn with the tool's answer names as `tool_call_id`."""

    type: Literal["function"]
    """What it is."""

    function: Called
    """What was called."""


class NamedFunction(BaseModel):
    """A function's name."""

    model_config = STRICT

    name: str = Field(pattern=NAME)
    """Its name."""


class NamedTool(BaseModel):
    """A tool that has to be called: known, and refused."""

    model_config = STRICT

    type: Literal["function"]
    """What it is."""

    function: NamedFunction
    """Which."""


def arguments_of(call: ToolCall) -> dict[str, Any]:
    """The arguments of a call. Raises ValueError where they are no JSON object that a template can be told."""
    text = call.function.arguments.strip() or "{}"
    found, ends = json_object(text, 0)
    if found is None or ends != len(text) or not _tellable(found):
        raise ValueError("the arguments of a call are no JSON object, or none that can be told")
    return found


def _offered(value: dict[str, Any]) -> dict[str, Any]:
    """The definition as it was sent, in its own order, for that is how the template writes it."""
    try:
        Tool.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        path = ".".join(str(part) for part in first["loc"])
        raise PydanticCustomError("tool", "{what}", {"what": f"{path}: {first['msg']}"}) from None
    if not _tellable(value):
        raise PydanticCustomError("tool", "{what}", {"what": f"more than {DEEPEST} values deep, or half a character"})
    return value


def _tellable(value: Any) -> bool:
    """Whether it is not too deep, and all its texts are whole."""
    waiting = [(value, 0)]
    while waiting:
        each, depth = waiting.pop()
        if depth > DEEPEST or (isinstance(each, str) and any("\ud800" <= letter <= "\udfff" for letter in each)):
            return False
        if isinstance(each, dict):
            waiting += [(inner, depth + 1) for pair in each.items() for inner in pair]
        elif isinstance(each, list):
            waiting += [(inner, depth + 1) for inner in each]
    return True


def _schema() -> dict[str, Any]:
    """The schema of a tool in one piece."""
    made = Tool.model_json_schema()
    return {**{name: part for name, part in made.items() if name != "$defs"},
            "properties": {**made["properties"], "function": made["$defs"]["Function"]}}


Offered = Annotated[dict[str, Any], AfterValidator(_offered), WithJsonSchema(_schema())]
