"""Prompts with worked examples: in-context learning with Cappy (Tan et al., 2023, section 4.3)."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence

from cappy.group import Example


def worked_examples(
    examples: Sequence[Example], instruction: str, shots: int, seed: int, characters: int = 4000
) -> list[str]:
    """Return up to `shots` examples with their first reference, to be put in front of an instruction.

    They are drawn by `seed` and the instruction alone. Examples that would make the prompt longer than `characters` are
    left out; an example that asks the same is never shown.
    """
    key = hashlib.sha256(f"{seed}:{instruction}".encode("utf-8", "surrogatepass")).hexdigest()
    others = [example for example in examples if example.instruction != instruction]
    shown: list[str] = []
    room = characters - len(instruction)
    for example in random.Random(key).sample(others, min(shots, len(others))):
        text = f"{example.instruction.rstrip()} {example.references[0]}"
        if len(text) + 2 <= room:
            shown.append(text)
            room -= len(text) + 2
    return shown


def few_shot_prompt(
    examples: Sequence[Example], instruction: str, shots: int, seed: int, characters: int = 4000
) -> str:
    """Put `worked_examples` before an instruction, an empty line between them."""
    return "\n\n".join([*worked_examples(examples, instruction, shots, seed, characters), instruction])
