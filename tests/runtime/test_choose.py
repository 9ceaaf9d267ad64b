"""Which runtime computes: by name, and by what the processor has and what is installed."""

from __future__ import annotations

import pytest

from cappy.errors import InputError
from cappy.runtime import choose as module
from cappy.runtime.choose import Choice, choose
from cappy.runtime.processor import bfloat16_units

AMX = "processor : 0\nflags : fpu avx2 avx512f avx512_bf16 amx_bf16 amx_int8\n"
VNNI = "flags : fpu avx2 avx512f avx512_vnni\n"


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch):
    """Return a function that says what the machine has."""
    monkeypatch.delenv("CAPPY_RUNTIME")

    def having(bfloat16: bool, openvino: bool) -> None:
        monkeypatch.setattr(module, "matrix_units", lambda: bfloat16)
        monkeypatch.setattr(module, "native_bfloat16", lambda: bfloat16)
        monkeypatch.setattr(module, "find_spec", lambda name: object() if openvino else None)

    return having


@pytest.mark.parametrize(
    ("bfloat16", "openvino", "expected"),
    [(True, True, ("openvino", "bf16")), (True, False, ("onnx", "int8")), (False, True, ("onnx", "int8"))],
)
def test_int8_checkpoints_are_computed_in_bfloat16_by_matrix_units(machine, bfloat16, openvino, expected):
    machine(bfloat16, openvino)
    found = choose(None, None, "int8")
    assert (found.runtime, found.precision) == expected
    assert found.reason


def test_a_precision_asked_for_is_kept(machine):
    machine(True, True)
    assert choose(None, "int8", "int8").runtime == "onnx"
    assert choose(None, "fp32", "int8") == Choice("onnx", "fp32", "the requested precision")
    assert choose(None, "bf16", "int8").runtime == "openvino"
    machine(True, False)
    assert choose(None, "bf16", "int8").runtime == "torch"


def test_a_checkpoint_that_ships_in_float32_stays_there(machine):
    machine(True, True)
    assert choose(None, None, "fp32") == Choice("onnx", "fp32", "the checkpoint's own")


def test_the_environment_names_the_runtime_unless_another_is_needed(machine, monkeypatch):
    machine(True, True)
    monkeypatch.setenv("CAPPY_RUNTIME", "onnx")
    assert choose(None, None, "int8").precision == "int8"
    assert choose(None, "bf16", "int8").runtime == "openvino"
    assert choose("openvino", None, "int8").precision == "bf16"
    assert choose(None, None, "int8", "cuda").runtime == "torch"


def test_a_gpu_is_torchs(machine):
    machine(True, True)
    found = choose(None, None, "int8", "cuda")
    assert (found.runtime, found.precision) == ("torch", "bf16")
    assert choose("torch", None, "int8", "cuda:1").precision == "bf16"
    assert choose("torch", "fp32", "int8", "cuda").precision == "fp32"
    assert choose("torch", None, "int8", "cpu").precision == choose("torch", None, "int8").precision == "fp32"
    with pytest.raises(InputError, match="needs runtime='torch'"):
        choose("openvino", None, "int8", "cuda")


def test_names_that_do_not_go_together_are_refused():
    with pytest.raises(InputError, match="unknown"):
        choose("tensorrt", None, "int8")
    with pytest.raises(InputError, match="has no precision 'int8'"):
        choose("openvino", "int8", "int8")


@pytest.mark.parametrize(
    ("text", "limit", "expected"),
    [
        (AMX, None, {"vector", "matrix"}),
        (AMX, "AVX512_CORE_AMX", {"vector", "matrix"}),
        (AMX, "AVX512_CORE_BF16", {"vector"}),
        (AMX, "avx512_core_vnni", set()),
        (AMX, "AVX2_VNNI_2", set()),
        (VNNI, None, set()),
        (VNNI, "AVX512_CORE_BF16", set()),
        ("", None, set()),
        ("flags : avx512_bf16", None, {"vector"}),
    ],
)
def test_bfloat16_units_are_found_unless_hidden(text, limit, expected):
    assert bfloat16_units(text, {"ONEDNN_MAX_CPU_ISA": limit} if limit else {}) == expected
