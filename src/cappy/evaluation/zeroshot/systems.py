"""The systems measured: a scorer, embedding similarity, or a language model's likelihoods."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from numpy.typing import NDArray

from cappy.evaluation.zeroshot.likelihood_rules import RULES, rule_scores
from cappy.files.atomic import sha256
from cappy.group import Group

if TYPE_CHECKING:
    from cappy.llm.likelihood import LikelihoodModel, ResponseLikelihood
    from cappy.scorer import Scorer

Scores = Mapping[str, Sequence[Sequence[float]]]
"""Scores of groups by scoring rule: each [groups][choices]; a system's only rule is called "score"."""

_WEIGHTS = ("*.safetensors", "*.bin", "*.gguf", "tokenizer.json", "vocab.txt", "merges.txt")
SIMILARITY_TEMPERATURE = 0.05
"""Small, because cosines of sentence encoders lie close together; similarity groups in training use the same."""


class System(Protocol):
    """A system that can be measured."""

    @property
    def name(self) -> str:
        """The name in reports."""
        ...

    @property
    def identity(self) -> Mapping[str, Any]:
        """Everything its scores depend on, as JSON values."""
        ...

    @property
    def temperatures(self) -> Mapping[str, float]:
        """The temperature by scoring rule: probabilities are softmax(score / temperature)."""
        ...

    @property
    def chunk(self) -> int:
        """The number of groups scored between two saves."""
        ...

    def prepare(self, groups: Sequence[Group]) -> Callable[[Sequence[Group]], Scores]:
        """Prepare for all groups of a template, and return a function that scores some of them."""
        ...


class ScorerSystem:
    """A Cappy scorer; its limits are fitted to the choices of templates that have the same ones in every row."""

    def __init__(self, scorer: Scorer, temperature: float | None = None) -> None:
        """Measure `scorer`, by default with its own temperature, which an unfitted `cappy.Classifier` uses too."""
        checkpoint = scorer.checkpoint
        hashes = hashes_of(checkpoint.folder)
        settings = {key: value for key, value in scorer.settings().items() if key != "threads"}
        shipped = "fp32" if settings.get("runtime") == "torch" else checkpoint.settings.get("precision", "fp32")
        settings["precision"] = settings.get("precision") or shipped
        self.identity = {"kind": "scorer", "files": hashes, "settings": settings}
        ways = [scorer.layout, *filter(None, [settings.get("precision")])]
        self.name = f"{shown_name(checkpoint.folder)} ({', '.join(ways)})"
        self.temperatures = {"score": scorer.temperature if temperature is None else temperature}
        self.chunk = 1024
        self._scorer = scorer

    def prepare(self, groups: Sequence[Group]) -> Callable[[Sequence[Group]], Scores]:
        """Fit the limits to a closed set of choices."""
        choices = {tuple(candidate.text for candidate in group.candidates) for group in groups}
        fitting = self._scorer.for_choices(*choices) if len(choices) == 1 else self._scorer
        return lambda part: {"score": [scored.scores for scored in fitting.score_groups(part)]}


class SimilaritySystem:
    """Cosine similarity of instruction and choice under a sentence encoder, an untrained baseline."""

    def __init__(
        self,
        embed: Callable[[Sequence[str]], NDArray[Any]],
        name: str,
        temperature: float = SIMILARITY_TEMPERATURE,
        place: Path | None = None,
    ) -> None:
        """Measure an encoder; `embed` maps texts to unit vectors [texts, width]; `place` is the folder of its files."""
        files = hashes_of(place) if place is not None else {}
        self.name, self.identity = f"cosine under {name}", {"kind": "similarity", "encoder": name, "files": files}
        self.temperatures = {"score": temperature}
        self.chunk = 256
        self._embed = embed

    def prepare(self, groups: Sequence[Group]) -> Callable[[Sequence[Group]], Scores]:
        """Return a function that embeds each distinct text of its groups once."""
        return lambda part: {"score": cosine_scores(self._embed, part)}


class LikelihoodSystem:
    """A language model that ranks choices by log-likelihood under the three rules of `RULES`."""

    def __init__(self, model: LikelihoodModel, chat: bool = False, temperature: float = 1.0) -> None:
        """Measure `model`; log-likelihoods are logits already, so the default temperature is 1."""
        name = shown_name(Path(model.name)) if Path(model.name).exists() else model.name.rsplit("/", 1)[-1]
        self.name = name.removesuffix(".gguf") + (" (chat)" if chat else "")
        if model.dtype != "float32":
            self.name += f" in {model.dtype}"
        self.temperatures = dict.fromkeys(RULES, temperature)
        self.chunk = 128
        self._model = model
        self._chat = chat
        self._prior: dict[str, ResponseLikelihood] = {}

    @cached_property
    def identity(self) -> Mapping[str, Any]:
        """Its weights and settings; computed only if predictions are saved, because it reads gigabytes."""
        # A hub name may point to new weights later; the commit is fixed.
        weights = hashes_of(Path(self._model.name)) or {"model": self._model.name, "commit": self._model.commit}
        dtype = {} if self._model.dtype == "float32" else {"dtype": self._model.dtype}
        return {"kind": "likelihood", "files": weights, "chat": self._chat, **dtype}

    def prepare(self, groups: Sequence[Group]) -> Callable[[Sequence[Group]], Scores]:
        """Return a function that scores groups; each distinct choice's prior is computed once for all templates."""
        return self._score

    def _score(self, groups: Sequence[Group]) -> Scores:
        choices = [[candidate.text for candidate in group.candidates] for group in groups]
        new = [text for text in dict.fromkeys(t for texts in choices for t in texts) if text not in self._prior]
        if new:
            self._prior.update(zip(new, self._model.log_likelihoods([""], [new])[0], strict=True))
        behind = self._model.log_likelihoods([group.instruction for group in groups], choices)
        found = [
            rule_scores(likelihoods, [self._prior[text] for text in texts])
            for likelihoods, texts in zip(behind, choices, strict=True)
        ]
        return {rule: [scores[rule] for scores in found] for rule in RULES}


def hashes_of(place: Path) -> dict[str, str]:
    """Return the hashes of a model's weights and tokenizer files by name; `place` is a file or a folder."""
    read = [place] if place.is_file() else [path for end in _WEIGHTS for path in sorted(place.glob(end))]
    return {path.name: sha256(path) for path in read}


def shown_name(place: Path) -> str:
    """Return a recognisable name of a model's folder or file: that of its run, or a download's hub name."""
    place = place.resolve()
    if place.parent.name == "snapshots" and place.parent.parent.name.startswith("models--"):
        return place.parent.parent.name.removeprefix("models--").rpartition("--")[2]
    return place.parent.name if place.name == "checkpoint" else place.name


def cosine_scores(embed: Callable[[Sequence[str]], NDArray[Any]], groups: Sequence[Group]) -> list[list[float]]:
    """Score candidates by the cosine similarity of their embedding and the instruction's.

    `embed` maps texts to unit vectors [texts, width].
    """
    texts = list(dict.fromkeys(t for g in groups for t in (g.instruction, *(c.text for c in g.candidates))))
    vectors = dict(zip(texts, embed(texts), strict=True))
    return [[float(vectors[g.instruction] @ vectors[c.text]) for c in g.candidates] for g in groups]
