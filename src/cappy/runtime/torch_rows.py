"""Rows of tokens on a device and their attention masks: the input of GPUs in training and scoring."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import lru_cache

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812  (torch's own convention)
from torch import Tensor

from cappy.encoders.places import relative_buckets
from cappy.encoders.spec import EncoderSpec
from cappy.layout.rows import TokenRows

LONGEST = 4096
"""Larger relative positions are clipped to this one: they share the last bucket anyway."""


@dataclass(frozen=True, slots=True)
class RowTensors:
    """`TokenRows` as tensors on a device."""

    ids: Tensor
    positions: Tensor
    types: Tensor
    groups: Tensor
    segments: Tensor
    starts: Tensor

    @classmethod
    def of(cls, rows: TokenRows, device: torch.device) -> RowTensors:
        """Copy to `device`; pinned memory lets the copy to a GPU overlap with its computation."""
        return cls(*(to_device(getattr(rows, field.name), device) for field in fields(cls)))


def to_device(array: np.ndarray, device: torch.device) -> Tensor:
    """Copy an array to a device, asynchronously for a GPU."""
    tensor = torch.from_numpy(array)
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)


def row_masks(
    positions: Tensor, groups: Tensor, segments: Tensor, spec: EncoderSpec, bias: Tensor | None, dtype: torch.dtype
) -> tuple[Tensor, Tensor]:
    """Return the additive masks of logits [rows, heads or 1, length, length] for global and local layers.

    `positions`, `groups`, `segments`: [rows, length]. `bias` [buckets, heads] are the biases of relative positions, for
    families that have them.
    """
    seen = (groups[:, :, None] == groups[:, None, :]) & (
        (segments[:, None, :] == 0) | (segments[:, None, :] == segments[:, :, None])
    )
    apart = positions[:, None, :] - positions[:, :, None]
    never = torch.finfo(dtype).min / 2
    mask = torch.zeros_like(apart, dtype=dtype).masked_fill(~seen, never)[:, None]
    if bias is not None:
        table = _bucket_table(spec.relative_buckets, apart.device)
        mask = mask + F.embedding(table[apart.clamp(-LONGEST, LONGEST) + LONGEST], bias).permute(0, 3, 1, 2)
    if not spec.local_layers:
        return mask, mask
    return mask, mask.masked_fill((apart.abs() > spec.local_reach)[:, None], never)


@lru_cache(maxsize=8)
def _bucket_table(buckets: int, device: torch.device) -> Tensor:
    """Return the bucket of every relative position from -LONGEST to LONGEST."""
    distances = np.arange(-LONGEST, LONGEST + 1, dtype=np.int64)
    return torch.from_numpy(relative_buckets(distances, buckets)).to(device)


def row_rotations(positions: Tensor, size: int, base: float) -> tuple[Tensor, Tensor]:
    """Return cosines and sines of rotary position embeddings, [tokens, 1, size] each; see `encoders.places`."""
    steps = torch.arange(0, size, 2, dtype=torch.float32, device=positions.device) / size
    angles = positions[:, None].float() * (1 / base**steps).repeat(2)
    return angles.cos()[:, None], angles.sin()[:, None]
