"""The processor's fast arithmetic: matrix units and bfloat16, unless the environment disables them."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Mapping
from pathlib import Path

_LEVELS = ("SSE41", "AVX", "AVX2", "AVX2_VNNI", "AVX2_VNNI_2", "AVX512_CORE", "AVX512_CORE_VNNI", "AVX512_CORE_BF16")
"""oneDNN's instruction sets below the first one with matrix units, in ascending order."""


def bfloat16_units(cpuinfo: str, environment: Mapping[str, str]) -> frozenset[str]:
    """Return which of `vector` and `matrix` units compute in bfloat16, from the text of /proc/cpuinfo (Linux).

    `ONEDNN_MAX_CPU_ISA` in the environment disables higher instruction sets, as in the libraries that compute.
    """
    flags = set(next((line for line in cpuinfo.splitlines() if line.startswith("flags")), "").split())
    limit = environment.get("ONEDNN_MAX_CPU_ISA", environment.get("DNNL_MAX_CPU_ISA", "")).upper()
    vector = "avx512_bf16" in flags and limit not in _LEVELS[:-1]
    matrix = "amx_bf16" in flags and limit not in _LEVELS
    return frozenset(name for name, there in (("vector", vector), ("matrix", matrix)) if there)


def native_bfloat16() -> bool:
    """Tell whether this processor computes in bfloat16 at all; False if unknown."""
    return bool(_units())


def matrix_units() -> bool:
    """Tell whether this processor has matrix units for bfloat16 (AMX); False if unknown."""
    return "matrix" in _units()


def _units() -> frozenset[str]:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return frozenset()
    return bfloat16_units(text, os.environ)


def usable_cores() -> int:
    """Return how many cores this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)  # Linux only
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def release_freed_memory() -> None:
    """Give freed memory back to the system, where the C library is glibc."""
    try:
        ctypes.CDLL("libc.so.6").malloc_trim(0)
    except (OSError, AttributeError):
        return
