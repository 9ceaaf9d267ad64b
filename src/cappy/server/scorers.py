"""The scorers of a server by name, and putting a new checkpoint in place of an old one."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from cappy.errors import InputError
from cappy.runtime.prefix_cache import PrefixCache
from cappy.scorer import Scorer
from cappy.server.errors import RequestError

Loader = Callable[[], Scorer]


class Scorers:
    """Scorers by name; the first is used where a request names none.

    A request keeps the scorer it began with, so that a swap drops nothing and mixes nothing.
    """

    def __init__(self, loaders: Mapping[str, Loader]) -> None:
        """Load every scorer; `loaders` are called again by `reload`.

        Raises:
            InputError: there is none.
            CheckpointError: one cannot be loaded.

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
        """Return the caches of encoded instructions, one a scorer that has one."""
        return [scorer.cache for scorer in self._scorers.values() if scorer.cache is not None]

    def find(self, name: str | None) -> tuple[str, Scorer]:
        """Return the name and the scorer of that name; the first for None or "".

        Raises:
            RequestError: 404, there is none of that name. A server with a single scorer answers to any name, since
                clients of other services send that service's model names.

        """
        scorers = self._scorers
        if name in scorers:
            return name, scorers[name]
        first = next(iter(scorers))
        if not name or len(scorers) == 1:
            return first, scorers[first]
        raise RequestError(404, f"the model {name!r} does not exist; there are {', '.join(scorers)}.")

    def swap(self, name: str, scorer: Scorer) -> None:
        """Answer requests that come from now on with another scorer."""
        self._scorers = {**self._scorers, name: scorer}

    def reload(self) -> None:
        """Read every checkpoint again and swap them in, all or none.

        Raises:
            CheckpointError: one cannot be loaded; all stay as they were.

        """
        self._scorers = {**self._scorers, **{name: load() for name, load in self._loaders.items()}}
