"""All encoder families in torch, over packed tokens, as a cascade: instructions first, then their candidates.

Dense layers run over packed tokens, so padding costs nothing there; only attention uses padded rows. Weights keep
their Hugging Face names, so a `state_dict` of this module is a checkpoint.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812  (torch's own convention)
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from cappy.encoders.places import buckets_between, rotations, within_reach
from cappy.encoders.spec import EncoderSpec
from cappy.layout.pack import Batch, Packed, masked, spread
from cappy.runtime.torch_attention import attend, attend_behind, turned
from cappy.runtime.torch_padding import PaddedRows
from cappy.runtime.torch_rows import RowTensors, row_masks, row_rotations


@dataclass(frozen=True, slots=True)
class _Places:
    """Position biases of logits in global and local layers: [rows, heads or 1, queries, keys]."""

    everywhere: Tensor | None
    local: Tensor | None

    def of(self, local: bool) -> Tensor | None:
        return self.local if local else self.everywhere


class _Node(nn.Module):
    """A node in the tree of weight names; holds parameters and runs work on them.

    If layers are sharded (FSDP), their weights are gathered for the duration of the call.
    """

    def forward(self, work: Callable[..., Any], *inputs: Tensor) -> Any:
        """Return the result of `work` on `inputs`."""
        return work(*inputs)


@dataclass(frozen=True, slots=True)
class _Behind:
    """The relation of candidates to instructions: rows, positions and rotations of both. See `Encoder.forward`."""

    own: PaddedRows
    rows: PaddedRows
    prefix_rows: PaddedRows
    own_places: _Places
    behind_places: _Places
    prefix_places: _Places
    turns: Mapping[float, tuple[Tensor, Tensor]]
    prefix_turns: Mapping[float, tuple[Tensor, Tensor]]
    starts: Tensor


class Encoder(nn.Module):
    """A scorer's weights under their Hugging Face names, and the computation over packed batches.

    `dropout` applies to the embeddings and the outputs of attention and feed-forward parts; training sets it for its
    steps, otherwise it is 0. With `recompute` the backward pass recomputes activations inside layers instead of storing
    them, which saves most of the memory for a third more computation.
    """

    def __init__(self, spec: EncoderSpec, weights: Mapping[str, Tensor]) -> None:
        """Register every weight that `spec` names; `weights` may have any float type."""
        super().__init__()
        self.spec = spec
        self.dropout = 0.0
        self.recompute = False
        self._holders: dict[str, tuple[nn.Module, str]] = {}
        for name in spec.shapes():
            *path, leaf = name.split(".")
            node: nn.Module = self
            for part in path:
                if part not in node._modules:
                    node.add_module(part, _Node())
                node = node.get_submodule(part)
            node.register_parameter(leaf, nn.Parameter(weights[name]))
            self._holders[name] = node, leaf

    def layer_nodes(self) -> list[nn.Module]:
        """Return the module of each layer's weights, first to last: the units of sharding."""
        return [self.get_submodule(self.spec.layer(index).rstrip(".")) for index in range(self.spec.layers)]

    def _weight(self, name: str) -> Tensor:
        """Return the current weight: casts and sharding replace parameters."""
        node, leaf = self._holders[name]
        weight = node._parameters[leaf]
        assert weight is not None
        return weight

    def _weight_if_any(self, name: str) -> Tensor | None:
        return self._weight(name) if name in self._holders else None

    def _through(self, index: int, work: Callable[..., Any], *inputs: Tensor) -> Any:
        """Run a layer's work on its node."""
        node = self.get_submodule(self.spec.layer(index).rstrip("."))
        if self.recompute and torch.is_grad_enabled():
            return checkpoint(node, work, *inputs, use_reentrant=False)
        return node(work, *inputs)

    def halve_products(self) -> Encoder:
        """Store the layers' matrices in bfloat16; leave embeddings, normalisation, biases and head unchanged."""
        names = self.spec.names
        for index in range(self.spec.layers):
            for part in (names.query, names.key, names.value, names.attention_output, *names.inner, names.output):
                for leaf in ("weight", "bias"):
                    parameter = self._weight_if_any(f"{self.spec.layer(index)}{part.partition('#')[0]}.{leaf}")
                    if parameter is not None:
                        parameter.data = parameter.data.to(torch.bfloat16)
        return self

    @property
    def device(self) -> torch.device:
        """The device of the weights."""
        return self._weight(f"{self.spec.embeddings_norm}.weight").device

    def _linear(self, x: Tensor, name: str) -> Tensor:
        weight = self._weight(f"{name}.weight")
        return F.linear(x.to(weight.dtype), weight, self._weight_if_any(f"{name}.bias"))

    def _linears(self, x: Tensor, layer: str, names: Sequence[str]) -> Sequence[Tensor]:
        """Apply several maps of equal width; maps fused in one weight take one product."""
        stems = {name.partition("#")[0] for name in names}
        if len(stems) == len(names):
            return [self._linear(x, layer + name) for name in names]
        return self._linear(x, layer + stems.pop()).chunk(len(names), dim=-1)

    def _norm(self, x: Tensor, name: str) -> Tensor:
        weight, bias = self._weight(f"{name}.weight"), self._weight_if_any(f"{name}.bias")
        return F.layer_norm(x, (weight.shape[0],), weight, bias, self.spec.norm_eps)

    def _embed(self, tokens: Packed) -> Tensor:
        parts = (tokens.ids, tokens.positions, tokens.types)
        return self._embedded(*(torch.from_numpy(part).to(self.device) for part in parts))

    def _embedded(self, ids: Tensor, positions: Tensor, types: Tensor) -> Tensor:
        """Map token ids, position ids and token types [tokens] to normalised embeddings [tokens, hidden]."""
        indices = {"word": ids, "position": positions, "token_type": types}
        parts = [
            F.embedding(indices[kind], self._weight(name)) for kind, (name, _) in self.spec.embedding_tables.items()
        ]
        total = self._drop(self._norm(sum(parts[1:], parts[0]), self.spec.embeddings_norm))
        return self._linear(total, self.spec.projection) if self.spec.projection else total

    def _places(self, queries: NDArray[np.int64], keys: NDArray[np.int64]) -> _Places:
        """Return the position biases of logits between positions [rows, queries] and [rows, keys]."""
        bias = None
        if self.spec.relative_buckets:
            buckets = torch.from_numpy(buckets_between(queries, keys, self.spec.relative_buckets)).to(self.device)
            bias = F.embedding(buckets, self._weight(self.spec.relative_bias)).permute(0, 3, 1, 2)
        if not self.spec.local_layers:
            return _Places(bias, bias)
        near = masked(within_reach(queries, keys, self.spec.local_reach))
        return _Places(bias, torch.from_numpy(near)[:, None].to(self.device))

    def _places_within(self, longest: int) -> _Places:
        """Return the position biases within a sequence, the same for all: [1, heads or 1, longest, longest]."""
        places = np.arange(longest, dtype=np.int64)[None]
        return self._places(places, places)

    def _rotations(self, tokens: Packed) -> dict[float, tuple[Tensor, Tensor]]:
        """Return cosines and sines of packed tokens' rotations by base, [tokens, 1, head size] each."""
        bases = self.spec.rotation_bases
        pairs = ((base, rotations(tokens.positions, self.spec.head_size, base)) for base in bases)
        return {
            base: (torch.from_numpy(cos)[:, None].to(self.device), torch.from_numpy(sin)[:, None].to(self.device))
            for base, (cos, sin) in pairs
        }

    def _qkv(
        self, x: Tensor, index: int, turns: Mapping[float, tuple[Tensor, Tensor]]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Map [tokens, hidden] to queries, keys and values [tokens, heads, head size] of layer `index`."""
        shape = (-1, self.spec.heads, self.spec.head_size)
        names = self.spec.names
        if self.spec.norm_first and self.spec.attention_norm(index):
            x = self._norm(x, self.spec.attention_norm(index))
        maps = self._linears(x, self.spec.layer(index), (names.query, names.key, names.value))
        query, key, value = (part.view(shape) for part in maps)
        if turns:
            turn = turns[self.spec.theta(index)]
            query, key = turned(query, *turn), turned(key, *turn)
        return query, key, value

    def _finish_layer(self, x: Tensor, attended: Tensor, index: int) -> Tensor:
        """Apply attention output, residuals and the feed-forward part: [tokens, hidden] to [tokens, hidden]."""
        layer, names = self.spec.layer(index), self.spec.names
        mixed = self._linear(attended.reshape(-1, self.spec.hidden), layer + names.attention_output)
        x = x + self._drop(mixed)
        if self.spec.norm_first:
            return x + self._feed_forward(self._norm(x, layer + names.output_norm), layer)
        x = self._norm(x, self.spec.attention_norm(index))
        return self._norm(x + self._feed_forward(x, layer), layer + names.output_norm)

    def _feed_forward(self, x: Tensor, layer: str) -> Tensor:
        grown, *gate = self._linears(x, layer, self.spec.names.inner)
        inner = F.gelu(grown)
        return self._drop(self._linear(inner * gate[0] if gate else inner, layer + self.spec.names.output))

    def _drop(self, x: Tensor) -> Tensor:
        return F.dropout(x, self.dropout) if self.dropout else x

    def _finish(self, x: Tensor) -> Tensor:
        """Normalise the output of the last layer, if the family does so."""
        return self._norm(x, self.spec.last_norm) if self.spec.last_norm else x

    def _score(self, first: Tensor) -> Tensor:
        """Map hidden states of the scored tokens [segments, hidden] to scores [segments]."""
        dense, out = self.spec.head
        hidden = self._linear(self._finish(first), dense)
        hidden = F.gelu(hidden) if self.spec.head_activation == "gelu" else torch.tanh(hidden)
        hidden = self._norm(hidden, self.spec.head_norm) if self.spec.head_norm else hidden
        return self._linear(hidden, out).squeeze(-1)

    def encode(self, sequences: Packed, layers: Sequence[int]) -> list[Tensor]:
        """Return the outputs of these layers, counted from 1, for sequences encoded alone: packed [tokens, hidden]."""
        found = []
        rows = PaddedRows.of(sequences.lengths, self.device)
        places, turns = self._places_within(rows.index.shape[1]), self._rotations(sequences)
        x = self._embed(sequences)
        for index in range(max(layers)):
            bias = places.of(self.spec.is_local(index))
            x = self._finish_layer(x, attend(*self._qkv(x, index, turns), rows, bias), index)
            if index + 1 in layers:
                found.append(self._finish(x) if index + 1 == self.spec.layers else x)
        return found

    def forward(self, batch: Batch | RowTensors) -> Tensor:
        """Score every segment of `batch`: [segments], the raw regression output.

        Packed tokens are computed as a cascade, rows of tokens with one fused attention.
        """
        if isinstance(batch, RowTensors):
            return self._forward_rows(batch)
        own = PaddedRows.of(batch.segments.lengths, self.device)
        starts = own.index[:, 0]
        own_places, turns = self._places_within(own.index.shape[1]), self._rotations(batch.segments)
        x = self._embed(batch.segments)
        if batch.prefixes is None:
            for index in range(self.spec.layers):
                places, last = own_places.of(self.spec.is_local(index)), index == self.spec.layers - 1
                layer = partial(self._alone, index, own, places, turns, starts if last else None)
                x = self._through(index, layer, x)
            return self._score(x)
        prefix_rows = PaddedRows.of(batch.prefixes.lengths, self.device)
        queries, keys = batch.segments.positions[spread(batch.row_lengths())[0]], batch.prefixes.positions
        behind = _Behind(
            own,
            PaddedRows.of(batch.row_lengths(), self.device),
            prefix_rows,
            own_places,
            self._places(queries, keys[spread(batch.prefixes.lengths)[0]]),
            self._places_within(prefix_rows.index.shape[1]),
            turns,
            self._rotations(batch.prefixes),
            starts,
        )
        prefix = self._embed(batch.prefixes)
        for index in range(self.spec.layers):
            x, prefix = self._through(index, partial(self._behind, index, behind), x, prefix)
        return self._score(x)

    def compile_rows(self) -> None:
        """Compile the computation of `forward` over rows of tokens (torch.compile), once per shape."""
        self._row_states = torch.compile(self._row_states, dynamic=False)  # type: ignore[method-assign]

    def _forward_rows(self, rows: RowTensors) -> Tensor:
        """Score rows of tokens: fewer, larger operations of constant shapes."""
        states = self._row_states(rows.ids, rows.positions, rows.types, rows.groups, rows.segments)
        return self._score(states.index_select(0, rows.starts))

    def _row_states(self, ids: Tensor, positions: Tensor, types: Tensor, groups: Tensor, segments: Tensor) -> Tensor:
        """Return the last layer's output for [rows, length] tokens: [rows * length, hidden]."""
        x = self._embedded(ids.flatten(), positions.flatten(), types.flatten())
        bias = self._weight(self.spec.relative_bias) if self.spec.relative_buckets else None
        masks = row_masks(positions, groups, segments, self.spec, bias, x.dtype)
        bases = self.spec.rotation_bases
        turns = {base: row_rotations(positions.flatten(), self.spec.head_size, base) for base in bases}
        for index in range(self.spec.layers):
            mask = masks[self.spec.is_local(index)]
            x = self._through(index, partial(self._row_layer, index, mask, turns, ids.shape), x)
        return x

    def _row_layer(
        self,
        index: int,
        mask: Tensor,
        turns: Mapping[float, tuple[Tensor, Tensor]],
        shape: torch.Size,
        x: Tensor,
    ) -> Tensor:
        """Apply a layer to rows of tokens [rows * length, hidden]."""
        split = (*shape, self.spec.heads, self.spec.head_size)
        query, key, value = (part.view(split).transpose(1, 2) for part in self._qkv(x, index, turns))
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=mask.to(query.dtype))
        return self._finish_layer(x, mixed.transpose(1, 2).reshape(-1, self.spec.hidden), index)

    def _alone(
        self,
        index: int,
        rows: PaddedRows,
        places: Tensor | None,
        turns: Mapping[float, tuple[Tensor, Tensor]],
        kept: Tensor | None,
        x: Tensor,
    ) -> Tensor:
        """Apply a layer to sequences encoded alone; in the last layer only the tokens `kept` are computed."""
        attended = attend(*self._qkv(x, index, turns), rows, places)
        if kept is not None:
            x, attended = x.index_select(0, kept), attended.index_select(0, kept)
        return self._finish_layer(x, attended, index)

    def _behind(self, index: int, to: _Behind, x: Tensor, prefix: Tensor) -> tuple[Tensor, Tensor]:
        """Apply a layer to candidates and instructions [tokens, hidden]."""
        local = self.spec.is_local(index)
        prefix_q, prefix_k, prefix_v = self._qkv(prefix, index, to.prefix_turns)
        biases = to.own_places.of(local), to.behind_places.of(local)
        qkv = self._qkv(x, index, to.turns)
        attended = attend_behind(qkv, to.own, to.rows, (prefix_k, prefix_v), to.prefix_rows, biases)
        if index == self.spec.layers - 1:  # the last layer is only read at the scored tokens
            x, attended = x.index_select(0, to.starts), attended.index_select(0, to.starts)
        else:
            mixed = attend(prefix_q, prefix_k, prefix_v, to.prefix_rows, to.prefix_places.of(local))
            prefix = self._finish_layer(prefix, mixed, index)
        return self._finish_layer(x, attended, index), prefix


@torch.no_grad()
def mean_states(model: Encoder, sequences: Packed, layers: Sequence[int] = ()) -> NDArray[np.float32]:
    """Return the mean hidden states of each sequence, encoded alone: [sequences, layers * hidden].

    `layers` count from 1; the default is the last layer.
    """
    states = torch.cat(model.encode(sequences, layers or (model.spec.layers,)), dim=1).float().cpu()
    lengths = torch.from_numpy(sequences.lengths)
    owner = torch.repeat_interleave(torch.arange(len(lengths)), lengths)
    sums = torch.zeros(len(lengths), states.shape[1]).index_add(0, owner, states)
    means: NDArray[np.float32] = (sums / lengths[:, None]).numpy()
    return means
