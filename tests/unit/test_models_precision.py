"""Which number format is chosen, and what is said of it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch

from tunesmith.kernels import allocator, build, processor
from tunesmith.models.precision import choose

CPU = torch.device("cpu")
MACHINES = {
    "AMX": ({"amx_bf16", "amx_tile", "avx512_bf16"}, True, "GenuineIntel", torch.bfloat16, "AMX"),
    "AMX that the virtual machine hides": (
        {"amx_bf16", "amx_tile", "avx512_bf16"}, False, "GenuineIntel", torch.float32, "hides"),
    "hidden AMX that our own products use": (
        {"amx_bf16", "amx_tile", "avx512_bf16"}, False, "GenuineIntel", torch.bfloat16, "our kernels"),
    "Zen 5": ({"avx512_bf16"}, False, "AuthenticAMD", torch.bfloat16, "AVX-512"),
    "ARM": ({"asimd", "bf16"}, False, "", torch.bfloat16, "ARM"),
    "an old processor": ({"avx2"}, False, "GenuineIntel", torch.float32, "does not"),
}


@pytest.mark.parametrize("name", MACHINES)
def test_bfloat16_is_chosen_where_it_is_faster_and_the_reason_is_said(monkeypatch, name):
    flags, tiles, vendor, expected, word = MACHINES[name]
    monkeypatch.setattr(processor, "flags", lambda: frozenset(flags))
    monkeypatch.setattr(processor, "tiles_described", lambda: tiles)
    monkeypatch.setattr(processor, "vendor", lambda: vendor)
    monkeypatch.setattr(build, "tiles", lambda: name == "hidden AMX that our own products use")
    dtype, reason = choose("auto", CPU)
    assert dtype == expected
    assert reason.startswith(str(dtype).removeprefix("torch.")) and word in reason


@pytest.mark.parametrize("setting", ["bfloat16", "float32", "float64"])
def test_what_the_recipe_says_stands(setting):
    dtype, reason = choose(setting, CPU)
    assert str(dtype) == f"torch.{setting}"
    assert "recipe" in reason


@pytest.mark.parametrize("tiles", [True, False])
def test_amx_without_tiles_is_kept_from_onednn_and_the_users_own_setting_stands(monkeypatch, tiles):
    monkeypatch.setattr(processor, "flags", lambda: frozenset({"amx_tile"}))
    monkeypatch.setattr(processor, "tiles_described", lambda: tiles)
    monkeypatch.setattr(os, "environ", {})
    allocator.prepare_environment()
    assert ("ONEDNN_MAX_CPU_ISA" in os.environ) == (not tiles)
    monkeypatch.setattr(os, "environ", {"ONEDNN_MAX_CPU_ISA": "AVX2", "THP_MEM_ALLOC_ENABLE": "0"})
    allocator.prepare_environment()
    assert os.environ == {"ONEDNN_MAX_CPU_ISA": "AVX2", "THP_MEM_ALLOC_ENABLE": "0"}


def test_a_bfloat16_product_does_not_end_the_process_and_the_environment_needs_no_torch():
    """The symptom: `Illegal instruction` at the first product, on machines that announce AMX and hide its tiles."""
    code = (
        "import sys; from tunesmith.kernels.allocator import prepare_environment; prepare_environment();"
        "assert 'torch' not in sys.modules; import torch; a = torch.ones(96, 96, dtype=torch.bfloat16);"
        "print(float((a @ a)[0, 0]))"
    )
    clean = {key: value for key, value in os.environ.items() if key != "ONEDNN_MAX_CPU_ISA"}
    done = subprocess.run([sys.executable, "-c", code], env=clean, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "96.0"
