"""`cappy adapt`: a classifier learnt from labelled texts, or a scorer trained further on a task's examples."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated, Optional

import typer

from cappy.cli.adapt_labels import learn_labels
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
        typer.Option(help="For labelled texts: the instruction around {text}; guessed from the columns unless given."),
    ] = None,
    text_column: Annotated[Optional[str], typer.Option(help="Column of labelled texts.")] = None,  # noqa: UP045
    label_column: Annotated[Optional[str], typer.Option(help="Column of their labels.")] = None,  # noqa: UP045
    label_separator: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="What parts several labels of a text, such as ';'; lists in JSON lines need none."),
    ] = None,
    finetune: Annotated[
        bool, typer.Option("--finetune", help="Labelled texts: train the whole scorer (needs torch), not a head alone.")
    ] = False,
    epochs: Annotated[int, typer.Option(min=1, help="Epochs at most; training stops when it gets no better.")] = 8,
    learning_rate: Annotated[float, typer.Option(min=0, help="Highest learning rate.")] = 5e-5,
    max_tokens: Annotated[int, typer.Option(min=1, help="Longest sample, in tokens.")] = 64,
    seed: Annotated[int, typer.Option(min=0, help="Decides split, lent answers, samples and order.")] = 0,
    model: Model = None,
    threads: Threads = 0,
) -> None:
    """Learn a classifier from labelled texts, or adapt a scorer to a task of questions and answers.

    A file of labelled texts (columns like text and label) gives a classifier for `cappy classify -m`, in seconds. From
    questions with answers the scorer itself is trained on; a language model's own samples help where it shall be
    boosted.

    Example: cappy adapt reviews.csv --label-column stars -o my-classifier

    Example: cappy adapt questions.csv --column instruction=question --column response=answer -o my-scorer
    """
    from cappy.data.labelled_texts import guess_instruction, has_labels, read_labelled

    labelled = bool(template or text_column or label_column or label_separator) or (not column and has_labels(examples))
    if labelled and template is not None and "{text}" not in template:
        raise InputError("the template must hold {text}.")
    if labelled and not finetune:
        if llm or keep:
            raise InputError("labelled texts need no language model; leave --llm and --keep out.")
        found = read_labelled(examples, text_column, label_column, label_separator)
        learn_labels(found, output, template, model, threads)
        return
    try:
        import torch

        from cappy.adaptation import adapt as run
        from cappy.data.own_examples import choice_examples, read_examples
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
    if labelled:
        found = read_labelled(examples, text_column, label_column, label_separator)
        if found.lists is not None:
            raise InputError("--finetune takes one label a text; leave it out for texts with several.")
        asked = template or guess_instruction(found.text_column, found.label_column, sorted(set(found.labels)))
        rows, samples = choice_examples(found.texts, found.labels, asked), None
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
