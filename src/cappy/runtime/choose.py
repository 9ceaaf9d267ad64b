"""Which runtime computes: by name, or the fastest that is installed and that the processor suits."""

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
from cappy.runtime.processor import native_bfloat16

PRECISIONS = {"onnx": ("fp32", "int8"), "openvino": ("fp32", "bf16"), "torch": ("fp32", "bf16")}
"""What computes, each with the precisions it knows."""
EXTRAS = {"openvino": "openvino", "torch": "train"}
"""The extra that brings a runtime; onnx comes with the base install."""


class Runtime(Protocol):
    """What computes scores from a packed batch."""

    def score(self, batch: Batch) -> NDArray[np.float32]:
        """Return [segments] scores."""
        ...

    def means(self, batch: Batch, layers: tuple[int, ...]) -> NDArray[np.float32]:
        """Return the mean of every segment's hidden states, each standing alone: [segments, layers * hidden]."""
        ...


@runtime_checkable
class Remembering(Protocol):
    """A runtime that can do without encoding an instruction again."""

    def score_remembering(
        self, batch: Batch, known: Sequence[NDArray[np.float32] | None]
    ) -> tuple[NDArray[np.float32], list[NDArray[np.float32]]]:
        """Return [segments] scores, and keys and values of the instructions that are not known."""
        ...


@dataclass(frozen=True, slots=True)
class Choice:
    """A runtime and a precision by name, and why they were chosen."""

    runtime: str
    precision: str
    reason: str


def choose(runtime: str | None, precision: str | None, ships: str, device: str | None = None) -> Choice:
    """Settle runtime and precision, each as asked for or by what suits this machine.

    `CAPPY_RUNTIME` names the runtime where none is asked for. A GPU named by `device` is torch's. Otherwise the ONNX
    runtime computes, in the precision that the checkpoint
    `ships`, unless that is int8, the processor has native bfloat16 and OpenVINO is installed: bfloat16 is then as fast
    as int8 or faster, and nearer to float32.

    Raises:
        InputError: a name is unknown, or the names do not go together.

    """
    runtime = runtime or _preferred(precision, device)
    if runtime is None:
        chosen = _usual(precision, ships, device)
    elif runtime not in PRECISIONS:
        raise InputError(f"runtime {runtime!r} is unknown; choose one of {', '.join(PRECISIONS)}.")
    else:
        usual = {"onnx": ships, "openvino": "bf16" if native_bfloat16() else "fp32", "torch": "fp32"}[runtime]
        chosen = Choice(runtime, precision or usual, "asked for")
    if chosen.precision not in PRECISIONS[chosen.runtime]:
        known = ", ".join(PRECISIONS[chosen.runtime])
        raise InputError(f"the {chosen.runtime} runtime has no precision {chosen.precision!r}; choose one of {known}.")
    if device not in (None, "cpu") and chosen.runtime != "torch":
        raise InputError(f"the {chosen.runtime} runtime computes on the CPU; device {device!r} needs runtime='torch'.")
    return chosen


def _preferred(precision: str | None, device: str | None) -> str | None:
    """Return the runtime that `CAPPY_RUNTIME` names, unless what is asked for needs another one."""
    name = os.environ.get("CAPPY_RUNTIME") or None
    if name in PRECISIONS and precision not in (None, *PRECISIONS[name]):
        return None
    return None if device not in (None, "cpu") else name


def _usual(precision: str | None, ships: str, device: str | None) -> Choice:
    if device not in (None, "cpu"):
        return Choice("torch", precision or "bf16", f"device {device!r} is torch's")
    installed = find_spec("openvino") is not None
    if precision == "bf16":
        return Choice("openvino", "bf16", "OpenVINO is installed") if installed else Choice("torch", "bf16", "bf16")
    if precision is not None or ships != "int8":
        return Choice("onnx", precision or ships, "the precision asked for" if precision else "the checkpoint's own")
    if not native_bfloat16():
        return Choice("onnx", ships, "the processor has no bfloat16 units")
    if not installed:
        return Choice("onnx", ships, "OpenVINO is not installed (extra 'openvino')")
    return Choice("openvino", "bf16", "the processor has bfloat16 units")


def make_runtime(choice: Choice, checkpoint: Checkpoint, layout: str, threads: int, device: str | None) -> Runtime:
    """Make the runtime of that name with a checkpoint's weights.

    Raises:
        MissingExtraError: its packages are not installed.

    """
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
