"""Rows of data sets read by the `datasets` library: from the Hugging Face hub, or from local folders."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from cappy.errors import InputError, MissingExtraError

PARQUET = "refs/convert/parquet"
"""The branch where the hub keeps a Parquet copy of most data sets, one folder per configuration."""


def stream_rows(repository: str, config: str, split: str, revision: str | None = None) -> Iterator[dict[str, Any]]:
    """Stream the rows of a data set: "owner/name" on the hub or a local folder, and its configuration ("" for none).

    `revision` is a branch or commit; the main branch by default.

    Raises:
        InputError: the data set cannot be loaded.

    """
    try:
        import datasets
    except ImportError as error:
        raise MissingExtraError("reading data sets of the hub", "hub") from error
    try:
        # That branch has no card, so its configurations are known only by their folders.
        where = {"data_dir": config or None} if revision == PARQUET else {"name": config or None}
        rows: Iterable[Any] = datasets.load_dataset(repository, **where, split=split, revision=revision, streaming=True)
        for row in rows:
            yield dict(row)
    except Exception as error:  # the library raises errors of a dozen packages
        name = f"{repository}/{config}" if config else repository
        reason = (str(error).strip().splitlines() or [""])[0]
        raise InputError(f"the data set {name!r} cannot be read ({type(error).__name__}: {reason}).") from error


def hub_rows(name: str, split: str, revision: str | None = None) -> Iterator[tuple[str, dict[str, Any]]]:
    """Stream the rows, with their addresses, of "owner/name", "owner/name/configuration", or a local folder.

    `revision` is a branch or commit; the main branch by default.

    Raises:
        InputError: the data set cannot be loaded.

    """
    repository, config = (name, "") if Path(name).is_dir() else _repository(name)
    for number, row in enumerate(stream_rows(repository, config, split, revision)):
        yield f"{name}:{split}:{number}", row


def _repository(name: str) -> tuple[str, str]:
    """Split a name into the repository and the configuration: "nyu-mll/glue/mrpc", "ag_news"."""
    owner, _, rest = name.partition("/")
    short, _, config = rest.partition("/")
    return (f"{owner}/{short}" if rest else owner), config
