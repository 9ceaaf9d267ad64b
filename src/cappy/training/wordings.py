"""Wordings: random prompts that ask which name fits a text, so that a scorer does not overfit to a few templates.

A scorer trained on a dozen templates does well on those and badly on others. Here every group gets its own prompt: the
nouns for text and names, preface, introduction, order, list of options and answer cue are drawn at random.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

BARE = 0.15
"""Share of prompts that are the bare text, without a question."""
_TEXTS = (
    "text",
    "sentence",
    "message",
    "passage",
    "note",
    "line",
    "comment",
    "question",
    "remark",
    "post",
    "snippet",
    "paragraph",
    "entry",
    "statement",
    "excerpt",
    "report",
    "request",
    "letter",
    "review",
    "story",
)
_NAMES = (
    ("topic", "topics"),
    ("category", "categories"),
    ("subject", "subjects"),
    ("theme", "themes"),
    ("label", "labels"),
    ("heading", "headings"),
    ("kind", "kinds"),
    ("type", "types"),
    ("class", "classes"),
    ("tag", "tags"),
    ("group", "groups"),
    ("title", "titles"),
    ("domain", "domains"),
    ("section", "sections"),
    ("concept", "concepts"),
    ("keyword", "keywords"),
    ("description", "descriptions"),
    ("name", "names"),
)
_AFTER = ("this {text}", "the {text} above", "the {text}", "that {text}")
_BEFORE = ("this {text}", "the {text} below", "the following {text}", "the next {text}")
_QUESTIONS = (
    "What is the {name} of {it}?",
    "What is {it} about?",
    "What {name} does {it} belong to?",
    "Which {name} fits {it} best?",
    "Which of the {names} describes {it}?",
    "Name the {name} of {it}.",
    "Give {it} a {name}.",
    "Choose the right {name} for {it}.",
    "Under which {name} would you file {it}?",
    "Say in a few words what {it} is about.",
    "Find the {name} that is closest in meaning to {it}.",
    "How would you label {it}?",
    "Decide on the {name} of {it}.",
    "I need a {name} for {it}.",
    "Sort {it} by {name}.",
    "Can you tell me the {name} of {it}?",
    "What would be a good {name} for {it}?",
    "What does the person who wrote {it} mean?",
    "Where among our {names} does {it} go?",
    "Reduce {it} to a {name}.",
    "In short, what is meant by {it}?",
    "With which {name} should we mark {it}?",
    "Pick a {name}.",
    "What is this about?",
    "Which {name} is it?",
    "Please find the best {name}.",
    "If you had to give {it} one {name}, which would it be?",
    "Tell what {it} has to do with.",
    "What comes to mind when you read {it}?",
    "{It} is about one of many {names}. About which?",
)
_INTRODUCED = (
    "{words}",
    "{words}",
    "{words}",
    "{Text}: {words}",
    "{Text}:\n{words}",
    '"{words}"',
    "Input: {words}",
    "> {words}",
    "[{text}] {words}",
    "Given: {words}",
    "Here is the {text}: {words}",
    '{Text}: "{words}"',
    "Someone wrote: {words}",
    "- {words}",
)
_CUES = ("{Name}:", "Answer:", "A:", "The answer is", "This is about", "The {name} is", "->", "Best {name}:", "Output:")
_PREFACES = (
    "You sort {texts} by {name}.",
    "I am looking through {texts}.",
    "Our team keeps a list of {names}.",
    "Read carefully.",
    "This {text} comes from our archive.",
    "This {text} reached us today.",
    "We want every {text} to have a {name}.",
    "An exercise in reading.",
    "Imagine that you work with {texts} like the one here.",
    "Someone has to find the {name}, and it is you.",
)
_WITHIN = (
    'The {name} of "{words}" is',
    'What {name} would you give to "{words}"?',
    '"{words}" belongs under the {name}',
    "{words} This has to do with",
    "{words} In other words:",
    "{words} ({name}?)",
    'Which {name} does "{words}" remind you of?',
)
_LISTS = (
    "Choose from: {options}",
    "Options: {options}",
    "Possible {names}: {options}",
    "These are the {names}: {options}",
    "Pick one: {options}",
    "Your choices: {options}",
    "Use one of these {names}: {options}",
    "It is one of the following: {options}",
    "{Names}: {options}",
    "{options}",
    "Given this list of {names}: {options}",
    "Only these count: {options}",
)
_JOINS = (", ", ", ", "; ", "\n- ", "\n", " | ", " / ", ", or ")
_BREAKS = ("\n\n", "\n", " ")
"""Separators of the parts; a list of options always ends in a line break."""


def ask_for_name(text: str, options: Sequence[str], draw: random.Random) -> str:
    """Ask which name fits `text`; `options`, if any, are listed in random order."""
    if not options and draw.random() < BARE:
        return text
    words = _words(text, draw)
    if not options and draw.random() < 0.15:
        return draw.choice(_WITHIN).format_map(words)
    text_first = draw.random() < 0.5
    words["it"] = draw.choice(_AFTER if text_first else _BEFORE).format_map(words)
    words["It"] = words["it"].capitalize()
    question = draw.choice(_QUESTIONS).format_map(words)
    shown = draw.choice(_INTRODUCED).format_map(words)
    parts = [shown, question] if text_first else [question, shown]
    if options:
        parts.insert(draw.randint(0, 2), _listing(draw.choice(_LISTS), options, words, draw))
    if draw.random() < 0.25:
        parts.insert(0, draw.choice(_PREFACES).format_map(words))
    if draw.random() < 0.4:
        parts.append(draw.choice(_CUES).format_map(words))
    return draw.choice(_BREAKS[:2] if options else _BREAKS).join(parts)


def _words(text: str, draw: random.Random) -> dict[str, str]:
    kind = draw.choice(_TEXTS)
    name, names = draw.choice(_NAMES)
    return {
        "words": text,
        "text": kind,
        "texts": "stories" if kind == "story" else "entries" if kind == "entry" else f"{kind}s",
        "Text": kind.capitalize(),
        "name": name,
        "names": names,
        "Name": name.capitalize(),
        "Names": names.capitalize(),
    }


def _listing(form: str, options: Sequence[str], words: dict[str, str], draw: random.Random) -> str:
    join = draw.choice(_JOINS)
    shuffled = draw.sample(options, len(options))
    listed = f"{', '.join(shuffled[:-1])} or {shuffled[-1]}" if join == ", or " else join.join(shuffled)
    if join.startswith("\n"):
        form = form.replace(" {options}", "{options}")
        listed = join + listed if form != "{options}" else join.removeprefix("\n") + listed
    return form.format_map({**words, "options": listed})
