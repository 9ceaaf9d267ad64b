"""AdamW over float32 master weights; forward and backward run on a working copy in a faster type."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor


def training_dtype(device: torch.device) -> torch.dtype:
    """Return bfloat16 if the device computes in it, else float32."""
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float32
    fast = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)()
    return torch.bfloat16 if fast else torch.float32


def make_optimizer(masters: Mapping[str, Tensor], learning_rate: float, weight_decay: float) -> torch.optim.Optimizer:
    """Return AdamW over the masters, without weight decay on biases and norms."""
    decayed = [tensor for tensor in masters.values() if tensor.ndim > 1]
    plain = [tensor for tensor in masters.values() if tensor.ndim == 1]
    options = [{"params": decayed, "weight_decay": weight_decay}, {"params": plain, "weight_decay": 0.0}]
    return torch.optim.AdamW(options, lr=learning_rate, betas=(0.9, 0.98), fused=True)


def step_masters(masters: Mapping[str, Tensor], optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Update masters with their gradients, clipped to norm 1, and clear the gradients."""
    torch.nn.utils.clip_grad_norm_(masters.values(), 1.0)
    for options in optimizer.param_groups:
        options["lr"] = rate
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
