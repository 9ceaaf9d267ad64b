"""Embeddings as sentence encoders make them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from cappy.checkpoint.checkpoint import read_checkpoint
from cappy.runtime.embedding import embed, load_embedder
from cappy.runtime.encoder_weights import starting_weights
from cappy.runtime.torch_encoder import Encoder

TEXTS = ["the capital of france is paris", "a cat in the house", "who is a good dog ? no cat", "river and fire"]


@pytest.fixture(scope="module")
def model(bert: Path) -> Encoder:
    _, spec, weights = starting_weights(bert, 0)
    return Encoder(spec, weights)


def test_embeddings_equal_mean_pooling_of_transformers(bert: Path, model: Encoder) -> None:
    import transformers

    tokenizer = read_checkpoint(bert).tokenizer
    plain = transformers.BertModel.from_pretrained(bert, add_pooling_layer=False).eval()
    vectors = embed(model, tokenizer, TEXTS, budget=20)  # several batches
    for text, vector in zip(TEXTS, vectors, strict=True):
        ids = [tokenizer.cls_id, *tokenizer.encode([text])[0], tokenizer.sep_id]
        with torch.no_grad():
            states = plain(input_ids=torch.tensor([ids])).last_hidden_state[0]
        expected = torch.nn.functional.normalize(states.mean(0), dim=-1).numpy()
        np.testing.assert_allclose(vector, expected, atol=1e-5)


def test_an_embedder_gives_the_same_and_leaves_the_threads_alone(bert: Path, model: Encoder) -> None:
    threads = torch.get_num_threads()
    expected = embed(model, read_checkpoint(bert).tokenizer, TEXTS)
    np.testing.assert_allclose(load_embedder(bert)(TEXTS), expected, atol=1e-6)
    assert torch.get_num_threads() == threads
