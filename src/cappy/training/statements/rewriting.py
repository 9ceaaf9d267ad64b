"""Small edits of a sentence: some preserve its meaning, others change it."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

from cappy.training.statements.texts import word_set

FEWEST_WORDS = 4

_BRACKETS = re.compile(r"\s*[(\[][^()\[\]]*[)\]]")
_OPENING = re.compile(
    r"^(?:in|on|at|after|before|during|by|for|with|as|when|while|although|though|since|from|however|also|then|later|"
    r"today)\b(?! (?:some|many|most|theory|case|cases)\b)[^,]{2,60}, ",
    re.IGNORECASE,
)
_TRAILING = re.compile(
    r"(?:, (?:which|who|where|including|such as|but|(?:in|on|at|of|for|to|with|from|by) (?:which|whom))|"
    r",? (?:because|although|though|(?<!for )(?<!after )(?<! a )while|whereas|when|so that|"
    r"and (?:he|she|it|they|was|is|has|had)))\b.*$"
)
LIMITED = re.compile(
    r"\b(?:no|not|never|nobody|none|nothing|neither|nor|without|cannot|only|hardly|few|unless|if|until)\b|n['’]t\b",
    re.IGNORECASE,
)
"""Words that make shortening unsafe, because dropping a part may change the meaning of the rest."""
_ASIDE = re.compile(r", [^,]{3,60},(?= (?:is|was|are|were|has|had|said|will|would|can)\b)")
_AUXILIARY = re.compile(
    r"\b(is|are|was|were|will|would|can|could|should|has been|have been|had been)\b(?! not\b|n't|['’]t)"
)
_NEGATED = re.compile(r"\b(is|are|was|were|will|would|could|should|do|does|did|has|have|had)(?: not|n't)\b")
_NUMBER = re.compile(r"\b\d[\d,.]*\d\b|\b\d\b")
_NAME = re.compile(
    r"(?<![.!?] )(?<![.!?][\"”’'] )(?<![\"“(‘])(?<!^)\b(?!I['’])[A-Z][\w’'-]+(?: (?:of |the |de |van )?[A-Z][\w’'-]+)*"
)
_BOUNDED = re.compile(r"\b(?:more|less|fewer|at least|at most|over|under|up to|nearly|about|almost)\b", re.IGNORECASE)
"""With one of these words, a changed number may still be true."""
_NO_NAMES = word_set("the a an this that these those it he she they we you his her its their our in on at")
_OPPOSITES = {
    one: other
    for pair in (
        "more less",
        "most least",
        "before after",
        "increase decrease",
        "increased decreased",
        "rise fall",
        "rose fell",
        "high low",
        "higher lower",
        "large small",
        "larger smaller",
        "early late",
        "earlier later",
        "best worst",
        "good bad",
        "better worse",
        "always never",
        "won lost",
        "win lose",
        "north south",
        "northern southern",
        "east west",
        "eastern western",
        "male female",
        "husband wife",
        "father mother",
        "son daughter",
        "brother sister",
        "accepted rejected",
        "allowed banned",
        "begin end",
        "began ended",
        "open closed",
        "opened closed",
        "alive dead",
        "born killed",
        "inside outside",
        "above below",
        "hot cold",
        "strong weak",
        "easy difficult",
        "possible impossible",
        "success failure",
        "public private",
        "everyone nobody",
        "everything nothing",
    )
    for one, other in (pair.split(), pair.split()[::-1])
}


def shorten(sentence: str, draw: random.Random) -> str | None:
    """Drop a part that the rest does not need: brackets, an opening, an aside or a trailing clause.

    None if there is no such part, too little would be left, or a word of `LIMITED` makes it unsafe.
    """
    if LIMITED.search(sentence):
        return None
    ways = [_BRACKETS, _OPENING, _TRAILING, _ASIDE]
    draw.shuffle(ways)
    for way in ways:
        shorter = tidy(way.sub("", sentence))
        if shorter != tidy(sentence) and len(shorter.split()) >= FEWEST_WORDS:
            return shorter
    return None


def contradict(sentence: str, names: Sequence[str], draw: random.Random) -> str | None:
    """Change the meaning of a sentence: another name or number, an antonym, or a negation added or removed.

    `names`: candidates to replace one of its names. None if nothing can be changed.
    """
    ways = [_other_name, _other_number, _opposite, _negation]
    draw.shuffle(ways)
    for way in ways:
        changed = way(sentence, names, draw)
        if changed and tidy(changed) != tidy(sentence):
            return tidy(changed)
    return None


def names_in(text: str) -> list[str]:
    """Return the names in a text: runs of capitalised words that do not begin a sentence."""
    return _NAME.findall(text)


def tidy(sentence: str) -> str:
    """Capitalise a sentence, end it with a full stop, and remove stray spaces and commas."""
    text = re.sub(r"\s+", " ", sentence).strip(" ,;")
    text = re.sub(r"\s+([,.;])", r"\1", text).rstrip(" ,;")
    if not text:
        return ""
    return text[0].upper() + text[1:] + ("" if text[-1] in '.!?"' else ".")


def _other_name(sentence: str, names: Sequence[str], draw: random.Random) -> str | None:
    mine = names_in(sentence)
    # Skip other spellings of words in the sentence ("ORME", "Players"), and capitalised words like "The".
    told = _letters(sentence)
    others = [name for name in names if _letters(name) not in told and name.casefold() not in _NO_NAMES]
    if not mine or not others:
        return None
    old = draw.choice(mine)
    # A name with as many words is more likely to be of the same kind: a person, a place.
    alike = [name for name in others if name.count(" ") == old.count(" ")]
    new = draw.choice(alike or others)
    return re.sub(rf"\b{re.escape(old)}\b", lambda _: new, sentence)


def _letters(text: str) -> str:
    return re.sub(r"[\W_]+", "", text.casefold())


def _other_number(sentence: str, names: Sequence[str], draw: random.Random) -> str | None:
    found = _NUMBER.findall(sentence)
    if not found or _BOUNDED.search(sentence):
        return None
    old = draw.choice(found)
    return re.sub(rf"(?<![\d.,]){re.escape(old)}(?![\d])", _near(old, draw), sentence, count=1)


def _near(number: str, draw: random.Random) -> str:
    """Return a different number with the same number of digits and the same separators."""
    digits = [place for place, character in enumerate(number) if character.isdigit()]
    place = draw.choice(digits[-2:] if len(digits) > 2 else digits)
    smallest = 1 if place == 0 else 0
    other = draw.choice([str(digit) for digit in range(smallest, 10) if str(digit) != number[place]])
    return number[:place] + other + number[place + 1 :]


def _opposite(sentence: str, names: Sequence[str], draw: random.Random) -> str | None:
    words = [word for word in re.findall(r"[a-z]+", sentence) if word in _OPPOSITES]
    if not words:
        return None
    old = draw.choice(words)
    return re.sub(rf"\b{old}\b", _OPPOSITES[old], sentence, count=1)


def _negation(sentence: str, names: Sequence[str], draw: random.Random) -> str | None:
    return negate(sentence)


def negate(sentence: str) -> str | None:
    """Add a negation or remove one; None if no verb can be negated."""
    if _NEGATED.search(sentence):
        return _NEGATED.sub(r"\1", sentence, count=1)
    if _AUXILIARY.search(sentence):
        return _AUXILIARY.sub(lambda found: _negated(found[1]), sentence, count=1)
    return None


def _negated(auxiliary: str) -> str:
    first, *rest = auxiliary.split()
    return " ".join([first, "not", *rest])
