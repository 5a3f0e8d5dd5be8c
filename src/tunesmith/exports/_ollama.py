"""An Ollama Modelfile: the GGUF file beside it, the proved template in Ollama's own language, where answers stop.

Ollama does not run the Jinja template that a GGUF file holds: it looks for one like it among a few of its own, and else
writes the bare prompt. So the turns are read off what the proved template writes, put down in Go's language, and held
against it again; a template that does more than put words around turns is not written, and the Modelfile says so.
Source: Ollama, `docs/modelfile.md`, `docs/template.md` and `template/template.go`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any, Final

from ..encoding.templates.template import Template
from ..encoding.tokens.codec import Codec
from ..errors import Misuse, Refusal
from ..models import load
from ..records import Message
from ._source import Source

FILE: Final = "Modelfile"
CONTEXT: Final = 8192  # tokens: what a longer context costs in memory is the user's to ask for
NAMES = {"top_p": "top_p", "top_k": "top_k", "repetition_penalty": "repeat_penalty"}
WORDS = ("Ptolemy", "Quixote", "Rasputin", "Sappho", "Tamerlane")  # that no template writes itself
PLAIN = "{{ .Prompt }}"


@dataclass(frozen=True)
class Turns:
    """What a template writes around turns. Its answers stand between `reply` and `after`.

    start: before the first turn where there is no system message; system: around one, None where the template takes
    none; usual: the system message that it writes by itself; asking: after the last turn, for an answer.
    """

    start: str
    system: tuple[str, str] | None
    usual: str | None
    user: str
    reply: str
    after: str
    asking: str

    def render(self, messages: Sequence[Message]) -> str:
        """A conversation that ends with the user's turn, as the Go template writes it."""
        told = [message.content for message in messages if message.role == "system"] or [
            text for text in (self.usual,) if text]
        text = self.system[0] + told[0] + self.system[1] if self.system and told else self.start
        for message in messages:
            if message.role == "user":
                text += self.user + message.content
            elif message.role == "assistant":
                text += self.reply + message.content + self.after
        return text + self.asking

    def in_go(self) -> str:
        """The same in Go's language for templates; each text stands as a constant, so that no blank is lost."""
        begin = _constant(self.start)
        if self.system:
            before, behind = map(_constant, self.system)
            begin = f"{{{{ if .System }}}}{before}{{{{ .System }}}}{behind}{{{{ else }}}}{begin}{{{{ end }}}}"
        return (f"{begin}{{{{ range $i, $_ := .Messages }}}}"
                f'{{{{ if eq .Role "user" }}}}{_constant(self.user)}{{{{ .Content }}}}'
                f'{{{{ else if eq .Role "assistant" }}}}{_constant(self.reply)}{{{{ .Content }}}}'
                f"{_constant(self.after)}{{{{ end }}}}"
                f'{{{{ if and (eq .Role "user") (eq (len (slice $.Messages $i)) 1) }}}}{_constant(self.asking)}'
                "{{ end }}{{ end }}")


def _constant(text: str) -> str:
    return f"{{{{ {json.dumps(text, ensure_ascii=False)} }}}}" if text else ""


def turns(template: Template, before: str) -> Turns | None:
    """What the template writes around turns; None where it does more than that.

    before: the BOS where every program puts it there by itself.
    """
    asked, answered, later, system, other = WORDS
    talk = [Message("user", asked), Message("assistant", answered), Message("user", later)]
    cut = _cut(_written(template, talk), (asked, answered, later))
    if cut is None:
        return None
    first, reply, between, asking = cut
    user = _common_end(first, between)
    told = _cut(_written(template, [Message("system", system), *talk]), (system, asked))
    around, usual = None, None
    if told is not None:
        head, behind = told[0], told[1]
        if not behind.endswith(user):
            return None
        around = (head.removeprefix(before), behind.removesuffix(user))
        if first.startswith(head) and first.endswith(behind) and len(first) > len(head) + len(behind):
            usual = first[len(head) : len(first) - len(behind)]
    found = Turns(first.removesuffix(user).removeprefix(before), around, usual, user, reply, between.removesuffix(user),
                  asking)
    return found if _same(found, template, before, other) else None


def _written(template: Template, messages: Sequence[Message]) -> str:
    """The conversation up to where an answer is asked for; nothing where the template takes no such turns."""
    try:
        return template.render(messages, generation_prompt=True)
    except Refusal:
        return ""


def _cut(text: str, words: Sequence[str]) -> list[str] | None:
    """The text around the words; None unless each stands there once and in this order."""
    found = []
    for word in words:
        if text.count(word) != 1:
            return None
        before, text = text.split(word)
        found.append(before)
    return [*found, text]


def _common_end(one: str, other: str) -> str:
    both = zip(reversed(one), reversed(other), strict=False)
    length = len(list(takewhile(lambda pair: pair[0] == pair[1], both)))
    return one[len(one) - length :]


def _same(found: Turns, template: Template, before: str, other: str) -> bool:
    """Whether longer and shorter conversations are written as the template writes them."""
    user, reply, system = Message("user", "One.\nTwo?"), Message("assistant", "It is, I think."), Message(
        "system", f"{other} speaks.")
    talks = [[user], [user, reply, user], [user, reply, user, reply, user]]
    talks += [[system, *talk] for talk in talks] if found.system else []
    return all(_written(template, talk) == before + found.render(talk) for talk in talks)


def read(source: Source, wanted: str | None, *, adds_bos: bool) -> Turns | None:
    """What a run's template writes around turns.

    Raises Misuse where a system message is wanted that it has no place for.
    """
    codec = source.codec
    before = codec.token(codec.bos) if adds_bos and codec.bos is not None else ""
    found = turns(codec.template, before) if source.turns and codec.template is not None else None
    if wanted is not None and (found is None or found.system is None):
        raise Misuse("export.system", "the run's template has no place for a system message in Ollama's language",
                     "system", "leave `system` out")
    return found


def write(folder: Path, lines: Iterator[str]) -> None:
    """Put the Modelfile beside its GGUF file."""
    (folder / FILE).write_text("\n".join(lines) + "\n", encoding="utf-8")


def lines(file: str, source: Source, found: Turns | None, settings: Any) -> Iterator[str]:
    """The Modelfile. settings: the export's own."""
    yield f"# ollama create {source.name.lower()} -f {FILE}"
    yield f"FROM ./{file}"
    if found is not None:
        yield f'TEMPLATE """{found.in_go()}"""'
    elif not source.turns:
        yield f'TEMPLATE """{PLAIN}"""'
    else:
        yield ("# The proved template does more than put words around turns, and Ollama's language cannot be given it "
               "from here:\n# without a TEMPLATE Ollama looks for one like it among its own. Compare `ollama show "
               "--template` with\n# chat_template in the GGUF file, or serve the file with llama.cpp, which runs it.")
    system = settings.system or (found.usual if found else None)
    if system:
        yield f'SYSTEM """{system}"""'
    yield from _parameters(source.codec, settings.temperature, load.generation_defaults(source.base))


def _parameters(codec: Codec, temperature: float, usual: Mapping[str, Any]) -> Iterator[str]:
    for index in sorted(codec.stop):
        yield f"PARAMETER stop {json.dumps(codec.token(index), ensure_ascii=False)}"
    yield f"PARAMETER temperature {temperature:g}"
    drawn = {"repetition_penalty": 1.0, **(usual if temperature else {})}  # Ollama's own is above 1
    yield from (f"PARAMETER {theirs} {drawn[ours]:g}" for ours, theirs in NAMES.items() if ours in drawn)
    yield f"PARAMETER num_ctx {min(codec.context, CONTEXT)}"
