"""Similarity groups: embeddings as the sentence encoder makes them, labels by their cosine."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from cappy.checkpoint.checkpoint import read_checkpoint
from cappy.group import Candidate, Group
from cappy.runtime.encoder_weights import starting_weights
from cappy.runtime.torch_encoder import Encoder
from cappy.training.recipes import Similarity
from cappy.training.similarity import TASK, labelled_groups, similarity_groups


@pytest.fixture(scope="module")
def model(bert: Path) -> Encoder:
    _, spec, weights = starting_weights(bert, 0)
    return Encoder(spec, weights)


def test_labels_follow_the_cosine() -> None:
    draw = np.random.default_rng(0)
    names = [f"name no{number}" for number in range(300)]
    texts = [f"text {number}" for number in range(50)]
    vectors = draw.normal(size=(350, 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    plan = Similarity(
        groups=50, candidates=10, listed=0.5, listed_candidates=14, longest_list=20, styled=0.8, temperature=0.1
    )
    made = list(labelled_groups(texts, names, vectors[:50], vectors[50:], plan, seed=3))
    assert len(made) == 50
    styles: set[str] = set()
    for number, group in enumerate(made):
        assert texts[number] in group.instruction
        assert group.task == TASK
        written = [candidate.text for candidate in group.candidates]
        styles.update(re.sub("[a-z0-9]+", "x", text) for text in written)
        chosen = [names.index(re.sub("[-_]", " ", text).lower()) for text in written]
        assert len(set(chosen)) == len(chosen) == (14 if group.template == "listed" else 10)
        cosines = vectors[50 + np.array(chosen)] @ vectors[number]
        expected = np.exp((cosines - cosines.max()) / 0.1)
        np.testing.assert_allclose([c.label for c in group.candidates], expected, rtol=1e-4)
        assert cosines.max() >= np.sort(vectors[50:] @ vectors[number])[-5]
        listed = all(c.text in group.instruction for c in group.candidates)
        assert listed == (group.template == "listed")
    assert 10 < sum(group.template == "listed" for group in made) < 40
    assert styles == {"x x", "Nx x", "Nx Nx", "x_x", "Nx_x", "x-x"}
    best_first = [group.candidates[0].label == 1 for group in made]
    assert np.mean(best_first) < 0.4  # the best candidate has no place of its own
    assert made == list(labelled_groups(texts, names, vectors[:50], vectors[50:], plan, seed=3))


def test_groups_come_from_training_texts(bert: Path, model: Encoder) -> None:
    tokenizer = read_checkpoint(bert).tokenizer
    colours = ("crimson", "azure", "amber", "indigo", "violet", "olive", "scarlet", "ivory", "copper", "silver")
    things = ("umbrella", "lantern", "kettle", "saddle", "barrel", "pillow", "basket", "ladder", "mirror", "helmet")
    texts = [f"the {colour} {thing} and the {colour} {thing}" for colour in colours for thing in things]
    source = [Group(text, (Candidate("yes", 1.0),)) for text in texts]
    made = similarity_groups(source, Similarity(groups=30, phrases=100, candidates=5), model, tokenizer, 0)
    assert len(made) == 30
    assert all(max(c.label or 0 for c in group.candidates) == 1 for group in made)
    assert similarity_groups(source[:1], Similarity(), model, tokenizer, 0) == []
