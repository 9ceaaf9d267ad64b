"""Attention over packed tokens: alone, and of candidates behind their instruction; rotary positions."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from cappy.runtime.torch_padding import PaddedRows


def attend(query: Tensor, key: Tensor, value: Tensor, rows: PaddedRows, bias: Tensor | None) -> Tensor:
    """Apply full attention within rows: packed [tokens, heads, head size] in and out; `bias` is added to logits."""
    scale = 1 / math.sqrt(query.shape[-1])
    q, k, v = (rows.pad(t).transpose(1, 2) for t in (query * scale, key, value))
    # On a CPU, plain products are faster than torch's fused attention with a mask, especially in the backward pass.
    scores = _biased(q @ k.transpose(-1, -2), bias).masked_fill(~rows.valid[:, None, None, :], -1e9)
    return rows.unpad((torch.softmax(scores, -1).to(v.dtype) @ v).transpose(1, 2))


def attend_behind(
    qkv: tuple[Tensor, Tensor, Tensor],
    own: PaddedRows,
    rows: PaddedRows,
    prefix_kv: tuple[Tensor, Tensor],
    prefix_rows: PaddedRows,
    biases: tuple[Tensor | None, Tensor | None],
) -> Tensor:
    """Apply attention of candidates' tokens over their instruction and themselves.

    The two parts are computed separately and share one softmax, so nothing is computed between candidates. `biases`
    are added to the logits of the candidates' own keys and of the instruction's keys. Packed [tokens, heads, head
    size] in and out.
    """
    query, key, value = qkv
    scale = 1 / math.sqrt(query.shape[-1])
    queries = rows.pad(query * scale).transpose(1, 2)
    keys, values = (prefix_rows.pad(t).transpose(1, 2) for t in prefix_kv)
    to_prefix = _biased(queries @ keys.transpose(-1, -2), biases[1])
    to_prefix = to_prefix.masked_fill(~prefix_rows.valid[:, None, None, :], -1e9)
    own_q, own_k, own_v = (own.pad(t).transpose(1, 2) for t in (query * scale, key, value))
    to_self = _biased(own_q @ own_k.transpose(-1, -2), biases[0]).masked_fill(~own.valid[:, None, None, :], -1e9)
    to_self = rows.pad(own.unpad(to_self.transpose(1, 2))).transpose(1, 2)
    width = to_prefix.shape[-1]
    weights = torch.softmax(torch.cat([to_prefix, to_self], -1), -1).to(value.dtype)
    from_prefix = rows.unpad((weights[..., :width] @ values).transpose(1, 2))
    self_weights = own.pad(rows.unpad(weights[..., width:].transpose(1, 2))).transpose(1, 2)
    from_self = own.unpad((self_weights @ own_v).transpose(1, 2))
    return from_prefix + from_self


def turned(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotate heads [tokens, heads, head size] by position."""
    first, second = x.chunk(2, dim=-1)
    return (x * cos + torch.cat([-second, first], -1) * sin).to(x.dtype)


def _biased(logits: Tensor, bias: Tensor | None) -> Tensor:
    return logits if bias is None else logits + bias
