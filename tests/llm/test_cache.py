"""Kept samples: nothing is sampled twice, nothing that was sampled is lost."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cappy.errors import InputError, LanguageModelError
from cappy.llm.cache import KeptSamples
from cappy.llm.decoding import Decoding
from cappy.llm.model import Sample, Samples

DRAW = Decoding("sampling", 3)


class Counting:
    """Answers with the prompt, the decoding and the seed; fails for prompts named in `bad`, after `before` samples."""

    name = "counting"

    def __init__(self, bad: Sequence[str] = (), before: int = 0) -> None:
        self.asked: list[tuple[str, int]] = []
        self.bad, self.before = bad, before

    def generate(self, prompts: Sequence[str], decoding: Decoding, seed: int) -> list[Samples]:
        self.asked += [(prompt, decoding.count) for prompt in prompts]
        found = []
        for prompt in prompts:
            count = self.before if prompt in self.bad else decoding.count
            texts = [f"{prompt} {decoding.name} {seed} {number}" for number in range(count)]
            samples = tuple(Sample(text, decoding.name, -1.5, 2) for text in texts)
            found.append(Samples(samples, "it failed." if prompt in self.bad else "", 7))
        return found


def test_samples_are_read_from_the_file_the_next_time(tmp_path: Path) -> None:
    first = KeptSamples(Counting(), tmp_path / "s.jsonl")
    made = first.generate(["a", "b", "a"], DRAW, 1)
    first.close()
    again = Counting()
    second = KeptSamples(again, tmp_path / "s.jsonl")
    assert second.generate(["a", "b", "a"], DRAW, 1) == made
    assert again.asked == []
    assert made[0].samples[0] == Sample("a sampling 1 0", "sampling", -1.5, 2) and made[0].prompt_tokens == 7
    second.generate(["a"], DRAW, 2)
    second.generate(["a"], Decoding("topk5", 3, top_k=5), 1)
    assert again.asked == [("a", 3), ("a", 3)]  # another seed and another decoding are other samples


def test_more_samples_add_to_those_there_are(tmp_path: Path) -> None:
    llm = Counting()
    kept = KeptSamples(llm, tmp_path / "s.jsonl")
    few = kept.generate(["a"], DRAW, 1)[0]
    many = kept.generate(["a"], Decoding("sampling", 5), 1)[0]
    assert llm.asked == [("a", 3), ("a", 2)]
    assert many.samples[:3] == few.samples and len(set(many.texts)) == 5


def test_failures_are_asked_again_and_cost_nothing_that_came(tmp_path: Path) -> None:
    kept = KeptSamples(Counting(bad=["b"], before=1), tmp_path / "s.jsonl")
    good, bad = kept.generate(["a", "b"], DRAW, 1)
    assert len(good.samples) == 3 and not good.error
    assert len(bad.samples) == 1 and bad.error == "it failed."
    kept.close()
    well = Counting()
    second = KeptSamples(well, tmp_path / "s.jsonl")
    assert [len(one.samples) for one in second.generate(["a", "b"], DRAW, 1)] == [3, 3]
    assert well.asked == [("b", 2)]


def test_prompts_that_fail_for_good_do_not_end_a_repeated_run(tmp_path: Path) -> None:
    for _ in range(2):
        kept = KeptSamples(Counting(bad=["b", "c"]), str(tmp_path / "s.jsonl"))
        found = kept.generate(["a", "b", "c"], DRAW, 1)
        assert [len(one.samples) for one in found] == [3, 0, 0]
        assert [bool(one.error) for one in found] == [False, True, True]
        kept.close()


def test_a_model_that_fails_everywhere_ends_the_run(tmp_path: Path) -> None:
    kept = KeptSamples(Counting(bad=["a", "b"]), tmp_path / "s.jsonl")
    with pytest.raises(LanguageModelError, match="all 2 prompts failed, the first with: it failed"):
        kept.generate(["a", "b"], DRAW, 1)


@given(cut=st.integers(0, 10**6))
def test_a_crash_loses_at_most_the_last_line(cut: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("kept") / "s.jsonl"
    prompts = [f"prompt {number}" for number in range(6)]
    first = KeptSamples(Counting(), path, chunk=2)
    made = first.generate(prompts, DRAW, 1)
    first.close()
    content = path.read_bytes()
    path.write_bytes(content[: cut % (len(content) + 1)])
    whole = path.read_bytes().count(b"\n")
    llm = Counting()
    second = KeptSamples(llm, path)
    assert second.generate(prompts, DRAW, 1) == made
    assert len(llm.asked) == 6 - whole
    second.close()


def test_files_that_cannot_be_used(tmp_path: Path) -> None:
    kept = KeptSamples(Counting(), tmp_path / "s.jsonl")
    with pytest.raises(InputError, match="another process"):
        KeptSamples(Counting(), tmp_path / "s.jsonl")
    kept.close()
    for content in ("no json\n", "text,label\ngood,1", "one line without an end", '{"instruction": "a"}'):
        (tmp_path / "bad.jsonl").write_text(content)
        with pytest.raises(InputError, match="no file of kept samples"):
            KeptSamples(Counting(), tmp_path / "bad.jsonl")
        assert (tmp_path / "bad.jsonl").read_text() == content  # somebody else's file is left as it is
    if Path("/dev/full").exists():
        full = KeptSamples(Counting(), tmp_path / "full.jsonl")
        full._journal._file = Path("/dev/full").open("r+b", buffering=0)  # noqa: SIM115
        with pytest.raises(InputError, match="No space left"):
            full.generate(["a"], DRAW, 1)
