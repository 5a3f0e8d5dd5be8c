"""Print the JSON schema of a recipe, for editors and forms."""

from __future__ import annotations

import argparse
import json

from ..errors import DONE


def add(parser: argparse.ArgumentParser) -> None:
    """Take nothing."""


def run(arguments: argparse.Namespace) -> int:
    """Print the schema."""
    from ..recipe.schema import schema

    screen = arguments.screen
    described = schema()
    if screen.as_json:
        screen.answer(described)
    else:
        screen.say(json.dumps(described, indent=2, ensure_ascii=False))
    return DONE
