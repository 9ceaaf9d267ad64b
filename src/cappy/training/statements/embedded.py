"""Embed a sentence in another that affirms it, denies it or leaves it open: "it turned out that", "she hoped that".

Whether a text asserts a clause depends on the embedding verb and on negation (veridicality; Karttunen, "Implicative
verbs", 1971; de Marneffe et al., 2012, "Did it happen?"). Word overlap does not show it, because the text contains the
sentence in every case. Frames with "said" or "thought" are left out, because readers disagree on them. "I do not
think that" counts as denial, as it is commonly meant.
"""

from __future__ import annotations

import random
import re

from cappy.training.statements.rewriting import LIMITED, negate, tidy
from cappy.training.statements.texts import word_set

AFFIRMING = (
    "It turned out that {clause}",
    "It is true that {clause}",
    "There is no doubt that {clause}",
    "It has been proved that {clause}",
    "{Who} knew that {clause}",
    "{Who} did not know that {clause}",
    "{Who} found out that {clause}",
    "{Who} had not noticed that {clause}",
    "{Who} forgot that {clause}",
    "{Who} never forgot that {clause}",
    "{Who} realised too late that {clause}",
    "Did {who} know that {clause}?",
    "{Who} was surprised to learn that {clause}",
    "{Who} was glad that {clause}",
    "{Who} was not happy that {clause}",
    "What {who} had overlooked is that {clause}",
    "{Who} could no longer deny that {clause}",
    "{Who} was right to say that {clause}",
    "If {who} had known that {clause}, things would have gone another way.",
)
DENYING = (
    "It is not true that {clause}",
    "It turned out to be false that {clause}",
    "It is a myth that {clause}",
    "Nothing could be further from the truth than that {clause}",
    "{Who} was wrong to think that {clause}",
    "{Who} made up the story that {clause}",
    "{Who} lied when claiming that {clause}",
    "{Who} only pretended that {clause}",
    "{Who} was mistaken: it is not the case that {clause}",
    "{Who} wrongly assumed that {clause}",
    "I do not think that {clause}",
    "I don't believe that {clause}",
    "I do not suppose that {clause}",
    "We don't think that {clause}",
    "If only it were true that {clause}",
    "It could not be shown, and has since been disproved, that {clause}",
)
OPEN = (
    "Perhaps {clause}",
    "It may be that {clause}",
    "It is not known whether {clause}",
    "Nobody can say whether {clause}",
    "{Who} hoped that {clause}",
    "{Who} wanted to know whether {clause}",
    "{Who} wondered whether {clause}",
    "{Who} asked whether {clause}",
    "{Who} could not find out whether {clause}",
    "{Who} would like to believe that {clause}",
    "{Who} did not say that {clause}",
    "{Who} had to decide whether to believe that {clause}",
    "Suppose that {clause}",
    "If it is true that {clause}, much will have to change.",
    "Is it true that {clause}?",
    "Do you think that {clause}?",
    "I can't say that {clause}, and I can't say the opposite.",
    "It remains to be seen whether {clause}",
    "Some will ask whether {clause}",
)
_WHO = (
    *("he", "she", "they", "everyone", "somebody else", "the old man", "her sister", "the teacher", "our neighbour"),
    *("Anna", "David", "Maria", "Peter", "Ahmed", "Mrs Lee", "Dr Brown", "the editor", "the police", "the committee"),
)


_PLURAL = {"they", "the police"}
_STARTS = word_set(
    "the a an in on at it he she they we you this that these those his her their its our my your there one two three "
    "some many most all both each several another during everyone everything someone something"
)
_VERBS = word_set("is was are were has had will would can could should may might did does became said")
_SUITED = re.compile(r"^[A-Z][^\"“”?!:;()\\\n]*[a-z0-9]\.$")
"""A plain sentence that can be embedded: no speech, question or list."""
_LONGEST = 26
"""Maximum number of words in a sentence."""
_UNSURE = re.compile(
    r",|^(?:an?|one|two|three|some|many|most|all|both|each|several|another|every|few|everyone|everything|someone)\b|"
    r"\b(?:although|though|while|because|since|before|after|until|which|who|whom|whose|that|what|whether|when|where|why|how|"
    r"than|as|if|and|but|or|so|at least|at most|said|says|thought|think|thinks|believed|knew|knows|felt|probably|"
    r"possibly|likely|often|usually|sometimes|always|also|just|still|even|again)\b",
    re.IGNORECASE,
)
"""Words that make negation unsafe: "some were not late" does not deny "some were late"."""
_MODAL = re.compile(r"\b(?:will|would|can|could|should|may|might|must)\b")
"""Modal verbs make negation unsafe: "need not" and "must not" differ."""
_NEGATABLE = re.compile(r"^(?:[\w'’-]+ ){1,4}?(?:is|are|was|were|has been|have been|had been) (?!\w+ing\b)")
"""The negated verb must come early, so that it is the main verb."""


def embed_sentence(sentence: str, relation: str, known: str, draw: random.Random) -> tuple[str, str] | None:
    """Embed `sentence` in another and return (text, statement), where the statement stands in `relation` to the text.

    `relation`: "follows", "contradicts" or "open". `known`: the surrounding text, which shows whether the first word is
    a name. The statement is the sentence itself or, if it can be negated safely, its negation. None if the sentence
    cannot be embedded.
    """
    if not _suited(sentence):
        return None
    certain = _NEGATABLE.match(sentence) and not _UNSURE.search(sentence) and not _MODAL.search(sentence)
    negated = negate(sentence) if certain and draw.random() < 0.6 else None
    affirmed = AFFIRMING if (relation == "follows") == (negated is None) else DENYING
    frame = draw.choice(OPEN if relation == "open" else affirmed)
    return _set_into(frame, sentence, known, draw), tidy(negated or sentence)


def _suited(sentence: str) -> bool:
    first, second, *_ = [*sentence.split(), "", ""]
    begins = first.lower() in _STARTS or second.lower() in _VERBS or (first[:1].isupper() and second[:1].isupper())
    return (
        begins
        and len(sentence.split()) <= _LONGEST
        and _SUITED.match(sentence) is not None
        and LIMITED.search(sentence) is None
    )


def _set_into(frame: str, sentence: str, known: str, draw: random.Random) -> str:
    first, _, rest = sentence.rstrip(".").partition(" ")
    name = first.lower() not in _STARTS and not re.search(rf"\b{re.escape(first.lower())}\b", known)
    who = draw.choice(_WHO)
    if who in _PLURAL:
        frame = frame.replace("{Who} was ", "{Who} were ")
    words = {"clause": f"{first if name else first.lower()} {rest}", "who": who, "Who": who[0].upper() + who[1:]}
    return tidy(frame.format_map(words))
