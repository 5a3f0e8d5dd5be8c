"""`key=value` overrides on the command line."""

from __future__ import annotations

import pytest

from tunesmith.errors import Misuse, Problems
from tunesmith.recipe.read import read

TEXT = """\
base: x
task: chat
data: {train: a.jsonl, columns: {prompt: Sual}}
adapter: {type: lora, rank: 16, alpha: 8}
training: {epochs: 2, optimiser: {weight_decay: 0.5}}
"""


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "orders.yaml"
    path.write_text(TEXT)
    return path


@pytest.mark.parametrize(("override", "value"), [
    ("training.learning_rate=1e-4", 1e-4), ("training.learning_rate=0.5", 0.5), ("training.learning_rate=1", 1.0),
])
def test_a_value_is_read_as_yaml(path, override, value):
    assert read(path, [override]).training.learning_rate == value


def test_an_override_leaves_the_options_beside_it(path):
    found = read(path, ["adapter.rank=4", "training.optimiser.epsilon=1e-6", "training={seed: 3}",
                        "base.dtype=float32"])
    assert (found.adapter.settings.rank, found.adapter.settings.alpha) == (4, 8)
    assert (found.training.epochs, found.training.seed) == (2, 3)
    assert found.training.optimiser.settings.weight_decay == 0.5
    assert (found.base.name, found.base.dtype) == ("x", "float32")


@pytest.mark.parametrize("override", ["adapter={type: full}", "adapter=full", "adapter.type=full"])
def test_another_type_keeps_nothing_of_the_old_ones_options(path, override):
    assert read(path, [override]).adapter.as_json() == {"type": "full", "freeze": []}


@pytest.mark.parametrize("override", ["adapter={type: lora}", "adapter=lora", "adapter.type=lora"])
def test_the_same_type_keeps_its_options(path, override):
    assert read(path, [override]).adapter.settings.rank == 16


def test_options_of_the_new_type_may_stand_before_it(path):
    path.write_text(TEXT.replace("adapter: {type: lora, rank: 16, alpha: 8}", "adapter: full"))
    assert read(path, ["adapter.rank=4", "adapter.type=lora"]).adapter.settings.rank == 4


def test_a_mapping_that_is_a_value_is_replaced(path):
    assert read(path, ["data.columns={answer: Cavab}"]).data.columns == {"answer": "Cavab"}
    assert read(path, ["data.columns.answer=Cavab"]).data.columns == {"prompt": "Sual", "answer": "Cavab"}


def test_null_takes_a_value_back(path):
    assert read(path, ["data.format=pair", "data.format=null"]).data.format is None


def test_the_last_of_two_counts(path):
    assert read(path, ["training.seed=1", "training.seed=2"]).training.seed == 2


def test_a_mistake_is_located_at_the_command_line(path):
    with pytest.raises(Problems) as caught:
        read(path, ["training.lerning_rate=1", "data.trian=x"])
    found = {(each.what, each.where, each.remedy) for each in caught.value.problems}
    assert found == {
        ("there is no option `training.lerning_rate`", "command line: `training.lerning_rate=1`",
         "use `training.learning_rate`"),
        ("there is no option `data.trian`", "command line: `data.trian=x`", "use `data.train`"),
    }


def test_mistakes_of_file_and_command_line_come_together(path):
    path.write_text(TEXT + "evaluation: {evry: 1}\n")
    with pytest.raises(Problems) as caught:
        read(path, ["training.epochs=three", "nonsense", "data.system=[", "training.epochs.more=1"])
    assert {each.where for each in caught.value.problems} == {
        f"{path}:6", "command line: `training.epochs.more=1`", "command line: `nonsense`",
        "command line: `data.system=[`"}


@pytest.mark.parametrize("override", ["nonsense", "=1", "training.=1", ".seed=1", "training..seed=1",
                                      "data.system=a: b: c", "training.seed=\x00", "data.system=\udcff",
                                      "training.seed={a: 1, a: 2}"])
def test_what_is_no_override_is_refused(path, override):
    with pytest.raises((Misuse, Problems)) as caught:
        read(path, [override])
    assert "command line" in str(caught.value)
