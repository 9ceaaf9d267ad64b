"""Packed tokens as padded rows and back, for the attention of `torch_encoder`; all else runs over packed tokens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cappy.layout.pack import spread


@dataclass(frozen=True, slots=True)
class PaddedRows:
    """Padded view of packed tokens. `index`, `valid`: [rows, longest]; `inverse`: [tokens]."""

    index: Tensor
    valid: Tensor
    inverse: Tensor

    @classmethod
    def of(cls, lengths: NDArray[np.int64], device: torch.device) -> PaddedRows:
        """Build the view for sequences of these lengths."""
        return cls(*(torch.from_numpy(array).to(device) for array in spread(lengths)))

    def pad(self, packed: Tensor) -> Tensor:
        """Pad [tokens, ...] to [rows, longest, ...] with zeros."""
        rows, longest = self.index.shape
        flat = packed.new_zeros((rows * longest, *packed.shape[1:]))
        return flat.index_copy(0, self.inverse, packed).view(rows, longest, *packed.shape[1:])

    def unpad(self, padded: Tensor) -> Tensor:
        """Map [rows, longest, ...] to [tokens, ...]."""
        flat = padded.reshape(-1, *padded.shape[2:])
        result: Tensor = _TakeRows.apply(flat, self.inverse)  # type: ignore[no-untyped-call]  # untyped in torch
        return result


class _TakeRows(torch.autograd.Function):
    """`index_select` for indices without repeats: its gradient is a copy, not an accumulation."""

    @staticmethod
    def forward(ctx: Any, flat: Tensor, index: Tensor) -> Tensor:
        ctx.save_for_backward(index)
        ctx.rows = flat.shape[0]
        return flat.index_select(0, index)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        (index,) = ctx.saved_tensors
        grad = grads[0]
        return grad.new_zeros((ctx.rows, *grad.shape[1:])).index_copy(0, index, grad), None
