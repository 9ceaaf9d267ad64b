"""The server's scorers by name, and replacing their checkpoints."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from cappy.errors import InputError
from cappy.runtime.prefix_cache import PrefixCache
from cappy.scorer import Scorer
from cappy.server.errors import RequestError

Loader = Callable[[], Scorer]


class Scorers:
    """Scorers by name; the first is the default.

    A request keeps its scorer until it ends, so a swap neither drops requests nor mixes scores.
    """

    def __init__(self, loaders: Mapping[str, Loader]) -> None:
        """Load every scorer; `reload` calls the `loaders` again.

        Raises:
            InputError: there is no scorer.
            CheckpointError: a checkpoint cannot be loaded.

        """
        if not loaders:
            raise InputError("a server needs at least one scorer.")
        self._loaders = dict(loaders)
        self._scorers = {name: load() for name, load in self._loaders.items()}

    @property
    def names(self) -> list[str]:
        """The names, the default first."""
        return list(self._scorers)

    def caches(self) -> list[PrefixCache]:
        """Return the caches of encoded instructions, one for each scorer that has one."""
        return [scorer.cache for scorer in self._scorers.values() if scorer.cache is not None]

    def find(self, name: str | None) -> tuple[str, Scorer]:
        """Return the name and the scorer for a name; the first scorer for None or "".

        Raises:
            RequestError: 404, the name is unknown. A server with a single scorer accepts any name, because clients of
                other services send that service's model names.

        """
        scorers = self._scorers
        if name in scorers:
            return name, scorers[name]
        first = next(iter(scorers))
        if not name or len(scorers) == 1:
            return first, scorers[first]
        raise RequestError(404, f"the model {name!r} does not exist; available: {', '.join(scorers)}.")

    def swap(self, name: str, scorer: Scorer) -> None:
        """Use another scorer for new requests."""
        self._scorers = {**self._scorers, name: scorer}

    def reload(self) -> None:
        """Reload every checkpoint and swap them in, all or none.

        Raises:
            CheckpointError: a checkpoint cannot be loaded; nothing is swapped.

        """
        self._scorers = {**self._scorers, **{name: load() for name, load in self._loaders.items()}}
