"""LlamaIndex: a postprocessor that reranks retrieved nodes."""

from __future__ import annotations

from typing import Any

from cappy.errors import InputError, MissingExtraError
from cappy.scorer import Scorer, load

try:
    from llama_index.core.bridge.pydantic import Field
    from llama_index.core.instrumentation import get_dispatcher
    from llama_index.core.instrumentation.events.rerank import ReRankEndEvent, ReRankStartEvent
    from llama_index.core.postprocessor.types import BaseNodePostprocessor
    from llama_index.core.schema import MetadataMode, NodeWithScore, QueryBundle
except ImportError as error:
    raise MissingExtraError("the LlamaIndex integration", "llama-index") from error

_dispatcher = get_dispatcher(__name__)


class CappyRerank(BaseNodePostprocessor):
    """Ranks nodes by how well they answer the query, and replaces their scores by Cappy's.

    `scorer` is cappy-base unless given. The best `top_n` nodes are kept, all of them unless given. `metadata_mode`
    decides which of a node's metadata is read together with its text; none of it unless given.
    """

    scorer: Scorer = Field(default_factory=load, exclude=True)
    top_n: int | None = Field(default=None, ge=1)
    metadata_mode: MetadataMode = MetadataMode.NONE

    @classmethod
    def class_name(cls) -> str:
        """Return the name that LlamaIndex writes into serialised pipelines."""
        return "CappyRerank"

    def _postprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        if query_bundle is None:
            raise InputError("reranking needs the query: pass query_str or query_bundle.")
        if not nodes:
            return []
        facts: dict[str, Any] = {"top_n": self.top_n or len(nodes), "model_name": self.scorer.checkpoint.folder.name}
        _dispatcher.event(ReRankStartEvent(query=query_bundle, nodes=nodes, **facts))
        texts = [one.node.get_content(metadata_mode=self.metadata_mode) for one in nodes]
        ranking = self.scorer.rank(query_bundle.query_str, texts, self.top_n)
        found = [NodeWithScore(node=nodes[item.index].node, score=item.score) for item in ranking]
        _dispatcher.event(ReRankEndEvent(nodes=found))
        return found
