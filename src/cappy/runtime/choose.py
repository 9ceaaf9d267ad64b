"""Choosing a runtime: by name, or the fastest one that is installed and suits the processor."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from cappy.checkpoint.checkpoint import Checkpoint
from cappy.errors import InputError, MissingExtraError
from cappy.layout.pack import Batch
from cappy.runtime.processor import matrix_units, native_bfloat16

RUNTIMES = {"onnx": ("fp32", "int8"), "openvino": ("fp32", "bf16"), "torch": ("fp32", "bf16")}
"""The runtimes, each with its precisions."""
EXTRAS = {"openvino": "openvino", "torch": "train"}
"""The extra that installs a runtime; onnx is part of the base install."""
BATCH_TOKENS = 1024
"""Packed tokens per CPU batch: enough to keep the arithmetic busy, few enough for the processor's cache."""


class Runtime(Protocol):
    """Scores a packed batch; `batch_tokens` is about the best batch size."""

    batch_tokens: int

    def score(self, batch: Batch) -> NDArray[np.float32]:
        """Return [segments] scores."""
        ...

    def means(self, batch: Batch, layers: tuple[int, ...]) -> NDArray[np.float32]:
        """Return the mean hidden states of each segment, encoded alone: [segments, layers * hidden]."""
        ...


@runtime_checkable
class Remembering(Protocol):
    """A runtime that can reuse encoded instructions."""

    def score_remembering(
        self, batch: Batch, known: Sequence[NDArray[np.float32] | None]
    ) -> tuple[NDArray[np.float32], list[NDArray[np.float32]]]:
        """Return [segments] scores, and the keys and values of the instructions that were not known."""
        ...


@dataclass(frozen=True, slots=True)
class Choice:
    """A runtime and a precision by name, with the reason for the choice."""

    runtime: str
    precision: str
    reason: str


def choose(runtime: str | None, precision: str | None, ships: str, device: str | None = None) -> Choice:
    """Choose runtime and precision; what is not requested depends on the machine.

    If no runtime is requested, `CAPPY_RUNTIME` may name one. A GPU named by `device` needs torch. Otherwise the
    default is the ONNX runtime in the precision that the checkpoint `ships`. If that is int8, the processor has matrix
    units (AMX) and OpenVINO is installed, the default is OpenVINO in bfloat16; without matrix units int8 is faster.
    Without a requested precision torch computes in bfloat16 on a named GPU, in float32 otherwise.

    Raises:
        InputError: a name is unknown, or the options do not fit together.

    """
    runtime = runtime or _preferred(precision, device)
    if runtime is None:
        chosen = _usual(precision, ships, device)
    elif runtime not in RUNTIMES:
        raise InputError(f"runtime {runtime!r} is unknown; choose one of {', '.join(RUNTIMES)}.")
    else:
        halves = {"openvino": native_bfloat16(), "torch": _on_gpu(device)}
        usual = ships if runtime == "onnx" else "bf16" if halves[runtime] else "fp32"
        chosen = Choice(runtime, precision or usual, "requested")
    if chosen.precision not in RUNTIMES[chosen.runtime]:
        known = ", ".join(RUNTIMES[chosen.runtime])
        raise InputError(f"the {chosen.runtime} runtime has no precision {chosen.precision!r}; choose one of {known}.")
    if _on_gpu(device) and chosen.runtime != "torch":
        raise InputError(f"the {chosen.runtime} runtime computes on the CPU; device {device!r} needs runtime='torch'.")
    return chosen


def _preferred(precision: str | None, device: str | None) -> str | None:
    """Return the runtime that `CAPPY_RUNTIME` names, unless another option requires a different one."""
    name = os.environ.get("CAPPY_RUNTIME") or None
    if name not in (None, *RUNTIMES):
        raise InputError(f"CAPPY_RUNTIME is {name!r}, but must be one of {', '.join(RUNTIMES)}.")
    if name in RUNTIMES and precision not in (None, *RUNTIMES[name]):
        return None
    return None if _on_gpu(device) else name


def _on_gpu(device: str | None) -> bool:
    return device not in (None, "cpu")


def _usual(precision: str | None, ships: str, device: str | None) -> Choice:
    if _on_gpu(device):
        return Choice("torch", precision or "bf16", f"device {device!r} needs torch")
    installed = _installed("openvino")
    if precision == "bf16":
        return Choice("openvino", "bf16", "OpenVINO is installed") if installed else Choice("torch", "bf16", "bf16")
    if precision is not None or ships != "int8":
        return Choice("onnx", precision or ships, "the requested precision" if precision else "the checkpoint's own")
    if not matrix_units():
        return Choice("onnx", ships, "the processor has no matrix units")
    if not installed:
        return Choice("onnx", ships, "OpenVINO is not installed (extra 'openvino')")
    return Choice("openvino", "bf16", "the processor has matrix units")


def missing_extra(runtime: str) -> MissingExtraError | None:
    """Return the error of a runtime whose package is not installed, or None."""
    if runtime not in EXTRAS or _installed(runtime):
        return None
    return MissingExtraError(f"the {runtime} runtime", EXTRAS[runtime])


def _installed(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except ValueError:  # it was replaced by a module without a specification
        return False


def make_runtime(choice: Choice, checkpoint: Checkpoint, layout: str, threads: int, device: str | None) -> Runtime:
    """Create the chosen runtime with a checkpoint's weights.

    Raises:
        InputError: `threads` is below 0.
        MissingExtraError: the runtime's packages are not installed.

    """
    if threads < 0:
        raise InputError(f"threads is {threads}, but must be at least 0 (0 uses all cores).")
    spec, weights = checkpoint.spec, checkpoint.read_weights()
    try:
        if choice.runtime == "torch":
            from cappy.runtime.torch_session import TorchRuntime

            return TorchRuntime(spec, weights, choice.precision, threads, device)
        if choice.runtime == "openvino":
            from cappy.runtime.openvino_session import OpenVinoRuntime

            return OpenVinoRuntime(spec, weights, layout, choice.precision, threads)
    except ImportError as error:
        raise MissingExtraError(f"the {choice.runtime} runtime", EXTRAS[choice.runtime]) from error
    from cappy.runtime.onnx_session import OnnxRuntime

    return OnnxRuntime(spec, weights, layout, choice.precision, threads)
