"""A run of several processes for the tests: `torchrun distributed.py PLAN.json` trains and writes what it lost.

The plan holds the arguments of `train_plan`.
"""

from __future__ import annotations

import dataclasses
import json
import os
import sys
import time
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any

from torch import Tensor

from cappy.layout.encode import Conventions
from cappy.layout.tokenizer import load_tokenizer
from cappy.runtime.encoder_weights import starting_weights
from cappy.training import prepare
from cappy.training.parts import Step
from cappy.training.processes import started_processes
from cappy.training.trainer import Budget, Computing, Trainer
from tests.training.toy import RECIPE


class Written:
    """Counts how often this process writes token files."""

    def __init__(self) -> None:
        self.times, self._write = 0, prepare.encode_texts
        prepare.encode_texts = self  # type: ignore[assignment]

    def __call__(self, *arguments: Any) -> Any:
        self.times += 1
        return self._write(*arguments)


class Slow(Trainer):
    """A trainer that saves every step and takes its time, so that a test can meet it in mid-run."""

    seconds = 0.0
    until = 10**9

    def _step(self, step: Step, rate: float) -> tuple[Tensor, int]:
        time.sleep(self.seconds)
        return super()._step(step, rate)

    def _agreed(self, loss: Tensor, tokens: int, seconds: float, save: bool, measure: bool) -> Any:
        self.processes.stopping |= self.progress.step + 1 >= self.until
        return super()._agreed(loss, tokens, seconds, save or bool(self.seconds), measure)


def train_plan(
    data: str,
    encoder: str,
    output: str,
    steps: int,
    recipe: dict[str, Any],
    computing: dict[str, Any],
    slow: float = 0.0,
    until: int | None = None,
) -> None:
    """Train in the processes that were started, and write losses, tokens and weights to `output`.

    Every step takes `slow` seconds more; the run is stopped behind step `until`.
    """
    Slow.seconds, Slow.until = slow, until or Slow.until
    made = dataclasses.replace(RECIPE, **recipe)
    _, spec, weights = starting_weights(Path(encoder), 0)
    tokenizer = load_tokenizer(Path(encoder), spec)
    conventions = Conventions.of(spec, made.layout, tokenizer.cls_id, tokenizer.sep_id)
    written = Written()
    with started_processes() as processes:
        folder = Path(output)
        encoded = prepare.prepare(
            prepare.Given(Path(data)), made, tokenizer, conventions, spec.max_tokens, 0, folder, processes
        )
        (folder / f"pid.{processes.rank}").write_text(str(os.getpid()))
        trainer = Slow(spec, weights, made, conventions, folder, 0, "", Computing(**computing), processes)
        with suppress(KeyboardInterrupt) if until else nullcontext():
            trainer.run(encoded.training, Budget(steps=steps))
        masters, wrote = trainer.weights(), processes.gathered(written.times)
        if processes.first:
            sums = {name: float(tensor.double().abs().sum()) for name, tensor in masters.items()}
            tokens = trainer.progress.tokens
            content = {
                "losses": trainer.losses,
                "sums": sums,
                "tokens": tokens,
                "world": processes.world,
                "wrote": wrote,
            }
            (folder / "result.json").write_text(json.dumps(content))


if __name__ == "__main__":
    train_plan(**json.loads(Path(sys.argv[1]).read_text()))
