"""Embeddings by a scorer: equal to transformers' mean states, mapped as the checkpoint says."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import cappy
from cappy.checkpoint.embedding import (
    EMBEDDING_FILE,
    by_layer,
    fit_projection,
    read_projection,
    unit_length,
    write_projection,
)

TEXTS = [
    "the capital of france is paris",
    "a cat in the house",
    "",
    "who is a good dog ? no cat",
    "river and fire " * 60,
    "wind",
]


@pytest.mark.parametrize("family", ["bert", "roberta", "mpnet", "electra", "modernbert"])
@pytest.mark.parametrize("runtime", ["onnx", "openvino", "torch"])
def test_states_equal_the_mean_of_transformers(request: pytest.FixtureRequest, runtime: str, family: str) -> None:
    import torch
    from transformers import AutoModel

    folder: Path = request.getfixturevalue(family)
    scorer = cappy.load(folder, runtime=runtime, precision="fp32")
    found = scorer.states(TEXTS)
    assert scorer.states(TEXTS, [1, scorer.checkpoint.spec.layers])[:, 32:] == pytest.approx(found, abs=1e-4)
    between = scorer.states(TEXTS, [1, 2])
    plain = AutoModel.from_pretrained(folder).eval()
    tokenizer, room = scorer.checkpoint.tokenizer, scorer.limits.max_tokens - 2
    for text, state, early in zip(TEXTS, found, between, strict=True):
        ids = tokenizer.encode([text])[0]
        if len(ids) > room:
            ids = [*ids[: (room + 1) // 2], *ids[len(ids) - room // 2 :]]
        with torch.no_grad():
            told = plain(torch.tensor([[tokenizer.cls_id, *ids, tokenizer.sep_id]]), output_hidden_states=True)
        np.testing.assert_allclose(state, told.last_hidden_state[0].mean(0).numpy(), atol=1e-4)
        expected = np.concatenate([told.hidden_states[layer][0].mean(0).numpy() for layer in (1, 2)])
        np.testing.assert_allclose(early, expected, atol=1e-4)


def test_int8_is_near_and_company_changes_nothing(shared_bert: Path) -> None:
    exact, rounded = (cappy.load(shared_bert, precision=precision) for precision in ("fp32", "int8"))
    together = rounded.embed(TEXTS)
    assert (together * exact.embed(TEXTS)).sum(axis=1).min() > 0.98
    for place, text in enumerate(TEXTS):
        np.testing.assert_allclose(rounded.embed([text])[0], together[place], atol=1e-5)
    with ThreadPoolExecutor(4) as pool:  # the session for it is made once, whoever comes first
        fresh = cappy.load(shared_bert, precision="int8")
        for found in pool.map(fresh.embed, [TEXTS] * 4):
            np.testing.assert_allclose(found, together, atol=1e-5)


def test_embeddings_have_length_one_and_go_through_the_map(shared_bert: Path, tmp_path: Path) -> None:
    plain = cappy.load(shared_bert)
    states = plain.states(TEXTS)
    np.testing.assert_allclose(plain.embed(TEXTS), unit_length(states), atol=1e-6)
    np.testing.assert_allclose(plain.features(TEXTS), unit_length(states), atol=1e-6)
    folder = tmp_path / "scorer"
    shutil.copytree(shared_bert, folder)
    draw = np.random.default_rng(0)
    states = plain.states(TEXTS, [1, 3])
    mapped = fit_projection(states, draw.normal(size=(len(TEXTS), 7)).astype(np.float32), [1, 3])
    write_projection(folder, mapped)
    scorer = cappy.load(folder)
    embedded, features = scorer.embed(TEXTS), scorer.features(TEXTS)
    assert embedded.shape == (len(TEXTS), 7)
    np.testing.assert_allclose(embedded, mapped(states), atol=1e-2)  # the map is kept in float16
    np.testing.assert_allclose(np.linalg.norm(features, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(features[:, :7] * np.sqrt(2), embedded, atol=1e-5)
    assert scorer.embed([]).shape == (0, 7)


def test_the_map_is_a_ridge_regression() -> None:
    draw = np.random.default_rng(0)
    states = draw.normal(size=(400, 6)).astype(np.float32)
    truth = draw.normal(size=(6, 4))
    targets = (by_layer(states, 2) @ truth + 0.3).astype(np.float32)
    found = fit_projection(states, targets, [2, 5], ridge=1e-6)
    new = draw.normal(size=(20, 6)).astype(np.float32)
    wanted = unit_length((by_layer(new, 2) @ truth + 0.3).astype(np.float32))
    assert (found(new) * wanted).sum(axis=1).mean() > 0.95
    scaled = np.concatenate([unit_length(states[:, :3]), unit_length(states[:, 3:])], axis=1)
    assert found.middle == pytest.approx(scaled.mean(axis=0), abs=1e-6)
    heavy = fit_projection(states, targets, [2, 5], ridge=1e9)
    assert np.abs(heavy.weight).max() < 1e-6


def test_what_cannot_be_embedded_is_refused(shared_bert: Path, tmp_path: Path) -> None:
    scorer = cappy.load(shared_bert)
    with pytest.raises(cappy.InputError, match="list"):
        scorer.embed("one text")
    with pytest.raises(cappy.InputError, match="text 1 must be text, not int"):
        scorer.embed(["a", 3])  # type: ignore[list-item]
    assert read_projection(shared_bert, 3, 32) is None
    folder = tmp_path / "scorer"
    shutil.copytree(shared_bert, folder)
    (folder / EMBEDDING_FILE).write_bytes(b"nothing")
    with pytest.raises(cappy.CheckpointError, match="cannot be read"):
        cappy.load(folder).embed(["a"])
    for width, layers in ((5, [3]), (32, [4]), (64, [3, 2]), (64, [2])):
        write_projection(
            folder, fit_projection(np.eye(width, dtype=np.float32), np.eye(width, dtype=np.float32), layers)
        )
        with pytest.raises(cappy.CheckpointError, match="does not fit"):
            cappy.load(folder).embed(["a"])
