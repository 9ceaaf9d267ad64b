"""Scores and mean states with torch, on any of its devices."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from cappy.encoders.spec import EncoderSpec
from cappy.errors import InputError
from cappy.layout.pack import Batch
from cappy.layout.rows import lay_in_rows
from cappy.runtime.choose import BATCH_TOKENS
from cappy.runtime.torch_encoder import Encoder, mean_states
from cappy.runtime.torch_rows import RowTensors

GPU_TOKENS = 65536
"""Packed tokens per GPU batch: many small products would leave the GPU idle."""


class TorchRuntime:
    """Scores packed batches in float32, or with matrix products in bfloat16. Thread-safe."""

    def __init__(
        self,
        spec: EncoderSpec,
        weights: Mapping[str, NDArray[Any]],
        precision: str = "fp32",
        threads: int = 0,
        device: str | None = None,
        rows: bool | None = None,
    ) -> None:
        """Move the weights to `device` (default: the GPU if there is one); `threads` 0 keeps torch's setting.

        `rows` arranges groups in rows for one fused attention (default: on GPUs).
        """
        try:
            chosen = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
            tensors = {name: torch.from_numpy(array).to(chosen, torch.float32) for name, array in weights.items()}
        except (RuntimeError, AssertionError) as error:
            raise InputError(f"device {device!r} cannot be used ({str(error).splitlines()[0]}).") from error
        if threads:
            torch.set_num_threads(threads)
        self._model = Encoder(spec, tensors).eval()
        if precision == "bf16":
            self._model.halve_products()
        on_gpu = chosen.type == "cuda"
        self.batch_tokens = GPU_TOKENS if on_gpu else BATCH_TOKENS
        self._in_rows = on_gpu if rows is None else rows

    @torch.inference_mode()
    def score(self, batch: Batch) -> NDArray[np.float32]:
        """Score every segment of `batch`: [segments]."""
        given = RowTensors.of(lay_in_rows(batch), self._model.device) if self._in_rows else batch
        scores: NDArray[np.float32] = self._model(given).float().cpu().numpy()
        return scores

    @torch.inference_mode()
    def means(self, batch: Batch, layers: tuple[int, ...]) -> NDArray[np.float32]:
        """Return the mean hidden states of each segment, encoded alone: [segments, layers * hidden]."""
        return mean_states(self._model, batch.segments, layers)
