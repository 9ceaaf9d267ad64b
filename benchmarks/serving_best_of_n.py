"""Measure `cappy serve --llm` with a real llama.cpp server under rising load: best of n for many concurrent clients.

    cappy models --fetch smollm2
    python benchmarks/serving_best_of_n.py [-n 4] [-o best_of_n.json]

SmolLM2-135M runs in its own llama.cpp server; the clients request all candidates. Every answer is checked: it must have
n candidates, each with the score that `cappy.load("mini")` gives it offline for this prompt, and the best must be the
answer. Samples are drawn with one seed per prompt and compared with samples drawn earlier without load, to detect
samples of another prompt. Exits with 1 if any answer is wrong, lost or a 5xx.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import httpx
from serving_common import PATIENCE, Tally, add_options, cappy_server, headline, write

import cappy
from cappy.llm.gguf import GgufLLM
from cappy.scorer import Scorer

LEVELS = (1, 2, 4, 8, 16, 32)
SUBJECTS = ("river", "bridge", "clock", "garden", "letter", "winter", "market", "kitchen", "violin", "island", "castle")
KINDS = ("Write a short sentence about a", "Name two things one can do with a", "Where does one find a")


@dataclass
class Asker:
    """Sends prompts and checks the answers. `alone` [prompts] are each prompt's samples, drawn without load."""

    address: str
    prompts: Sequence[str]
    n: int
    max_tokens: int
    seed: int
    scorer: Scorer
    alone: dict[int, list[str]]
    differ: int = 0
    """Samples that differ from those drawn alone: other batch sizes round differently, which can change a draw."""

    def body(self, number: int) -> dict[str, Any]:
        """Return the request of a prompt."""
        return {
            "model": "smollm2",
            "messages": [{"role": "user", "content": self.prompts[number]}],
            "max_tokens": self.max_tokens,
            "seed": self.seed + number,
            "cappy": {"n": self.n, "candidates": True},
        }

    def is_right(self, number: int, answer: Any) -> bool:
        """Check an answer against offline scores of its candidates."""
        try:
            said = answer["cappy"]["candidates"]
            texts, scores = [one["text"] for one in said], [float(one["score"]) for one in said]
            content = answer["choices"][0]["message"]["content"].strip()
        except (KeyError, IndexError, TypeError, ValueError):
            return False
        if len(texts) != self.n or content != texts[0] or scores != sorted(scores, reverse=True):
            return False
        wanted = self.scorer.score(self.prompts[number], texts)
        if number in self.alone:
            self.differ += sum(text not in self.alone[number] for text in texts)
        else:
            self.alone[number] = texts
        return all(abs(score - own) <= 1e-4 for score, own in zip(scores, wanted, strict=True))

    async def ask(self, client: httpx.AsyncClient, number: int, tally: Tally) -> Any:
        """Send one prompt until it is answered; after 429, wait as told."""
        begun = time.monotonic()
        while time.monotonic() - begun < PATIENCE:
            try:
                answer = await client.post("/v1/chat/completions", json=self.body(number))
            except httpx.TransportError:
                break
            if answer.status_code == 200:
                tally.seconds.append(time.monotonic() - begun)
                return answer.json()
            if answer.status_code != 429:
                tally.failed += 1
                return None
            tally.busy += 1
            await asyncio.sleep(float(answer.headers.get("retry-after", "0.1")))
        tally.lost += 1
        return None

    async def run(self, clients: int, seconds: float, rounds: int = 0) -> Tally:
        """Send for `seconds`, or for `rounds` rounds of all prompts; check the answers outside the measured time."""
        tally, begun, answers = Tally(), time.monotonic(), []
        async with httpx.AsyncClient(base_url=self.address, timeout=PATIENCE) as client:

            async def one(number: int) -> None:
                while number < rounds * len(self.prompts) if rounds else time.monotonic() - begun < seconds:
                    place = number % len(self.prompts)
                    answers.append((place, await self.ask(client, place, tally)))
                    number += clients

            await asyncio.gather(*(one(number) for number in range(clients)))
        tally.took = time.monotonic() - begun
        for place, answer in answers:
            if answer is not None:
                right = self.is_right(place, answer)
                tally.right, tally.wrong = tally.right + right, tally.wrong + (not right)
        return tally


def make_prompts(count: int, seed: int) -> list[str]:
    """Draw distinct prompts."""
    every = [f"{kind} {subject}." for kind in KINDS for subject in SUBJECTS]
    return random.Random(seed).sample(every, min(count, len(every)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_options(parser)
    parser.add_argument("--levels", type=int, nargs="+", default=list(LEVELS), help="concurrent clients")
    parser.add_argument("--seconds", type=float, default=20.0, help="seconds per level")
    parser.add_argument("-n", type=int, default=4, help="samples per request")
    parser.add_argument("--max-tokens", type=int, default=16)
    options = parser.parse_args()
    everything, bad = headline(options), 0
    llm = cappy.find_llm("smollm2")
    assert isinstance(llm, GgufLLM)
    with cappy_server("--llm", llm.address, "--llm-key", llm.key) as server:
        prompts = make_prompts(min(options.groups, 16), options.seed)
        asker = Asker(server.address, prompts, options.n, options.max_tokens, options.seed, cappy.load("mini"), {})
        bad += asyncio.run(asker.run(1, 0, rounds=1)).bad  # one after the other: the samples each prompt has alone
        print("| clients | answers/s | samples/s | p50 ms | p99 ms | 429 | wrong | lost | 5xx | other samples |")
        print("|---|---|---|---|---|---|---|---|---|---|", flush=True)
        everything["levels"] = {}
        for clients in options.levels:
            asker.differ = 0
            tally = asyncio.run(asker.run(clients, options.seconds))
            bad += tally.bad
            rate = tally.right / tally.took
            everything["levels"][clients] = {**tally.figures(), "other_samples": asker.differ}
            print(
                f"| {clients} | {rate:.2f} | {options.n * rate:.1f} | {tally.percentile(0.5):.0f} | "
                f"{tally.percentile(0.99):.0f} | {tally.busy} | {tally.wrong} | {tally.lost} | {tally.failed} | "
                f"{asker.differ} of {options.n * tally.right} |",
                flush=True,
            )
        print(f"\nserver: {server.memory():.0f} MiB")
    write(options, everything)
    if bad:
        sys.exit(f"{bad} answers were wrong, lost or 5xx.")


if __name__ == "__main__":
    main()
