"""Placement of a model's weights: in one process, replicated in several (DDP), or sharded (FSDP)."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Any, Protocol

import torch
from torch import Tensor

from cappy.encoders.spec import EncoderSpec
from cappy.errors import InputError
from cappy.layout.pack import Batch
from cappy.runtime.torch_encoder import Encoder
from cappy.runtime.torch_rows import RowTensors

PARALLEL = ("ddp", "fsdp")
"""Ways to train with several processes."""


class Placement(Protocol):
    """A model to compute with, and its float32 masters to optimise; sharded `masters` are DTensors."""

    encoder: Encoder
    masters: dict[str, Tensor]

    def __call__(self, batch: Batch | RowTensors) -> Tensor:
        """Score every segment of `batch`: [segments]. With shards, all processes must call this equally often."""
        ...

    def part(self, last: bool) -> Any:
        """Return the context of a part's forward and backward pass; gradients are exchanged in the `last` part."""
        ...

    def gather(self) -> None:
        """Add a part's gradients to those of the masters."""
        ...

    def refresh(self) -> None:
        """Make the model compute with the current masters."""
        ...


class Alone:
    """One process: float32 masters, and a working copy in the computing type."""

    def __init__(
        self, spec: EncoderSpec, weights: Mapping[str, Tensor], device: torch.device, dtype: torch.dtype
    ) -> None:
        """Copy `weights` into the masters and the working copy."""
        masters = {name: weights[name].to(device, torch.float32).clone() for name in spec.shapes()}
        self.masters = {name: tensor.requires_grad_() for name, tensor in masters.items()}
        self.encoder = Encoder(spec, {name: t.detach().to(dtype).clone() for name, t in masters.items()}).to(device)

    def __call__(self, batch: Batch | RowTensors) -> Tensor:
        """Score with the working copy."""
        scores: Tensor = self.encoder(batch)
        return scores

    def part(self, last: bool) -> Any:
        """Return a null context: there is no exchange."""
        return nullcontext()

    def gather(self) -> None:
        """Add the copy's gradients to the masters' in float32, which keeps the sum of many parts precise."""
        for name, parameter in self.encoder.named_parameters():
            if parameter.grad is not None:
                added, master = parameter.grad.to(torch.float32), self.masters[name]
                master.grad = added if master.grad is None else master.grad + added
            parameter.grad = None

    def refresh(self) -> None:
        """Copy the masters into the working copy."""
        with torch.no_grad():
            for name, parameter in self.encoder.named_parameters():
                parameter.copy_(self.masters[name])


class Replicated:
    """DDP: every process has the masters and computes with them under autocast; gradients are averaged."""

    def __init__(
        self, spec: EncoderSpec, weights: Mapping[str, Tensor], device: torch.device, dtype: torch.dtype
    ) -> None:
        """Copy `weights`."""
        from torch.nn.parallel import DistributedDataParallel

        whole = {name: weights[name].to(device, torch.float32).clone() for name in spec.shapes()}
        self.encoder = Encoder(spec, whole).to(device)
        self.masters: dict[str, Tensor] = dict(self.encoder.named_parameters())
        self._wrapped = DistributedDataParallel(self.encoder)
        self._cast = torch.autocast(device.type, dtype, enabled=dtype != torch.float32)

    def __call__(self, batch: Batch | RowTensors) -> Tensor:
        """Score with this process's weights."""
        with self._cast:
            scores: Tensor = (self._wrapped if torch.is_grad_enabled() else self.encoder)(batch)
        return scores

    @contextmanager
    def part(self, last: bool) -> Iterator[None]:
        """Exchange gradients in the last part alone."""
        with nullcontext() if last else self._wrapped.no_sync():
            yield

    def gather(self) -> None:
        """Do nothing: backward adds to the masters' own gradients."""

    def refresh(self) -> None:
        """Do nothing: the model computes with the masters themselves."""


class Sharded:
    """FSDP: masters in shards, one unit per layer, gathered in the computing type while their layer runs."""

    def __init__(
        self, spec: EncoderSpec, weights: Mapping[str, Tensor], device: torch.device, dtype: torch.dtype
    ) -> None:
        """Copy `weights` and keep this process's shards.

        Raises:
            InputError: this version of torch lacks FSDP2.

        """
        try:
            from torch.distributed.device_mesh import init_device_mesh
            from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard
        except ImportError as error:
            raise InputError(
                "sharded training needs torch 2.6 or later; update torch, or use --parallel ddp."
            ) from error
        # Layers return views. FSDP warns that changing them in place would be wrong; nothing here does.
        warnings.filterwarnings("ignore", message=".*returned a view tensor", category=UserWarning)
        whole = {name: weights[name].to(device, torch.float32).clone() for name in spec.shapes()}
        self.encoder = Encoder(spec, whole).to(device)
        mesh = init_device_mesh(device.type, (torch.distributed.get_world_size(),))
        policy = MixedPrecisionPolicy(param_dtype=dtype, reduce_dtype=torch.float32)
        for node in self.encoder.layer_nodes():
            fully_shard(node, mesh=mesh, mp_policy=policy)
        # Embeddings and head are resharded too, or evaluation without a backward pass would keep them unsharded.
        self._root: Any = fully_shard(self.encoder, mesh=mesh, mp_policy=policy, reshard_after_forward=True)
        self.masters: dict[str, Tensor] = dict(self.encoder.named_parameters())

    def __call__(self, batch: Batch | RowTensors) -> Tensor:
        """Score with weights that all processes gather together."""
        scores: Tensor = self.encoder(batch)
        return scores

    @contextmanager
    def part(self, last: bool) -> Iterator[None]:
        """Exchange gradients in the last part alone."""
        self._root.set_requires_gradient_sync(last)
        yield

    def gather(self) -> None:
        """Do nothing: backward adds to the masters' own gradients."""

    def refresh(self) -> None:
        """Do nothing: every pass gathers the weights again."""


def whole(tensor: Tensor) -> Tensor:
    """Return an unsharded tensor. If it is sharded, all processes must call this."""
    full: Tensor = tensor.full_tensor() if hasattr(tensor, "full_tensor") else tensor
    return full.detach()


def shard_like(full: Tensor, like: Tensor) -> Tensor:
    """Return a full tensor placed like `like`: on its device, and sharded if `like` is."""
    if not hasattr(like, "device_mesh"):
        return full.to(like.device)
    from torch.distributed.tensor import distribute_tensor

    mesh, placements = like.device_mesh, like.placements  # type: ignore[attr-defined]
    shard: Tensor = distribute_tensor(full.to(like.device), mesh, placements, src_data_rank=None)
    return shard


def placement(parallel: str, processes: int) -> Callable[..., Placement]:
    """Return the placement class, called with (spec, weights, device, dtype): `Alone`, or the one for `parallel`."""
    if processes == 1:
        return Alone
    return Sharded if parallel == "fsdp" else Replicated
