"""The same figures as a table, as JSON and as a page."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from cappy.checkpoint.find import MINILM
from cappy.cli.app import app
from cappy.errors import InputError
from cappy.evaluation.formats import span
from cappy.evaluation.zeroshot import published
from cappy.evaluation.zeroshot.kinds import kind_lines, tasks_by_kind
from cappy.evaluation.zeroshot.page import html_report
from cappy.evaluation.zeroshot.predictions import Prediction, TaskPredictions
from cappy.evaluation.zeroshot.report import (
    comparison_table,
    json_report,
    markdown_report,
    published_average,
    system_table,
)
from cappy.evaluation.zeroshot.runfolder import Run
from cappy.evaluation.zeroshot.summary import PAPER_TASKS, SystemFigures, summarise
from cappy.evaluation.zeroshot.tasks import KINDS, OWN_KIND, TASKS


def run(name: str, skill: float, rules: tuple[str, ...] = ("score",)) -> Run:
    """A system that is right about as often as `skill` on two tasks, while a third could not be had."""
    draw = np.random.default_rng(0)
    tasks = []
    for task in ("RTE", "Toy <b>"):
        predictions = []
        for template in ("one", "two|three"):
            for row in range(40):
                right = int(draw.integers(2))
                best = right if draw.random() < skill else 1 - right
                scores = tuple(float(place == best) for place in range(2))
                shown = dict.fromkeys(rules, "no" if best else "yes")
                predictions.append(Prediction(template, row, (right,), dict.fromkeys(rules, scores), shown, "yes"))
        tasks.append(TaskPredictions(task, 40, tuple(predictions), (), f"key of {task}"))
    tasks.append(TaskPredictions("WiC", 0, notes=("no file super_glue__wic in the folder",)))
    return Run(name, dict.fromkeys(rules, 0.5), tuple(tasks))


@pytest.fixture
def systems() -> list[SystemFigures]:
    return [*summarise(run("strong", 0.9)), *summarise(run("a model", 0.6, ("sum", "mean")))]


def test_the_table_of_a_system(systems: list[SystemFigures]) -> None:
    lines = system_table(systems[0]).splitlines()
    first, second = lines[: lines.index("")], lines[lines.index("") + 1 :]
    for table in (first, second[: second.index("")]):
        assert {line.count("|") for line in table} == {table[0].count("|")}
    assert lines[2].startswith("| RTE | 40 | 2 | 50.0 |")
    assert "| WiC | 0 | — |" in lines[4]
    assert lines[5].startswith("| **average of 2** |")
    assert lines[-1] == "- WiC: no file super_glue__wic in the folder."


def test_systems_stand_side_by_side_with_published_figures(systems: list[SystemFigures]) -> None:
    lines = comparison_table(systems).splitlines()
    assert lines[0].startswith("| task | chance | majority | strong | a model, sum | a model, mean | OPT 30B |")
    assert lines[2].endswith("| 56.4 | 67.8 | 54.0 | 73.4 | 80.2 | 71.9 |")
    assert {line.count("|") for line in lines[: lines.index("")]} == {lines[0].count("|")}
    report = markdown_report(systems, "all rows")
    (gap,) = re.findall(r"strong against a model, sum: \+[\d.]+ points \(.*\) over 2 tasks, (.*)\.", report)
    (paper,) = re.findall(r"([+-][\d.]+) points \([+-][\d.]+ to [+-][\d.]+\) over 1 of the paper's", gap)
    both = [system.by_task["RTE"].mean for system in systems[:2]]
    assert float(paper) == pytest.approx(100 * (both[0] - both[1]), abs=0.06)
    assert "two/three" not in report  # templates are listed on the page and in JSON


def test_tasks_are_averaged_by_kind_beside_their_baselines(systems: list[SystemFigures]) -> None:
    heading, _, inference, own = comparison_table(systems).split("\n\n")[1].splitlines()
    assert heading == "| kind | tasks | chance | majority | strong | a model, sum | a model, mean |"
    rte = systems[0].by_task["RTE"]
    shown = f"| inference | RTE | 50.0 | {100 * rte.majority:.1f} | {100 * rte.mean:.1f} ({span(rte.interval)}) |"
    assert inference.startswith(shown)
    assert own.startswith("| own | Toy <b> |")
    assert json_report(systems)["systems"][0]["kinds"]["inference"]["mean"] == rte.mean
    assert "Accuracy by kind of task" in html_report(systems)


def test_kinds_average_only_what_every_system_was_asked(systems: list[SystemFigures]) -> None:
    tasks = tuple(replace(task, key="other") if task.task == "RTE" else task for task in systems[1].tasks)
    assert kind_lines([systems[0], replace(systems[1], tasks=tasks)], ["Toy <b>"]) == []  # one kind is left
    assert [line[0] for line in kind_lines(systems, ["RTE", "Toy <b>"])] == ["kind", "inference", "own"]
    assert {task.kind for task in TASKS} == set(KINDS) - {OWN_KIND}
    assert tasks_by_kind(["HellaSwag", "RTE", "COPA"]) == {"inference": ["RTE"], "endings": ["HellaSwag", "COPA"]}


def test_figures_of_other_rows_are_in_no_average(systems: list[SystemFigures]) -> None:
    fewer = replace(systems[0].tasks[1], key="other rows")
    unlike = [systems[0], replace(systems[1], tasks=(systems[1].tasks[0], fewer))]
    said = "Not the same rows or templates for every system, and so in none of the averages side by side: Toy <b>."
    assert f"- {said}\n" in markdown_report(unlike)
    assert "average of" not in comparison_table(unlike)
    assert "average of 2" in comparison_table(systems)
    assert "Not the same rows" in html_report(unlike)
    assert "Not the same rows" not in markdown_report(systems) + html_report(systems)


def test_json_holds_every_figure(systems: list[SystemFigures]) -> None:
    found = json.loads(json.dumps(json_report(systems)))
    strong = found["systems"][0]
    assert strong["results"][0]["mean"] == systems[0].tasks[0].mean
    assert strong["results"][0]["templates"][1]["template"] == "two|three"
    assert strong["average"]["all"]["tasks"] == ["RTE", "Toy <b>"]
    assert strong["average"]["paper"]["tasks"] == ["RTE"]
    assert strong["results"][2]["notes"] == ["no file super_glue__wic in the folder"]
    assert found["published"]["accuracy_percent"]["CB"][-1] == 59.4


class Page(HTMLParser):
    """Collects what a page loads, its tags and its text."""

    def __init__(self) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.tags: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.loads += [value or "" for name, value in attrs if name in ("src", "href", "xlink:href")]

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_stands_alone_and_shows_texts_as_they_are(systems: list[SystemFigures]) -> None:
    content = html_report(systems, "at most 40 rows")
    page = Page()
    page.feed(content)
    assert page.loads == []
    assert "script" not in page.tags
    assert "url(" not in content
    assert "Toy <b>" in page.text
    assert page.tags.count("svg") >= 2 + 2 + 3  # averages, tasks, reliability
    assert f"strong: mean {100 * systems[0].tasks[0].mean:.1f} (" in page.text
    assert "no file super_glue__wic in the folder" in page.text
    assert "NaN" not in content


def test_systems_of_one_name_and_batch_calibrated_ones_each_have_their_colour() -> None:
    one = run("one", 0.9)
    for systems in ([*summarise(one), *summarise(one)], summarise(one, 0, 1.0)):
        page = html_report(systems)
        assert [f'class="path s{place}"' in page for place in range(3)] == [True, True, False]


def test_a_report_of_nothing_but_missing_sets_is_a_report() -> None:
    empty = summarise(Run("none", {"score": 1.0}, (TaskPredictions("WiC", 0, notes=("not there",)),)))
    assert "- WiC: not there." in markdown_report(empty)
    assert "not there" in html_report(empty)


def test_published_averages_are_those_of_the_published_figures() -> None:
    assert set(published.ACCURACY) == PAPER_TASKS
    for place, average in enumerate(published.AVERAGE):
        values = [values[place] for values in published.ACCURACY.values()]
        assert sum(values) / 11 == pytest.approx(average, abs=0.1)
    assert published_average(["CB", "RTE"])[0] == pytest.approx((24.6 + 56.4) / 2)
    assert published_average(["CB", "COPA"]) == []


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rows = [{"sentence": f"the film number {i} was good", "label": i % 2} for i in range(4)]
    (tmp_path / "data").mkdir()
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (tmp_path / "data" / "sst2_test.jsonl").write_text(text)
    (tmp_path / "mine.jsonl").write_text(text)
    place = tmp_path / "templates" / "glue" / "sst2"
    place.mkdir(parents=True)
    (place / "templates.yaml").write_text(
        "templates: {1: !Template {name: t, jinja: '{{sentence}} ? ||| {{answer_choices[label]}}', "
        "answer_choices: 'no ||| yes', metadata: !TemplateMetadata {original_task: true}}}"
    )
    return tmp_path


def invoke(*arguments: object) -> str:
    result = CliRunner().invoke(app, ["eval", *map(str, arguments)])
    if isinstance(result.exception, InputError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


def test_the_commands_keep_predictions_and_make_the_report_again(folder: Path, shared_bert: Path) -> None:
    common = ["zero-shot", "--data", folder / "data", "--templates", folder / "templates", "-m", shared_bert]
    shown = invoke(*common, "--save", folder / "run", "-o", folder / "zero.json")
    assert "| SST-2 | 4 | 1 | 50.0 | 50.0 | " in shown
    assert "ANLI R1: no file anli__dev_r1 in the folder" in shown
    assert len(json.loads((folder / "zero.json").read_text())["systems"][0]["results"]) == 15
    again = invoke("report", folder / "run", "-o", folder / "again")
    assert again == (folder / "run" / "report.md").read_text()
    for name in ("report.json", "report.html"):
        assert (folder / "again" / name).read_bytes() == (folder / "run" / name).read_bytes()
    one_more = invoke(*common, "--save", folder / "run", "--task", "sst-2")
    assert one_more.count("\n| ") == 2
    assert (folder / "run" / "report.md").read_text() == again
    own = ["--rows-file", folder / "mine.jsonl", "--templates-of", "glue/sst2"]
    joint = invoke(*common, *own, "--layout", "joint", "--task", "sst-2", "--save", folder / "joint")
    assert "| mine | 4 | 1 |" in joint
    both = invoke("report", folder / "run", folder / "joint")
    assert "tiny-shared (joint" in both
    assert "over 1 task." in both
    twice = invoke("report", folder / "run", folder / "run", "--batch-calibration", "1", "-o", folder / "twice")
    assert (folder / "twice" / "report.md").read_text() == twice
    assert "batch-calibrated" in (folder / "twice" / "report.html").read_text()
    calibrated = invoke("report", folder / "run", "--batch-calibration", "1")
    assert "## tiny-shared (shared, fp32), batch-calibrated" in calibrated
    assert invoke(*common, "--task", "sst-2", "--batch-calibration", "0.5").startswith("| task | chance | majority | ")


def test_options_that_do_not_go_together(folder: Path) -> None:
    common = ["zero-shot", "--data", folder / "data", "--templates", folder / "templates"]
    for wrong, message in (
        (["--chat"], "--chat and --dtype are for a language model"),
        (["--dtype", "bfloat16"], "--chat and --dtype are for a language model"),
        (["--llm", "x", "--similarity", "y"], "give one of them"),
        (["--rows-file", folder / "mine.jsonl"], "give them in pairs"),
        (["--task", "rte", "--task", "RTE"], "given twice"),
        (["--task", "nothing"], "unknown"),
        (["--similarity", "x", "-m", "y"], "--model is for a scorer, and --similarity measures none"),
        (["--llm", "x", "--runtime", "onnx"], "--runtime is for a scorer, and --llm measures none"),
        (["--llm", "x", "--layout", "joint"], "--layout is for a scorer"),
        (["--similarity", "x", "--precision", "fp32"], "--precision is for a scorer"),
    ):
        with pytest.raises(InputError, match=message):
            invoke(*common, *wrong)
    with pytest.raises(InputError, match="not a folder of predictions"):
        invoke("report", folder)
    with pytest.raises(InputError, match=r"--data .* is not a folder"):
        invoke("zero-shot", "--data", folder / "nowhere")


def test_a_run_that_measures_nothing_fails(folder: Path, shared_bert: Path) -> None:
    common = ["zero-shot", "--data", folder / "data", "--templates", folder / "templates", "-m", shared_bert]
    with pytest.raises(InputError, match="no task could be measured"):
        invoke(*common, "--task", "RTE", "--save", folder / "run")
    assert "no file super_glue__rte" in (folder / "run" / "report.md").read_text()


def test_fetched_templates_are_taken_where_none_are_named(
    folder: Path, shared_bert: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CAPPY_CACHE", str(folder / "cache"))
    common = ["zero-shot", "--data", folder / "data", "--task", "SST-2", "-m", shared_bert]
    with pytest.raises(InputError, match="no task could be measured"):
        invoke(*common)
    (folder / "cache").mkdir()
    (folder / "templates").rename(folder / "cache" / "promptsource")
    assert "| SST-2 | 4 | 1 |" in invoke(*common)


def test_the_similarity_baseline_takes_the_encoder_that_a_package_carries(folder: Path) -> None:
    pytest.importorskip("sentence_transformers")
    common = ["zero-shot", "--data", folder / "data", "--templates", folder / "templates", "--task", "SST-2"]
    shown = invoke(*common, "--similarity", MINILM, "-o", folder / "out.json")
    assert "| SST-2 | 4 | 1 |" in shown
    assert json.loads((folder / "out.json").read_text())["systems"][0]["name"] == f"cosine under {MINILM}"


def test_the_similarity_baseline_takes_an_encoder_that_was_fetched(
    folder: Path, bert: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("sentence_transformers")
    monkeypatch.setenv("CAPPY_CACHE", str(folder / "fetched"))
    shutil.copytree(bert, folder / "fetched" / "models" / "all-mpnet-base-v2")
    common = ["zero-shot", "--data", folder / "data", "--templates", folder / "templates", "--task", "SST-2"]
    assert "| SST-2 | 4 | 1 |" in invoke(*common, "--similarity", "all-mpnet-base-v2")
