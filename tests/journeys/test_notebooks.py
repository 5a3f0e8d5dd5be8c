"""The notebooks run from their first cell to their last, and hold no outputs of somebody's machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from tiny import tiny_base

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
NOTEBOOKS = {  # and what the last cells of each must say
    "verdict.ipynb": ("there is no option `training.lerning_rate`", "may be trained: True",
                      "by exact_match against base", "adapter_model.safetensors"),
    "own-loop.ipynb": ("rank 2:", "numbers learn", "sure enough", "against the base"),
}


@pytest.fixture(autouse=True)
def jupyter(monkeypatch, tmp_path):
    """Kernels talk over loopback, and write their files here."""
    for name in ("JUPYTER_RUNTIME_DIR", "JUPYTER_DATA_DIR", "JUPYTER_CONFIG_DIR", "IPYTHONDIR"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    monkeypatch.setenv("JUPYTER_PLATFORM_DIRS", "1")


def told(name: str, parameters: dict[str, object]) -> str:
    """Everything that the notebook prints, with these parameters in the place of its own."""
    import nbformat
    from nbclient import NotebookClient

    book = nbformat.read(EXAMPLES / name, as_version=4)
    [cell] = [cell for cell in book.cells if "parameters" in cell.metadata.get("tags", [])]
    known = {line.split(" = ")[0] for line in cell.source.splitlines()}
    assert parameters.keys() <= known
    cell.source += "".join(f"\n{key} = {value!r}" for key, value in parameters.items())
    NotebookClient(book, timeout=600, kernel_name="python3", resources={"metadata": {"path": str(EXAMPLES)}}).execute()
    return "".join(output.get("text", "") for cell in book.cells if cell.cell_type == "code" for output in cell.outputs)


@pytest.mark.enable_socket
@pytest.mark.parametrize(("name", "parameters"), [
    ("verdict.ipynb", {"STEPS": 3, "ANSWERS": 2}), ("own-loop.ipynb", {"STEPS": 3, "RANKS": (2,)}),
])
def test_a_notebook_runs_on_a_tiny_model(name, parameters, tmp_path):
    base = tiny_base(tmp_path / "base", max_position_embeddings=512)
    said = told(name, {**parameters, "BASE": str(base)})
    assert all(part in said for part in NOTEBOOKS[name]), said


@pytest.mark.long
@pytest.mark.enable_socket
@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_runs_as_it_stands(name):
    said = told(name, {})
    assert all(part in said for part in NOTEBOOKS[name]), said


@pytest.mark.parametrize("file", sorted(EXAMPLES.glob("*.ipynb")), ids=lambda file: file.name)
def test_a_notebook_holds_no_outputs(file):
    import nbformat

    book = nbformat.read(file, as_version=4)
    nbformat.validate(book)
    assert file.name in NOTEBOOKS
    for cell in book.cells:
        assert cell.cell_type == "markdown" or (cell.outputs == [] and cell.execution_count is None)
