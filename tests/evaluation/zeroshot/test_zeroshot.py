"""Asking tasks, keeping predictions, going on where a run was stopped, and the figures made of them."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import cappy
from cappy.checkpoint.checkpoint import read_checkpoint
from cappy.errors import InputError
from cappy.evaluation.zeroshot.run import Questions, evaluate_task, open_run
from cappy.evaluation.zeroshot.runfolder import MANIFEST, Run, read_run
from cappy.evaluation.zeroshot.summary import difference, summarise, task_figures
from cappy.evaluation.zeroshot.systems import (
    LikelihoodSystem,
    ScorerSystem,
    Scores,
    SimilaritySystem,
    hashes_of,
    shown_name,
)
from cappy.evaluation.zeroshot.tasks import Task
from cappy.group import Group
from cappy.llm.likelihood import ResponseLikelihood

TEMPLATES = """
templates:
  1: !Template
    answer_choices: no ||| yes
    jinja: 'Is {{text}} good? ||| {{ answer_choices[label] }}'
    metadata: !TemplateMetadata {original_task: true}
    name: good
  2: !Template
    answer_choices: no ||| yes
    jinja: '{{other_column}} ||| {{ answer_choices[label] }}'
    metadata: !TemplateMetadata {original_task: true}
    name: missing column
  3: !Template
    answer_choices: no ||| yes
    jinja: 'not the task {{text}} ||| {{ answer_choices[label] }}'
    metadata: !TemplateMetadata {original_task: false}
    name: other task
  4: !Template
    answer_choices: yes ||| no
    jinja: '{% if number < 6 %}Bad: {{text}}? ||| {{ answer_choices[label] }}{% endif %}'
    metadata: !TemplateMetadata {original_task: true}
    name: some rows
"""
TASK = Task("Toy", "toy", ("someone/toy",))


class Constant:
    """A system that always gives the same scores, and remembers what it was asked; it may be stopped."""

    def __init__(self, scores: Sequence[float] = (1.0, 0.0), stop_after: int = 10**9, chunk: int = 4) -> None:
        self.name, self.identity, self.temperatures = "constant", {"scores": list(scores)}, {"score": 0.5}
        self.chunk, self.scores, self.stop_after = chunk, scores, stop_after
        self.asked: list[str] = []

    def prepare(self, groups: Sequence[Group]) -> Callable[[Sequence[Group]], Scores]:
        def score(part: Sequence[Group]) -> Mapping[str, Sequence[Sequence[float]]]:
            if len(self.asked) >= self.stop_after:
                raise KeyboardInterrupt
            self.asked += [group.instruction for group in part]
            return {"score": [self.scores for _ in part]}

        return score


@pytest.fixture
def questions(tmp_path: Path) -> Questions:
    rows = [{"text": f"thing {i}", "number": i, "label": int(i % 3 == 0)} for i in range(9)]
    (tmp_path / "toy.jsonl.gz").write_bytes(gzip.compress("\n".join(map(json.dumps, rows)).encode()))
    (tmp_path / "toy").mkdir()
    (tmp_path / "toy" / "templates.yaml").write_text(TEMPLATES)
    return Questions(tmp_path, tmp_path)


def test_a_task_is_measured_under_its_original_templates(questions: Questions) -> None:
    system = Constant()
    found = evaluate_task(TASK, questions, system)
    figures = task_figures(found, "score", 0.5)
    good, some = figures.templates
    assert (good.template, good.groups, good.accuracy) == ("good", 9, pytest.approx(6 / 9))
    assert (some.template, some.groups, some.accuracy) == ("some rows", 6, pytest.approx(4 / 6))
    assert good.majority == pytest.approx(6 / 9)
    assert good.chance == 0.5
    sure = 1 / (1 + np.exp(-2))  # softmax of (1, 0) over 0.5
    assert good.brier == pytest.approx((6 * 2 * (1 - sure) ** 2 + 3 * 2 * sure**2) / 9)
    assert good.calibration_error == pytest.approx(sure - 6 / 9)
    assert good.macro_f1 == pytest.approx((2 * 6 / (9 + 6) + 0) / 2)
    assert "missing column" in found.notes[0]
    assert system.asked[:9] == [f"Is thing {i} good?" for i in range(9)]
    assert figures.mean == pytest.approx((6 / 9 + 4 / 6) / 2)
    assert figures.interval.low < figures.mean < figures.interval.high


def test_a_limit_draws_the_rows_it_always_drew(questions: Questions) -> None:
    drawn = []
    for seed in (0, 0, 1):
        system = Constant()
        evaluate_task(TASK, replace(questions, limit=4, seed=seed), system)
        drawn.append([text for text in system.asked if "good" in text])
    assert drawn[0] == drawn[1] != drawn[2]
    # random.Random("0:Toy").sample of nine rows: other figures of the same seed stay comparable over versions.
    assert drawn[0] == [f"Is thing {i} good?" for i in (8, 6, 4, 3)]


def test_a_set_that_is_not_there_is_a_row_that_says_so(questions: Questions, tmp_path: Path) -> None:
    absent = Task("absent", "toy", ("someone/absent",))
    found = evaluate_task(absent, questions, Constant())
    assert not found.predictions
    assert found.notes == ("no file absent in the folder, and downloading from the hub is off",)
    lost = evaluate_task(Task("lost", "nowhere", ("someone/toy",)), questions, Constant())
    assert "not a readable PromptSource template file" in lost.notes[0]
    folder = open_run(tmp_path / "run", Constant(), questions)
    evaluate_task(absent, questions, Constant(), folder)
    assert read_run(tmp_path / "run").tasks[0].notes == found.notes


def test_a_stopped_run_goes_on_and_a_finished_one_is_only_read(questions: Questions, tmp_path: Path) -> None:
    whole = evaluate_task(TASK, questions, Constant())
    stopped = Constant(stop_after=9)
    with pytest.raises(KeyboardInterrupt):
        evaluate_task(TASK, questions, stopped, open_run(tmp_path / "run", stopped, questions))
    again = Constant()
    found = evaluate_task(TASK, questions, again, open_run(tmp_path / "run", again, questions))
    assert found == whole
    assert len(stopped.asked) + len(again.asked) == 15
    assert not set(stopped.asked) & set(again.asked)
    third = Constant()
    assert evaluate_task(TASK, questions, third, open_run(tmp_path / "run", third, questions)) == whole
    assert third.asked == []
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == [MANIFEST, "toy-856acea8.jsonl"]
    assert read_run(tmp_path / "run").tasks == (whole,)


def test_predictions_outlive_a_folder_that_is_not_there(questions: Questions, tmp_path: Path) -> None:
    whole = evaluate_task(TASK, questions, Constant(), open_run(tmp_path / "run", Constant(), questions))
    lost = replace(questions, data=tmp_path / "elsewhere")
    assert evaluate_task(TASK, lost, Constant(), open_run(tmp_path / "run", Constant(), lost)).notes
    system = Constant()
    assert evaluate_task(TASK, questions, system, open_run(tmp_path / "run", system, questions)) == whole
    assert system.asked == []
    assert read_run(tmp_path / "run").tasks == (whole,)


def test_names_that_differ_by_a_mark_have_files_of_their_own(questions: Questions, tmp_path: Path) -> None:
    folder = open_run(tmp_path / "run", Constant(), questions)
    names = ["my-set", "my_set", "My set", "ANLI R1", "Crows_Pairs", "CrowS-Pairs", "..", "?"]
    assert len({folder.file(name) for name in names}) == len(names)
    assert folder.file("ANLI R1").name == "anli-r1.jsonl"
    assert folder.file("my-set").name == "my-set.jsonl"


def test_rows_whose_choices_do_not_hold_the_answer_are_counted(questions: Questions, tmp_path: Path) -> None:
    (tmp_path / "toy" / "templates.yaml").write_text(
        TEMPLATES.replace("{{ answer_choices[label] }}", "{% if number == 2 %}perhaps{% else %}yes{% endif %}", 1)
    )
    found = evaluate_task(TASK, questions, Constant())
    assert "template 'good' skips 1 of 9 rows" in found.notes[1]
    assert len([one for one in found.predictions if one.template == "good"]) == 8


def test_other_rows_are_asked_again_and_other_settings_refused(questions: Questions, tmp_path: Path) -> None:
    evaluate_task(TASK, questions, Constant(), open_run(tmp_path / "run", Constant(), questions))
    (tmp_path / "toy" / "templates.yaml").write_text(TEMPLATES.replace("Bad:", "Worse:"))
    system = Constant()
    found = evaluate_task(TASK, questions, system, open_run(tmp_path / "run", system, questions))
    assert any("Worse" in text for text in system.asked)
    assert len(found.predictions) == 15
    for other, asked in ((Constant((0.0, 1.0)), questions), (Constant(), replace(questions, limit=3))):
        with pytest.raises(InputError, match="with other settings; give a new folder"):
            open_run(tmp_path / "run", other, asked)
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "thesis.tex").write_text("mine")
    with pytest.raises(InputError, match="used for something else"):
        open_run(tmp_path / "taken", Constant(), questions)


def test_a_damaged_file_is_noticed(questions: Questions, tmp_path: Path) -> None:
    evaluate_task(TASK, questions, Constant(), open_run(tmp_path / "run", Constant(), questions))
    (file,) = (tmp_path / "run").glob("*.jsonl")
    file.write_text(file.read_text().replace("1.0", "0.0", 1))
    with pytest.raises(InputError, match="missing or was changed"):
        read_run(tmp_path / "run")
    system = Constant()
    evaluate_task(TASK, questions, system, open_run(tmp_path / "run", system, questions))
    assert len(system.asked) == 15
    with pytest.raises(InputError, match="not a folder of predictions"):
        read_run(tmp_path)


def test_a_score_that_is_no_number_is_refused(questions: Questions) -> None:
    with pytest.raises(InputError, match="not a finite number"):
        evaluate_task(TASK, questions, Constant((float("nan"), 0.0)))


def test_a_scorer_is_measured_with_limits_for_its_choices(questions: Questions, shared_bert: Path) -> None:
    scorer = cappy.load(shared_bert)
    found = evaluate_task(TASK, questions, ScorerSystem(scorer))
    expected = scorer.for_choices(["no", "yes"]).score("Is thing 3 good?", ["no", "yes"])
    kept = next(item for item in found.predictions if (item.template, item.row) == ("good", 3))
    assert kept.scores["score"] == pytest.approx(expected.tolist(), abs=1e-5)
    assert kept.answer == "yes"
    assert kept.chosen["score"] == ["no", "yes"][int(np.argmax(expected))]


def test_a_system_is_known_by_its_weights_and_shown_by_a_name(shared_bert: Path, tmp_path: Path) -> None:
    run = tmp_path / "mine" / "checkpoint"
    shutil.copytree(shared_bert, run)
    first = ScorerSystem(cappy.load(run))
    assert first.name.startswith("mine (shared")
    weights = run / "pytorch_model.bin"
    torch = pytest.importorskip("torch")
    torch.save({key: torch.tensor(value) for key, value in read_checkpoint(run).read_weights().items()}, weights)
    (run / "model.safetensors").unlink()
    again = ScorerSystem(cappy.load(run))
    assert again.identity != first.identity
    weights.write_bytes(weights.read_bytes() + b"0")
    assert hashes_of(run)[weights.name] != again.identity["files"][weights.name]
    assert hashes_of(weights).keys() == {weights.name}
    hub = tmp_path / "models--owner--small-scorer" / "snapshots" / "0123abc"
    hub.mkdir(parents=True)
    assert shown_name(hub) == "small-scorer"
    similar = SimilaritySystem(lambda texts: np.zeros((len(texts), 2)), "mine", place=run)
    assert similar.identity["files"] == hashes_of(run)


def test_similarity_compares_with_the_instruction() -> None:
    vectors = {"q": [1.0, 0.0], "near": [0.8, 0.6], "far": [0.0, 1.0]}
    system = SimilaritySystem(lambda texts: np.array([vectors[text] for text in texts]), "toy")
    groups = [Group.of("q", ["near", "far"])]
    assert system.prepare(groups)(groups) == {"score": [[pytest.approx(0.8), pytest.approx(0.0)]]}


class Counting:
    """A language model whose log-likelihoods can be worked out by hand, and which counts priors."""

    name, commit = "somewhere/counting", "f00"

    def __init__(self, dtype: str = "float32") -> None:
        self.dtype, self.priors = dtype, 0

    def log_likelihoods(
        self, prompts: Sequence[str], responses: Sequence[Sequence[str]]
    ) -> list[list[ResponseLikelihood]]:
        self.priors += sum(len(texts) for prompt, texts in zip(prompts, responses, strict=True) if not prompt)
        return [
            [ResponseLikelihood(-len(text) / (1 + text.count(prompt or "~")), len(text.split())) for text in texts]
            for prompt, texts in zip(prompts, responses, strict=True)
        ]


def test_a_language_model_ranks_by_sum_mean_and_what_the_prompt_adds() -> None:
    system = LikelihoodSystem(Counting())
    assert system.name == "counting"
    rounded = LikelihoodSystem(Counting("bfloat16"), chat=True)
    assert rounded.name == "counting (chat) in bfloat16" and rounded.identity != system.identity
    assert system.identity["files"] == {"model": "somewhere/counting", "commit": "f00"}
    groups = [Group.of("e", ["yes", "no not ever"]), Group.of("e", ["yes", "no not ever"])]
    scores = system.prepare(groups)(groups)
    assert scores["sum"][0] == pytest.approx([-3 / 2, -11 / 3])
    assert scores["mean"][0] == pytest.approx([-3 / 2, -11 / 9])
    assert scores["pmi"][0] == pytest.approx([-3 / 2 + 3, -11 / 3 + 11])
    system.prepare(groups)(groups)
    assert system._model.priors == 2  # type: ignore[attr-defined]


def test_two_systems_are_compared_over_the_same_rows(questions: Questions) -> None:
    no, yes = (
        summarise(Run(name, {"score": 1.0}, (evaluate_task(TASK, questions, Constant(scores)),)))[0]
        for name, scores in (("no", (1.0, 0.0)), ("yes", (0.0, 1.0)))
    )
    gap = difference(no, yes)
    assert gap is not None
    assert gap.mean == pytest.approx(1 / 3)
    assert gap.interval.low < gap.mean < gap.interval.high
    other = evaluate_task(TASK, replace(questions, limit=5), Constant())
    assert difference(no, summarise(Run("fewer rows", {"score": 1.0}, (other,)))[0]) is None
