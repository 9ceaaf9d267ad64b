"""Few-shot classifiers under one protocol: prepare a set once, then learn from some of its texts and classify others.

Texts are encoded once per set, because their encoding does not depend on the draw. The time of a fit is measured
separately and includes encoding.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from cappy.errors import MissingExtraError
from cappy.evaluation.fewshot.sets import Ints, LabelledSet

if TYPE_CHECKING:
    from cappy.scorer import Scorer

Predict = Callable[[Ints, Ints], Ints]
"""Maps the places of training texts and of texts to classify to the classes of the latter."""


class FewShot(Protocol):
    """A method that learns a classifier from a few examples."""

    name: str

    def prepare(self, rows: LabelledSet) -> Predict:
        """Encode a set's texts, and return a function that learns from some of them and classifies others."""
        ...


class Encodings:
    """A scorer's features and scores of a set's texts, cached for the systems that share them."""

    def __init__(self, scorer: Scorer) -> None:
        """Wrap a scorer."""
        self.scorer = scorer
        self._kept: tuple[LabelledSet, NDArray[np.float64], NDArray[np.float64]] | None = None

    def of(self, rows: LabelledSet) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the features [texts, features] and scores [texts, classes] of a set, as in `Classifier`."""
        from cappy.classification.choices import read_texts

        if self._kept is None or self._kept[0] is not rows:
            features, scores = read_texts(self.scorer, rows.instruction, rows.choices, rows.texts)
            self._kept = rows, features.astype(np.float64), scores
        return self._kept[1], self._kept[2]


class Cappy:
    """Cappy's classifier; zero-shot if `learns` is False."""

    def __init__(self, encodings: Encodings, learns: bool = True) -> None:
        """Use a scorer's encodings."""
        self.name = "Cappy" if learns else "Cappy, zero-shot"
        self._encodings, self._learns = encodings, learns

    def prepare(self, rows: LabelledSet) -> Predict:
        """Encode all texts and score their choices."""
        from cappy.classification.head import fit_head

        features, scores = self._encodings.of(rows)
        temperature = self._encodings.scorer.temperature

        def predict(learnt: Ints, judged: Ints) -> Ints:
            if not self._learns:
                return np.asarray(scores[judged].argmax(axis=1))
            truth = np.eye(scores.shape[1], dtype=bool)[rows.targets[learnt]]
            fitted = fit_head(features[learnt], scores[learnt], truth, temperature)
            return np.asarray(fitted.head.logits(features[judged], scores[judged]).argmax(axis=1))

        return predict


class WordCounts:
    """TF-IDF of words and bigrams, and a logistic regression."""

    name = "TF-IDF + logistic regression"

    def prepare(self, rows: LabelledSet) -> Predict:
        """Prepare nothing: the vocabulary, too, is learnt from the training texts only."""

        def predict(learnt: Ints, judged: Ints) -> Ints:
            from sklearn.feature_extraction.text import TfidfVectorizer
            from sklearn.pipeline import make_pipeline

            model = make_pipeline(TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True), _regression(10.0))
            model.fit([rows.texts[place] for place in learnt], rows.targets[learnt])
            return np.asarray(model.predict([rows.texts[place] for place in judged]))

        return predict


class Embeddings:
    """A sentence encoder's embeddings of length 1, and a logistic regression."""

    def __init__(self, encoder: str) -> None:
        """Find an encoder by name or folder."""
        from pathlib import Path

        from cappy.checkpoint.find import find_encoder
        from cappy.runtime.embedding import load_embedder

        self._embed = load_embedder(find_encoder(encoder), one_thread=False)
        self.name = f"{Path(encoder).name} + logistic regression"

    def prepare(self, rows: LabelledSet) -> Predict:
        """Embed the texts."""
        vectors = self._embed(rows.texts)

        def predict(learnt: Ints, judged: Ints) -> Ints:
            model = _regression(1.0).fit(vectors[learnt], rows.targets[learnt])
            return np.asarray(model.predict(vectors[judged]))

        return predict


def _regression(strength: float) -> Any:
    """Return scikit-learn's logistic regression with this inverse penalty and otherwise default options."""
    try:
        from sklearn.linear_model import LogisticRegression
    except ImportError as error:
        raise MissingExtraError("the baselines of few-shot classification", "compare") from error
    return LogisticRegression(C=strength, max_iter=1000)


class SetFit:
    """SetFit (Tunstall et al., 2022): an encoder fine-tuned on pairs of examples, then a logistic regression."""

    def __init__(self, encoder: str) -> None:
        """Find an encoder by name or folder."""
        from pathlib import Path

        from cappy.checkpoint.find import find_encoder

        try:
            import setfit  # noqa: F401
        except ImportError as error:
            raise MissingExtraError("SetFit", "compare") from error
        self._folder = find_encoder(encoder)
        self.name = f"SetFit, {Path(encoder).name}"

    def prepare(self, rows: LabelledSet) -> Predict:
        """Prepare nothing, because the encoder itself is trained."""

        def predict(learnt: Ints, judged: Ints) -> Ints:
            from datasets import Dataset
            from setfit import SetFitModel, Trainer, TrainingArguments

            model = SetFitModel.from_pretrained(str(self._folder))
            data = Dataset.from_dict({"text": [rows.texts[place] for place in learnt], "label": rows.targets[learnt]})
            with tempfile.TemporaryDirectory() as folder:
                arguments = TrainingArguments(
                    folder, batch_size=16, num_epochs=1, save_strategy="no", show_progress_bar=False, report_to="none"
                )
                Trainer(model=model, args=arguments, train_dataset=data).train()
                return np.asarray(model.predict([rows.texts[place] for place in judged]))

        return predict
