"""Haystack: a ranker component."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from cappy.errors import InputError, MissingExtraError
from cappy.scorer import Scorer, load

try:
    from haystack import Document, component, default_from_dict, default_to_dict
except ImportError as error:
    raise MissingExtraError("the Haystack integration", "haystack") from error


@component
class CappyRanker:
    """Ranks documents by how well they answer the query, and replaces their scores by Cappy's.

    Documents without text content are read as empty.
    """

    def __init__(self, model: str | None = None, top_k: int | None = None) -> None:
        """Keep the settings; the scorer is loaded on first use, or by `warm_up`.

        Args:
            model: a scorer's name or folder, as for `cappy.load`; cappy-base unless given.
            top_k: documents to keep, at least 1; all of them unless given.

        Raises:
            InputError: `top_k` is below 1.

        """
        self.model, self.top_k = model, _checked(top_k)
        self._scorer: Scorer | None = None

    def warm_up(self) -> None:
        """Load the scorer."""
        self._scorer = self._scorer or load(self.model)

    def to_dict(self) -> dict[str, Any]:
        """Return the component as Haystack writes it into a pipeline's file."""
        return dict(default_to_dict(self, model=self.model, top_k=self.top_k))

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> CappyRanker:
        """Restore a component from what `to_dict` returned."""
        found: CappyRanker = default_from_dict(cls, data)
        return found

    @component.output_types(documents=list[Document])
    def run(self, query: str, documents: list[Document], top_k: int | None = None) -> dict[str, list[Document]]:
        """Return `documents`, best first; `top_k` overrides the component's own.

        Raises:
            InputError: `top_k` is below 1.

        """
        kept = self.top_k if top_k is None else _checked(top_k)
        if not documents:
            return {"documents": []}
        self.warm_up()
        assert self._scorer
        ranking = self._scorer.rank(query, [one.content or "" for one in documents], kept)
        return {"documents": [replace(documents[item.index], score=item.score) for item in ranking]}

    @component.output_types(documents=list[Document])
    async def run_async(
        self, query: str, documents: list[Document], top_k: int | None = None
    ) -> dict[str, list[Document]]:
        """Do what `run` does without blocking the event loop."""
        return await asyncio.to_thread(self.run, query, documents, top_k)


def _checked(top_k: int | None) -> int | None:
    if top_k is not None and top_k < 1:
        raise InputError(f"top_k is {top_k}, but must be at least 1.")
    return top_k
