"""The table of docs/architectures.md is true: how documents are laid, and gradients equal to transformers' own."""

from __future__ import annotations

import re

import pytest

import architectures


def numberless(text):
    """What an answer differs by is a matter of rounding."""
    return re.sub(r"\d[\d.e-]*", "N", text)


def test_the_table_has_a_row_for_every_architecture_and_no_other():
    assert list(architectures.table()) == list(architectures.ARCHITECTURES)


@pytest.mark.parametrize("name", architectures.ARCHITECTURES)
def test_gradients_are_those_of_transformers_and_the_table_says_how(name, capsys):
    found = architectures.measured(name)
    promised = architectures.table()[name]
    with capsys.disabled():
        print(f"\n{name}: {found.layout}; by hand {found.layers}; LoRA {found.lora:.1e}, full {found.full:.1e}", end="")
    *laid, layers, lora, full = [cell.strip() for cell in promised.strip("| ").split("|")][1:]
    assert layers.partition(":")[0] == found.layers.partition(":")[0]
    assert numberless(": ".join(laid)) == numberless(found.layout)
    assert found.lora < float(lora) <= 1e-6 and found.full < float(full) <= 1e-6
