"""Statement groups: what is known to follow, to contradict or to be open, and how it is asked."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cappy.group import Candidate, Group
from cappy.text.normalization import normalise
from cappy.training.passages import passages
from cappy.training.recipes import Statements
from cappy.training.statements import TASK, statement_groups
from cappy.training.statements.groups import rendered
from cappy.training.statements.pairs import (
    Pair,
    paraphrase_pairs,
    passage_pairs,
    summary_pairs,
)
from cappy.training.statements.questions import as_statement, question_pairs
from cappy.training.statements.rewriting import contradict, names_in, shorten, tidy

SENTENCE = "In 1951, the Danube (a river) was crossed by Anna Weber of Linz, who later sold 300 boats."
PASSAGE = (
    SENTENCE,
    "The boats were larger than those of Peter Huber.",
    "Nobody in Vienna has seen them because they were sold at night.",
    "The town was rebuilt after the flood.",
)


def group(task: str, instruction: str, right: str, *wrong: str) -> Group:
    candidates = [Candidate(right, 1.0, "reference"), *(Candidate(text, 0.0, "other") for text in wrong)]
    return Group(instruction, tuple(candidates), task, "t")


def test_shortening_leaves_parts_out_and_adds_none() -> None:
    found = {shorten(SENTENCE, random.Random(seed)) for seed in range(40)}
    assert found == {
        "The Danube (a river) was crossed by Anna Weber of Linz, who later sold 300 boats.",
        "In 1951, the Danube was crossed by Anna Weber of Linz, who later sold 300 boats.",
        "In 1951, the Danube (a river) was crossed by Anna Weber of Linz.",
    }
    assert shorten("Boats are larger than houses.", random.Random(0)) is None
    assert shorten("It is (very) late.", random.Random(0)) is None  # too little would be left
    for limited in (
        "He had no choice, which hurt him.",
        "In theory, boats can swim.",
        "She waited on the hill for a while.",
    ):
        assert {shorten(limited, random.Random(i)) for i in range(9)} == {None}


@given(st.text(alphabet="ab (),.1A'in ", max_size=60), st.integers(0, 99))
def test_shortening_keeps_words_in_their_order(sentence: str, seed: int) -> None:
    shorter = shorten(sentence, random.Random(seed))
    if shorter is not None:
        rest = iter(normalise(sentence).split())
        assert all(word in rest for word in normalise(shorter).split())


def test_contradicting_changes_a_name_a_number_an_opposite_or_a_negation() -> None:
    found = {
        contradict("The river rose by 25 metres in Upper Austria.", ["Lower Saxony"], random.Random(i))
        for i in range(60)
    }
    assert "The river rose by 25 metres in Lower Saxony." in found
    assert "The river fell by 25 metres in Upper Austria." in found
    numbers = [text for text in found if text and "25" not in text]
    assert numbers and all(len(text) == len("The river rose by 25 metres in Upper Austria.") for text in numbers)
    assert {contradict("It was not seen.", [], random.Random(i)) for i in range(9)} == {"It was seen."}
    assert {contradict("it could be seen", [], random.Random(i)) for i in range(9)} == {"It could not be seen."}
    assert contradict("Boats swim.", [], random.Random(0)) is None
    assert contradict("He can’t swim.", [], random.Random(0)) is None
    assert {contradict("It took more than 20.", [], random.Random(i)) for i in range(9)} == {"It took less than 20."}
    assert "Peter knows Annabel." not in {contradict("Peter knows Anna.", ["Bel"], random.Random(i)) for i in range(9)}


@given(st.text(alphabet="aisnot wa25.AB,", max_size=50), st.integers(0, 99))
def test_what_is_contradicted_is_another_sentence(sentence: str, seed: int) -> None:
    changed = contradict(sentence, ["Bob Ab"], random.Random(seed))
    assert changed is None or changed != tidy(sentence)


def test_names_are_runs_of_capitals_within_a_sentence() -> None:
    assert names_in("“Then I'll go,” she said. “But Linz is far.” Then Peter left.") == ["Linz", "Peter"]
    assert names_in("The mayor of Linz met Anna de Groot. Later Peter came.") == ["Linz", "Anna de Groot", "Peter"]


def test_passages_are_the_plain_sentences_of_paragraphs() -> None:
    text = " ".join(PASSAGE)
    groups = [
        group("a", f"Read the text.\n\n{text}\n\nQuestion: Who crossed the Danube?", "Anna"),
        group("b", f"{text}\nChoose the answer that fits best.", "Peter"),
        group("c", "Short. Too short.", "x"),
    ]
    assert passages(groups, 10, 0) == [PASSAGE]
    assert passages(groups, 0, 0) == []


def test_statements_of_passages_say_what_they_are_labelled() -> None:
    other = ("Snow fell on the hills all night long.", "The road to Graz is closed.", "Trains run as usual.")
    pairs = list(passage_pairs([PASSAGE, other], 400, 3))
    assert {pair.relation for pair in pairs} == {"follows", "contradicts", "open"}
    for pair in pairs:
        premise = normalise(pair.premise).split()
        words = normalise(pair.statement).split()
        rest = iter(premise)
        within = all(word in rest for word in words)
        if pair.relation == "follows":
            assert within and len(words) < len(premise)
        elif pair.relation == "contradicts":
            assert not within
        else:
            assert not within
    assert list(passage_pairs([], 5, 0)) == []


def test_summaries_questions_and_paraphrases_become_pairs() -> None:
    article = "The council of Linz said on Monday that {n} bridges were closed for repairs until the end of the year."
    harvest = "Farmers near Graz expect a poor harvest of apples because frost destroyed most blossoms in April."
    news = [
        group("gigaword", f"{article.format(n=n)}\n\n===\n\nWrite a title:", f"linz closes {n} bridges for repairs")
        for n in range(30)
    ]
    news += [group("gigaword", f"{harvest}\n\n===\n\nWrite a title:", "farmers expect poor harvest")] * 30
    made = list(summary_pairs(news, 0))
    assert Counter(pair.relation for pair in made)["follows"] == 60
    assert {pair.relation for pair in made} == {"follows", "contradicts", "open"}
    for pair in made:
        numbers = [n for n in range(30) if pair.premise == article.format(n=n)]
        mine = f"Linz closes {numbers[0]} bridges for repairs." if numbers else "Farmers expect poor harvest."
        assert (pair.statement == mine) == (pair.relation == "follows")
        if pair.relation == "open":  # never a title of the same story, which may be told
            assert ("bridges" in pair.statement) == (not numbers)
    dialogue = (
        "Amanda: I sold the boats. Peter: Really? Amanda: Yes, all of them, and for a good price as well. Peter: Good."
    )
    backwards = group("samsum", "Write a dialogue for: Anna sells boats to Peter in Linz today for little.", dialogue)
    added = group("cnn_dailymail", f"{article.format(n=3)}\n\nSum up:", "Vienna closes bridges for repairs")
    unlike = group("gigaword", f"{article.format(n=3)}\n\nTitle:", "traffic jams are feared by many commuters")
    asking = group("gigaword", f"{article.format(n=3)}\n\nTitle:", "are bridges closed for repairs?")
    broken = group("gigaword", f"{article.format(n=3)}\n\nTitle:", "Bridges closed, said council member K. Huber.")
    assert not list(summary_pairs([backwards, added, unlike, asking, broken], 0))

    asked = [group("quoref", f"{' '.join(PASSAGE)}\n\nWho sold 300 boats?", "Anna Weber", "Peter Huber")] * 30
    answered = [(pair.statement, pair.relation) for pair in question_pairs(asked, 0)]
    assert len(answered) == 60  # all ask about one passage, so that nothing is left open
    assert ("Anna Weber sold 300 boats.", "follows") in answered
    assert ("Peter Huber sold 300 boats.", "contradicts") in answered
    assert all((relation == "follows") == ("Anna" in statement) for statement, relation in answered)
    assert not list(question_pairs([group("other", asked[0].instruction, "Anna", "Peter")], 0))
    refused = group("duorc", f"{' '.join(PASSAGE)}\n\nWho sold 300 horses?", "No answer", "Peter Huber")
    generated = group("adversarial_qa", f'What is asked about the passage "{" ".join(PASSAGE)}"?', "Who?", "When?")
    assert not list(question_pairs([refused, generated] * 9, 0))

    yes = group("paws", "Do these say the same?\nHe sold the boat to Anna.\nAnna was sold the boat.", "yes", "no")
    no = group(
        "paws", "Sentence 1: A flew from Linz to Graz .\nSentence 2: A flew from Graz to Linz .\nSame?", "No", "Yes"
    )
    assert [pair.relation for pair in paraphrase_pairs([yes, no], 0)] == ["follows", "differs"]
    assert {word for pair in paraphrase_pairs([no], 0) for word in (pair.premise, pair.statement)} == {
        "A flew from Linz to Graz .",
        "A flew from Graz to Linz .",
    }


@pytest.mark.parametrize(
    "asked",
    [
        'Given the following passage\n\n"{p}",\n\nanswer the following question. Note that the answer is present '
        "within the text.\n\nQuestion: {q}",
        "Extract the answer to the question from the following context.\nQuestion: {q}\nContext: {p}",
        "This article: {p} contains an answer for the question: {q}, what is it ?",
        "What is the answer for the question: {q} from the following article ?\n\n{p}",
        "The answer to the question: {q} is inside the article: {p}, can you guess it ?",
        "A friend asked me to answer this question: {q}, using the article: {p}, what would be the answer ?",
        "Found the following article online, use it to answer the question: {q}\n\n{p}",
        "The following article contains an answer for the question: {q} , can you please find it? \n\n{p}",
        "I have a test where I am given the following article, what is an answer for the question: {q} ?\n\n{p}",
        "Given the following context:\n\n{p}\n\nanswer the following question:\n\n{q}",
        "Extract the answer to the following question from the movie plot. If the question isn't answerable, please "
        'output "Can\'t answer".\nQuestion: {q}\nTitle: Boats\nMovie plot: {p}',
        "I am trying to decide whether it's worth it to invest in this film proposal. Can you help me answer a few "
        "questions? If you can't, please say \"No I can't\".\n\nQuestion: {q}\nMovie title: Boats\nMovie plot: {p}",
    ],
)
def test_templates_leave_nothing_of_theirs(asked: str) -> None:
    told = " ".join(PASSAGE)
    one = group("quoref", asked.format(p=told, q="Who sold 300 boats?"), "Anna Weber", "Peter Huber")
    found = [list(question_pairs([one], seed)) for seed in range(60)]
    statements = {pair.statement: pair.relation for pairs in found for pair in pairs}
    assert statements == {
        **dict.fromkeys(
            (
                "Anna Weber sold 300 boats.",
                'The answer to "Who sold 300 boats?" is Anna Weber.',
                "Who sold 300 boats? Anna Weber.",
            ),
            "follows",
        ),
        **dict.fromkeys(
            (
                "Peter Huber sold 300 boats.",
                'The answer to "Who sold 300 boats?" is Peter Huber.',
                "Who sold 300 boats? Peter Huber.",
            ),
            "contradicts",
        ),
    }
    (premise,) = {pair.premise for pairs in found for pair in pairs}
    assert premise in (told, " ".join(PASSAGE[:-1]))  # a question behind a comma takes the last sentence with it


@pytest.mark.parametrize(
    ("question", "right", "wrong"),
    [
        ("Who sold 300 boats?", "Anna Weber", "Weber"),
        ("Who sold 300 boats?", "Anna Weber", "Miss Anna"),
        ("Who sold 300 boats?", "Anna Weber", "No answer"),
        ("Who is mentioned last?", "Anna Weber", "Peter Huber"),
        ("What is the second name in the passage?", "Anna Weber", "Peter Huber"),
        ("Weber sold 300 boats?", "Anna Weber", "Peter Huber"),
        ("Who wrote the symphony about Venice?", "Anna Weber", "Peter Huber"),
    ],
)
def test_questions_that_a_part_of_the_passage_may_not_decide(question: str, right: str, wrong: str) -> None:
    assert not list(question_pairs([group("quoref", f"{' '.join(PASSAGE)}\n\n{question}", right, wrong)], 0))


def test_the_mention_that_answers_is_kept() -> None:
    filler = [f"Number {i} of the long report says nothing that anybody would ever ask about." for i in range(30)]
    told = ["Anna Weber was born in Linz.", *filler, "The old harbour was sold by Anna Weber.", *filler]
    for place in (told, told[::-1]):
        (right, _) = question_pairs(
            [group("duorc", f"{' '.join(place)}\n\nWho sold the old harbour?", "Anna Weber", "Karl")], 0
        )
        assert "The old harbour was sold by Anna Weber." in right.premise


def test_answers_stand_before_questions_that_can_take_one() -> None:
    for asked in ("Who is Lisa confronted by?", "Who was Anna Weber?", "What is the harbour looked after by?"):
        assert all(asked in as_statement(asked, "Karl", random.Random(i)) for i in range(9))
    assert "Karl is the owner." in {as_statement("Who is the owner?", "Karl", random.Random(i)) for i in range(9)}


def test_what_another_passage_is_asked_is_left_open() -> None:
    snow = ("Snow fell on the hills all night long.", "The road to Graz was closed by Karl Moser at nine.")
    asked = [
        group("quoref", f"{' '.join(PASSAGE)}\n\nWho sold 300 boats?", "Anna Weber", "Peter Huber"),
        group("quoref", f"{' '.join(snow)}\n\nWho closed the road to Graz?", "Karl Moser", "Anna Weber"),
    ] * 10
    left_open = [pair for pair in question_pairs(asked, 0) if pair.relation == "open"]
    assert left_open
    for pair in left_open:
        assert ("Graz" in pair.statement) == (PASSAGE[0] in pair.premise)


def test_a_long_passage_is_cut_around_the_answer() -> None:
    filler = [f"Number {i} of the long report says nothing that anybody would ever ask about." for i in range(30)]
    told = " ".join([*filler, "The old harbour was sold by Anna Weber.", *filler])
    (right, wrong) = question_pairs([group("duorc", f"{told}\n\nWho sold the harbour?", "Anna Weber", "Karl")], 0)
    assert right.premise == wrong.premise
    sentences = [one.strip() + "." for one in right.premise.split(".") if one]
    place = sentences.index("The old harbour was sold by Anna Weber.")
    assert abs(place - (len(sentences) - 1 - place)) <= 1
    assert 110 - 14 < len(right.premise.split()) <= 110
    whole = " ".join(filler)
    assert not list(question_pairs([group("duorc", f"{whole}\n\nWho sold the harbour?", "Anna Weber", "Karl")], 0))


def test_yes_or_no_becomes_a_statement_of_either_answer() -> None:
    told = "Oak -- An oak is a tree of the beech family, of which about five hundred species live in the north."
    boolq = group("super_glue__boolq", f"{told}\n\nHaving read that, I wonder is an oak a tree?", "True", "False")
    made = {pair.relation: pair for pair in question_pairs([boolq] * 9, 0)}
    assert made.keys() == {"follows", "contradicts"}
    assert made["follows"].premise == told
    for relation, answer in (("follows", "yes"), ("contradicts", "no")):
        assert "wonder" not in made[relation].statement
        assert answer in made[relation].statement.casefold()
    there = group("super_glue__boolq", f"{told}\n\nQuestion: are there oaks in the north?", "No", "Yes")
    assert [(pair.statement, pair.relation) for pair in question_pairs([there], 0)] == [
        ("There are not oaks in the north.", "follows"),
        ("There are oaks in the north.", "contradicts"),
    ]
    for anything in ("are there anything higher", "is there no tax"):
        assert anything in as_statement(anything, "yes", random.Random(0)).casefold()
    assert as_statement("are there any oaks", "yes", random.Random(0)) == "There are oaks."
    said = {as_statement(f"is there {what}", "no", random.Random(0)) for what in ("an oak", "any snow", "to be rain")}
    assert said == {"There is no oak.", "There is no snow.", "There is not to be rain."}
    long = group("super_glue__boolq", f"{told * 9}\n\nis an oak a tree?", "True", "False")
    unclear = group("super_glue__boolq", f"{told}\n\nis an oak a tree?", "True", "It depends")
    assert not list(question_pairs([long, unclear], 0))


def test_questions_of_other_forms_are_quoted() -> None:
    said = {as_statement("When did it rain?", "on Monday", random.Random(i)) for i in range(9)}
    assert said == {'The answer to "When did it rain?" is on Monday.', "When did it rain? on Monday."}
    did = {as_statement("What did Anna sell?", "boats", random.Random(i)) for i in range(9)}
    assert "Boats Anna sell." not in did


@pytest.mark.parametrize("relation", ["follows", "contradicts", "open", "differs"])
def test_rendering_asks_with_both_texts_and_marks_one_answer(relation: str) -> None:
    made = list(rendered([Pair("It rains in {Linz}.", "The sky is blue.", relation)] * 300, 1))  # type: ignore[arg-type]
    assert {len(one.candidates) for one in made} == ({2} if relation == "differs" else {2, 3})
    rights = Counter(candidate.text for one in made for candidate in one.candidates if candidate.label)
    for one in made:
        assert "It rains in {Linz}." in one.instruction and "The sky is blue." in one.instruction
        assert sum(candidate.label or 0 for candidate in one.candidates) == 1
    affirmed = {"Yes", "yes", "True", "Right", "It does follow", "It follows", "Supported", "Certainly"}
    assert set(rights) <= affirmed if relation == "follows" else affirmed.isdisjoint(rights)
    places = {next(i for i, c in enumerate(one.candidates) if c.label) for one in made if len(one.candidates) == 2}
    assert places == {0, 1}


def test_groups_are_made_from_training_groups_and_repeat_by_seed() -> None:
    stories = [PASSAGE, *(tuple(f"{one[:-1]} {n} times." for one in PASSAGE) for n in range(2, 12))]
    groups = [group("other", f"{' '.join(story)}\n\nWhat is it?", "a boat", "a car") for story in stories]
    plan = Statements(groups=40, passages=10)
    made, again, other = (list(statement_groups(groups, passages(groups, 10, seed), plan, seed)) for seed in (0, 0, 1))
    assert 20 < len(made) <= 40 and {one.task for one in made} == {TASK}
    assert made == again
    assert made != other
