"""Progress bars for long operations."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def progress_bar(title: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """Show a progress bar on standard error during the block; yields a function that advances it."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    console = Console(stderr=True)
    with Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=console, transient=True) as bar:
        task = bar.add_task(title, total=total)
        yield lambda count: bar.advance(task, count)


@contextmanager
def megabytes(title: str) -> Iterator[Callable[[int, int | None], None]]:
    """Show a progress bar of received bytes; yields a function called with the bytes of each step."""
    with progress_bar(f"{title} (MB)", None) as advance:
        got = 0

        def step(count: int, _: int | None) -> None:
            nonlocal got
            advance((got + count) // 10**6 - got // 10**6)
            got += count

        yield step
