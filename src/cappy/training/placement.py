"""Where a model's weights lie: whole in one process, whole in each of several (DDP), or in shards (FSDP)."""

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
    """A model to compute with, and its float32 masters to optimise; `masters` are DTensors where they are sharded."""

    encoder: Encoder
    masters: dict[str, Tensor]

    def __call__(self, batch: Batch | RowTensors) -> Tensor:
        """Score every segment of `batch`: [segments]. Sharded, all processes call this equally often."""
        ...

    def part(self, last: bool) -> Any:
        """Return the context of a part's forward and backward pass; gradients are exchanged in the `last` one."""
        ...

    def gather(self) -> None:
        """Bring a part's gradients to the masters, added to those of earlier parts."""
        ...

    def refresh(self) -> None:
        """Make the model compute with the masters as they are now."""
        ...


class Alone:
    """Masters in float32 and a working copy in the type that computes, both whole, in one process."""

    def __init__(
        self, spec: EncoderSpec, weights: Mapping[str, Tensor], device: torch.device, dtype: torch.dtype
    ) -> None:
        """Copy `weights` twice."""
        masters = {name: weights[name].to(device, torch.float32).clone() for name in spec.shapes()}
        self.masters = {name: tensor.requires_grad_() for name, tensor in masters.items()}
        self.encoder = Encoder(spec, {name: t.detach().to(dtype).clone() for name, t in masters.items()}).to(device)

    def __call__(self, batch: Batch | RowTensors) -> Tensor:
        """Score by the working copy."""
        scores: Tensor = self.encoder(batch)
        return scores

    def part(self, last: bool) -> Any:
        """Exchange nothing."""
        return nullcontext()

    def gather(self) -> None:
        """Add the copy's gradients to the masters' in float32, in which many parts add up well."""
        for name, parameter in self.encoder.named_parameters():
            if parameter.grad is not None:
                added, master = parameter.grad.to(torch.float32), self.masters[name]
                master.grad = added if master.grad is None else master.grad + added
            parameter.grad = None

    def refresh(self) -> None:
        """Copy the masters."""
        with torch.no_grad():
            for name, parameter in self.encoder.named_parameters():
                parameter.copy_(self.masters[name])


class Replicated:
    """The masters themselves in every process, computing under autocast; DDP averages their gradients."""

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
        """Score by the weights of this process."""
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
        """Do nothing: the masters compute."""


class Sharded:
    """Masters in shards, one unit a layer, gathered in the type that computes when their layer is at work (FSDP)."""

    def __init__(
        self, spec: EncoderSpec, weights: Mapping[str, Tensor], device: torch.device, dtype: torch.dtype
    ) -> None:
        """Copy `weights` and keep this process's shards.

        Raises:
            InputError: this torch has no FSDP of the second generation.

        """
        try:
            from torch.distributed.device_mesh import init_device_mesh
            from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard
        except ImportError as error:
            raise InputError(
                "sharded training needs torch 2.6 or later; update torch, or take --parallel ddp."
            ) from error
        # Layers hand on views, which FSDP warns of because changing them in place would go wrong; nothing here does.
        warnings.filterwarnings("ignore", message=".*returned a view tensor", category=UserWarning)
        whole = {name: weights[name].to(device, torch.float32).clone() for name in spec.shapes()}
        self.encoder = Encoder(spec, whole).to(device)
        mesh = init_device_mesh(device.type, (torch.distributed.get_world_size(),))
        policy = MixedPrecisionPolicy(param_dtype=dtype, reduce_dtype=torch.float32)
        for node in self.encoder.layer_nodes():
            fully_shard(node, mesh=mesh, mp_policy=policy)
        # The rest (embeddings and head) is given back too: measuring without a backward pass must not keep it whole.
        self._root: Any = fully_shard(self.encoder, mesh=mesh, mp_policy=policy, reshard_after_forward=True)
        self.masters: dict[str, Tensor] = dict(self.encoder.named_parameters())

    def __call__(self, batch: Batch | RowTensors) -> Tensor:
        """Score by weights that all processes gather together."""
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
        """Do nothing: weights are gathered anew for every pass."""


def whole(tensor: Tensor) -> Tensor:
    """Return a tensor whole; all processes call this where it is sharded."""
    full: Tensor = tensor.full_tensor() if hasattr(tensor, "full_tensor") else tensor
    return full.detach()


def shard_like(full: Tensor, like: Tensor) -> Tensor:
    """Return a whole tensor as `like` is kept in this process: on its device, and its shard where it is sharded."""
    if not hasattr(like, "device_mesh"):
        return full.to(like.device)
    from torch.distributed.tensor import distribute_tensor

    mesh, placements = like.device_mesh, like.placements  # type: ignore[attr-defined]
    shard: Tensor = distribute_tensor(full.to(like.device), mesh, placements, src_data_rank=None)
    return shard


def placement(parallel: str, processes: int) -> Callable[..., Placement]:
    """Return what places a model (spec, weights, device, dtype): alone in one process, else as `parallel` says."""
    if processes == 1:
        return Alone
    return Sharded if parallel == "fsdp" else Replicated
