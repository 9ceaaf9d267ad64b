"""Further sets: data sets without PromptSource templates, each with its own prompts and negatives."""

from __future__ import annotations

import random
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cappy.data.distractors import numbers
from cappy.data.negatives import WrongAnswers, make_groups, merge
from cappy.group import Candidate, Example, Group
from cappy.text.normalization import normalise
from cappy.training.similarity import STYLES
from cappy.training.wordings import ask_for_name

Row = Mapping[str, Any]

NAMES, LISTED_NAMES = 16, 24
"""Candidates of an intent group without and with a list of options."""
_WRITTEN: tuple[Callable[[str], str], ...] = (str.lower, str.lower, *STYLES)
_LENT = WrongAnswers(near=2, far=3)
_OTHER_ANSWERS = 2
"""Negatives per group that are answers to other questions, labelled 0."""
_WRONG_NUMBERS = 4
_ASK = (
    "{question}",
    "{question}",
    "Question: {question}\nAnswer:",
    "Q: {question}\nA:",
    "Answer the question: {question}",
    "{question}\n\nWhat is the answer?",
)
_ASK_ABOUT = (
    "{text}\n\n{question}",
    "{text}\n\nQuestion: {question}\nAnswer:",
    "Read this and answer the question.\n\n{text}\n\n{question}",
    "Question: {question}\n\nText: {text}",
    "Use the text to answer: {question}\n\n{text}",
)
_ASK_FOR_NUMBER = ("{question}", "{question}\nAnswer with a number.", "{question} Give the number alone.")
_ASK_FOR_STEPS = ("{question}", "{question}\nThink step by step.", "Solve this and show your work.\n\n{question}")
_DESCRIBE = (
    "Describe this in one or two sentences: {facts}",
    "{facts}\n\nWrite this as a text.",
    "Write a short description from these facts.\n\n{facts}",
    "Facts: {facts}\nText:",
    "Turn the data into plain English.\n\n{facts}",
)
_USE_WORDS = (
    "Write a sentence with these words: {words}",
    "Words: {words}\nSentence:",
    "Put the words {words} into one sentence.",
    "Make a sentence that uses all of: {words}.",
    "{words}\n\nWrite a sentence about an everyday scene with these words.",
)


@dataclass(frozen=True, slots=True)
class FurtherSet:
    """A set: rows with the same `column` are held out together; `groups` makes groups from rows and a seed."""

    column: str
    groups: Callable[[Sequence[Row], str], Iterator[Group]]

    def key(self, row: Row) -> str:
        """Return the key that rows held out together share."""
        return normalise(str(row[self.column]))


def intents(task: str) -> Callable[[Sequence[Row], str], Iterator[Group]]:
    """Ask for the intent of an utterance; half of the groups list their options, as similarity groups do."""

    def groups(rows: Sequence[Row], seed: str) -> Iterator[Group]:
        every = sorted({row["intent"] for row in rows})
        for number, row in enumerate(rows):
            draw = random.Random(f"{seed}:{number}")
            write = draw.choice(_WRITTEN)
            listed = draw.random() < 0.5
            others = [name for name in every if name != row["intent"]]
            others = draw.sample(others, min(len(others), (LISTED_NAMES if listed else NAMES) - 1))
            options = [row["intent"], *draw.sample(every, draw.randint(0, len(every))), *others] if listed else []
            instruction = ask_for_name(row["text"], [write(_spoken(one)) for one in dict.fromkeys(options)], draw)
            wrong = [Candidate(write(_spoken(name)), 0.0, "choice") for name in others]
            right = Candidate(write(_spoken(row["intent"])), 1.0, "reference")
            if wrong:
                yield Group(instruction, (right, *wrong), task, "listed" if listed else "plain")

    return groups


def _spoken(name: str) -> str:
    """Spell out an intent's name: "AddToPlaylist" or "transport_ticket" in lower-case words."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).replace("_", " ").lower()


def sums(rows: Sequence[Row], seed: str) -> Iterator[Group]:
    """Ask for the answer of an arithmetic problem, with its other numbers as negatives; in half, for the solution."""
    worked: list[Example] = []
    answers = [_solution(row)[1] for row in rows]
    for place, row in enumerate(rows):
        draw = random.Random(f"{seed}:{place}")
        solution, answer = _solution(row)
        if draw.random() < 0.5:
            asked = draw.choice(_ASK_FOR_STEPS).format(question=row["question"])
            worked.append(Example(asked, (f"{solution}\nThe answer is {answer}.",), None, "gsm8k", "solution"))
            continue
        near = [one for one in numbers(f"{row['question']} {solution}") if one != answer]
        wrong = draw.sample(near, min(len(near), _WRONG_NUMBERS)) + draw.sample(answers, min(len(rows), _OTHER_ANSWERS))
        asked = draw.choice(_ASK_FOR_NUMBER).format(question=row["question"])
        candidates = [Candidate(answer, 1.0, "reference"), *(Candidate(one, 0.0, "other") for one in wrong)]
        yield Group(asked, merge(candidates), "gsm8k", "number")
    yield from (group for _, group in make_groups(worked, _LENT, seed))


def _solution(row: Row) -> tuple[str, str]:
    """Return a solution without its calculator annotations, and its final number."""
    solution, _, answer = row["answer"].partition("####")
    return re.sub(r"<<.*?>>", "", solution).strip(), answer.strip()


def descriptions(rows: Sequence[Row], seed: str) -> Iterator[Group]:
    """Ask for a description of a restaurant with given attributes; up to two references."""
    return _written(rows, seed, "e2e_nlg", "meaning_representation", "human_reference", _DESCRIBE)


def scenes(rows: Sequence[Row], seed: str) -> Iterator[Group]:
    """Ask for a sentence that uses three to five given words; up to two references."""
    told = [{**row, "words": ", ".join(row["concepts"])} for row in rows]
    return _written(told, seed, "common_gen", "words", "target", _USE_WORDS)


def _written(
    rows: Sequence[Row], seed: str, task: str, asked: str, answer: str, wordings: Sequence[str]
) -> Iterator[Group]:
    """Ask for a text about column `asked`; negatives are the `answer` texts of other rows."""
    texts: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        texts[row[asked]].append(row[answer])
    examples = []
    for about, written in texts.items():
        draw = random.Random(f"{seed}:{about}")
        instruction = draw.choice(wordings).format(facts=about, words=about)
        examples.append(Example(instruction, tuple(draw.sample(written, min(2, len(written)))), None, task, ""))
    return (group for _, group in make_groups(examples, _LENT, seed))


def judged(rows: Sequence[Row], seed: str) -> Iterator[Group]:
    """Ask a question. Labels: golden answers 1, five systems' answers 1 or 0 as people judged, two other answers 0."""
    questions: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        questions[row["question"]].append(row)
    asked = list(questions)
    for question, members in questions.items():
        draw = random.Random(f"{seed}:{question}")
        right = [Candidate(text, 1.0, "reference") for text in _golden(members[0]["golden_answer"])[:2]]
        made = [Candidate(row["answer"], float(row["correct"]), f"sample:{row['model']}") for row in members]
        known = {normalise(one.text) for one in (*right, *made)}
        others = [draw.choice(questions[one])["answer"] for one in draw.sample(asked, min(len(asked), 4))]
        others = [text for text in others if normalise(text) not in known][:_OTHER_ANSWERS]
        candidates = merge([*right, *made, *(Candidate(text, 0.0, "other") for text in others)])
        text = draw.choice(_ASK).format(question=question)
        yield Group(text, candidates, "evouna", members[0]["source"])


def _golden(answers: str) -> list[str]:
    """Split golden answers at slashes, except between digits (9/11)."""
    return [text.strip() for text in re.split(r"(?<!\d)/|/(?!\d)", answers) if text.strip()]


def hallucinated(rows: Sequence[Row], seed: str) -> Iterator[Group]:
    """Ask about a passage: the right answer against a plausible wrong one written by a language model."""
    for row in rows:
        draw = random.Random(f"{seed}:{row['question']}")
        instruction = draw.choice(_ASK_ABOUT).format(text=row["knowledge"], question=row["question"])
        right = Candidate(row["right_answer"], 1.0, "reference")
        wrong = Candidate(row["hallucinated_answer"], 0.0, "sample:hallucinated")
        if normalise(right.text) != normalise(wrong.text):
            yield Group(instruction, (right, wrong), "halueval_qa", "")


FURTHER = {
    "common_gen": FurtherSet("concepts", scenes),
    "e2e_nlg": FurtherSet("meaning_representation", descriptions),
    "evouna": FurtherSet("question", judged),
    "gsm8k": FurtherSet("question", sums),
    "halueval_qa": FurtherSet("knowledge", hallucinated),
    "hwu64": FurtherSet("text", intents("hwu64")),
    "snips_built_in": FurtherSet("text", intents("snips_built_in")),
}
"""Sets by the stem of their file, which is also their task name."""
