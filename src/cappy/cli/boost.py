"""`cappy boost`: best of n samples of a language model, chosen by the scorer."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from cappy.cli.bars import min_max_scaled
from cappy.cli.options import (
    AsJson,
    BaseUrl,
    Chat,
    Llm,
    LlmKey,
    Model,
    Precision,
    Threads,
    load_scorer,
    read_instruction,
)
from cappy.cli.output import print_json, print_table
from cappy.errors import InputError, MissingExtraError

if TYPE_CHECKING:
    from cappy.boost import Boosted


def boost(
    instruction: Annotated[str, typer.Argument(help="The instruction; - reads it from standard input.")],
    n: Annotated[int, typer.Option("-n", min=1, help="Number of samples to choose from, without --plan.")] = 16,
    llm: Llm = "smollm2",
    base_url: BaseUrl = None,
    api_key: LlmKey = None,
    chat: Chat = None,
    plan: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help='"paper" (17 samples) or decodings such as "greedy,temp0.7*8"; default: -n plain samples.'),
    ] = None,
    selector: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            help="How to choose, such as cappy, combined-open (open questions), combined-short (questions with a short "
            "right answer) or majority; an unknown name lists all. Default: the first of learnt, combined, cappy that "
            "the scorer has."
        ),
    ] = None,
    adaptive: Annotated[bool, typer.Option(help="Stop sampling once more samples would hardly help.")] = False,
    max_tokens: Annotated[int, typer.Option(min=1, help="Maximum tokens per response.")] = 128,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the sampling.")] = 0,
    as_json: AsJson = False,
    model: Model = None,
    precision: Precision = None,
    threads: Threads = 0,
) -> None:
    """Sample n answers from a language model and show the one that the scorer rates best.

    Works offline with SmolLM2-135M after `cappy models --fetch smollm2`, or with any OpenAI-compatible server
    (--base-url).

    Example: cappy boost "Name three primary colours." -n 8
    """
    try:
        from cappy.boost import BestOfN
        from cappy.llm.find import find_llm
        from cappy.selection.selectors import find_selector
        from cappy.selection.stopping import DEFAULT_RULE
    except MissingExtraError:
        raise
    except ImportError as error:
        raise MissingExtraError("boosting", "llm") from error
    instruction = read_instruction(instruction)
    if not instruction.strip():
        raise InputError("the instruction is empty.")
    scores = adaptive or selector is None or find_selector(selector).scores
    scorer = load_scorer(model, "onnx", None, precision, threads) if scores else None
    rule = DEFAULT_RULE if adaptive else None
    found = find_llm(llm, base_url=base_url, api_key=api_key, chat=chat, context=1024 + max_tokens, threads=threads)
    best = BestOfN(found, scorer, n, plan, selector=selector, adaptive=rule, max_tokens=max_tokens, seed=seed)
    result = best(instruction)
    if as_json:
        print_json(_as_json(result))
        return
    rows = [[str(place), f"{value:.4f}", text or "(empty)"] for place, (value, text) in enumerate(result, 1)]
    values = [value for value, _ in result]
    bars = values if best.selector == "cappy" else min_max_scaled(values)  # other selectors' values have no fixed scale
    print_table("", ["", best.selector, "response"], rows, numbers=(0, 1), bars=bars)
    typer.echo(f"{len(result)} samples, {result.tokens} tokens by {found.name}", err=True)
    if result.error:
        typer.echo(f"some samples failed: {result.error}", err=True)


def _as_json(result: Boosted) -> dict[str, object]:
    samples = [
        {
            "text": result.samples[place].text,
            "value": None if math.isnan(result.values[place]) else result.values[place],
            "decoding": result.samples[place].decoding,
            "log_likelihood": result.samples[place].log_likelihood,
            "tokens": result.samples[place].tokens,
        }
        for place in result.order
    ]
    facts = {"instruction": result.instruction, "best": result.best, "selector": result.selector, "samples": samples}
    return {**facts, "tokens": result.tokens, "prompt_tokens": result.prompt_tokens, "error": result.error or None}
