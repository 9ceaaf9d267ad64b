"""Continuation groups: the sentence that comes next, and others that do not."""

from __future__ import annotations

from cappy.group import Group
from cappy.text.normalization import normalise
from cappy.training.continuations import TASK, continuation_groups
from cappy.training.passages import passages
from cappy.training.recipes import Continuations

TEXTS = [tuple(f"Sentence {i} of story {story} is told here." for i in range(6)) for story in range(60)]


def test_the_right_candidate_comes_next_and_no_other_was_shown() -> None:
    made = list(continuation_groups(TEXTS, Continuations(groups=200, candidates=4), 0))
    assert len(made) > 150
    own = 0
    for group in made:
        right = next(c.text for c in group.candidates if c.label == 1)
        story = next(text for text in TEXTS if right in text)
        place = story.index(right)
        shown = [sentence for sentence in story if sentence in group.instruction]
        assert shown and shown == list(story[place - len(shown) : place])
        wrong = [c.text for c in group.candidates if not c.label]
        assert 1 <= len(wrong) <= 3 and not {*map(normalise, wrong)} & {*map(normalise, shown), normalise(right)}
        own += any(text in story for text in wrong)
    assert own > 50  # wrong candidates on the subject
    assert (
        len(list(continuation_groups(TEXTS[:2], Continuations(groups=200, candidates=4), 0))) <= 8
    )  # a few of one passage at most
    assert {next(i for i, c in enumerate(g.candidates) if c.label) for g in made} == {0, 1, 2, 3}


def test_groups_come_from_passages_and_repeat_by_seed() -> None:
    groups = [Group(" ".join(text), (), "other", "t") for text in TEXTS]
    plan = Continuations(groups=20, passages=10)
    made, again, other = (list(continuation_groups(passages(groups, 10, seed), plan, seed)) for seed in (0, 0, 1))
    assert made and {group.task for group in made} == {TASK}
    assert made == again != other
    assert list(continuation_groups(passages(groups[:1], 10, 0), plan, 0)) == []
