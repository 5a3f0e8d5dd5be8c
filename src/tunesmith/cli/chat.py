"""Speak with a run, a base or both.

With a prompt (or one on stdin, which `-` names) it answers once; without, it listens: `/?` tells what it understands.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..errors import DONE, Misuse, Problem, Problems
from ..records import Message
from . import _problems
from ._output import BOLD, Screen

if TYPE_CHECKING:
    from ..generation.decode import Answer
    from ..generation.sampling import Sampling
    from ..inference.predictor import Predictor

SEVERAL_LINES = '"""'
HELP = f"""/?      this help
/reset  forget what was said
/bye    leave (so does Ctrl-D)
{SEVERAL_LINES}     begins and ends several lines"""


def add(parser: argparse.ArgumentParser) -> None:
    """Take a run or a base, a prompt, and how to generate."""
    parser.add_argument("run", metavar="RUN", help="a run's folder, a starter's name, a model folder or a GGUF file")
    parser.add_argument("prompt", metavar="PROMPT", nargs="?", help="what to say; `-` reads it from stdin")
    parser.add_argument("--system", metavar="TEXT", help="a system prompt")
    parser.add_argument("--base", action="store_true", help="hear the run's base as well")
    parser.add_argument("--temperature", metavar="T", type=float, help="0 always takes the likeliest token")
    parser.add_argument("--top-p", metavar="P", type=float, help="sample from the likeliest tokens that make up P")
    parser.add_argument("--repetition-penalty", metavar="R", type=float, help="above 1 makes what was said unlikelier")
    parser.add_argument("--max-new-tokens", metavar="N", type=int, help="the longest answer")
    parser.add_argument("--seed", metavar="N", type=int, help="the same seed gives the same answer")


def run(arguments: argparse.Namespace) -> int:
    """Answer once, or listen."""
    screen: Screen = arguments.screen
    prompt = _prompt(arguments.prompt)
    if prompt is None and screen.as_json:
        raise Misuse("chat.no_prompt", "`--json` answers one prompt, and none was given", "",
                     "give a prompt, or pipe one in")
    voices = _voices(arguments)
    if not voices["tuned"][0].turns:
        _goes_on(arguments.system, screen)
    messages = [Message("system", arguments.system)] if arguments.system else []
    if prompt is None:
        return _listen(voices, messages, screen)
    answers = {name: _say(voice, [*messages, Message("user", prompt)], name if len(voices) > 1 else "", screen)
               for name, voice in voices.items()}
    facts = {name: {"text": answer.text, "stopped_by": answer.stopped_by, "tokens": answer.tokens}
             for name, answer in answers.items()}
    if screen.as_json:
        screen.answer({**facts["tuned"], **({"base": facts["base"]} if "base" in facts else {})})
    return DONE


def _goes_on(system: str | None, screen: Screen) -> None:
    """Say that a text is gone on with. Raises Misuse for a system prompt, which would be lost."""
    if system:
        raise Misuse("chat.no_turns", "the run learnt texts without turns, and knows no system prompt", "--system",
                     "put it at the beginning of the text, or leave it out")
    screen.tell("the run learnt texts without turns: it goes on with what it is given")


def _prompt(given: str | None) -> str | None:
    if given not in (None, "-"):
        return given
    if given == "-" or not sys.stdin.isatty():
        text = sys.stdin.read().strip()
        if not text:
            raise Misuse("chat.no_prompt", "stdin is empty", "", "give a prompt, or pipe one in")
        return text
    return None


def _voices(arguments: argparse.Namespace) -> dict[str, tuple[Predictor, Sampling]]:
    """Who answers: `base` (where asked for) before `tuned`."""
    from ..inference import predictor

    wanted: dict[str, Any] = {"temperature": arguments.temperature, "top_p": arguments.top_p,
                              "repetition_penalty": arguments.repetition_penalty,
                              "max_new_tokens": arguments.max_new_tokens, "seed": arguments.seed}
    said = {name: value for name, value in wanted.items() if value is not None}
    voices = {}
    for name in ("base", "tuned") if arguments.base else ("tuned",):
        opened = predictor.open(arguments.run, base=name == "base")
        voices[name] = (opened, replace(opened.sampling, **said))
    return voices


def _say(voice: tuple[Predictor, Sampling], messages: Sequence[Message], name: str, screen: Screen) -> Answer:
    """Stream one answer to the screen and give it back whole."""
    if name:
        screen.say(f"{name}:", BOLD)
    answer: Answer | None = None
    predictor, sampling = voice
    for piece in predictor.chat(messages, sampling):
        if isinstance(piece, str):
            screen.write(piece)
        else:
            answer = piece
    screen.say()
    assert answer is not None, "a stream of an answer ends with the answer"
    return answer


def _listen(voices: dict[str, tuple[Predictor, Sampling]], first: list[Message], screen: Screen) -> int:
    """Turn after turn, until `/bye` or the end of the input. Each voice remembers its own answers."""
    said = {name: list(first) for name in voices}
    screen.tell("/? for help")
    while (words := _read()) is not None and words != "/bye":
        if words == "/reset":
            said = {name: list(first) for name in voices}
        elif words.startswith("/"):
            screen.tell(HELP)
        elif words:
            _turn(voices, said, words, screen)
    return DONE


def _turn(voices: dict[str, tuple[Predictor, Sampling]], said: dict[str, list[Message]], words: str,
          screen: Screen) -> None:
    for name, voice in voices.items():
        asked = [*said[name], Message("user", words)]
        try:
            answer = _say(voice, asked, name if len(voices) > 1 else "", screen)
        except (Problem, Problems) as problem:
            _problems.told(problem, screen)
        except KeyboardInterrupt:
            screen.say()
            screen.tell("(cut short; this turn is forgotten)")
        else:
            said[name] = [*asked, Message("assistant", answer.text)]


def _read() -> str | None:
    """What was typed, or None at the end of the input."""
    try:
        words = input("> ").strip()
        if not words.startswith(SEVERAL_LINES):
            return words
        lines = [words.removeprefix(SEVERAL_LINES)]
        while not lines[-1].endswith(SEVERAL_LINES):
            lines.append(input("… "))
    except EOFError:
        return None
    return "\n".join(lines).removesuffix(SEVERAL_LINES).strip()
