"""The `cappy` command: gathers the subcommands and turns errors into sentences and exit codes.

Exit codes: 0 done; 1 done, but part of the input could not be used; 2 wrong usage or unusable
input; 3 the checkpoint cannot be used; 4 the language model cannot be used; 5 the cluster cannot be used;
130 interrupted.
"""

from __future__ import annotations

import signal
import sys
from typing import Annotated

import typer

import cappy
from cappy.cli import adapt, boost, classify, data, explain, export, mcp, models, rank, score, serve, train
from cappy.cli import eval as evaluate
from cappy.errors import CappyError, CheckpointError, ClusterError, LanguageModelError

INTERRUPTED = 130
CODES = {CheckpointError: 3, LanguageModelError: 4, ClusterError: 5}
HELP = """Judge how correct responses to an instruction are, with a small scorer that works offline.

Start with: cappy rank "What is the capital of France?" Paris London Rome
"""

app = typer.Typer(
    name="cappy",
    help=HELP,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    add_completion=False,
)
app.command("rank")(rank.rank)
app.command("classify")(classify.classify)
app.command("score")(score.score)
app.command("explain")(explain.explain)
app.command("boost")(boost.boost)
app.command("adapt")(adapt.adapt)
app.command("serve")(serve.serve)
app.command("mcp")(mcp.mcp)
app.command("models")(models.models)
app.command("export")(export.export)
app.command("train")(train.train)
app.add_typer(data.app, name="data")
app.add_typer(evaluate.app, name="eval")


def _version(shown: bool) -> None:
    if shown:
        typer.echo(f"cappy {cappy.__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Hold the options of the bare command; the help text is the application's."""


def main() -> None:
    """Run the command line and leave with an exit code that means something."""
    # A service manager's stop is an interruption too: long work saves what it has.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if hasattr(signal, "SIGPIPE"):  # `cappy … | head` ends without a word, as other programs do
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    sys.exit(_run())


def _run() -> int:
    try:
        code = int(app(standalone_mode=False) or 0)
        if code == INTERRUPTED:  # typer has caught it before us
            raise KeyboardInterrupt
        return code
    except CappyError as error:
        typer.echo(f"cappy: {error}", err=True)
        return next((code for kind, code in CODES.items() if isinstance(error, kind)), 2)
    except (KeyboardInterrupt, typer.Abort):
        typer.echo(
            "cappy: interrupted; scoring a file and training go on when the same command is run again.", err=True
        )
        return INTERRUPTED
    except OSError as error:
        typer.echo(f"cappy: {error.filename or 'a file'} cannot be used ({error.strerror or error}).", err=True)
        return 2
    except Exception as error:
        show = getattr(error, "show", None)  # typer's own usage errors, whichever click it brings
        if show is None:
            raise
        show()
        return int(getattr(error, "exit_code", 2))


if __name__ == "__main__":
    main()
