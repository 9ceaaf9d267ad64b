"""Every task is found by its names and rendered from the columns it has on the Hugging Face hub."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from cappy.data.hub import PARQUET, hub_rows, stream_rows
from cappy.errors import InputError
from cappy.evaluation.zeroshot.rendering import render_task, task_templates
from cappy.evaluation.zeroshot.taskrows import REVISIONS, fitted_rows, task_rows
from cappy.evaluation.zeroshot.tasks import TASKS, Task, find_tasks, own_task

TEMPLATES = Path(__file__).parent / "promptsource"

NLI = {"premise": "The cat sat.", "hypothesis": "A cat sat.", "idx": 0}
STORY = {
    "story_id": "138d5bfb",
    **{f"input_sentence_{n}": f"Rick did thing {n}." for n in range(1, 5)},
    "sentence_quiz1": "He is happy now.",
    "sentence_quiz2": "He joined a gang.",
}
WSC = {"text": "Mark told Pete many lies, which he believed.", "span1_index": 0, "span1_text": "Mark"}
WSC |= {"span2_index": 6, "span2_text": "he", "idx": 0}
WIC = {
    "word": "place",
    "sentence1": "Do you want to come over to my place?",
    "sentence2": "A system with no place.",
}
WIC |= {"start1": 31, "start2": 27, "end1": 36, "end2": 32, "idx": 0}
CROWS = {"id": 0, "sent_more": "Poor people are lazy.", "sent_less": "Rich people are lazy.", "bias_type": 1}
CROWS |= {"annotations": [[1], [1]], "anon_writer": "a0", "anon_annotators": ["a1"]}
COPA = {"premise": "My body cast a shadow.", "choice1": "The sun was rising.", "choice2": "The grass was cut."}
COPA |= {"question": "cause", "idx": 0}
SWAG = {"ind": 1, "activity_label": "Sport", "ctx_a": "A man runs.", "ctx_b": "he", "ctx": "A man runs. he"}
SWAG |= {
    "endings": ["stops.", "flies.", "sings a song.", "is a house."],
    "source_id": "a",
    "split": "val",
}
WINO = {"sentence": "Sarah saw Maria so _ ran.", "option1": "Sarah", "option2": "Maria"}

# Rows with the columns of the hub, how many templates measure the task, and the place that is right in each row.
CASES: dict[str, tuple[list[dict[str, Any]], int, list[int]]] = {
    "ANLI R1": ([{"uid": "u", **NLI, "label": n, "reason": ""} for n in range(3)], 15, [0, 1, 2]),
    "CB": ([{**NLI, "label": n} for n in range(3)], 15, [0, 1, 2]),
    "RTE": ([{**NLI, "label": n} for n in range(2)], 10, [0, 1]),
    "StoryCloze": ([{**STORY, "answer_right_ending": n} for n in (1, 2)], 5, [0, 1]),
    "WSC": ([{**WSC, "label": n} for n in range(2)], 10, [0, 1]),
    "WiC": ([{**WIC, "label": n} for n in range(2)], 10, [0, 1]),
    "WinoGrande": ([{**WINO, "answer": n} for n in "12"], 5, [0, 1]),
    "WinoGender": ([{**NLI, "label": n} for n in range(2)], 10, [0, 1]),
    "CrowS-Pairs": ([{**CROWS, "stereo_antistereo": n} for n in range(2)], 5, [0, 1]),
    "COPA": ([{**COPA, "question": q, "label": n} for q in ("cause", "effect") for n in range(2)], 12, [0, 1, 0, 1]),
    "HellaSwag": ([{**SWAG, "label": n} for n in "0123"], 4, [0, 1, 2, 3]),
    "SST-2": ([{"sentence": "good", "label": n, "idx": n} for n in range(2)], 5, [0, 1]),
    "banking77": ([{"text": "Where is my card?", "label": n} for n in (0, 11, 76)], 7, [0, 11, 76]),
}


def task(name: str) -> Task:
    return find_tasks([name])[0]


def write(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def places(task: Task, rows: list[dict[str, Any]]) -> dict[str, list[int]]:
    """Return the right place of each row under each template."""
    found = {}
    for part in render_task(task_templates(task, TEMPLATES), task.name, rows):
        assert not part.skipped, part.skipped
        found[part.template] = [
            next(place for place, candidate in enumerate(group.candidates) if candidate.label) for group in part.groups
        ]
        assert "{{" not in part.groups[0].instruction
    return found


@pytest.mark.parametrize("name", CASES)
def test_rows_with_the_columns_of_the_hub_render_under_every_template(name: str, tmp_path: Path) -> None:
    rows, templates, right = CASES[name]
    wanted = task(name)
    write(tmp_path / f"{wanted.file_stems()[0]}.jsonl", rows)
    found = places(wanted, task_rows(wanted, tmp_path))
    assert len(found) == templates
    for template, chosen in found.items():
        if name == "COPA" and len(chosen) == 2:  # some templates ask for causes alone, or effects
            assert chosen == [0, 1], template
        else:
            assert chosen == right, template


def test_the_other_rounds_of_anli_are_other_files(tmp_path: Path) -> None:
    write(tmp_path / "facebook__anli__dev_r2.jsonl", CASES["ANLI R1"][0])
    write(tmp_path / "anli.jsonl", CASES["ANLI R1"][0])
    assert len(task_rows(task("ANLI R2"), tmp_path)) == 3
    with pytest.raises(InputError, match="no file anli__dev_r1 in the folder"):
        task_rows(task("ANLI R1"), tmp_path)


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("RTE", "aps__super_glue__rte"),
        ("RTE", "super_glue__rte__validation"),
        ("WSC", "super_glue__wsc.fixed"),
        ("WinoGender", "super_glue__axg"),
        ("StoryCloze", "story_cloze__2016"),
        ("CrowS-Pairs", "nyu-mll__crows_pairs__test"),
        ("SST-2", "sst2_test"),
        ("banking77", "mteb__banking77"),
    ],
)
def test_a_file_may_have_any_name_of_the_set(name: str, stem: str, tmp_path: Path) -> None:
    rows = CASES[name][0]
    write(tmp_path / f"{stem}.jsonl", rows)
    assert task_rows(task(name), tmp_path) == rows


def test_story_cloze_as_its_authors_hand_it_out(tmp_path: Path) -> None:
    heading = ["InputStoryid", *(f"InputSentence{n}" for n in range(1, 5))]
    heading += ["RandomFifthSentenceQuiz1", "RandomFifthSentenceQuiz2", "AnswerRightEnding"]
    with (tmp_path / "cloze_test_val__spring2016 - cloze_test_ALL_val.csv").open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(heading)
        out.writerows([[*STORY.values(), right] for right in (1, 2)])
    rows = task_rows(task("StoryCloze"), tmp_path)
    assert rows == CASES["StoryCloze"][0]
    assert set(map(tuple, places(task("StoryCloze"), rows).values())) == {(0, 1)}


def test_hellaswag_without_the_halves_of_its_context_leaves_one_template_out(tmp_path: Path) -> None:
    rows = [
        {key: value for key, value in row.items() if key not in ("ctx_a", "ctx_b")} for row in CASES["HellaSwag"][0]
    ]
    parts = render_task(task_templates(task("HellaSwag"), TEMPLATES), "HellaSwag", rows)
    assert [part.template for part in parts if part.skipped] == ["complete_first_then"]


def test_a_row_without_a_column_is_named(tmp_path: Path) -> None:
    write(tmp_path / "super_glue__wic.jsonl", [CASES["WiC"][0][0], {**WIC, "label": 1, "word": None}])
    with pytest.raises(InputError, match="row 2: no value in column 'word'"):
        task_rows(task("WiC"), tmp_path)
    (tmp_path / "super_glue__rte.jsonl").write_text("")
    with pytest.raises(InputError, match="has no rows"):
        task_rows(task("RTE"), tmp_path)


@pytest.mark.parametrize(
    ("name", "row", "texts", "numbers"),
    [
        ("ANLI R1", NLI, ["entailment", "neutral", "contradiction", "e", "n", "c"], [0, 1, 2, 0, 1, 2]),
        ("CB", NLI, ["entailment", "contradiction", "neutral", "2", 1.0, "0.0"], [0, 1, 2, 2, 1, 0]),
        ("RTE", NLI, ["entailment", "not_entailment"], [0, 1]),
        ("WinoGender", NLI, ["not_entailment", "entailment"], [1, 0]),
        ("COPA", COPA, ["choice2", "choice1", 1], [1, 0, 1]),
        ("WiC", WIC, [True, False, "true", "False"], [1, 0, 1, 0]),
        ("WSC", WSC, [True, False], [1, 0]),
        ("SST-2", {"sentence": "good"}, ["negative", "Positive"], [0, 1]),
        ("banking77", {"text": "x"}, ["request_refund", "Refund_not_showing_up", "card_arrival"], [52, 51, 11]),
    ],
)
def test_labels_written_as_texts_get_the_hubs_numbers(
    name: str, row: dict[str, Any], texts: list[Any], numbers: list[int], tmp_path: Path
) -> None:
    write(tmp_path / f"{task(name).file_stems()[0]}.jsonl", [{**row, "label": text} for text in texts])
    assert [one["label"] for one in task_rows(task(name), tmp_path)] == numbers


def test_other_columns_of_answers_are_read_however_they_are_written(tmp_path: Path) -> None:
    write(tmp_path / "winogrande__winogrande_xl.jsonl", [{**WINO, "answer": answer} for answer in (1, 2, "2")])
    rows = task_rows(task("WinoGrande"), tmp_path)
    assert [row["answer"] for row in rows] == ["1", "2", "2"]
    assert set(map(tuple, places(task("WinoGrande"), rows).values())) == {(0, 1, 1)}
    write(tmp_path / "crows_pairs.jsonl", [{**CROWS, "stereo_antistereo": kind} for kind in ("antistereo", "stereo")])
    assert [row["stereo_antistereo"] for row in task_rows(task("CrowS-Pairs"), tmp_path)] == [1, 0]


@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("SST-2", {"sentence": "good", "label": -1}),
        ("banking77", {"text": "x", "label": 77}),
        ("banking77", {"text": "x", "label": "my own intent"}),
        ("WinoGender", {**NLI, "label": -1}),
        ("StoryCloze", {**STORY, "answer_right_ending": 0}),
        ("HellaSwag", {**SWAG, "label": ""}),
        ("WinoGrande", {**WINO, "answer": ""}),
        ("CB", {**NLI, "label": "not_entailment"}),
        ("CB", {**NLI, "label": True}),
        ("RTE", {**NLI, "label": "--1"}),
        ("RTE", {**NLI, "label": 0.5}),
    ],
)
def test_rows_without_a_label_of_the_task_are_not_measured(name: str, row: dict[str, Any], tmp_path: Path) -> None:
    write(tmp_path / f"{task(name).file_stems()[0]}.jsonl", [CASES[name][0][0], row])
    with pytest.raises(InputError, match=r"row 2: .* is not a label"):
        task_rows(task(name), tmp_path)


@pytest.mark.parametrize(
    ("name", "row", "answers"),
    [
        ("CB", {**NLI, "label": 1}, {"No", "False", "Never", "Impossible", "Incorrect"}),
        ("ANLI R1", {**NLI, "label": 1}, {"Maybe", "Neither", "Inconclusive", "Sometimes", "Possible"}),
        ("RTE", {**NLI, "label": 1}, {"No", "no", "False", "not_entailment", "not entailment"}),
        ("HellaSwag", {**SWAG, "label": "2"}, {"sings a song.", "Ending 3", "C"}),
        ("StoryCloze", {**STORY, "answer_right_ending": "2"}, {"He joined a gang."}),
        ("WSC", {**WSC, "label": 1}, {"Yes", "True", "yes", "Right"}),
    ],
)
def test_what_is_right_by_its_text(name: str, row: dict[str, Any], answers: set[str], tmp_path: Path) -> None:
    write(tmp_path / f"{task(name).file_stems()[0]}.jsonl", [row])
    found = set()
    for part in render_task(task_templates(task(name), TEMPLATES), name, task_rows(task(name), tmp_path)):
        found |= {one.text for group in part.groups for one in group.candidates if one.label}
    assert found
    assert found <= answers, found - answers


def test_task_names() -> None:
    assert find_tasks([]) == list(TASKS)
    assert sum(one.paper for one in TASKS) == 11
    assert find_tasks(["crows pairs", "anli-r1"])[1].split == "dev_r1"
    with pytest.raises(InputError, match="unknown"):
        find_tasks(["nothing"])


def test_a_set_of_ones_own(tmp_path: Path) -> None:
    write(tmp_path / "mine.jsonl", [{"text": "a", "label": n} for n in range(2)])
    (tmp_path / "templates.yaml").write_text(
        "templates: {1: !Template {name: t, jinja: '{{text}} ? ||| {{answer_choices[label]}}', "
        "answer_choices: 'no ||| yes', metadata: !TemplateMetadata {original_task: false}}}"
    )
    mine = own_task(tmp_path / "mine.jsonl", str(tmp_path))
    assert mine.name == "mine"
    (part,) = render_task(task_templates(mine, None), mine.name, task_rows(mine, None))
    assert [group.instruction for group in part.groups] == ["a ?", "a ?"]
    assert len(task_templates(own_task(tmp_path / "mine.jsonl", "glue/sst2"), TEMPLATES)) == 5
    with pytest.raises(InputError, match="is not a file"):
        own_task(tmp_path / "other.jsonl", str(tmp_path))
    write(tmp_path / "RTE.jsonl", [{"label": 0}])
    with pytest.raises(InputError, match="name of a known task"):
        own_task(tmp_path / "RTE.jsonl", str(tmp_path))


def test_labels_of_a_set_of_ones_own(tmp_path: Path) -> None:
    def labels(*given: Any) -> list[Any]:
        write(tmp_path / "mine.jsonl", [{"text": "a", "label": label} for label in given])
        return [row["label"] for row in task_rows(own_task(tmp_path / "mine.jsonl", "t"), None)]

    assert labels("no", "Yes", "maybe") == ["no", "Yes", "maybe"]
    assert labels("2", 0, True) == [2, 0, 1]
    with pytest.raises(InputError, match="row 2: the label is not text, but those of other rows are"):
        labels("no", 1)
    write(tmp_path / "mine.jsonl", [{"text": "a", "label": "no"}, {"text": "b"}])
    with pytest.raises(InputError, match="row 2: the label is not text"):
        task_rows(own_task(tmp_path / "mine.jsonl", "t"), None)
    for given in ([0, -1], ["no", " "], ["yes", "", "no"]):
        with pytest.raises(InputError, match=r"row 2: .* is not a label; rows without one cannot be measured"):
            labels(*given)
    for twice in ("yes", "Yes "):
        with pytest.raises(InputError, match="labels differ only by case or spaces"):
            labels("Yes", twice, "no")
    write(tmp_path / "mine.jsonl", [{"text": "a", "right": "no"}])
    assert task_rows(own_task(tmp_path / "mine.jsonl", "t"), None) == [{"text": "a", "right": "no"}]


def test_configurations_are_folders_on_the_hubs_parquet_branch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("datasets")
    pandas = pytest.importorskip("pandas")
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    for config, label in (("cb", 2), ("rte", 1)):
        folder = tmp_path / "sets" / config / "validation"
        folder.mkdir(parents=True)
        pandas.DataFrame([{**NLI, "label": label}]).to_parquet(folder / "0000.parquet")
    for config, label in (("cb", 2), ("rte", 1)):
        rows = list(stream_rows(str(tmp_path / "sets"), config, "validation", PARQUET))
        assert [row["label"] for row in rows] == [label]


def test_without_the_library_a_set_of_the_hub_is_a_row_that_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(InputError, match="reading data sets of the hub needs more packages"):
        task_rows(task("CB"), None, hub=True)


def test_data_of_the_hub_are_read_under_the_names_a_task_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A local folder stands for the hub: `datasets` reads both the same way."""
    pytest.importorskip("datasets")
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    (tmp_path / "sets").mkdir()
    write(tmp_path / "sets" / "validation.jsonl", CASES["WiC"][0])
    here = Task("WiC", "super_glue/wic", (str(tmp_path / "sets"),), columns=("word", "label"))
    assert [row["label"] for row in task_rows(here, None, hub=True)] == [0, 1]
    with pytest.raises(InputError, match="not on the hub as"):
        task_rows(Task("x", "x", (str(tmp_path / "sets"),), "nosuchsplit"), None, hub=True)


@pytest.mark.hub
@pytest.mark.parametrize("name", [one.name for one in TASKS if one.name != "StoryCloze"])
def test_the_hub_has_every_task_that_needs_no_form(name: str) -> None:
    """StoryCloze is handed out by its authors alone."""
    wanted, failures = task(name), []
    for hub in wanted.hub:
        for revision in REVISIONS:
            try:
                _, row = next(iter(hub_rows(hub, wanted.split, revision)))
            except InputError as error:
                failures.append(str(error))
                continue
            assert fitted_rows(wanted, [row], hub)
            return
    pytest.fail("; ".join(failures))
