"""Few-shot comparison: what is drawn, what is learnt, what is written; the command as a person runs it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

import cappy
from cappy.classifier import Classifier
from cappy.errors import InputError
from cappy.evaluation.fewshot.report import lead, markdown, means
from cappy.evaluation.fewshot.run import Measured, measure
from cappy.evaluation.fewshot.sets import SetPlan, read_plans, read_set
from cappy.evaluation.fewshot.systems import Cappy, Embeddings, Encodings, SetFit, WordCounts
from cappy.runtime.embedding import load_embedder
from tests.cli.test_commands import run

ANIMALS = ["the cat {}", "a good dog {}", "dog and cat in the house {}"]
NATURE = ["river and fire {}", "the wind {}", "fire and wind in the river {}"]
WORDS = ["good", "bad", "water", "sky", "green", "blue", "yes", "no", "city", "house"]


def write(
    folder: Path, name: str = "kinds.csv", offset: int = 0, labels: tuple[str, str] = ("animal", "nature")
) -> Path:
    lines = ["text,label"]
    for number, word in enumerate(WORDS[offset:] + WORDS[:offset]):
        for kinds, label in ((ANIMALS, labels[0]), (NATURE, labels[1])):
            lines.append(f"{kinds[number % 3].format(word)} {offset},{label}")
    (folder / name).write_text("\n".join(lines) + "\n")
    return folder / name


def test_a_file_is_parted_and_one_part_never_sees_the_other(tmp_path: Path) -> None:
    write(tmp_path)
    rows = read_set(tmp_path, SetPlan("kinds.csv"), 64, 1000, seed=0)
    assert (rows.name, rows.choices, rows.train, len(rows.texts)) == ("kinds", ("animal", "nature"), 14, 20)
    assert not set(rows.texts[: rows.train]) & set(rows.texts[rows.train :])
    drawn = rows.draw(3, seed=1)
    assert sorted(rows.targets[drawn].tolist()) == [0, 0, 0, 1, 1, 1]
    assert drawn.max() < rows.train
    assert drawn.tolist() == rows.draw(3, seed=1).tolist() != rows.draw(3, seed=2).tolist()
    assert len(rows.draw(100, seed=0)) == rows.train


def test_a_list_names_files_meanings_and_classes(tmp_path: Path) -> None:
    write(tmp_path, "a.csv", 0, ("0", "1"))
    write(tmp_path, "b.csv", 3, ("0", "1"))
    (tmp_path / "sets.json").write_text(
        json.dumps([{"train": "a.csv", "test": "b.csv", "name": "both", "names": {"0": "animal", "1": "nature"}}])
    )
    (plan,) = read_plans(tmp_path / "sets.json")
    rows = read_set(tmp_path, plan, 5, 12, seed=0)
    assert (rows.name, rows.choices, rows.train, len(rows.texts)) == ("both", ("animal", "nature"), 10, 22)
    (tmp_path / "sets.json").write_text('[{"trian": "a.csv"}]')
    with pytest.raises(InputError, match="needs 'train'"):
        read_plans(tmp_path / "sets.json")
    with pytest.raises(InputError, match="two labels"):
        read_set(tmp_path, SetPlan("a.csv", classes=1), 5, 12, seed=0)


def test_systems_learn_from_what_is_given_and_nothing_else(shared_bert: Path, bert: Path, tmp_path: Path) -> None:
    write(tmp_path)
    rows = read_set(tmp_path, SetPlan("kinds.csv"), 64, 1000, seed=0)
    scorer = cappy.load(shared_bert)
    learnt, judged = rows.draw(4, 0), np.arange(rows.train, len(rows.texts))
    classifier = Classifier(rows.choices, rows.instruction, labels=[0, 1], scorer=scorer)
    classifier.fit([rows.texts[place] for place in learnt], rows.targets[learnt])
    expected = classifier.predict([rows.texts[place] for place in judged])
    encodings = Encodings(scorer)
    assert Cappy(encodings).prepare(rows)(learnt, judged).tolist() == expected.tolist()
    zero_shot = Cappy(encodings, learns=False).prepare(rows)
    assert zero_shot(learnt, judged).tolist() == zero_shot(learnt[:2], judged).tolist()
    assert (WordCounts().prepare(rows)(np.arange(rows.train), judged) == rows.targets[judged]).mean() >= 0.8
    vectors = load_embedder(bert)(rows.texts)
    regression = LogisticRegression(max_iter=1000).fit(vectors[learnt], rows.targets[learnt])
    found = Embeddings(str(bert)).prepare(rows)(learnt, judged)
    assert found.tolist() == regression.predict(vectors[judged]).tolist()


def test_setfit_learns_from_the_same_examples(bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.chdir(tmp_path)
    write(tmp_path)
    rows = read_set(tmp_path, SetPlan("kinds.csv"), 64, 1000, seed=0)
    judged = np.arange(rows.train, len(rows.texts))
    told = SetFit(str(bert)).prepare(rows)(rows.draw(3, 0), judged)
    assert set(told.tolist()) <= {0, 1} and len(told) == len(judged)
    assert [path.name for path in tmp_path.iterdir()] == ["kinds.csv"]  # it leaves nothing behind


def test_measuring_fills_every_size_and_seed(tmp_path: Path) -> None:
    write(tmp_path)
    rows = read_set(tmp_path, SetPlan("kinds.csv"), 64, 1000, seed=0)
    told: list[str] = []
    (found,) = measure(rows, [WordCounts()], [2, 6], 3, told.append)
    assert found.accuracy.shape == (2, 3) and len(found.seconds) == 2
    assert ((found.accuracy >= 0) & (found.accuracy <= 1)).all()
    assert told == ["kinds: TF-IDF + logistic regression"]


def test_averages_and_leads() -> None:
    ours = [Measured("A", "x", np.array([[0.8, 0.9]]), (1.0,)), Measured("A", "y", np.array([[0.6, 0.6]]), (3.0,))]
    theirs = [Measured("B", "x", np.array([[0.7, 0.8]]), (1.0,)), Measured("B", "y", np.array([[0.5, 0.5]]), (1.0,))]
    assert means(ours) == pytest.approx([0.725])
    mean, bounds = lead(ours, theirs, 0)
    assert (mean, bounds.low, bounds.high) == pytest.approx((0.1, 0.1, 0.1))
    text = markdown([*ours, *theirs], [8], "about")
    assert "| A | 72.5 |" in text and "| B | +10.0 (10.0 to 10.0) |" in text and "| A | 2.0 |" in text


def test_the_command_compares_and_reports(shared_bert: Path, bert: Path, tmp_path: Path) -> None:
    path = write(tmp_path)
    done = run(
        *("eval", "few-shot", str(path), "--sizes", "2,5", "--seeds", "2", "-m", str(shared_bert)),
        *("--encoder", str(bert), "-o", str(tmp_path / "report")),
    )
    assert done.returncode == 0, done.stderr
    figures = json.loads((tmp_path / "report" / "report.json").read_text())
    names = ["Cappy", "Cappy, zero-shot", "TF-IDF + logistic regression", f"{bert.name} + logistic regression"]
    assert [one["system"] for one in figures["measured"]] == names
    assert figures["sets"][0]["classes"] == 2
    html = (tmp_path / "report" / "report.html").read_text()
    assert html.count("<polyline") == 4 and "http" not in html
    assert (tmp_path / "report" / "report.md").read_text() in done.stdout.decode()
    for wrong, said in ((("--sizes", "2,x"), b"should look like"), (("--baseline", "luck"), b"'luck' is unknown")):
        refused = run("eval", "few-shot", str(path), *wrong, "-m", str(shared_bert))
        assert refused.returncode == 2 and said in refused.stderr
