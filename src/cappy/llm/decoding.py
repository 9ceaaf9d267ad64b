"""How responses are sampled from a language model: decodings, and plans of several decodings."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, replace

from cappy.errors import InputError


@dataclass(frozen=True, slots=True)
class Decoding:
    """One way of generating, and its number of responses.

    `beams` above 1 means beam search, which returns the `count` best beams. Otherwise tokens are sampled with
    `temperature`, from the `top_k` most likely (0: all) and the nucleus `top_p`. Temperature 0 is greedy.
    """

    name: str
    count: int = 1
    beams: int = 1
    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    min_tokens: int = 3
    max_tokens: int = 64

    def __post_init__(self) -> None:
        """Check the ranges."""
        if self.count < 1 or self.beams < 1 or self.top_k < 0 or self.temperature < 0 or not 0 < self.top_p <= 1:
            raise InputError(f"decoding {self.name!r} has a value out of range.")
        if self.beams == 1 and self.temperature == 0 and self.count > 1:
            raise InputError(f"decoding {self.name!r} asks for several greedy responses, which would all be the same.")
        if not 0 <= self.min_tokens <= self.max_tokens:
            raise InputError(f"decoding {self.name!r} has min_tokens {self.min_tokens}, max_tokens {self.max_tokens}.")


PAPER_PLAN = (
    Decoding("beam4", beams=4),
    Decoding("sampling", 4),
    Decoding("temp0.9", 4, temperature=0.9),
    Decoding("topk40", 4, top_k=40),
    Decoding("topp0.95", 4, top_p=0.95),
)
"""The paper's 17 responses per instruction (Tan et al., 2023, section 4.2), of 3 to 64 new tokens."""

_PART = re.compile(r"(?:(greedy|sampling)|(beam|temp|topk|topp)(\d{1,6}(?:\.\d{1,12})?))(?:\*(\d{1,6}))?")


def parse_plan(text: str, max_tokens: int = 64) -> tuple[Decoding, ...]:
    """Read a plan: "paper", or decodings such as "greedy,beam4,sampling*4,temp0.7*2,topk40,topp0.95*4".

    Raises:
        InputError: a part cannot be parsed.

    """
    if text == "paper":
        return tuple(replace(decoding, max_tokens=max_tokens) for decoding in PAPER_PLAN)
    plan = []
    for part in text.split(","):
        match = _PART.fullmatch(part.strip())
        if match is None:
            said = part.strip() if len(part) <= 40 else f"{part.strip()[:40]}…"
            raise InputError(f"{said!r} is no decoding; a plan is like 'paper' or 'greedy,beam4,topk40*4'.")
        word, kind, number, count = match.groups()
        base = Decoding(part.strip().partition("*")[0], int(count or 1), max_tokens=max_tokens, min_tokens=0)
        if kind == "beam" and float(number) < 2:
            raise InputError(f"{part.strip()!r} is not beam search; use greedy, or two beams or more.")
        plan.append(_with(base, word or kind, float(number or 0)))
    names = [decoding.name for decoding in plan]
    if len(set(names)) < len(names):
        raise InputError(f"a decoding is named twice in {text!r}; write how many samples behind it: topk40*8.")
    return tuple(plan)


def prompt_seed(seed: int | str, decoding: str, prompt: str) -> int:
    """Derive a seed from a seed, a decoding's name and a prompt, so that samples do not depend on their batch."""
    key = f"{seed}:{decoding}:{prompt}".encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.sha256(key).digest()[:4], "big")


def _with(base: Decoding, kind: str, value: float) -> Decoding:
    """Return the settings that a part's name implies."""
    if kind == "beam":
        return replace(base, beams=int(value))
    if kind == "greedy":
        return replace(base, temperature=0.0)
    if kind == "temp":
        return replace(base, temperature=value)
    if kind == "topk":
        return replace(base, top_k=int(value))
    return replace(base, top_p=value) if kind == "topp" else base
