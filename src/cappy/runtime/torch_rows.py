"""The encoder over rows of tokens: one fused attention under the groups' mask, in shapes that stay the same.

What GPUs are given, in training and in scoring. `torch_encoder` computes the same as a cascade over packed tokens, with
fewer operations but many small ones.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812  (torch's own convention)
from torch import Tensor

from cappy.encoders.places import relative_buckets
from cappy.layout.rows import TokenRows
from cappy.runtime.torch_encoder import Encoder

LONGEST = 4096
"""Positions further apart share the last bucket, whatever the encoder."""


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
        """Copy to `device`; from pinned memory, so that the copy to a GPU does not wait for what it computes."""

        def moved(name: str) -> Tensor:
            tensor = torch.from_numpy(getattr(rows, name))
            return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)

        return cls(*(moved(field.name) for field in fields(cls)))


class RowEncoder:
    """Scores rows of tokens with an encoder's weights; `compiled` fuses its layers (torch.compile)."""

    def __init__(self, model: Encoder, compiled: bool = False) -> None:
        """Prepare the table of buckets; the weights stay the model's."""
        self._model = model
        self._buckets: Tensor | None = None
        if model.spec.relative_buckets:
            distances = np.arange(-LONGEST, LONGEST + 1, dtype=np.int64)
            self._buckets = torch.from_numpy(relative_buckets(distances, model.spec.relative_buckets)).to(model.device)
        states: Callable[..., Tensor] = self._states
        self._run = torch.compile(states, dynamic=False) if compiled else states

    def score(self, rows: RowTensors) -> Tensor:
        """Score every candidate: [candidates]."""
        states = self._run(rows.ids, rows.positions, rows.types, rows.groups, rows.segments)
        return self._model.score_states(states.index_select(0, rows.starts))

    def _states(self, ids: Tensor, positions: Tensor, types: Tensor, groups: Tensor, segments: Tensor) -> Tensor:
        """Hidden states behind the last layer, of [rows, length] tokens: [rows * length, hidden]."""
        model, spec = self._model, self._model.spec
        turns = {base: _rotation(positions.flatten(), spec.head_size, base) for base in spec.rotation_bases}
        x = model.embed(ids.flatten(), positions.flatten(), types.flatten())
        masks = self._masks(positions, groups, segments, x.dtype)
        for index in range(spec.layers):
            query, key, value = (
                part.view(*ids.shape, spec.heads, spec.head_size).transpose(1, 2) for part in model.qkv(x, index, turns)
            )
            mask = masks[spec.is_local(index)].to(query.dtype)
            mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
            x = model.finish_layer(x, mixed.transpose(1, 2).reshape(-1, spec.hidden), index)
        return x

    def _masks(self, positions: Tensor, groups: Tensor, segments: Tensor, dtype: torch.dtype) -> list[Tensor]:
        """Return what is added to logits [rows, heads or 1, length, length] in global and in local layers."""
        spec = self._model.spec
        seen = (groups[:, :, None] == groups[:, None, :]) & (
            (segments[:, None, :] == 0) | (segments[:, None, :] == segments[:, :, None])
        )
        apart = positions[:, None, :] - positions[:, :, None]
        mask = torch.zeros_like(apart, dtype=dtype).masked_fill(~seen, -1e9 if dtype == torch.float32 else -3e38)
        mask = mask[:, None]
        if self._buckets is not None:
            found = self._buckets[apart.clamp(-LONGEST, LONGEST) + LONGEST]
            mask = mask + F.embedding(found, self._model.relative_bias()).permute(0, 3, 1, 2)
        if not spec.local_layers:
            return [mask, mask]
        return [mask, mask.masked_fill((apart.abs() > spec.local_reach)[:, None], mask.min())]


def _rotation(positions: Tensor, size: int, base: float) -> tuple[Tensor, Tensor]:
    """Return cosines and sines of rotary position embeddings, [tokens, 1, size] each; see `encoders.places`."""
    steps = torch.arange(0, size, 2, dtype=torch.float32, device=positions.device) / size
    angles = positions[:, None].float() * (1 / base**steps).repeat(2)
    return angles.cos()[:, None], angles.sin()[:, None]
