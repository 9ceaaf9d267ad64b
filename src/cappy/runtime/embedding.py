"""Text embeddings from an encoder, computed as sentence encoders do."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from cappy.checkpoint.embedding import unit_length
from cappy.layout.batches import Size, token_batches
from cappy.layout.encode import Conventions, encode_group
from cappy.layout.limits import Limits
from cappy.layout.pack import pack
from cappy.layout.tokenizer import TextTokenizer, load_tokenizer
from cappy.runtime.encoder_weights import starting_weights
from cappy.runtime.torch_encoder import Encoder, mean_states


@torch.no_grad()
def embed(
    model: Encoder,
    tokenizer: TextTokenizer,
    texts: Sequence[str],
    budget: int = 8000,
    advance: Callable[[int], None] | None = None,
) -> NDArray[np.float32]:
    """Embed texts as the sentence encoder does: [texts, width], the mean of the last hidden states, of length 1.

    A batch has at most `budget` tokens; `advance` is called with the number of texts done.
    """
    conventions = Conventions.of(model.spec, "shared", tokenizer.cls_id, tokenizer.sep_id)
    limits = Limits(min(160, model.spec.max_tokens), 8)
    # A text takes the place of an instruction; its candidate is empty and the score unused.
    encoded = [encode_group(ids, [()], conventions, limits) for ids in tokenizer.encode(list(texts))]
    vectors = np.empty((len(texts), model.spec.hidden), dtype=np.float32)
    for batch in token_batches([Size.of(group) for group in encoded], budget):
        packed = pack([encoded[i] for i in batch], conventions)
        assert packed.prefixes is not None  # the shared layout has instructions
        vectors[batch] = unit_length(mean_states(model, packed.prefixes))
        if advance:
            advance(len(batch))
    return vectors


def load_embedder(folder: Path, one_thread: bool = True) -> Callable[[Sequence[str]], NDArray[np.float32]]:
    """Load an encoder as a function from texts to embeddings: [texts, width], of length 1.

    By default it computes on one thread, so that results depend neither on the number of cores nor on the number of
    processes. With `one_thread` False it uses all of torch's threads.

    Raises:
        CheckpointError: the encoder cannot be read.

    """
    _, spec, weights = starting_weights(folder, seed=0)
    model, tokenizer = Encoder(spec, weights).eval(), load_tokenizer(folder, spec)

    def embedder(texts: Sequence[str]) -> NDArray[np.float32]:
        with _one_thread() if one_thread else nullcontext():
            return embed(model, tokenizer, texts)

    return embedder


@contextmanager
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
