"""The first recipe that `init` writes."""

from __future__ import annotations

import json

import pytest

from tiny import tiny_base
from tunesmith.data.load import load
from tunesmith.errors import Misuse, Refusal
from tunesmith.recipe.read import read
from tunesmith.recipe.schema import schema
from tunesmith.workflow.start import init


def written(folder, name, *rows):
    path = folder / name
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def test_conversations_become_a_chat_on_the_starter(tmp_path):
    turns = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Good day"}]
    started = init([written(tmp_path, "a.jsonl", {"messages": turns})], tmp_path / "r.yaml")
    recipe = read(started.recipe)
    assert (recipe.task.type, recipe.base.name) == ("chat", "smollm2-135m-instruct")
    assert (started.loaded.format, started.next) == ("messages", f"tunesmith check {tmp_path / 'r.yaml'}")


def test_plain_text_becomes_a_completion(tmp_path):
    (tmp_path / "a.txt").write_text("Once upon a time.\n\nThe end.\n")
    assert read(init([str(tmp_path / "a.txt")], tmp_path / "r.yaml").recipe).task.type == "completion"


def test_paths_count_from_the_recipes_own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    written(tmp_path, "a b.jsonl", {"prompt": "p", "answer": "a"})
    started = init(["a b.jsonl"], tmp_path / "recipes" / "r.yaml")
    assert '"../a b.jsonl"' in started.recipe.read_text()
    assert read(started.recipe).data.train == (str(tmp_path / "a b.jsonl"),)


def test_longer_rows_get_a_larger_length(tmp_path):
    short = init([written(tmp_path, "s.jsonl", {"prompt": "p", "answer": "a"})], tmp_path / "s.yaml")
    long = init([written(tmp_path, "l.jsonl", {"prompt": "p", "answer": "a" * 2000})], tmp_path / "l.yaml")
    assert (read(short.recipe).training.max_length, read(long.recipe).training.max_length) == (128, 1024)


def test_columns_that_are_not_used_are_written_down(tmp_path):
    started = init([written(tmp_path, "a.jsonl", {"prompt": "p", "answer": "a", "author": "me"})], tmp_path / "r.yaml")
    assert "# Columns that are not used: author." in started.recipe.read_text()


def test_the_run_is_named_for_the_recipe(tmp_path):
    started = init([written(tmp_path, "a.jsonl", {"prompt": "p", "answer": "a"})], tmp_path / "my orders.yaml")
    assert read(started.recipe).run.name == "my-orders"


def test_an_existing_file_is_never_written_over(tmp_path):
    (tmp_path / "r.yaml").write_text("mine")
    with pytest.raises(Misuse, match="exists already"):
        init([written(tmp_path, "a.jsonl", {"prompt": "p", "answer": "a"})], tmp_path / "r.yaml")
    assert (tmp_path / "r.yaml").read_text() == "mine"


def test_a_base_that_is_missing_is_told_before_anything_is_written(tmp_path):
    with pytest.raises(Misuse, match="no base"):
        init([written(tmp_path, "a.jsonl", {"prompt": "p", "answer": "a"})], tmp_path / "r.yaml", "smollm")
    assert not (tmp_path / "r.yaml").exists()


def test_data_of_no_known_shape_is_refused_and_nothing_is_written(tmp_path):
    with pytest.raises(Refusal) as refused:
        init([written(tmp_path, "a.jsonl", {"x": 1, "y": 2})], tmp_path / "r.yaml")
    assert "a.jsonl" in refused.value.where
    assert not (tmp_path / "r.yaml").exists()


def test_the_first_line_names_a_schema_that_is_there_and_moves_with_the_recipe(tmp_path):
    (tmp_path / "rows.jsonl").write_text('{"prompt": "p", "answer": "a"}\n')
    init([str(tmp_path / "rows.jsonl")], tmp_path / "shop" / "rows.yaml")
    first = (tmp_path / "shop" / "rows.yaml").read_text().splitlines()[0]
    name = first.removeprefix("# yaml-language-server: $schema=")
    assert name != first and "/" not in name
    beside = json.loads((tmp_path / "shop" / name).read_text())
    assert beside == schema() and "learning_rate" in beside["$defs"]["Training"]["properties"]


FOREIGN = "Nr;Anfrage;Antwort;Ort\n1;Wo ist meine Bestellung?;Sie kommt am Montag.;Köln\n2;;Morgen.;Ulm\n"


def test_foreign_columns_are_proposed_in_their_order_as_flags_and_written_into_the_recipe(tmp_path):
    table = tmp_path / "a.csv"
    table.write_text(FOREIGN)
    with pytest.raises(Refusal) as refused:
        init([str(table)], tmp_path / "r.yaml")
    assert "`--column prompt=Anfrage --column answer=Antwort`" in refused.value.remedy
    init([str(table)], tmp_path / "r.yaml", columns={"prompt": "Anfrage", "answer": "Antwort"})
    assert dict(read(tmp_path / "r.yaml").data.columns) == {"prompt": "Anfrage", "answer": "Antwort"}


def test_a_base_without_a_template_is_given_one_where_turns_are_learnt(tmp_path):
    base = tiny_base(tmp_path / "base")
    pairs = written(tmp_path, "a.jsonl", {"prompt": "p", "answer": "a"})
    assert read(init([pairs], tmp_path / "q.yaml", str(base)).recipe).data.template is None
    (base / "chat_template.jinja").unlink()
    assert read(init([pairs], tmp_path / "r.yaml", str(base)).recipe).data.template == "chatml"
    texts = written(tmp_path, "b.jsonl", {"text": "Once upon a time."})
    recipe = read(init([texts], tmp_path / "s.yaml", str(base)).recipe)
    assert (recipe.data.template, recipe.evaluation.generate) == (None, 0)


# --- tasks that read


def begun(folder, *files, **more):
    """What init writes for files, and the examples that its recipe reads."""
    started = init([str(folder / name) for name in files], folder / "recipes" / "r.yaml", **more)
    recipe = read(started.recipe)
    data = recipe.data
    again = load(data.train, format=data.format, columns=data.columns, header=data.header)
    assert again.examples == started.loaded.examples
    assert not {"data.guessed", "data.header", "data.labels"} & {one.kind for one in again.findings}
    return started, recipe


@pytest.mark.parametrize(("name", "text", "task", "format"), [
    ("a.csv", "text,category\nhi,greeting\nbye,farewell\n", "classify", "labelled"),
    ("a.conll", "Baku B-LOC\nis O\n\nHi O\n", "tag", "conll"),
    ("a.jsonl", '{"question": "q", "context": "a c", "answers": [{"text": "c", "answer_start": 2}]}\n', "extract",
     "squad"),
    ("a.jsonl", '{"question": "q", "context": "a c", "answer": "c"}\n', "extract", "question"),
    ("a.jsonl", '{"question": "q", "context": "a c", "answer": "no"}\n', "chat", "question"),
    ("a.jsonl", '{"translation": {"en": "yes", "az": "bəli"}}\n', "chat", "pair"),
])
def test_each_kind_of_rows_becomes_the_task_for_it_on_a_base_for_it(tmp_path, name, text, task, format):
    (tmp_path / name).write_text(text)
    started, recipe = begun(tmp_path, name)
    reads = task in ("classify", "tag", "extract")
    assert (recipe.task.type, started.loaded.format) == (task, format)
    assert recipe.base.name == ("minilm-l6" if reads else "smollm2-135m-instruct")
    assert recipe.adapter.type == ("full" if reads else "lora")
    assert ("generate:" in started.recipe.read_text()) is not reads


def test_what_was_guessed_of_a_table_without_a_header_stands_in_the_recipe(tmp_path):
    (tmp_path / "labels.txt").write_text("joy\nfear\nlove\n")
    (tmp_path / "a.tsv").write_text("".join(f"words {n}\t{n % 3}{',2' if n % 3 == 0 else ''}\t\n" for n in range(30)))
    _, recipe = begun(tmp_path, "a.tsv")
    assert (recipe.data.header, recipe.data.columns) == (False, {"text": "column 1", "label": "column 2"})
    assert recipe.data.format.as_json() == {"type": "labelled", "separator": ",",
                                            "names": str(tmp_path / "labels.txt")}


def test_two_aligned_files_become_one_recipe(tmp_path):
    (tmp_path / "words.txt").write_text("Baku is big\nHi there\n")
    (tmp_path / "tags.txt").write_text("B-LOC O O\nO O\n")
    started, recipe = begun(tmp_path, "words.txt", "tags.txt")
    assert recipe.task.type == "tag" and recipe.data.format.as_json()["aligned"] is True
    assert len(started.loaded.examples) == 2


def test_texts_longer_than_an_encoder_reads_are_cut_and_numbers_are_said_to_be_learnt(tmp_path):
    (tmp_path / "a.csv").write_text("text,label\n" + "".join(f"{'word ' * 600},{n}.5\n" for n in range(12)))
    started, recipe = begun(tmp_path, "a.csv")
    assert (recipe.training.max_length, recipe.data.too_long) == (512, "cut")
    assert "a number is learnt, from 0.5 to 11.5" in started.recipe.read_text()
