"""A checkpoint in memory: config, tokenizer and weights, read from a Hugging Face folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cappy.calibration.combined import Selection, is_former
from cappy.calibration.temperature import TEMPERATURE
from cappy.checkpoint.embedding import EMBEDDING_FILE, Projection, read_projection, unit_length
from cappy.checkpoint.groups import GROUPS_FILE, GroupedWeights, read_groups, read_safetensors
from cappy.checkpoint.spec import SHIPPED_PRECISIONS, require_one_label
from cappy.encoders.registry import encoder_spec
from cappy.encoders.spec import EncoderSpec
from cappy.errors import CheckpointError, InputError
from cappy.layout.encode import LAYOUTS
from cappy.layout.limits import Limits
from cappy.layout.tokenizer import TextTokenizer, load_tokenizer

Array = NDArray[Any]


@dataclass(frozen=True)
class Checkpoint:
    """A scorer's folder; the weights are read on first use."""

    folder: Path
    config: Mapping[str, Any]
    spec: EncoderSpec

    @cached_property
    def tokenizer(self) -> TextTokenizer:
        """The checkpoint's tokenizer."""
        tokenizer = load_tokenizer(self.folder, self.spec)
        if tokenizer.vocabulary > self.spec.vocabulary:
            raise CheckpointError(
                f"{self.folder}: the tokenizer has {tokenizer.vocabulary} tokens, the model {self.spec.vocabulary}."
            )
        return tokenizer

    @property
    def settings(self) -> Mapping[str, Any]:
        """Cappy's settings in config.json: layout, limits, the shipped precision."""
        noted = self.config.get("cappy") or {}
        return noted if isinstance(noted, Mapping) else {}

    @property
    def layout(self) -> str:
        """The layout the checkpoint was trained in; joint if it names none."""
        return str(self.settings.get("layout", LAYOUTS[1]))

    @property
    def limits(self) -> Limits:
        """The checkpoint's limits; by default, as many tokens as it has positions."""
        noted = {key: self.settings[key] for key in ("max_tokens", "response_tokens", "side") if key in self.settings}
        return replace(Limits.within(self.spec.max_tokens), **noted)

    @property
    def temperature(self) -> float:
        """The divisor of scores in probabilities of choices: the checkpoint's, or the default."""
        return float(self.settings.get("temperature", TEMPERATURE))

    @cached_property
    def selection(self) -> Selection | None:
        """Weights of score, agreement and length for choosing among samples; None if the checkpoint has none."""
        noted = self.settings.get("selection")
        if noted is None or is_former(noted):
            return None
        return Selection.read(noted, str(self.folder / "config.json"))

    @property
    def nearness(self) -> float:
        """The weight of the cosine of text and choice, relative to score / temperature, if there are many choices.

        0 if the folder has no projection to embeddings, for which the weight was fitted.
        """
        if not (self.folder / EMBEDDING_FILE).exists():
            return 0.0
        return float(self.settings.get("nearness", 0.0))

    @cached_property
    def projection(self) -> Projection | None:
        """The projection from mean states to embeddings, or None."""
        return read_projection(self.folder, self.spec.layers, self.spec.hidden)

    @property
    def state_layers(self) -> tuple[int, ...]:
        """The layers, counted from 1, whose mean states are read for a text encoded alone."""
        return self.projection.layers if self.projection else (self.spec.layers,)

    def embedded(self, states: NDArray[np.float32]) -> NDArray[np.float32]:
        """Map mean states [texts, layers * hidden] to embeddings [texts, width]; only normalise if unprojected."""
        return self.projection(states) if self.projection else unit_length(states)

    def features(self, states: NDArray[np.float32]) -> NDArray[np.float32]:
        """Map mean states [texts, layers * hidden] to the features of a head [texts, features]; see `Projection`."""
        return self.projection.features(states) if self.projection else unit_length(states)

    def read_weights(self) -> Mapping[str, Array]:
        """Read every weight the encoder needs, in its stored type; 8-bit groups are dequantised on access.

        Raises:
            CheckpointError: a file is missing or damaged, or a weight is missing or has the wrong shape.

        """
        found, wanted = read_tensors(self.folder), self.spec.shapes()
        weights: Mapping[str, Array]
        if isinstance(found, GroupedWeights):
            shapes, weights = found.shapes(), found.only(wanted)
        else:
            shapes = {name: array.shape for name, array in found.items()}
            weights = {name: array for name, array in found.items() if name in wanted}
        for name, shape in wanted.items():
            if name not in shapes:
                raise CheckpointError(f"{self.folder}: the weights lack {name!r}, so this is not a scorer.")
            if shapes[name] != shape:
                raise CheckpointError(
                    f"{self.folder}: {name!r} has shape {shapes[name]}, but config.json gives {shape}."
                )
        return weights


def read_checkpoint(folder: Path) -> Checkpoint:
    """Read a checkpoint's config and check that it is a supported scorer.

    Raises:
        CheckpointError: it is not, or cannot be read.

    """
    path = folder / "config.json"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CheckpointError(
            f"{folder} is not a checkpoint: its config.json cannot be read ({error.strerror})."
        ) from error
    except ValueError as error:
        raise CheckpointError(f"{path} is not JSON ({error}).") from error
    if not isinstance(config, dict):
        raise CheckpointError(f"{path} is not a JSON object.")
    spec = encoder_spec(config, str(folder))
    require_one_label(config, str(folder))
    checkpoint = Checkpoint(folder, config, spec)
    try:
        limits, _ = checkpoint.limits, checkpoint.selection  # reading them reports errors
    except (InputError, TypeError) as error:
        raise CheckpointError(f"{path}: its limits are invalid ({error}).") from error
    if limits.max_tokens > spec.max_tokens or checkpoint.layout not in LAYOUTS:
        raise CheckpointError(f"{path}: layout or max_tokens under 'cappy' does not fit the model.")
    if checkpoint.settings.get("precision", "fp32") not in SHIPPED_PRECISIONS:
        raise CheckpointError(f"{path}: precision under 'cappy' must be one of {', '.join(SHIPPED_PRECISIONS)}.")
    nearness = checkpoint.settings.get("nearness", 0.0)
    if isinstance(nearness, bool) or not isinstance(nearness, (int, float)) or not 0 <= nearness < float("inf"):
        raise CheckpointError(f"{path}: nearness under 'cappy' must be a number of at least 0.")
    noted = checkpoint.settings.get("temperature", TEMPERATURE)
    if isinstance(noted, bool) or not isinstance(noted, (int, float)) or not 0 < noted < float("inf"):
        raise CheckpointError(f"{path}: temperature under 'cappy' must be a number above 0.")
    return checkpoint


def read_tensors(folder: Path) -> Mapping[str, Array]:
    """Read all tensors of a folder: safetensors (single, sharded or 8-bit groups), or a torch file without code.

    Raises:
        CheckpointError: there are none, or a file is damaged.

    """
    single, index = folder / "model.safetensors", folder / "model.safetensors.index.json"
    try:
        if single.exists():
            return read_safetensors(single)
        if index.exists():
            shards = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
            return {
                name: array for shard in shards for name, array in read_safetensors(folder / Path(shard).name).items()
            }
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise CheckpointError(f"{folder}: the weights cannot be read ({error}).") from error
    if (folder / GROUPS_FILE).exists():
        return read_groups(folder / GROUPS_FILE)
    if (folder / "pytorch_model.bin").exists():
        return _read_torch(folder / "pytorch_model.bin")
    raise CheckpointError(f"{folder}: there is no model.safetensors.")


def _read_torch(path: Path) -> dict[str, Array]:
    """Read the older weight format, refusing everything but tensors."""
    try:
        import torch
    except ImportError as error:
        raise CheckpointError(
            f"{path.parent} has no safetensors; reading pytorch_model.bin needs torch: "
            "pip install 'cappy-scorer[train]'"
        ) from error
    try:
        tensors = torch.load(path, map_location="cpu", weights_only=True)
        return {name: tensor.float().numpy() for name, tensor in tensors.items()}
    except Exception as error:  # a damaged archive, or one that contains code
        raise CheckpointError(f"{path} is damaged or contains more than tensors ({type(error).__name__}).") from error
