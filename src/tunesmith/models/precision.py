"""In which number format the network computes on this machine: chosen once, said, and kept in the lineage."""

from __future__ import annotations

import platform
from typing import Literal

import torch

from ..kernels import processor

Setting = Literal["auto", "bfloat16", "float32", "float64"]
SETTINGS: dict[str, torch.dtype] = {
    "bfloat16": torch.bfloat16, "float32": torch.float32, "float64": torch.float64,
}


def choose(setting: Setting, device: torch.device) -> tuple[torch.dtype, str]:
    """The dtype the network computes in, and why, in words for a person.

    `auto` is bfloat16 where the hardware multiplies it, else float32; `float64` is for tests.
    """
    if setting != "auto":
        return SETTINGS[setting], f"{setting}, as the recipe says"
    found = _bfloat16_hardware(device)
    if found:
        return torch.bfloat16, f"bfloat16: {found}"
    return torch.float32, "float32: this processor does not multiply bfloat16 in hardware"


def _bfloat16_hardware(device: torch.device) -> str | None:
    """What multiplies bfloat16 on this device, or None."""
    if device.type == "cuda":
        return "the GPU multiplies it" if torch.cuda.is_bf16_supported(including_emulation=False) else None
    if device.type == "mps":
        return "the GPU multiplies it" if int(platform.mac_ver()[0].split(".")[0] or 0) >= 14 else None
    flags = processor.flags()
    if not processor.tiles_described():
        flags -= {"amx_bf16"}
    names = {"amx_bf16": "AMX", "avx512_bf16": "AVX-512", "bf16": "the ARM instructions for it"}
    return next((f"this processor has {said}" for flag, said in names.items() if flag in flags), None)
