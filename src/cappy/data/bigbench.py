"""BIG-Bench's generative tasks (Srivastava et al., 2022, arXiv 2206.04615), split as the Hugging Face copies are.

The paper uses the 45 tasks of `tasksource/bigbench` whose examples have no choices. Their data carries a canary: it
must not enter training corpora. A scorer is adapted to a task with that task's training part and evaluated on its
validation part; neither part goes into a released checkpoint.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cappy.data.hub import stream_rows
from cappy.errors import InputError

GENERATIVE_TASKS = (
    "ascii_word_recognition",
    "auto_categorization",
    "auto_debugging",
    "bridging_anaphora_resolution_barqa",
    "chess_state_tracking",
    "chinese_remainder_theorem",
    "codenames",
    "conlang_translation",
    "cryptonite",
    "disfl_qa",
    "few_shot_nlg",
    "gem",
    "gender_inclusive_sentences_german",
    "hindi_question_answering",
    "international_phonetic_alphabet_transliterate",
    "language_games",
    "linguistic_mappings",
    "linguistics_puzzles",
    "list_functions",
    "matrixshapes",
    "minute_mysteries_qa",
    "modified_arithmetic",
    "mult_data_wrangling",
    "object_counting",
    "operators",
    "paragraph_segmentation",
    "parsinlu_reading_comprehension",
    "physics_questions",
    "polish_sequence_labeling",
    "qa_wikidata",
    "repeat_copy_logic",
    "rephrase",
    "scientific_press_release",
    "semantic_parsing_in_context_sparc",
    "semantic_parsing_spider",
    "simp_turing_concept",
    "simple_arithmetic_json",
    "simple_text_editing",
    "sufficient_information",
    "tellmewhy",
    "tense",
    "topical_chat",
    "unnatural_in_context_learning",
    "word_sorting",
    "word_unscrambling",
)
"""The 45 generative tasks, by the names of the paper's published results."""

HUB = "tasksource/bigbench"
"""A data set on the Hugging Face hub that has all of them."""
SPLITS = ("train", "validation")
VALIDATION_SHARE = 0.2
SMALLEST_VALIDATION = 16
_SHUFFLE_SEED = 42


@dataclass(frozen=True, slots=True)
class BigBenchExample:
    """An input with its task's prefixes and suffixes, and the right outputs."""

    task: str
    subtask: str
    instruction: str
    references: tuple[str, ...]


def read_task(folder: Path, task: str, split: str) -> list[BigBenchExample]:
    """Read one split of a task from a folder of `task.json` files; each subtask is split separately.

    The split is that of BIG-Bench's seqio bridge, which the Hugging Face copies use: examples without repetitions,
    shuffled with seed 42, the last fifth (at least 16, divided by the number of subtasks) for validation.

    Raises:
        InputError: the task is unknown, not in the folder, or unreadable; or the split is unknown.

    """
    _check(task, split)
    parts = list(_parts(folder / task))
    if not parts:
        raise InputError(
            f"{folder} holds no task {task!r}; download the tasks with `cappy data fetch bigbench`, "
            f"or name a data set of the hub that has it: {HUB}."
        )
    smallest = SMALLEST_VALIDATION // len(parts) if len(parts) > 1 else SMALLEST_VALIDATION
    found: list[BigBenchExample] = []
    for path, data in parts:
        examples = _distinct(data["examples"])
        train, validation = split_examples(examples, smallest, str(path))
        chosen = train if split == "train" else validation
        subtask = path.parent.name if len(parts) > 1 else ""
        found += [_rendered(task, subtask, data, example) for example in chosen]
    return found


def read_hub_task(repository: str, task: str, split: str) -> list[BigBenchExample]:
    """Read one split of a task in the format of `tasksource/bigbench`: one configuration per task.

    Columns are `inputs` and `targets`. `repository` is a hub data set or a local folder that `datasets` reads. Its
    splits are those of `read_task`, but it does not say which subtask an example belongs to.

    Raises:
        InputError: the task or split is unknown, or the data set cannot be loaded or has other columns.

    """
    _check(task, split)
    found = []
    for number, row in enumerate(stream_rows(repository, task, split)):
        text, targets = row.get("inputs"), row.get("targets")
        if not isinstance(text, str) or not isinstance(targets, list) or not all(isinstance(t, str) for t in targets):
            raise InputError(
                f"{repository}/{task}:{split}:{number} is no BIG-Bench example: it needs inputs and targets."
            )
        found.append(BigBenchExample(task, "", text.strip(), tuple(target.strip() for target in targets)))
    return found


def find_task(folder: Path, task: str, split: str, hub: str = "") -> list[BigBenchExample]:
    """Read one split of a task from `folder`, or from the data set `hub`, if given, when the folder lacks it.

    Raises:
        InputError: neither has it, or it cannot be read.

    """
    if hub and not (folder / task / "task.json").is_file():
        return read_hub_task(hub, task, split)
    return read_task(folder, task, split)


def _check(task: str, split: str) -> None:
    if split not in SPLITS:
        raise InputError(f"split {split!r} is unknown; choose one of {', '.join(SPLITS)}.")
    if task not in GENERATIVE_TASKS:
        raise InputError(f"{task!r} is none of BIG-Bench's 45 generative tasks.")


def available_tasks(folder: Path) -> list[str]:
    """Return the tasks, of the 45, that the folder holds."""
    return [task for task in GENERATIVE_TASKS if (folder / task / "task.json").is_file()]


def split_examples(examples: Sequence[Any], smallest: int, name: str) -> tuple[list[Any], list[Any]]:
    """Shuffle with BIG-Bench's seed and split into training and validation examples.

    Raises:
        InputError: there are too few examples for both.

    """
    shuffled = list(examples)
    random.Random(_SHUFFLE_SEED).shuffle(shuffled)
    held = max(int(VALIDATION_SHARE * len(shuffled)), smallest)
    if held >= len(shuffled):
        raise InputError(f"{name} has {len(shuffled)} examples, too few for a validation part of {held}.")
    return shuffled[: len(shuffled) - held], shuffled[len(shuffled) - held :]


def _parts(folder: Path) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    """Yield the task's file, or its subtasks' files in the order of their names."""
    main = folder / "task.json"
    if not main.is_file():
        return
    data = _read(main)
    if "examples" in data:
        yield main, data
        return
    for path in sorted(folder.glob("*/task.json")):
        yield path, _read(path)


def _read(path: Path) -> Mapping[str, Any]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} is no readable BIG-Bench task ({error}).") from error
    if not isinstance(data, dict):
        raise InputError(f"{path} is not a BIG-Bench task.")
    return data


def _distinct(examples: Sequence[Any]) -> list[Any]:
    """Drop repeated examples and keep the order."""
    return list({json.dumps(example): example for example in examples}.values())


def _rendered(task: str, subtask: str, data: Mapping[str, Any], example: Mapping[str, Any]) -> BigBenchExample:
    before, after = data.get("example_input_prefix", "\nQ: "), data.get("example_output_prefix", "\nA: ")
    text, targets = example["input"], example.get("target")
    choices: Mapping[str, float] = example.get("target_scores") or {}
    if choices and data.get("append_choices_to_input", True):
        # A few subtasks have choices; BIG-Bench lists them in an order decided by its seed.
        join = data.get("choice_prefix", "\n  choice: ")
        order = np.random.RandomState(_SHUFFLE_SEED).permutation(sorted(choices))
        text += "".join(join + str(choice) for choice in order)
    if targets is None:
        targets = max(choices, key=lambda choice: choices[choice])
    instruction = f"{data.get('task_prefix', '')}{before}{text}{after}".strip()
    references = tuple(str(t).strip() for t in (targets if isinstance(targets, list) else [targets]))
    return BigBenchExample(task, subtask, instruction, references)
