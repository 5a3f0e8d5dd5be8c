"""What this processor can do, asked without torch."""

from __future__ import annotations

import ctypes
import mmap
import platform
from pathlib import Path

# push rbx; mov eax, 0x1d; mov ecx, 1; cpuid; pop rbx; ret. Then eax: bytes of all tiles, 0 where none is described
TILE_PALETTE = bytes.fromhex("53 b8 1d 00 00 00 b9 01 00 00 00 0f a2 5b c3")


def flags() -> frozenset[str]:
    """The instruction sets that Linux reports; empty elsewhere."""
    return frozenset(_reported("flags", "Features").split())


def vendor() -> str:
    """Who made the processor, as Linux reports it (`GenuineIntel`, `AuthenticAMD`); empty elsewhere."""
    return _reported("vendor_id")


def _reported(*fields: str) -> str:
    """The first of these fields in /proc/cpuinfo."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    lines = (line.partition(":") for line in text.splitlines())
    return next((value.strip() for field, _, value in lines if field.strip() in fields), "")


def tiles_described() -> bool:
    """Whether the processor says how large its AMX tiles are (CPUID leaf 0x1D).

    Some virtual machines announce AMX and hide that leaf. oneDNN then sets up tiles of no size, and the first bfloat16
    product ends the process with an illegal instruction.
    """
    if platform.machine() not in ("x86_64", "AMD64"):
        return False
    try:
        page = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    except OSError:  # a hardened system allows no such page: believe what was announced
        return True
    with page:
        page.write(TILE_PALETTE)
        view = ctypes.c_char.from_buffer(page)
        described = ctypes.CFUNCTYPE(ctypes.c_uint32)(ctypes.addressof(view))() != 0
        del view
    return bool(described)
