"""Samples in groups: labelled by the references, merged, and never given twice by a stopped run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from cappy.data import sampling
from cappy.data.build import build
from cappy.data.recipefile import read_recipe
from cappy.data.sampling import is_open, sample_store, with_samples
from cappy.data.store import read_groups
from cappy.errors import InputError, LanguageModelError
from cappy.group import Candidate, Group
from cappy.llm.decoding import Decoding, parse_plan
from cappy.llm.model import Sample, Samples
from cappy.metrics.references import rouge_l


class Echo:
    """Answers with words of the prompt, which words the seed decides; stops when its credit is used up."""

    def __init__(self, credit: int = 10**9) -> None:
        self.credit = credit

    name = "echo"

    def generate(self, prompts: Sequence[str], decoding: Decoding, seed: int) -> list[Samples]:
        self.credit -= len(prompts)
        if self.credit < 0:
            raise KeyboardInterrupt
        texts = [[" ".join(p.split()[(seed + i) % 3 :]) for i in range(decoding.count)] for p in prompts]
        return [Samples(tuple(Sample(text) for text in found)) for found in texts]


OPEN = Group("the cat sat", (Candidate("the cat sat", 1.0, "reference"), Candidate("no dog", 0.0, "other")))
CLOSED = Group("is it?", (Candidate("yes", 1.0, "reference"), Candidate("no", 0.0, "choice")))


def test_samples_are_labelled_and_merged() -> None:
    plan = (Decoding("sampling", 3), Decoding("beam4", beams=4))
    opened, closed = with_samples([OPEN, CLOSED], Echo(), plan, rouge_l, 0)
    assert closed == CLOSED
    assert opened.candidates[:2] == OPEN.candidates  # the sample equal to the reference merged into it
    found = {c.text: (c.label, c.origin) for c in opened.candidates[2:]}
    assert found == {"cat sat": (pytest.approx(0.8), "sample:sampling"), "sat": (pytest.approx(0.5), "sample:sampling")}
    assert is_open(OPEN) and not is_open(CLOSED) and is_open(opened)


class Failing(Echo):
    """Fails for prompts about cats."""

    def generate(self, prompts: Sequence[str], decoding: Decoding, seed: int) -> list[Samples]:
        found = super().generate(prompts, decoding, seed)
        return [Samples((), "no cats.") if "cat" in p else s for p, s in zip(prompts, found, strict=True)]


def test_failures_are_told_or_end_it() -> None:
    other = Group("a red house", (Candidate("a red house", 1.0, "reference"), Candidate("no dog", 0.0, "other")))
    told: list[tuple[int, str]] = []
    first, second = with_samples(
        [OPEN, other], Failing(), (Decoding("sampling", 3),), rouge_l, 0, lambda *why: told.append(why)
    )
    assert first == OPEN and len(second.candidates) > 2 and told == [(0, "no cats.")]
    with pytest.raises(LanguageModelError, match="no cats"):
        with_samples([OPEN, other], Failing(), (Decoding("sampling", 3),), rouge_l, 0)


def test_a_prompt_that_cannot_be_answered_ends_nothing_but_a_model_that_is_gone_does(tmp_path: Path) -> None:
    rows = [
        {"instruction": f"the {animal} sat", "response": f"{animal} {n}"} for n, animal in enumerate(("cat", "dog"))
    ]
    (tmp_path / "mine.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (tmp_path / "r.yaml").write_text("sources: [{table: mine.jsonl}]")
    build(read_recipe(str(tmp_path / "r.yaml")), tmp_path / "store")
    plan = parse_plan("sampling*2")
    made = sample_store(tmp_path / "store", tmp_path / "a", Failing(), plan, rouge_l, {"llm": "failing"})
    assert made["problems"] == {"not sampled": 1}
    assert made["problem_samples"]["not sampled"][0][1] == "no cats."
    sampled = [any(c.sampled for c in group.candidates) for group in read_groups(tmp_path / "a")]
    assert sampled == [False, True]

    class Gone(Echo):
        def generate(self, prompts: Sequence[str], decoding: Decoding, seed: int) -> list[Samples]:
            return [Samples((), "nobody there.") for _ in prompts]

    with pytest.raises(LanguageModelError, match="nobody there"):
        sample_store(tmp_path / "store", tmp_path / "b", Gone(), plan, rouge_l, {"llm": "gone"})


def test_a_stopped_run_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling, "PART", 7)
    rows = [{"instruction": f"write the number {i} down", "response": f"number {i}"} for i in range(50)]
    (tmp_path / "mine.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (tmp_path / "r.yaml").write_text("sources: [{table: mine.jsonl}]")
    build(read_recipe(str(tmp_path / "r.yaml")), tmp_path / "store")
    plan = parse_plan("sampling*2,beam2")

    def run(target: str, echo: Echo) -> None:
        sample_store(tmp_path / "store", tmp_path / target, echo, plan, rouge_l, {"llm": "echo"}, seed=1)

    run("whole", Echo())
    for _ in range(3):
        with pytest.raises(KeyboardInterrupt):
            run("stopped", Echo(credit=30))
    run("stopped", Echo())

    def contents(name: str) -> dict[str, str]:
        files = sorted((tmp_path / name).rglob("*.*"))
        return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files if path.is_file()}

    assert contents("whole") == contents("stopped")
    groups = list(read_groups(tmp_path / "whole"))
    assert [group.instruction for group in groups] == [row["instruction"] for row in rows]
    assert all(any(c.origin.startswith("sample:") for c in group.candidates) for group in groups)
    with pytest.raises(InputError, match="another recipe"):
        sample_store(tmp_path / "store", tmp_path / "whole", Echo(), plan[:1], rouge_l, {"llm": "echo"}, seed=1)
    with pytest.raises(InputError, match="no finished store"):
        sample_store(tmp_path, tmp_path / "x", Echo(), plan, rouge_l, {})
