"""The blocks of a page of the documentation, and what it takes to run them one after another, as a reader would.

    sh                 each line is run: `tunesmith` in this process, anything else by bash; `exit 2` after it says how
                       the last line ends; a `tunesmith` line that ends with `&` goes on in a process of its own until
                       the page does, once it has told its address, and 8000 is then the port of that
    python             run, with the names of the page's earlier blocks
    text               what the block before must have printed: line by line, numbers may differ, `…` is anything
    csv rows.csv, …    with a file's name after the language: written to that file
    yaml               without one: options of a recipe, which must be there
    … not run: why     counted, not run

Blocks of a page share a folder.
"""

from __future__ import annotations

import contextlib
import glob
import io
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tunesmith import cli
from tunesmith.models import bases

FENCE = re.compile(r"^```(\w+)([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
OPENED = re.compile(r"^```", re.MULTILINE)
NUMBER = re.compile(r"(?<![\w-])[+\-−]?\d[\d,]*(\.\d+)?(e[+-]?\d+)?%?")
NOT_RUN = "not run: "
STARTER = "smollm2-135m-instruct"
TEMPLATE = (  # the starter's own
    "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system\nYou "
    "are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n' }}{% endif %}{{'<|im_start|>' + "
    "message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}"
    "{{ '<|im_start|>assistant\n' }}{% endif %}"
)


@dataclass(frozen=True)
class Block:
    """One fenced block; `info` is what follows its language."""

    language: str
    info: str
    text: str
    line: int

    @property
    def reason(self) -> str:
        """Why it is not run, where it is not."""
        return self.info.removeprefix(NOT_RUN) if self.info.startswith(NOT_RUN) else ""

    @property
    def file(self) -> str:
        """The file that it is written to, where it is one."""
        return self.info if re.fullmatch(r"[\w./-]+\.\w+", self.info) else ""


@dataclass
class Reader:
    """Who follows a page: where they stand, what they were last told, and the names that their Python knows."""

    folder: Path
    said: str = ""
    names: dict[str, Any] = field(default_factory=dict)
    port: int = 0
    behind: list[subprocess.Popen[str]] = field(default_factory=list)


def blocks(page: Path) -> list[Block]:
    """The blocks of a page. Every fence must name its language."""
    text = page.read_text(encoding="utf-8")
    found = [Block(each[1], each[2].strip(), each[3], text[: each.start()].count("\n") + 1)
             for each in FENCE.finditer(text)]
    assert len(OPENED.findall(text)) == 2 * len(found), f"{page}: a block names no language"
    return found


def follow(page: Path, reader: Reader) -> Iterator[Block]:
    """Run the page's blocks in order; each is given back once it did what the page says."""
    try:
        for block in blocks(page):
            if not block.reason:
                try:
                    os.chdir(reader.folder)
                    run(block, reader)
                except BaseException as error:
                    error.add_note(f"{page}:{block.line}\n{reader.said}")
                    raise
            yield block
    finally:
        for process in reader.behind:
            process.terminate()
            process.communicate()


def run(block: Block, reader: Reader) -> None:
    """Do what the block says, and hold it against what it promises."""
    if block.file:
        path = reader.folder / block.file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block.text, encoding="utf-8")
    elif block.language == "sh":
        code = commands(block.text, reader)
        assert code == int((re.findall(r"exit (\d+)", block.info) or ["0"])[0]), f"it ended with {code}"
    elif block.language == "python":
        with contextlib.redirect_stdout(io.StringIO()) as out:
            exec(compile(block.text, "page", "exec"), reader.names)
        reader.said = out.getvalue()
    elif block.language == "text":
        held(block.text, reader.said)
    elif block.language == "yaml":
        options(block.text)
    else:
        raise AssertionError(f"nobody knows how to run {block.language}")


def commands(text: str, reader: Reader) -> int:
    """Run the lines of a shell block; what they print is what the next `text` block is held against."""
    out, code = io.StringIO(), 0
    for line in text.replace("\\\n", " ").splitlines():
        line = line.replace("8000", str(reader.port)) if reader.port else line
        words = [name for word in shlex.split(line, comments=True)
                 for name in (sorted(glob.glob(word)) if "*" in word else [word])]
        if not words:
            continue
        if words[0] == "cd":
            reader.folder = reader.folder / words[1]
            os.chdir(reader.folder)
        elif words[0] == "tunesmith" and words[-1] == "&":
            out.write(_behind(words[1:-1], reader))
        elif words[0] == "tunesmith" and "|" not in words and ">" not in words:
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
                code = cli.main(words[1:])
        else:
            path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
            done = subprocess.run(["bash", "-ec", line], capture_output=True, text=True, check=False,
                                  env={**os.environ, "PATH": path})
            out.write(done.stdout + done.stderr)
            code = done.returncode
    reader.said = out.getvalue()
    return code


def _behind(words: list[str], reader: Reader) -> str:
    """Start a command that goes on, with the starter that this process has; what it said until it told an address."""
    script = ("import sys; from tunesmith import cli; from tunesmith.models import bases\n"
              f"bases.STARTERS[{STARTER!r}] = bases.{bases.STARTERS[STARTER]!r}\nsys.exit(cli.main({words!r}))")
    process = subprocess.Popen([sys.executable, "-c", script.replace("'8000'", "'0'")], stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, text=True)
    reader.behind.append(process)
    assert process.stdout is not None
    said = ""
    for line in process.stdout:
        said += line
        told = re.search(r"http://[\d.]+:(\d+)$", line.strip())
        if told:
            reader.port = int(told[1])
            break
    return said


def held(shown: str, said: str) -> None:
    """Every line that a page shows must have been said, in that order."""
    left = [plain(line) for line in said.splitlines()]
    for line in shown.splitlines():
        if line.strip() in ("", "…"):
            continue
        pattern = re.compile(".*".join(map(re.escape, plain(line).split("…"))))
        place = next((place for place, other in enumerate(left) if pattern.fullmatch(other)), None)
        assert place is not None, f"the page shows a line that nothing printed: {line}"
        left = left[place + 1 :]


def plain(line: str) -> str:
    """A line without what differs from one model or machine to the next: its numbers and its spaces."""
    return " ".join(NUMBER.sub("#", line).split())


def options(text: str) -> None:
    """The block's options laid over the least recipe there is: each must be one."""
    from ruamel.yaml import YAML

    from tunesmith.recipe.read import parse

    least = {"base": STARTER, "task": "chat", "data": {"train": "rows.jsonl"}}
    values = YAML(typ="safe", pure=True).load(text)
    data = {**least["data"], **values.get("data", {})}
    parse({**least, **values, "data": data}, source="a page")


def starter(folder: Path, texts: tuple[str, ...]) -> Path:
    """A tiny model in the starter's place: its template, its context, and a tokenizer that knows the pages' words."""
    from tiny import tiny_network, tiny_tokenizer

    tokenizer = tiny_tokenizer(3000, texts)
    tokenizer.chat_template = TEMPLATE
    tokenizer.model_max_length = 8192
    folder.mkdir(parents=True)
    tiny_network(vocab_size=len(tokenizer), max_position_embeddings=8192).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
