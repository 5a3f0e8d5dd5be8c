"""Speaking with a model, turn after turn."""

from __future__ import annotations

import io
import sys
from dataclasses import dataclass, field

import pytest

from tunesmith import cli
from tunesmith.errors import Refusal
from tunesmith.generation.decode import Answer
from tunesmith.generation.sampling import Sampling


@dataclass
class Echo:
    """A model that says how many messages it heard, and the last one backwards."""

    name: str
    heard: list = field(default_factory=list)
    turns: bool = True
    sampling: Sampling = field(default_factory=lambda: Sampling(max_new_tokens=512, temperature=0.6))

    def chat(self, messages, sampling):
        self.heard.append((list(messages), sampling))
        if messages[-1].content == "too long":
            raise Refusal("chat.too_long", "the conversation is too long", "", "begin again with /reset")
        text = f"{len(messages)} {messages[-1].content[::-1]}"
        yield from text
        yield Answer(ids=(1,), text=text, stopped_by="end", tokens=1)


class Keyboard(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def opened(monkeypatch):
    """The models that were opened, by whether the base was wanted."""
    from tunesmith.inference import predictor

    models = {False: Echo("tuned"), True: Echo("base")}
    monkeypatch.setattr(predictor, "open", lambda name, *, base=False: models[base])
    return models


@pytest.fixture
def types(monkeypatch):
    """Let somebody sit at the terminal and type these lines."""
    return lambda *lines: monkeypatch.setattr(sys, "stdin", Keyboard("".join(f"{line}\n" for line in lines)))


def test_turns_are_remembered_until_reset(opened, types, capsys):
    types("one", "two", "/reset", "three", "/bye", "never")
    assert cli.main(["chat", "run"]) == 0
    answers = [line.removeprefix("> ") for line in capsys.readouterr().out.replace("> ", "").splitlines()]
    assert [answer for answer in answers if answer] == ["1 eno", "3 owt", "1 eerht"]


def test_the_end_of_the_input_ends_the_conversation(opened, types):
    types("one")
    assert cli.main(["chat", "run"]) == 0


def test_the_system_prompt_stays_after_reset(opened, types):
    types("/reset", "one")
    cli.main(["chat", "run", "--system", "Be brief."])
    [(messages, _)] = opened[False].heard
    assert [(message.role, message.content) for message in messages] == [("system", "Be brief."), ("user", "one")]


def test_base_and_tuned_remember_their_own_answers(opened, types):
    types("one", "two")
    cli.main(["chat", "run", "--base"])
    for model in opened.values():
        assert [message.content for message in model.heard[1][0]] == ["one", "1 eno", "two"]


def test_several_lines_are_one_message(opened, types):
    types('"""first', 'second"""', "/bye")
    cli.main(["chat", "run"])
    assert opened[False].heard[0][0][-1].content == "first\nsecond"


def test_help_and_unknown_words_after_a_slash_are_not_said_to_the_model(opened, types, capsys):
    types("/?", "/rest")
    cli.main(["chat", "run"])
    assert opened[False].heard == []
    assert "/reset  forget what was said" in capsys.readouterr().err


def test_a_turn_that_is_refused_is_told_and_forgotten(opened, types, capsys):
    types("too long", "one")
    assert cli.main(["chat", "run"]) == 0
    assert "fix: begin again with /reset" in capsys.readouterr().err
    assert len(opened[False].heard[1][0]) == 1


def test_flags_replace_the_settings_that_the_model_came_with(opened, types):
    cli.main(["chat", "run", "hi", "--top-p", "0.5", "--max-new-tokens", "7", "--seed", "3"])
    assert opened[False].heard[0][1] == Sampling(max_new_tokens=7, temperature=0.6, top_p=0.5, seed=3)


def test_a_setting_out_of_its_range_is_a_mistake(opened, capsys):
    assert cli.main(["chat", "run", "hi", "--top-p", "1.5"]) == 2
    assert "`top_p` is 1.5" in capsys.readouterr().err


def test_a_run_that_learnt_texts_says_so_and_takes_no_system_prompt(opened, capsys):
    opened[False].turns = False
    assert cli.main(["chat", "run", "Once upon"]) == 0
    assert "goes on with what it is given" in capsys.readouterr().err
    assert cli.main(["chat", "run", "Once upon", "--system", "Be brief."]) == 2
    assert "knows no system prompt" in capsys.readouterr().err
