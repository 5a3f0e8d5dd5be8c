"""In which number format the network computes on this machine: chosen once, said, and kept in the lineage."""

from __future__ import annotations

import platform
from typing import Literal

import torch

from ..kernels import build, processor

Setting = Literal["auto", "bfloat16", "float32", "float64"]
SETTINGS: dict[str, torch.dtype] = {
    "bfloat16": torch.bfloat16, "float32": torch.float32, "float64": torch.float64,
}


def device(setting: str) -> torch.device:
    """The device that `training.device` names; `auto` takes an accelerator where there is one."""
    if setting != "auto":
        return torch.device(setting)
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def of_run(name: str) -> torch.device:
    """The device that a run computed on, as its lineage names it; what `auto` takes where none such is here."""
    wanted = torch.device(name)
    if wanted.type == "cuda":
        here = torch.cuda.is_available() and (wanted.index or 0) < torch.cuda.device_count()
    else:
        here = wanted.type != "mps" or torch.backends.mps.is_available()
    return wanted if here else device("auto")


def choose(setting: Setting, device: torch.device) -> tuple[torch.dtype, str]:
    """The dtype the network computes in, and why, in words for a person.

    `auto` is bfloat16 where the hardware multiplies it faster than float32, else float32; `float64` is for tests.
    """
    if setting != "auto":
        return SETTINGS[setting], f"{setting}, as the recipe says"
    faster, reason = _bfloat16_pays(device)
    return (torch.bfloat16, f"bfloat16: {reason}") if faster else (torch.float32, f"float32: {reason}")


def _bfloat16_pays(device: torch.device) -> tuple[bool, str]:
    """Whether bfloat16 products are faster than float32 ones on this device, and what says so."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False), f"{torch.cuda.get_device_name(device)}"
    if device.type == "mps":
        return int(platform.mac_ver()[0].split(".")[0] or 0) >= 14, f"macOS {platform.mac_ver()[0]}"
    flags = processor.flags()
    if "amx_bf16" in flags and processor.tiles_described():
        return True, "this processor has AMX"
    if "bf16" in flags:
        return True, "this processor has the ARM instructions for bfloat16"
    # Intel runs them at half rate: 80 GFLOP/s a core against 150 in float32 (Sapphire Rapids); Zen 5 runs 500 to 110
    if "avx512_bf16" in flags and processor.vendor() == "AuthenticAMD":
        return True, "this processor has AVX-512 BF16"
    if build.tiles():
        return True, "this processor has AMX, which torch cannot use on this virtual machine and our kernels can"
    if "amx_bf16" in flags:
        return False, "this virtual machine hides how large the processor's AMX tiles are, so they cannot be used"
    return False, "this processor does not multiply bfloat16 faster"
