"""Adapting: what the set is made of, that it learns, that the result is an ordinary checkpoint."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

import cappy
from cappy.adaptation.examples import chosen_label, split, task_groups
from cappy.errors import InputError
from cappy.group import Example
from cappy.metrics.references import rouge_l
from cappy.training.batches import encode_groups
from cappy.training.finetune import Tuning, finetune, mean_loss
from cappy.training.losses import listwise_loss, regression_loss

ANIMALS = ("cat", "dog", "people")
THINGS = ("river", "house", "fire")


def labelled(count: int) -> list[Example]:
    """Texts about animals are "good" and texts about things "bad"; only examples can tell."""
    found = []
    for number in range(count):
        word = (ANIMALS if number % 2 else THINGS)[number // 2 % 3]
        text = f"{word} and {word} {number}"
        found.append(Example(text, ("good" if number % 2 else "bad",), ("good", "bad")))
    return found


def asked(count: int) -> list[Example]:
    return [Example(f"what is {number} ?", (f"the answer {number}",)) for number in range(count)]


def test_the_set_is_made_as_the_paper_makes_it() -> None:
    examples = asked(12)
    samples = [[f"the answer {number}", "the cat", "", "answer of a dog"] for number in range(12)]
    for number, group in task_groups(examples, samples=samples, seed=3).items():
        by_origin: dict[str, list[tuple[str, float | None]]] = {}
        for candidate in group.candidates:
            by_origin.setdefault(candidate.origin, []).append((candidate.text, candidate.label))
        reference = examples[number].references[0]
        assert by_origin["reference"] == [(reference, 1.0)]  # the equal sample merged into it
        others = {example.references[0] for example in examples} - {reference}
        assert len(by_origin["other"]) == 4
        assert all(text in others and label == 0 for text, label in by_origin["other"])
        assert by_origin["sample:given"] == [
            (text, rouge_l(text, [reference])) for text in ("the cat", "answer of a dog")
        ]
    closed = task_groups(labelled(6))
    assert all({c.text for c in group.candidates} == {"good", "bad"} for group in closed.values())


def test_too_little_is_refused(shared_bert: Path, tmp_path: Path) -> None:
    scorer = cappy.load(shared_bert)
    with pytest.raises(InputError, match="needs 4 examples"):
        cappy.adapt(scorer, asked(3), tmp_path / "a")
    with pytest.raises(InputError, match="20 examples with 1 different answer"):
        cappy.adapt(scorer, [("what?", "yes")] * 20, tmp_path / "a")
    with pytest.raises(InputError, match="one list for each of the 5"):
        cappy.adapt(scorer, asked(5), tmp_path / "a", samples=[["x"]])
    assert not (tmp_path / "a").exists()
    (tmp_path / "thesis.txt").write_text("years of work")
    for target in (tmp_path, tmp_path / "thesis.txt"):
        with pytest.raises(InputError, match="is not a checkpoint"):
            cappy.adapt(scorer, asked(8), target)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_split_holds_out_a_fifth_and_never_all() -> None:
    for count in (4, 5, 16, 100):
        training, held = split(asked(count), range(count), 0)
        assert len(held) == max(2, round(0.2 * count)) and sorted([*training, *held]) == list(range(count))
        assert split(asked(count), range(count), 0) == (training, held)
    doubled = [*asked(8), *asked(8)]  # every question twice
    training, held = split(doubled, range(16), 0)
    assert sorted([*training, *held]) == list(range(16)) and not {n % 8 for n in training} & {n % 8 for n in held}
    with pytest.raises(InputError, match=r"the 2 examples ask too few different questions .* \(1\)"):
        split([doubled[0], doubled[8]], range(2), 0)


def test_what_is_held_out_lends_nothing_to_what_is_learnt_from() -> None:
    examples, apart = asked(12), {2, 5, 7}
    kept = {examples[number].references[0] for number in apart}
    for number, group in task_groups(examples, apart=apart).items():
        lent = {c.text for c in group.candidates if c.origin == "other"}
        assert len(lent) == 4
        if number not in apart:
            assert not lent & kept


def test_sixteen_examples_are_learnt_from(tmp_path: Path) -> None:
    scorer = cappy.load("mini", runtime="torch")
    words = {True: ("tiger", "rabbit", "horse", "spider"), False: ("hammer", "bottle", "engine", "window")}
    kinds = {True: "glorp", False: "zindle"}  # names that say nothing: only the examples tell
    examples = [
        Example(f"What kind of thing is a {word}? Number {n}.", (kinds[alive],), tuple(kinds.values()))
        for n in range(2)
        for alive in kinds
        for word in words[alive]
    ]
    assert len(examples) == 16
    adapted = cappy.adapt(
        scorer, examples, tmp_path / "mine", tuning=Tuning(learning_rate=2e-4, epochs=12, patience=12)
    )
    losses = adapted.report["held_out_losses"]
    assert min(losses) < 0.7 * losses[0]
    assert adapted.after >= adapted.before
    assert adapted.scorer.rank("What kind of thing is a lion?", ["zindle", "glorp"]).best.text == "glorp"
    again = cappy.load(tmp_path / "mine", runtime="torch")
    np.testing.assert_array_equal(again.score("a?", ["b", "c"]), adapted.scorer.score("a?", ["b", "c"]))
    noted = json.loads((tmp_path / "mine" / "config.json").read_text())["cappy"]
    assert noted["layout"] == "shared" and noted["adapted"]["examples"] == 16
    assert "adapted to one task" in (tmp_path / "mine" / "README.md").read_text()
    assert scorer.score("a?", "b") == cappy.load("mini", runtime="torch").score(
        "a?", "b"
    )  # the one it came from is as it was


def test_the_best_epoch_is_kept(shared_bert: Path) -> None:
    scorer = cappy.load(shared_bert, runtime="torch")
    groups = task_groups(labelled(20))
    training, held = ([groups[number] for number in part] for part in split(labelled(20), groups, 0))
    encode = lambda some: encode_groups(  # noqa: E731
        some, scorer.checkpoint.tokenizer, scorer.conventions, scorer.limits, 100, 0
    )
    weights = {name: torch.from_numpy(a.astype(np.float32)) for name, a in scorer.checkpoint.read_weights().items()}
    tuning = Tuning(learning_rate=3e-3, epochs=6, patience=2)
    args = (scorer.checkpoint.spec, weights, scorer.conventions, encode(training), encode(held), tuning, 0)
    tuned = finetune(*args)
    assert tuned.losses[tuned.best_epoch] == min(tuned.losses)
    assert len(tuned.losses) <= 7 and (len(tuned.losses) == 7 or len(tuned.losses) - 1 - tuned.best_epoch == 2)
    again = finetune(*args)
    assert again.losses == tuned.losses
    for name, array in tuned.weights.items():
        np.testing.assert_array_equal(array, again.weights[name])
    from cappy.runtime.torch_encoder import Encoder

    kept = Encoder(scorer.checkpoint.spec, {name: torch.from_numpy(a) for name, a in tuned.weights.items()})
    measured = mean_loss(kept, encode(held), scorer.conventions, tuning)
    assert measured == pytest.approx(min(tuned.losses), rel=0.05)  # training may compute in bfloat16


def test_the_loss_is_that_of_pretraining_a_group_at_a_time(shared_bert: Path) -> None:
    scorer = cappy.load(shared_bert, runtime="torch")
    groups = list(task_groups(asked(6)).values())
    tuning = Tuning()
    expected = []
    for group in groups:
        texts = [candidate.text for candidate in group.candidates]
        scores = torch.from_numpy(np.asarray(scorer.score(group.instruction, texts)))
        labels = torch.tensor([float(candidate.label or 0) for candidate in group.candidates])
        number = torch.zeros(len(texts), dtype=torch.long)
        loss = regression_loss(scores, labels, number, 1)
        expected.append(float(loss + tuning.listwise * listwise_loss(scores, labels, number, 1, tuning.temperature)))
    from cappy.runtime.torch_encoder import Encoder

    weights = {name: torch.from_numpy(a.astype(np.float32)) for name, a in scorer.checkpoint.read_weights().items()}
    encoded = encode_groups(groups, scorer.checkpoint.tokenizer, scorer.conventions, scorer.limits, 100, 0)
    measured = mean_loss(Encoder(scorer.checkpoint.spec, weights), encoded, scorer.conventions, tuning)
    assert measured == pytest.approx(np.mean(expected), rel=1e-4)


def test_samples_are_what_before_and_after_choose_among(shared_bert: Path) -> None:
    scorer = cappy.load(shared_bert)
    groups = list(task_groups(asked(5), samples=[["the answer", "no"]] * 5).values())
    found = [max(("the answer", "no"), key=lambda text, g=g: scorer.score(g.instruction, text)) for g in groups]
    expected = [rouge_l(text, [example.references[0]]) for text, example in zip(found, asked(5), strict=True)]
    assert chosen_label(groups, scorer) == pytest.approx(np.mean(expected))


@pytest.mark.parametrize("wrong", [[("q", 1)], ["a", "b"], [("a", "b"), ("a", "b", "c")], [None], "ab", 5, {"a": "b"}])
def test_what_are_no_examples_is_told(shared_bert: Path, tmp_path: Path, wrong: object) -> None:
    scorer = cappy.load(shared_bert)
    with pytest.raises(InputError, match=r"example \d is not a pair|must be a list"):
        cappy.adapt(scorer, wrong, tmp_path / "mine")  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"example \d is not a pair|must be a list"):
        cappy.learn_choosing(scorer, wrong, tmp_path / "mine", samples=[["x"]])  # type: ignore[arg-type]
