"""`cappy adapt`: a scorer trained further on a task's examples."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated, Optional

import typer

from cappy.cli.options import BaseUrl, Chat, Llm, LlmKey, Model, Threads, load_scorer
from cappy.errors import InputError, MissingExtraError


def adapt(
    examples: Annotated[Path, typer.Argument(help="Examples: JSON lines, CSV or Parquet.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the adapted scorer.")],
    llm: Llm = "",
    base_url: BaseUrl = None,
    api_key: LlmKey = None,
    chat: Chat = None,
    plan: Annotated[str, typer.Option(help="How to sample from the language model.")] = "paper",
    keep: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="Keep samples in this file and read them from there the next time."),
    ] = None,
    column: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option(help="Which column holds what: instruction=question; so for response, choices, samples."),
    ] = None,
    template: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="For labelled texts: the instruction around {text}; the labels become the choices."),
    ] = None,
    text_column: Annotated[str, typer.Option(help="Column of the texts, with --template.")] = "text",
    label_column: Annotated[str, typer.Option(help="Column of the labels, with --template.")] = "label",
    epochs: Annotated[int, typer.Option(min=1, help="Epochs at most; training stops when it gets no better.")] = 8,
    learning_rate: Annotated[float, typer.Option(min=0, help="Highest learning rate.")] = 5e-5,
    max_tokens: Annotated[int, typer.Option(min=1, help="Longest sample, in tokens.")] = 64,
    seed: Annotated[int, typer.Option(min=0, help="Decides split, lent answers, samples and order.")] = 0,
    model: Model = None,
    threads: Threads = 0,
) -> None:
    """Adapt a scorer to a task from 16 examples or more; a language model's own samples help where it shall be boosted.

    Example: cappy adapt questions.csv --column instruction=question --column response=answer -o my-scorer
    """
    try:
        import torch

        from cappy.adaptation import adapt as run
        from cappy.data.own_examples import read_examples, read_labelled_texts
        from cappy.training.finetune import Tuning
    except ImportError as error:
        raise MissingExtraError("adapting", "train") from error
    from cappy.llm.decoding import parse_plan
    from cappy.llm.find import find_llm
    from cappy.llm.kept import KeptSamples
    from cappy.llm.model import LanguageModel
    from cappy.progress import progress_bar

    logging.basicConfig(format="%(message)s")
    logging.getLogger("cappy").setLevel(logging.INFO)
    if threads:
        torch.set_num_threads(threads)
    columns = dict(_pair(one) for one in column or [])
    if template is not None:
        rows, samples = read_labelled_texts(examples, template, text_column, label_column), None
    else:
        rows, samples = read_examples(examples, columns)
    language_model: LanguageModel | None = None
    if keep and not llm:
        raise InputError("--keep keeps the samples of a language model; name one with --llm.")
    if llm:
        language_model = find_llm(
            llm, base_url=base_url, api_key=api_key, chat=chat, context=4096, threads=threads, servers=0
        )
        if keep:
            language_model = KeptSamples(language_model, keep)
    scorer = load_scorer(model, "onnx", None, None, threads)
    tuning = Tuning(learning_rate=learning_rate, epochs=epochs)
    with progress_bar("epochs", epochs) as advance:
        adapted = run(
            scorer,
            rows,
            output,
            llm=language_model,
            plan=parse_plan(plan, max_tokens),
            samples=samples,
            tuning=tuning,
            seed=seed,
            advance=advance,
        )
    held = adapted.report["held_out_groups"]
    typer.echo(f"on {held} held-out examples: {100 * adapted.before:.1f} before, {100 * adapted.after:.1f} after")
    typer.echo(f"adapted scorer written to {adapted.folder}; use it with: cappy rank -m {adapted.folder} …")


def _pair(text: str) -> tuple[str, str]:
    name, separator, column = text.partition("=")
    if not separator or not name or not column:
        raise InputError(f"--column {text!r} should look like instruction=question.")
    return name, column
