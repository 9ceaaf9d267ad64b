"""Negatives for open instructions: the mistakes of language models, made by rules.

Open instructions have no single right answer, and other rows' answers are obviously off topic, so they are poor
negatives. The rules here make plausible answers. A label is a share of the good answer's quality, or fixed if nothing
of that answer is left.

| rule | what it gives | label |
|---|---|---|
| `neighbour` | the polished answer to the nearest other instruction | 0.03 |
| `earlier` | the answer to an earlier turn of the same conversation | 0.05 |
| `echo` | the instruction again, or a promise to do what it asks | 0.05 |
| `refusal` | a refusal of a harmless request, or an empty offer of help | 0.06 |
| `looped` | its beginning, over and over | 0.08 |
| `foreign` | a polite sentence of another language with nothing in it | 0.05 |
| `exchanged` | one name or number changed | 0.5 x quality |
| `shuffled` | its sentences in another order | 0.55 x quality |
| `cut` | its first sentences or words | 0.6 x quality |
| `unformatted` | lines, lists and code run together | 0.7 x quality |
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import dataclass

from cappy.data.conversations import earlier_answers
from cappy.data.distractors import cut_short, exchange, loop
from cappy.data.phrases import SENTENCE_END
from cappy.group import Candidate
from cappy.text.normalization import normalise

ORIGIN = "spoiled"
_PROMISES = (
    "Sure, here is what you asked for: {asked}",
    "You asked: {asked}",
    "{asked}",
    "Of course! I will now do the following. {asked}",
    "The task is as follows. {asked} The answer depends on what exactly is asked.",
)
_REFUSALS = (
    "I'm sorry, but I can't help with that.",
    "As an AI language model, I am not able to do that.",
    "I'm sorry, I don't have enough information to answer this question. Could you tell me more?",
    "I'd be happy to help! Please let me know what you would like me to do.",
    "Thank you for your question. This is an interesting topic, and there are many things to say about it. Let me "
    "know if there is anything else that I can help you with!",
    "Hello! How can I assist you today? I am here to help with any questions you may have.",
    "I cannot provide an answer to this request, as it may not be appropriate. Please consult a professional.",
    "It depends. There are many different opinions about this, and you should do your own research.",
)
_FOREIGN = (
    "Gracias por tu pregunta. Es un tema muy interesante y hay muchas cosas que se pueden decir sobre él.",
    "Merci pour votre question. C'est un sujet très intéressant, et il y a beaucoup de choses à dire.",
    "Vielen Dank für Ihre Frage. Das ist ein sehr interessantes Thema, über das man viel sagen kann.",
    "Obrigado pela sua pergunta. É um assunto muito interessante e há muitas coisas a dizer sobre ele.",
    "Grazie per la domanda. È un argomento molto interessante e ci sono molte cose da dire.",
)
_LANGUAGE = re.compile(r"translat|language|spanish|french|german|italian|portuguese|[^\x00-\x7f]{3}", re.I)
"""Words of an instruction that may ask for another language."""


@dataclass(frozen=True, slots=True)
class Open:
    """A good answer to an open instruction, its quality in [0, 1], and answers to the nearest other instructions."""

    instruction: str
    answer: str
    quality: float
    neighbours: tuple[str, ...] = ()


Rule = Callable[[Open, random.Random], "str | None"]
"""Maps a good answer to a wrong one; None if the rule does not apply."""


def neighbour(given: Open, draw: random.Random) -> str | None:
    """Return the answer to a near instruction."""
    return draw.choice(given.neighbours) if given.neighbours else None


def earlier(given: Open, draw: random.Random) -> str | None:
    """Return the answer to an earlier turn of the conversation."""
    answers = earlier_answers(given.instruction)
    return draw.choice(answers) if answers else None


def echo(given: Open, draw: random.Random) -> str | None:
    """Repeat the instruction, or promise to follow it."""
    return draw.choice(_PROMISES).format(asked=given.instruction)


def refusal(given: Open, draw: random.Random) -> str | None:
    """Refuse, or offer help without giving any."""
    return draw.choice(_REFUSALS)


def looped(given: Open, draw: random.Random) -> str | None:
    """Repeat the answer's beginning; not for answers that are that short themselves."""
    return loop(given.answer, draw) if len(given.answer.split()) > 8 else None


def foreign(given: Open, draw: random.Random) -> str | None:
    """Say something polite in another language, unless the instruction asks for one."""
    return None if _LANGUAGE.search(given.instruction) else draw.choice(_FOREIGN)


def exchanged(given: Open, draw: random.Random) -> str | None:
    """Change one name or number."""
    return exchange(given.answer, given.instruction, draw)


def shuffled(given: Open, draw: random.Random) -> str | None:
    """Shuffle three sentences or more."""
    parts = [part for part in SENTENCE_END.split(given.answer) if part.strip()]
    if len(parts) < 3:
        return None
    order = draw.sample(parts, len(parts))
    return " ".join(order) if order != parts else None


def cut(given: Open, draw: random.Random) -> str | None:
    """Stop after a third to two thirds of ten words or more."""
    return cut_short(given.answer, draw) if len(given.answer.split()) >= 10 else None


def unformatted(given: Open, draw: random.Random) -> str | None:
    """Run an answer of three lines or more together, without its bullets, numbers and fences."""
    lines = [line for line in given.answer.splitlines() if line.strip()]
    if len(lines) < 3:
        return None
    plain = [re.sub(r"^\s*(?:[-*•#]+|\d+[.)]|```\w*)\s*", "", line).strip() for line in lines]
    return " ".join(line for line in plain if line)


RULES: dict[str, tuple[Rule, float, bool]] = {
    "neighbour": (neighbour, 0.03, False),
    "earlier": (earlier, 0.05, False),
    "echo": (echo, 0.05, False),
    "refusal": (refusal, 0.06, False),
    "looped": (looped, 0.08, False),
    "foreign": (foreign, 0.05, False),
    "exchanged": (exchanged, 0.5, True),
    "shuffled": (shuffled, 0.55, True),
    "cut": (cut, 0.6, True),
    "unformatted": (unformatted, 0.7, True),
}
"""For each name: the rule, its label, and whether the label is a share of the good answer's quality."""


def spoiled(given: Open, most: int, draw: random.Random) -> list[Candidate]:
    """Return up to `most` negatives by different rules, `neighbour` first, then at random; none repeats the answer.

    Their origin is `spoiled:RULE`.
    """
    order = sorted(RULES, key=lambda name: (name != "neighbour", draw.random()))
    taken = {normalise(given.answer)}
    made: list[Candidate] = []
    for name in order:
        rule, label, share = RULES[name]
        text = rule(given, draw)
        if text and normalise(text) not in taken:
            taken.add(normalise(text))
            made.append(Candidate(text, label * given.quality if share else label, f"{ORIGIN}:{name}"))
        if len(made) == most:
            break
    return made
