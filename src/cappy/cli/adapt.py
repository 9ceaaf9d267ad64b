"""`cappy adapt`: learn from labelled texts or a task's examples, on top of the scorer or by training it."""

from __future__ import annotations

import logging
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from cappy.cli.adapt_labels import learn_head, learn_labels
from cappy.cli.adapt_training import learn_by_training, train_scorer
from cappy.cli.options import BaseUrl, Chat, Llm, LlmKey, Model, Threads, load_scorer
from cappy.errors import InputError, MissingExtraError
from cappy.files.progress import progress_bar
from cappy.llm.decoding import parse_plan

if TYPE_CHECKING:
    from cappy.llm.model import LanguageModel


def adapt(
    examples: Annotated[Path, typer.Argument(help="Examples: JSON lines, CSV or Parquet.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the adapted scorer.")],
    llm: Llm = "",
    base_url: BaseUrl = None,
    api_key: LlmKey = None,
    chat: Chat = None,
    plan_text: Annotated[
        str, typer.Option("--plan", help="How to sample: paper (17 samples), or decodings such as greedy,temp0.7*8.")
    ] = "paper",
    keep: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="Cache samples in this file."),
    ] = None,
    column: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option(
            help="Column of a field, such as instruction=question. Fields: instruction, response, choices, samples."
        ),
    ] = None,
    template: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            help="For labelled texts: the instruction around {text}; guessed from the column names by default."
        ),
    ] = None,
    text_column: Annotated[Optional[str], typer.Option(help="Column of labelled texts.")] = None,  # noqa: UP045
    label_column: Annotated[Optional[str], typer.Option(help="Column of their labels.")] = None,  # noqa: UP045
    label_separator: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="Separator of several labels in one field, such as ';'. Lists in JSON lines need none."),
    ] = None,
    finetune: Annotated[
        bool,
        typer.Option("--finetune", help="Also train the scorer itself (needs torch)."),
    ] = False,
    epochs: Annotated[
        int, typer.Option(min=1, help="Maximum number of epochs; training stops early when it stops improving.")
    ] = 8,
    learning_rate: Annotated[float, typer.Option(min=0, help="Peak learning rate.")] = 5e-5,
    max_tokens: Annotated[int, typer.Option(min=1, help="Maximum tokens of a sample.")] = 64,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the split, negatives, samples and order.")] = 0,
    model: Model = None,
    threads: Threads = 0,
) -> None:
    """Learn a classifier from labelled texts, or learn to choose among a language model's answers.

    Labelled texts (columns such as text and label) give a classifier for `cappy classify -m`. Questions with answers,
    with a language model or its samples, give a scorer for `cappy boost -m` that has learnt to choose. Both take
    seconds, apart from sampling. `--finetune`, or questions without samples, train the scorer itself. For labelled
    texts a fifth is then held out, and the trained scorer is kept only if it is better on it.

    Example: cappy adapt reviews.csv --label-column stars -o my-classifier

    Example: cappy adapt questions.csv --column instruction=question --column response=answer --llm smollm2 -o my-task
    """
    from cappy.data.labelled_texts import has_labels, read_labelled

    logging.basicConfig(format="%(message)s")
    logging.getLogger("cappy").setLevel(logging.INFO)
    labelled = bool(template or text_column or label_column or label_separator) or (
        not (column or llm) and has_labels(examples)
    )
    if labelled and template is not None and "{text}" not in template:
        raise InputError("the template must hold {text}.")
    if labelled:
        if llm or keep:
            raise InputError("labelled texts need no language model; leave --llm and --keep out.")
        texts = read_labelled(examples, text_column, label_column, label_separator)
        training = partial(learn_by_training, epochs=epochs, learning_rate=learning_rate, threads=threads, seed=seed)
        learn_labels(texts, output, template, model, threads, training if finetune else learn_head)
        return
    if keep and not llm:
        raise InputError("--keep keeps the samples of a language model; name one with --llm.")
    try:
        from cappy.data.examples_file import read_examples
    except ImportError as error:
        raise MissingExtraError("adapting", "data") from error
    rows, samples = read_examples(examples, dict(_pair(one) for one in column or []))
    language_model: LanguageModel | None = None
    if llm:
        try:
            from cappy.llm.cache import KeptSamples
            from cappy.llm.find import find_llm
        except ImportError as error:
            raise MissingExtraError("sampling", "llm") from error
        language_model = find_llm(
            llm, base_url=base_url, api_key=api_key, chat=chat, context=4096, threads=threads, servers=0
        )
        if keep:
            language_model = KeptSamples(language_model, keep)
    scorer = load_scorer(model, "onnx", None, None, threads)
    plan = parse_plan(plan_text, max_tokens)
    if not finetune and (language_model or samples):
        from cappy.selection.task import learn_choosing

        with progress_bar("sampling", len(rows)) as advance:
            taught = learn_choosing(
                scorer, rows, output, llm=language_model, plan=plan, samples=samples, seed=seed, advance=advance
            )
        typer.echo(str(taught.report))
        typer.echo(f"written to {taught.folder}; use it with: cappy boost -m {taught.folder} …")
        return
    settings = {"llm": language_model, "plan": plan, "samples": samples, "seed": seed}
    train_scorer(scorer, rows, output, epochs=epochs, learning_rate=learning_rate, threads=threads, **settings)


def _pair(text: str) -> tuple[str, str]:
    name, separator, column = text.partition("=")
    if not separator or not name or not column:
        raise InputError(f"--column {text!r} should look like instruction=question.")
    return name, column
