"""Options shared by commands, and reading texts from arguments, files and standard input."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from cappy.errors import InputError

if TYPE_CHECKING:
    from cappy.scorer import Scorer

# Optional[...] and not "| None": typer evaluates these on Python 3.10 as well.
Model = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option("--model", "-m", help="Scorer: base (the default), mini (faster), a folder or a hub name."),
]
Runtime = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(help="onnx, openvino or torch; default: the fastest one that suits this machine."),
]
Layout = Annotated[Optional[str], typer.Option(help="shared or joint; default: the checkpoint's.")]  # noqa: UP045
Precision = Annotated[Optional[str], typer.Option(help="fp32, int8 (onnx) or bf16 (openvino, torch).")]  # noqa: UP045
Threads = Annotated[int, typer.Option(min=0, help="CPU threads; 0 uses all cores.")]
Llm = Annotated[
    str,
    typer.Option(
        help="Language model: smollm2, gemma3, a GGUF file, a transformers model, or a model on the --base-url server."
    ),
]
BaseUrl = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(help="URL of an OpenAI-compatible server, such as http://localhost:8000/v1."),
]
LlmKey = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option("--api-key", envvar="OPENAI_API_KEY", help="The server's key.", show_envvar=True),
]
Chat = Annotated[
    Optional[bool],  # noqa: UP045
    typer.Option(
        "--chat/--no-chat",
        help="Use the model's chat template, or let it continue the prompt. Default: the chat template for servers and "
        "for GGUF files of chat models.",
    ),
]
BatchCalibration = Annotated[
    float,
    typer.Option(
        min=0,
        max=1,
        help="Subtract this share of each choice's mean score over the given texts; answers then depend on each other. "
        "Use 1 if no choice is right much more often than another.",
    ),
]
Ray = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(
        "--ray",
        metavar="ADDRESS",
        help="Run on a Ray cluster (extra 'scale'): auto (the cluster of this node), HOST:PORT, or local (start one on "
        "this machine).",
    ),
]
RayWorkers = Annotated[
    Optional[int],  # noqa: UP045
    typer.Option("--ray-workers", min=1, help="Maximum workers on the cluster; default: as many as fit."),
]
RayGpus = Annotated[float, typer.Option("--ray-gpus", min=0, help="GPUs per worker on the cluster.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


def load_scorer(
    model: str | None, runtime: str | None, layout: str | None, precision: str | None, threads: int
) -> Scorer:
    """Load the scorer with the shared options."""
    from cappy.scorer import load

    return load(model, runtime=runtime, layout=layout, precision=precision, threads=threads)


def gather_texts(arguments: Sequence[str], file: Path | None) -> list[str]:
    """Return texts from arguments, then from a file, one per line; `-` means standard input in both."""
    texts: list[str] = []
    for argument in arguments:
        texts += _filled(read_lines(Path("-"))) if argument == "-" else [argument]
    return texts + (_filled(read_lines(file)) if file else [])


def _filled(lines: Sequence[str]) -> list[str]:
    return [line for line in lines if line.strip()]


def read_instruction(given: str) -> str:
    """Return an instruction as given, or standard input without its outer line breaks for `-`."""
    return "\n".join(read_lines(Path("-"))).strip("\n") if given == "-" else given


def read_lines(path: Path) -> list[str]:
    """Return a file's lines, including blank ones; `-` means standard input.

    Raises:
        InputError: the file cannot be read or is not text.

    """
    try:
        raw = sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
        lines = raw.decode("utf-8-sig").split("\n")
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}).") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 text (byte {error.start}).") from error
    return [line.rstrip("\r") for line in lines]
