"""Suggested distractors, made from the instruction itself or from the right answer.

Negatives drawn from other rows are off topic, so a scorer can recognise them by their words alone. In use, wrong
answers are on topic: another name of the passage, a changed number, an answer cut short. The rules here make such
answers. They need only the group, and the same seed gives the same answers.

| right answer | rule | label |
|---|---|---|
| short, found in the instruction | another name, number or span of the passage | 0 |
| long | one name or number exchanged | 0.35 |
| long | cut short | 0.8 x Rouge-L against the references |
| long | looped | 0.1 |
| long | a sentence copied from the passage | Rouge-L against the references |
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Sequence

from cappy.data.phrases import SENTENCE_END
from cappy.group import Candidate, Group
from cappy.metrics.references import rouge_l
from cappy.text.normalization import normalise

ORIGIN = "suggested"
SHORT_WORDS = 6
"""An answer of at most this many words is short."""
MOST_SHORT = 4
"""Maximum number of suggestions if the answer is short."""
MOST_LONG = 3
"""Maximum number of suggestions if the answer is long."""
EXCHANGED, LOOPED, CUT = 0.35, 0.1, 0.8
"""Labels of an exchange and a loop, and the factor of Rouge-L for an answer cut short."""

_NUMBER = re.compile(r"(?<!\w)\d+(?:[.,]\d+)*(?!\w)")
_NAME = re.compile(r"(?<!\w)[A-Z][\w'’-]+(?: (?:(?:of|the|de|von|van) )?[A-Z][\w'’-]+)*")
_STARTS = re.compile(r"(?:^|[.!?:;\"“]\s*|[\n-]\s*)$")
"""What precedes the first word of a sentence, whose capital means nothing."""
_FUNCTION_WORDS = """
a about after all also although among an and any are as at be because been before being between both but by can
could did do does during each either else even every few for from had has have he her here him his how i if in
into is it its just less many may me might more most much must my neither no nor not of off on once one only or
other our out over own per quite rather same shall she should since so some such than that the their them then
there these they this those though through to too under until up upon us very was we were what when where
whether which while who whose why will with within without would yet you your
"""
_ENDS = frozenset(_FUNCTION_WORDS.split())
"""Words that a span must not begin or end with."""


def with_suggested(groups: Iterable[Group], share: float, seed: int | str) -> list[Group]:
    """Add suggested distractors to a `share` of the groups, in [0, 1], where a rule applies; the order stays."""
    return [suggest(group, seed) if _draw(group, seed).random() < share else group for group in groups]


def suggest(group: Group, seed: int | str, told: str | None = None) -> Group:
    """Return the group with suggested distractors; unchanged if no rule applies.

    A group with a short answer that occurs in the instruction gets spans. An open group (no choices listed) with a long
    answer gets rewrites. `told` is the part of the instruction to use; the whole instruction by default. No suggestion
    repeats a candidate.
    """
    references = [one.text for one in group.candidates if one.origin == "reference"]
    if not references:
        return group
    told = group.instruction if told is None else told
    draw = _draw(group, f"{seed}:which")
    short = all(len(text.split()) <= SHORT_WORDS for text in references)
    made: list[Candidate] = []
    if short and _stands_in(references[0], told):
        made = spans(told, references, MOST_SHORT, draw)
    elif not short and all(one.origin != "choice" for one in group.candidates):
        made = rewrites(told, references, MOST_LONG, draw)
    taken = {normalise(one.text) for one in group.candidates}
    fresh = {key: one for one in made if (key := normalise(one.text)) and key not in taken}
    return (
        Group(group.instruction, (*group.candidates, *fresh.values()), group.task, group.template) if fresh else group
    )


def without_suggested(group: Group) -> Group:
    """Return the group without suggested distractors."""
    kept = tuple(one for one in group.candidates if one.origin != ORIGIN)
    return Group(group.instruction, kept, group.task, group.template)


def spans(instruction: str, references: Sequence[str], most: int, draw: random.Random) -> list[Candidate]:
    """Return up to `most` names, numbers and other spans of the passage, labelled 0.

    Half are of the same kind as the right answer, if the passage has enough. Spans that share a word with a reference
    are left out, because they may be partly right.
    """
    told = passage(instruction)
    kinds = {"number": numbers(told), "name": names(told), "span": _runs(told, len(references[0].split()), draw)}
    words = {word for reference in references for word in normalise(reference).split()}
    usable = {kind: _distinct(texts, words) for kind, texts in kinds.items()}
    for texts in usable.values():
        draw.shuffle(texts)
    first = usable.pop(_kind(references[0]))
    rest = [text for texts in usable.values() for text in texts[: most // 2]]
    draw.shuffle(rest)
    chosen = [*first[: most - most // 2], *rest, *first[most - most // 2 :]]
    return [Candidate(text, 0.0, ORIGIN) for text in chosen[:most]]


def rewrites(instruction: str, references: Sequence[str], most: int, draw: random.Random) -> list[Candidate]:
    """Return up to `most` of four rewrites of a long answer: exchanged, cut short, looped, copied from the passage."""
    answer = draw.choice(references)
    texts = {
        "exchanged": exchange(answer, instruction, draw),
        "cut": cut_short(answer, draw),
        "looped": loop(answer, draw),
        "copied": copy_sentence(instruction, draw),
    }
    made = []
    for rule, text in texts.items():
        if text and normalise(text) not in map(normalise, references):
            made.append(Candidate(text, _label(rule, text, references), ORIGIN))
    return draw.sample(made, min(most, len(made)))


def _label(rule: str, text: str, references: Sequence[str]) -> float:
    if rule == "exchanged":
        return EXCHANGED
    if rule == "looped":
        return LOOPED
    return rouge_l(text, references) * (CUT if rule == "cut" else 1.0)


def exchange(answer: str, instruction: str, draw: random.Random) -> str | None:
    """Exchange one name or number of the answer for another of the instruction, or a number for a nearby one."""
    held = {"name": names(answer), "number": numbers(answer)}
    other = {"name": names(instruction), "number": numbers(instruction)}
    pairs = [(old, new) for kind in held for old in held[kind] for new in _distinct(other[kind], _words(answer))]
    pairs += [(old, _near_number(old, draw)) for old in held["number"]] if not pairs else []
    if not pairs:
        return None
    old, new = draw.choice(pairs)
    return re.sub(rf"(?<!\w){re.escape(old)}(?!\w)", lambda _: new, answer)


def cut_short(answer: str, draw: random.Random) -> str | None:
    """Keep the first third to two thirds of the answer's words."""
    words = answer.split()
    kept = round(len(words) * draw.uniform(0.33, 0.67))
    return " ".join(words[:kept]) if kept else None


def loop(answer: str, draw: random.Random) -> str | None:
    """Repeat the answer's beginning, three to eight words, until it is as long as the answer or longer."""
    words = answer.split()
    start = words[: draw.randint(3, 8)]
    times = max(3, -(-len(words) // len(start)))
    return " ".join(start * min(times, 12))


def copy_sentence(instruction: str, draw: random.Random) -> str | None:
    """Return a sentence of at least five words from the passage, unless it has only one."""
    told = [part.strip() for part in SENTENCE_END.split(passage(instruction))]
    long = [part for part in told if part.count(" ") >= 4 and not part.endswith("?")]
    return draw.choice(long) if len(long) > 1 else None


def passage(instruction: str) -> str:
    """Return the longest paragraph: usually the passage without the question."""
    return max(re.split(r"\n+", instruction), key=len)


def names(text: str) -> list[str]:
    """Return the capitalised runs of a text, except single words at the start of a sentence."""
    found = []
    for match in _NAME.finditer(text):
        name = match.group()
        if _STARTS.search(text[max(0, match.start() - 3) : match.start()]):
            head, _, tail = name.partition(" ")
            name = tail if head.lower() in _ENDS else name if tail else ""
        if name and name.lower() not in _ENDS:
            found.append(name)
    return list(dict.fromkeys(found))


def numbers(text: str) -> list[str]:
    """Return the distinct numbers of a text that are written in digits."""
    return list(dict.fromkeys(_NUMBER.findall(text)))


def _near_number(number: str, draw: random.Random) -> str:
    """Return a whole number with its last part changed ("1,912" becomes "1,915")."""
    head, last = re.fullmatch(r"(.*?)(\d+)", number).groups()  # type: ignore[union-attr]  # it ends in a digit
    other = max(0, int(last) + draw.choice((-3, -2, -1, 1, 2, 3, 10)))
    other = int(last) + 1 if other == int(last) else other
    return f"{head}{str(other).zfill(len(last))}"


def _kind(answer: str) -> str:
    if _NUMBER.search(answer):
        return "number"
    return "name" if answer[:1].isupper() else "span"


def _runs(text: str, length: int, draw: random.Random) -> list[str]:
    """Return up to eight runs of about `length` words within a clause that do not end in function words."""
    clauses = [clause.split() for clause in re.split(r"[,;:.!?()\"“”\n]+\s*", text)]
    clauses = [clause for clause in clauses if len(clause) >= length]
    found = []
    for _ in range(24 if clauses else 0):
        clause = draw.choice(clauses)
        start = draw.randrange(len(clause) - length + 1)
        run = clause[start : start + length]
        if run[0].lower() not in _ENDS and run[-1].lower() not in _ENDS:
            found.append(" ".join(run))
    return list(dict.fromkeys(found))[:8]


def _distinct(texts: Iterable[str], words: set[str]) -> list[str]:
    """Return texts that differ under `normalise` and share none of `words`."""
    kept = {normalise(text): text for text in texts}
    return [text for key, text in kept.items() if key and words.isdisjoint(key.split())]


def _words(text: str) -> set[str]:
    return set(normalise(text).split())


def _stands_in(answer: str, instruction: str) -> bool:
    return f" {normalise(answer)} " in f" {normalise(instruction)} "


def _draw(group: Group, seed: int | str) -> random.Random:
    return random.Random(f"{seed}:suggested:{group.template}:{group.instruction}")
