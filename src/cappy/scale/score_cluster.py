"""Scoring a file on a Ray cluster: parts of the file go to many scorers, and results return in order."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cappy.checkpoint.find import bundled_folder, bundled_name
from cappy.errors import CappyError, InputError
from cappy.files.atomic import sha256
from cappy.files.rows import Row
from cappy.scale.attempts import Trial
from cappy.scale.parts import Numbered, Part, PartReader, find_parts
from cappy.scale.pipeline import Stage, flow
from cappy.scale.score_file import CHUNK, Columns, Outcomes, outcomes_of

if TYPE_CHECKING:
    from cappy.scorer import Scorer


@dataclass(frozen=True, slots=True)
class Workers:
    """The scoring workers: at most `most` (None: as many as fit), with `cpus` cores and `gpus` GPUs each."""

    most: int | None = None
    cpus: int = 1
    gpus: float = 0.0


def cluster_outcomes(scorer: Scorer, source: Path, columns: Columns, workers: Workers) -> Outcomes:
    """Return the `outcomes` argument of `score_file` that scores parts on the cluster joined by this process.

    Every node needs the file and the checkpoint under the same path; bundled scorers come from each node's own package.
    """
    made = PartScorer, (_loading(scorer, workers), _weights(scorer), source.resolve(), source.stat().st_size, columns)
    stage = Stage(*made, cpus=workers.cpus, gpus=workers.gpus, workers=workers.most)

    def outcomes(done: int) -> Iterator[list[Row | str]]:
        # Parts equal the chunks of a single machine, because a row's batch affects the last digit of its score.
        parts = find_parts(source, CHUNK, done)
        return flow(parts, [stage], ordered=True) if parts else iter(())

    return outcomes


def _loading(scorer: Scorer, workers: Workers) -> Callable[[], Scorer]:
    """Return the call that loads the scorer on another machine."""
    name = scorer.checkpoint.folder.resolve()
    known = bundled_name(name.name)
    here = known if known and bundled_folder(known) == name else str(name)
    return scorer.loading(here, threads=workers.cpus)


def _weights(scorer: Scorer) -> dict[str, str]:
    """Return the hashes, by name, of the files that determine scores."""
    folder = scorer.checkpoint.folder
    files = sorted(
        path for path in folder.iterdir() if path.suffix in (".safetensors", ".bin") or path.name == "config.json"
    )
    return {path.name: sha256(path) for path in files}


class PartScorer:
    """A worker that reads parts of a file and scores their rows."""

    def __init__(
        self, load: Callable[[], Scorer], weights: dict[str, str], source: Path, size: int, columns: Columns
    ) -> None:
        """Load the scorer and check that this node has the driver's checkpoint and file.

        Raises:
            InputError: they differ or are missing.

        """
        node = platform.node()
        if not source.exists():
            raise InputError(f"{source} is not on node {node}: put it on a file system that all nodes share.")
        if source.stat().st_size != size:
            raise InputError(f"{source} is another file on node {node}: put it on a file system that all nodes share.")
        self._scorer = load()
        if _weights(self._scorer) != weights:
            raise InputError(f"{self._scorer.checkpoint.folder} on node {node} is not the driver's checkpoint.")
        self._reader, self._columns = PartReader(source), columns

    def __call__(self, part: Part) -> Iterator[list[Row | str]]:
        """Score a part: for each row its new columns, or the reason why there are none."""
        yield outcomes_of(self._scorer, self._reader.read(part), self._columns)

    def carefully(self, part: Part, trial: Trial) -> Iterator[list[Row | str]]:
        """Score a part row by row; set aside rows that fail alone or kill their worker."""
        rows = enumerate(self._reader.read(part))
        yield [self._alone(row, trial.part(number)) for number, row in rows]

    def _alone(self, row: Numbered, trial: Trial) -> Row | str:
        if trial.begin():
            return "the worker that scored it died"
        try:
            outcome = outcomes_of(self._scorer, [row], self._columns)[0]
        except CappyError:
            raise
        except Exception as error:
            outcome = f"it cannot be scored ({type(error).__name__}: {error})"
        trial.end()
        return outcome
