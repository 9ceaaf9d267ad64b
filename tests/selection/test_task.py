"""Learning to choose among samples: what is known of them, how it is weighed, and its use by best of n."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

import cappy
from cappy.checkpoint.sidecar import CHOOSING
from cappy.llm.decoding import Decoding
from cappy.llm.model import Sample
from cappy.llm.model import Samples as Drawn
from cappy.selection.features import FEATURES, Known, Samples, describe
from cappy.selection.fit import ridge, weigh
from cappy.selection.learned import fit_choosing, read_choosing, read_samples
from cappy.text.features import FORMS, READ, Asked, copied, form, overlap


@pytest.fixture(scope="module")
def scorer(shared_bert: Path) -> cappy.Scorer:
    return cappy.load(shared_bert)


class Model:
    """A model that answers every sum rightly once, in figures, and wrongly in words else."""

    name = "sums"

    def generate(self, prompts: Sequence[str], decoding: Decoding, seed: int) -> list[Drawn]:
        """Give three wrong answers and a right one, the place of which says nothing."""
        return [Drawn(tuple(self.answers(prompt, seed))) for prompt in prompts]

    def answers(self, prompt: str, seed: int) -> list[Sample]:
        right = str(2 * int(prompt.split()[2]))
        texts = ["the answer is blue", "who is the cat", "no idea ."]
        texts.insert((int(right) // 2 + seed) % 4, f"{right} good")
        return [Sample(text, "sampling", -3.0 - place, 4) for place, text in enumerate(texts)]


EXAMPLES = [(f"what is {a} and {a} ?", f"{2 * a} good") for a in range(1, 13)]


def test_what_is_known_of_samples() -> None:
    known = Known(("paris", "london"), np.eye(2), np.eye(2))
    nan = np.array([np.nan, -2.0])
    one = Samples(
        "The capital is Paris, is it?", ("Paris", "the capital"), np.array([0.4, 0.2]), np.array([0.5, 0.1]), nan, nan,
        np.array([3.0, 1.0]), np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([1.0, 0.0]),
    )  # fmt: skip
    found = {name: describe(one, known)[:, place].tolist() for place, name in enumerate(FEATURES)}
    assert found["score"] == [0.4, 0.2]
    assert found["log-likelihood"] == [-2.0, -2.0]  # the least of what is known
    assert found["a known answer"] == [1, 0]
    assert found["embedding: instruction"] == [1, 0]
    assert found["embedding: known answers"] == pytest.approx([0.5**0.5] * 2)
    assert found["words from the instruction"] == [1, 1]
    assert found["pairs of words from it"] == [0, 1]
    assert found["a part of it"] == [1, 1]
    assert found["most overlap with an answer"] == [1, 0]
    assert found["overlap with all answers"] == [0.5, 0]
    assert found["form: words"][0] == 0 > found["form: words"][1]
    assert len(form("x")) == len(FORMS)
    assert overlap(["a", "b", "b"], ["b", "c"]) == pytest.approx(2 / 5)
    assert copied("", Asked.of("a b")) == [0, 0, 0, 0]
    long = Asked.of("a " + "b " * READ + "c d")
    assert len(long.text) < READ + 9 and copied("c d", long)[:3] == copied("a b", long)[:3] == [1, 1, 1]


def test_weights_equal_the_textbook_at_one_deviation() -> None:
    draw = np.random.default_rng(0)
    features, worth = draw.normal(size=(50, 4)) * [1, 10, 0.1, 1], draw.normal(size=50)
    scaled = features / (features.std(axis=0) + 1e-3)
    stacked = np.vstack([scaled, np.sqrt(7.0) * np.eye(4)])
    expected = np.linalg.lstsq(stacked, np.concatenate([worth, np.zeros(4)]), rcond=None)[0]
    assert ridge(features, worth, 7.0) * (features.std(axis=0) + 1e-3) == pytest.approx(expected)


def test_what_an_example_is_worth_is_measured_without_it(scorer: cappy.Scorer) -> None:
    """Answers that are right by chance, with nothing to tell them by, are not chosen more often than by chance."""
    draw = np.random.default_rng(0)
    places = draw.permutation(np.arange(40) % 4)
    read = [read_samples(scorer, f"who {n}", [Sample(w) for w in ("cat", "dog", "river", "fire")]) for n in range(40)]
    flat = Known(("blue",) * 40, *(np.ones((40, len(read[0].asked))) for _ in range(2)))
    worths = [np.eye(4)[place] for place in places]
    nothing = [np.arange(4.0)] * 40
    found = weigh(read, worths, flat, range(40), nothing)
    assert found.chosen < 0.45
    assert found.without == np.mean([place == 3 for place in places])
    assert found.best == 1
    assert len(found.values) == 40


def test_examples_that_ask_the_same_know_nothing_of_each_other(scorer: cappy.Scorer) -> None:
    draw = np.random.default_rng(0)
    words = ("cat", "dog", "river", "fire")
    examples = [(f"who is {n}", words[draw.integers(4)]) for n in range(24)]
    samples = [list(words)] * 24
    rows = [cappy.Example(asked, (answer,)) for asked, answer in examples]
    drawn = [[Sample(word) for word in of] for of in samples]
    once, twice = (fit_choosing(scorer, rows * times, drawn * times)[1] for times in (1, 2))
    assert once.chosen < 0.6
    assert twice.chosen < 0.6


def test_a_task_is_learnt_and_used_by_best_of_n(scorer: cappy.Scorer, tmp_path: Path) -> None:
    done: list[int] = []
    taught = cappy.learn_choosing(
        scorer, EXAMPLES, tmp_path / "mine", llm=Model(), plan="sampling*4", advance=done.append
    )
    assert sum(done) == 12
    assert taught.report.chosen > 0.9 > taught.report.first
    assert taught.report.best == 1
    assert "12 examples with 48 samples" in str(taught.report)
    boost = cappy.BestOfN(Model(), cappy.load(tmp_path / "mine"), n=4)
    assert boost.selector == "learnt"
    for number in range(20, 30):
        assert boost(f"what is {number} and {number} ?").best == f"{2 * number} good"
    assert cappy.BestOfN(Model(), taught.scorer, n=4, selector="cappy").selector == "cappy"
    assert cappy.BestOfN(Model(), scorer, n=4).selector != "learnt"
    with pytest.raises(cappy.InputError, match="has not learnt to choose"):
        cappy.BestOfN(Model(), scorer, n=4, selector="learnt")
    given = [[sample.text for sample in Model().answers(question, 0)] for question, _ in EXAMPLES]
    again = cappy.learn_choosing(taught.scorer, EXAMPLES, tmp_path / "mine", samples=given)  # its own place is replaced
    assert again.report.chosen > 0.9
    some = cappy.learn_choosing(scorer, EXAMPLES, tmp_path / "some", samples=[[], *given[1:]])  # one failed
    assert some.report.examples == 11
    assert again.scorer.score("a", "b") == pytest.approx(scorer.score("a", "b"))


def test_examples_that_teach_nothing_better_change_nothing(scorer: cappy.Scorer, tmp_path: Path) -> None:
    """Known answers that have nothing to do with the right samples: the scorer's usual choice stays."""
    draw = np.random.default_rng(1)
    words = ("cat", "dog", "river", "fire", "house", "wind")
    examples = [(f"who is {n}", words[draw.integers(6)]) for n in range(8)]
    taught = cappy.learn_choosing(scorer, examples, tmp_path / "mine", samples=[list(words)] * 8)
    if taught.report.learnt:
        assert taught.report.chosen > taught.report.without
    right = [(f"who is {n}", scorer.rank(f"who is {n}", words).best.text) for n in range(8)]
    taught = cappy.learn_choosing(scorer, right, tmp_path / "theirs", samples=[list(words)] * 8)
    assert not taught.report.learnt and taught.report.chosen == taught.report.without == 1
    assert "teach nothing that chooses better than 100.0" in str(taught.report)
    read = read_choosing(taught.folder)
    assert read is not None and read.weights is None
    samples = [Sample(word) for word in words]
    assert read.values(scorer, "who is 9", samples) == pytest.approx(scorer.score("who is 9", words))


def test_what_cannot_be_learnt_from_is_refused(scorer: cappy.Scorer, tmp_path: Path) -> None:
    with pytest.raises(cappy.InputError, match="needs a language model, or its samples"):
        cappy.learn_choosing(scorer, EXAMPLES, tmp_path / "mine")
    with pytest.raises(cappy.InputError, match="12 examples, but samples for 1"):
        cappy.learn_choosing(scorer, EXAMPLES, tmp_path / "mine", samples=[["x"]])
    with pytest.raises(cappy.InputError, match="4 examples or more, but there are 2"):
        cappy.learn_choosing(scorer, EXAMPLES[:2], tmp_path / "mine", samples=[["x"]] * 2)
    with pytest.raises(cappy.InputError, match="example 3 has no reference"):
        nothing = [*EXAMPLES[:3], cappy.Example("q", ())]
        cappy.learn_choosing(scorer, nothing, tmp_path / "mine", samples=[["x"]] * 4)
    with pytest.raises(cappy.InputError, match="all ask the same"):
        same = [("q", f"{n}") for n in range(6)]
        cappy.learn_choosing(scorer, same, tmp_path / "mine", samples=[[f"{n}", "x"] for n in range(6)])
    with pytest.raises(cappy.InputError, match="differ in worth"):
        cappy.learn_choosing(scorer, EXAMPLES, tmp_path / "mine", samples=[["x", "y"]] * 12)
    with pytest.raises(cappy.InputError, match="name a new folder"):
        (tmp_path / "file").write_text("")
        cappy.learn_choosing(scorer, EXAMPLES, tmp_path, llm=Model(), plan="sampling*4")
    assert read_choosing(tmp_path) is None
    taught = cappy.learn_choosing(scorer, EXAMPLES, tmp_path / "mine", llm=Model(), plan="sampling*4")
    path = taught.folder / CHOOSING.settings_file
    noted = json.loads(path.read_text())
    for broken in ("{", json.dumps({**noted, "weights": {}}), json.dumps({**noted, "answers": ["x"]})):
        path.write_text(broken)
        with pytest.raises(cappy.CheckpointError, match=r"not JSON|cannot be used|do not match"):
            read_choosing(taught.folder)
