"""The table of BIG-Bench: every way to answer, lifts, intervals and adaptive sampling, on results written here."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import cappy
from cappy.data.bigbench import BigBenchExample
from cappy.evaluation.bigbench.boosting import by_decoding, headroom_share, judge, oracle
from cappy.evaluation.bigbench.page import html
from cappy.evaluation.bigbench.published import MODELS, RESULTS
from cappy.evaluation.bigbench.report import as_json, markdown
from cappy.evaluation.bigbench.run import (
    PROFILES,
    TaskRun,
    _identity,
    choose_examples,
    response_tokens,
    sample_order,
    shorten,
)
from cappy.evaluation.bigbench.table import (
    adaptive_summary,
    can_be_adaptive,
    has_values,
    measured,
    summary,
    task_scores,
)
from cappy.group import Example
from cappy.llm.decoding import PAPER_PLAN
from cappy.llm.model import Sample
from cappy.selection.selectors import Pool

NAMES = [decoding.name for decoding in PAPER_PLAN for _ in range(decoding.count)]


def result(task: str, seed: int, rows: int = 30, held: int = 20) -> dict[str, Any]:
    """A task whose adapted scores know the quality, whose zero-shot scores and likelihoods do not."""
    draw = np.random.default_rng(seed)

    apart = np.random.default_rng(seed + 1000)

    def row() -> dict[str, Any]:
        qualities = np.round(draw.random(17) ** 2, 3)
        samples = [
            Sample(f"{task} {i} {draw.integers(9)}", n, -float(draw.random() * 9), 4) for i, n in enumerate(NAMES)
        ]
        return {
            "references": ["x"],
            "samples": [asdict(sample) for sample in samples],
            "qualities": qualities.tolist(),
            "cappy": draw.random(17).tolist(),
            "cappy-combined": (qualities + 0.9 * apart.random(17)).tolist(),
            "cappy-combined-short": (qualities + 0.8 * apart.random(17)).tolist(),
            "cappy-learnt": (qualities + 0.1 * draw.random(17)).tolist(),
            "cappy-adapted": (qualities + 1e-6 * draw.random(17)).tolist(),
        }

    return {"task": task, "rows": [row() for _ in range(rows)], "held_out": [row() for _ in range(held)]}


def test_samples_are_judged_by_their_best_reference() -> None:
    pool = Pool("", tuple(Sample(text) for text in ("a cat", "a dog", "a cat")))
    judged = judge(pool, ["a cat", "one dog"])
    assert judged.qualities == (1.0, 0.5, 1.0) and oracle(judged) == 1.0


def test_a_decoding_counts_with_the_mean_of_its_samples() -> None:
    samples = (Sample("a", "beam4"), Sample("b", "sampling"), Sample("a", "sampling"), Sample("a", "temp0.9"))
    judged = judge(Pool("", samples), ["a"])
    assert by_decoding(judged) == {"beam": 1.0, "sampling": 0.5, "temp": 1.0}


def test_columns_by_hand() -> None:
    one = result("t", 1)
    scores = task_scores(one)
    for place, row in enumerate(one["rows"]):
        qualities, likely = np.array(row["qualities"]), [s["log_likelihood"] for s in row["samples"]]
        assert scores.columns["oracle"][place] == qualities.max() == scores.columns["cappy-adapted"][place]
        assert scores.columns["cappy"][place] == qualities[int(np.argmax(row["cappy"]))]
        assert scores.columns["self-sum"][place] == qualities[int(np.argmax(likely))]
        assert scores.columns["beam"][place] == qualities[0]
        assert scores.columns["topp"][place] == pytest.approx(qualities[13:].mean())


def test_lifts_and_decided_tasks() -> None:
    tasks = [task_scores(result(f"t{seed}", seed)) for seed in range(5)]
    found = summary(tasks)
    base = found["means"][found["baseline"]]
    assert base == max(found["means"]["self-sum"], found["means"]["self-mean"])
    lift = found["lifts"]["cappy-adapted"]
    assert lift["lift"] == pytest.approx(found["means"]["cappy-adapted"] - base)
    assert lift["headroom_share"] == pytest.approx(1.0)
    assert lift["tasks_better"] == 5 and lift["tasks_worse"] == 0
    assert lift["interval"][0] < lift["lift"] < lift["interval"][1]
    assert 0 < found["lifts"]["cappy-learnt"]["lift"] < lift["lift"]
    assert 0 < found["lifts"]["cappy-combined"]["lift"] < found["lifts"]["cappy-learnt"]["lift"]
    assert found["lifts"]["cappy"]["tasks_better"] <= 1  # random scores decide nothing
    assert summary(tasks) == found
    assert np.isnan(headroom_share(0.5, 0.5, 0.5))


def test_scorers_that_were_not_trained_have_no_column() -> None:
    results = [result(f"t{seed}", seed) for seed in range(2)]
    for row in (row for one in results for row in (*one["rows"], *one["held_out"])):
        del row["cappy-adapted"]
    found = summary([task_scores(one) for one in results])
    assert "cappy-adapted" not in measured(found)
    combined = {"cappy-combined", "cappy-combined-short"}
    assert set(found["lifts"]) == {"cappy", "cappy+agreement", *combined, "cappy-learnt"}
    assert not has_values(results, "cappy-adapted")
    assert has_values(results, "cappy-learnt")


def test_what_is_missing_is_left_out_on_both_sides() -> None:
    results = [result(f"t{seed}", seed) for seed in range(3)]
    whole = summary([task_scores(one) for one in results])
    for sample in results[0]["rows"][0]["samples"]:
        sample["log_likelihood"] = None
    part = summary([task_scores(one) for one in results])
    assert part["means"]["self-sum"] == pytest.approx(whole["means"]["self-sum"], abs=0.02)
    assert part["means"]["cappy"] == whole["means"]["cappy"]
    for one in results:
        for row in one["rows"]:
            for sample in row["samples"]:
                sample["log_likelihood"] = None
    none = summary([task_scores(one) for one in results])
    assert none["baseline"] == "sampling" and np.isnan(none["means"]["self-sum"])
    assert all(np.isnan(bound) for bound in none["intervals"]["self-sum"])
    lift = none["lifts"]["cappy-adapted"]
    assert lift["lift"] == pytest.approx(none["means"]["cappy-adapted"] - none["means"]["sampling"])


def test_examples_with_too_few_samples_end_nothing() -> None:
    results = [result(f"t{seed}", seed) for seed in range(3)]
    for row in (results[0]["rows"][0], results[1]["held_out"][0]):
        for key in ("samples", "qualities", "cappy", "cappy-adapted"):
            row[key] = row[key][:1]  # the beam alone
    results[2]["held_out"] = []
    assert can_be_adaptive(results)
    assert adaptive_summary(results, "cappy", 1.0)["samples"] == 16
    assert not can_be_adaptive([results[0], results[2]])


def test_adaptive_sampling_is_simulated_on_drawn_samples() -> None:
    results = [result(f"t{seed}", seed) for seed in range(4)]
    assert can_be_adaptive(results) and not can_be_adaptive(results[:1])
    eager, patient = (adaptive_summary(results, "cappy-adapted", threshold) for threshold in (0.0, 1.0))
    assert eager["samples"] == 4 and patient["samples"] == 16
    assert patient["adaptive"] == pytest.approx(patient["all"]) and eager["adaptive"] < patient["all"]
    best = [[max(row["qualities"][1:]) for row in one["rows"]] for one in results]  # the beam is not among them
    assert patient["all"] == pytest.approx(np.mean([np.mean(values) for values in best]))


def test_rounds_take_one_of_each_decoding() -> None:
    order = sample_order([Sample("", name) for name in NAMES])
    assert [NAMES[i] for i in order[:4]] == ["sampling", "temp0.9", "topk40", "topp0.95"]
    assert order[-1] == 0 and sorted(order) == list(range(17))


def test_reports_say_the_same() -> None:
    tasks = [task_scores(result(f"t{seed}", seed)) for seed in range(2)]
    found = summary(tasks)
    facts = {"llm": "a <model>", "scorer": "mini", "profile": "quick", "seed": 0, "adaptive": {}}
    text, page = markdown(tasks, found, facts), html(tasks, found, facts)
    value = f"{100 * found['means']['oracle']:.1f}"
    assert value in text and value in page
    assert "a &lt;model&gt;" in page and "http" not in page.split("</style>")[1]
    assert as_json(tasks, found, facts)["by_task"]["t1"]["oracle"] == pytest.approx(tasks[1].mean("oracle"))
    assert all(len(values) == len(MODELS) for values in RESULTS.values())
    best_self = [max(RESULTS["self-sum"][i], RESULTS["self-mean"][i]) for i in range(len(MODELS))]
    lifts = [ours - theirs for ours, theirs in zip(RESULTS["cappy-adapted"], best_self, strict=True)]
    assert min(lifts) == pytest.approx(4.8, abs=0.05) and max(lifts) == pytest.approx(7.2, abs=0.05)


def test_examples_are_drawn_by_the_seed_and_shortened() -> None:
    examples = [BigBenchExample("t", "", f"{n} " + "word " * 900, (f"{n}",)) for n in range(60)]
    run = TaskRun(None, None, PROFILES["quick"], 0)  # type: ignore[arg-type]
    train = choose_examples(examples, "t", "train", run)
    assert len(train) == 40 and len({one.references for one in train}) == 40
    assert train == choose_examples(examples, "t", "train", run)
    assert all(len(one.instruction) <= PROFILES["quick"].prompt_characters for one in train)
    assert shorten("abc", 3) == "abc"
    short = shorten("begin " + "x" * 100 + " end", 40)
    assert len(short) == 40 and short.startswith("begin") and short.endswith("end") and " ... " in short


def test_quick_responses_have_room_for_the_longest_training_reference() -> None:
    short, long = Example("q", ("yes", "12"), None, "t"), Example("q", ("word " * 30,), None, "t")
    assert response_tokens([short]) == 8 and response_tokens([]) == 8
    assert response_tokens([short, long]) == 54
    quick, paper = PROFILES["quick"], PROFILES["paper"]
    assert {one.max_tokens for one in quick.decodings([short])} == {8}
    assert {one.max_tokens for one in quick.decodings([long])} == {32}
    assert {one.max_tokens for one in paper.decodings([short])} == {64}


def test_a_result_is_kept_whatever_the_number_of_threads(shared_bert: Path, tmp_path: Path) -> None:
    run, llm = TaskRun(tmp_path, tmp_path, PROFILES["tiny"], 0), SimpleNamespace(name="a model")

    def identity(**options: Any) -> str:
        return _identity([], llm, cappy.load(shared_bert, **options), run)

    assert identity(threads=1) == identity(threads=2) == identity()
    assert identity() != identity(layout="joint")
