"""The held-out tasks: their names on the Hugging Face hub, splits, columns and templates.

The first eleven are the paper's (Tan et al., 2023, section 4.1), taken from OPT-IML (Iyer et al., 2022, arXiv
2212.12017, section 5.2).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cappy.errors import InputError
from cappy.evaluation.zeroshot.banking77 import BANKING77


@dataclass(frozen=True)
class Task:
    """A task: where its rows are, what they contain, and which templates render them.

    Args:
        name: the name in tables; the draw of rows depends on it.
        templates: its folder in a PromptSource collection.
        hub: its names on the hub, "owner/name" or "owner/name/configuration"; the first available one is used.
        split: the labelled split that published results use.
        stems: further names of its file in a folder of rows, tried after those from `hub` and `split`.
        split_optional: whether the file name may lack the split.
        columns: the columns that every row must have.
        answer: the column of the right answer.
        label_values: the values of that column that templates accept; any value if empty.
        labels: what files may contain instead of these values, in lower case.
        numbers: further columns that templates use as integers; texts of digits are converted.
        renamed: column names of another release, mapped to those in the templates.
        template_names: the templates that ask the task's own question, if the collection marks none as original.
        file: a user's own file of rows, used instead of any folder.
        paper: whether it is one of the paper's eleven.
        kind: the kind of task; reports group tasks by it.

    """

    name: str
    templates: str
    hub: tuple[str, ...] = ()
    split: str = "validation"
    stems: tuple[str, ...] = ()
    split_optional: bool = True
    columns: tuple[str, ...] = ()
    answer: str = "label"
    label_values: tuple[int | str, ...] = ()
    labels: Mapping[str, int] = field(default_factory=dict)
    numbers: tuple[str, ...] = ()
    renamed: Mapping[str, str] = field(default_factory=dict)
    template_names: tuple[str, ...] = ()
    file: Path | None = None
    paper: bool = False
    kind: str = "own"

    def file_stems(self) -> list[str]:
        """Return possible names of the task's file in a folder, without the extension, in order of preference.

        A hub name yields "owner__name__configuration", with and without the owner, and with and without the split.
        """
        names: list[str] = []
        for hub in self.hub:
            parts = hub.split("/")
            for shown in (parts[1:], parts):
                stem = "__".join(shown)
                names += [stem, f"{stem}__{self.split}"] if self.split_optional else [f"{stem}__{self.split}"]
        return list(dict.fromkeys([*names, *self.stems]))


_NLI = ("premise", "hypothesis", "label")
_ENTAILED = {"entailment": 0, "not_entailment": 1}
_TRUE = {"false": 0, "true": 1}
_FIRST = {"choice1": 0, "choice2": 1}
_STORY = (*(f"input_sentence_{n}" for n in range(1, 5)), "sentence_quiz1", "sentence_quiz2", "answer_right_ending")
_STORY_CSV = {
    "InputStoryid": "story_id",
    **{f"InputSentence{n}": f"input_sentence_{n}" for n in range(1, 5)},
    "RandomFifthSentenceQuiz1": "sentence_quiz1",
    "RandomFifthSentenceQuiz2": "sentence_quiz2",
    "AnswerRightEnding": "answer_right_ending",
}
"""The columns of the CSV file published by the authors of StoryCloze."""


def _anli(part: int) -> Task:
    # Every round is a split of one data set, so a file name without the split is ambiguous.
    return Task(
        f"ANLI R{part}",
        "anli",
        ("facebook/anli",),
        f"dev_r{part}",
        split_optional=False,
        columns=_NLI,
        label_values=(0, 1, 2),
        # The authors' files use the letters.
        labels={"entailment": 0, "neutral": 1, "contradiction": 2, "e": 0, "n": 1, "c": 2},
        paper=True,
        kind="inference",
    )


def _super_glue(
    name: str,
    config: str,
    kind: str,
    columns: tuple[str, ...],
    labels: Mapping[str, int],
    split: str = "validation",
    paper: bool = True,
) -> Task:
    return Task(
        name,
        f"super_glue/{config}",
        (f"aps/super_glue/{config}",),
        split,
        columns=columns,
        label_values=tuple(sorted(set(labels.values()))),
        labels=labels,
        numbers=("span1_index", "span2_index") if config == "wsc.fixed" else (),
        paper=paper,
        kind=kind,
    )


TASKS = (
    _anli(1),
    _anli(2),
    _anli(3),
    _super_glue("CB", "cb", "inference", _NLI, {"entailment": 0, "contradiction": 1, "neutral": 2}),
    _super_glue("RTE", "rte", "inference", _NLI, _ENTAILED),
    Task(
        "StoryCloze",
        "story_cloze/2016",
        ("LSDSem/story_cloze/2016",),
        stems=("cloze_test_val__spring2016 - cloze_test_ALL_val", "cloze_test_val__spring2016"),
        columns=_STORY,
        answer="answer_right_ending",
        label_values=(1, 2),
        renamed=_STORY_CSV,
        paper=True,
        kind="endings",
    ),
    _super_glue("WSC", "wsc.fixed", "coreference", ("text", "span1_text", "span2_text", "span2_index", "label"), _TRUE),
    _super_glue("WiC", "wic", "word sense", ("word", "sentence1", "sentence2", "label"), _TRUE),
    Task(
        "WinoGrande",
        "winogrande/winogrande_xl",
        ("allenai/winogrande/winogrande_xl",),
        columns=("sentence", "option1", "option2", "answer"),
        answer="answer",
        label_values=("1", "2"),  # the templates compare texts
        paper=True,
        kind="coreference",
    ),
    # The paper's WinoGender is AX-g, SuperGLUE's diagnostics from the Winogender schemas, which has only a test split.
    _super_glue("WinoGender", "axg", "coreference", _NLI, _ENTAILED, "test"),
    Task(
        "CrowS-Pairs",
        "crows_pairs",
        ("nyu-mll/crows_pairs",),
        "test",
        columns=("sent_more", "sent_less", "stereo_antistereo"),
        answer="stereo_antistereo",
        label_values=(0, 1),
        labels={"stereo": 0, "antistereo": 1},
        # The collection marks none as original. These ask whether a pair shows a stereotype, as the published results
        # do: the accuracy of two models, 85.5, is the share of pairs that show one (1,290 of 1,508).
        template_names=(
            "anti_stereotype",
            "anti_stereotype_confirm",
            "demontraste_or_violate",
            "stereotype",
            "stereotype_confirm",
        ),
        paper=True,
        kind="stereotypes",
    ),
    _super_glue("COPA", "copa", "endings", ("premise", "choice1", "choice2", "question", "label"), _FIRST, paper=False),
    Task(
        "HellaSwag",
        "hellaswag",
        ("Rowan/hellaswag",),
        columns=("activity_label", "ctx", "endings", "label"),
        label_values=(0, 1, 2, 3),
        kind="endings",
    ),
    # The hub's test split of SST-2 has no labels; a file `sst2_test` is assumed to be the labelled one.
    Task(
        "SST-2",
        "glue/sst2",
        ("nyu-mll/glue/sst2", "stanfordnlp/sst2"),
        stems=("sst2_test",),
        columns=("sentence", "label"),
        label_values=(0, 1),
        labels={"negative": 0, "positive": 1},
        kind="sentiment",
    ),
    Task(
        "banking77",
        "banking77",
        ("PolyAI/banking77", "mteb/banking77"),
        "test",
        columns=("text", "label"),
        label_values=tuple(range(len(BANKING77))),
        labels={name.casefold(): number for number, name in enumerate(BANKING77)},
        kind="topics",
    ),
)


OWN_KIND = Task.kind
"""The kind of tasks outside `TASKS`."""

KIND_OF = {task.name: task.kind for task in TASKS}
"""The kind of every known task."""

KINDS = (*dict.fromkeys(KIND_OF.values()), OWN_KIND)
"""All kinds, in the order of their first task."""


def find_tasks(names: Sequence[str]) -> list[Task]:
    """Return the tasks with these names, ignoring case, spaces and hyphens; all tasks if there are no names.

    Raises:
        InputError: a name is unknown.

    """
    known = {_key(task.name): task for task in TASKS}
    unknown = [name for name in names if _key(name) not in known]
    if unknown:
        raise InputError(f"task {unknown[0]!r} is unknown; the tasks are {', '.join(t.name for t in TASKS)}.")
    return [known[_key(name)] for name in names] or list(TASKS)


def own_task(rows: Path, templates: str) -> Task:
    """Return a task of a user's own rows, named after the file; `templates` is a folder or a name in the collection.

    Raises:
        InputError: the file is missing, or it has the name of a known task.

    """
    if not rows.is_file():
        raise InputError(f"{rows} is not a file.")
    name = rows.name.partition(".")[0]
    if _key(name) in {_key(task.name) for task in TASKS}:
        raise InputError(f"{rows} has the name of a known task; rename it, or put it in the folder of --data.")
    return Task(name, templates, file=rows)


def _key(name: str) -> str:
    return name.casefold().replace(" ", "").replace("-", "")
