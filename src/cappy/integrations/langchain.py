"""LangChain: a compressor that reranks documents, and a runnable that answers with the best of n."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from cappy.errors import InputError, MissingExtraError
from cappy.integrations.given import best_of_given
from cappy.scorer import Scorer, load
from cappy.text.conversation import instruction_of

try:
    from langchain_core.documents import BaseDocumentCompressor, Document
    from langchain_core.messages import BaseMessage, convert_to_openai_messages
    from langchain_core.prompt_values import PromptValue
    from langchain_core.runnables import Runnable, RunnableConfig, RunnableSerializable
    from langchain_core.runnables.config import patch_config
    from pydantic import ConfigDict, Field
except ImportError as error:
    raise MissingExtraError("the LangChain integration", "langchain") from error

if TYPE_CHECKING:
    from langchain_core.callbacks import Callbacks


class CappyCompressor(BaseDocumentCompressor):
    """Ranks documents by how well they answer the query, and stores each score as metadata `relevance_score`.

    `scorer` is cappy-base unless given. The best `top_n` documents are kept; all of them unless given.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)
    scorer: Scorer = Field(default_factory=load)
    top_n: int | None = Field(default=None, ge=1)

    def compress_documents(
        self, documents: Sequence[Document], query: str, callbacks: Callbacks | None = None
    ) -> list[Document]:
        """Return copies of the documents, best first; the documents given stay as they are."""
        if not documents:
            return []
        ranking = self.scorer.rank(query, [one.page_content for one in documents], self.top_n)
        return [
            documents[item.index].model_copy(
                update={"metadata": {**documents[item.index].metadata, "relevance_score": item.score}}
            )
            for item in ranking
        ]


class CappyBestOfN(RunnableSerializable[Any, Any]):
    """Runs a runnable n times on the same input and returns the output that the scorer finds best, unchanged.

    >>> chain = CappyBestOfN(bound=prompt | model, scorer=cappy.load(), n=8)

    `bound` must return texts or messages, and must sample: set a temperature and turn off caching. Failed runs are left
    out; if all fail, the first error is raised. `selector` is one of those of `cappy.BestOfN`, whose default it has.

    `instruction` is a function that turns the input into the instruction that outputs are judged by. Unless given, a
    text is the instruction itself, messages and prompts become a transcript, and a dictionary must hold one text.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)
    bound: Runnable[Any, Any]
    scorer: Scorer = Field(default_factory=load)
    n: int = Field(default=8, ge=1)
    selector: str | None = None
    instruction: Callable[[Any], str] | None = None

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:  # noqa: A002
        """Return the best output.

        Raises:
            InputError: the input has no instruction, or an output no text.

        """
        return self._call_with_config(self._run, input, config, **kwargs)

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:  # noqa: A002
        """Return the best output without blocking the event loop; the runs are concurrent."""
        return await self._acall_with_config(self._arun, input, config, **kwargs)

    def _run(self, given: Any, run_manager: Any, config: RunnableConfig, **kwargs: Any) -> Any:
        asked, inner = self._asked(given), patch_config(config, callbacks=run_manager.get_child())
        outputs = self.bound.batch([given] * self.n, inner, return_exceptions=True, **kwargs)
        return self._best(asked, outputs)

    async def _arun(self, given: Any, run_manager: Any, config: RunnableConfig, **kwargs: Any) -> Any:
        asked, inner = self._asked(given), patch_config(config, callbacks=run_manager.get_child())
        outputs = await self.bound.abatch([given] * self.n, inner, return_exceptions=True, **kwargs)
        return await asyncio.to_thread(self._best, asked, outputs)

    def _best(self, asked: str, outputs: Sequence[Any]) -> Any:
        kept = [output for output in outputs if not isinstance(output, Exception)]
        if not kept:
            raise next(output for output in outputs if isinstance(output, Exception))
        found = best_of_given(self.scorer, asked, [_said(output) for output in kept], self.selector)
        return kept[found.order[0]]

    def _asked(self, given: Any) -> str:
        if self.instruction is not None:
            return self.instruction(given)
        if isinstance(given, dict):
            texts = [value for value in given.values() if isinstance(value, str)]
            if len(texts) != 1:
                raise InputError("several inputs make no instruction by themselves: give CappyBestOfN `instruction`.")
            return texts[0]
        if isinstance(given, str):
            return given
        messages = given.to_messages() if isinstance(given, PromptValue) else given
        return instruction_of(convert_to_openai_messages(list(messages)))


def _said(output: Any) -> str:
    if isinstance(output, BaseMessage):
        return str(output.text)
    if isinstance(output, str):
        return output
    raise InputError(f"an output must be a text or a message, not {type(output).__name__}; add StrOutputParser.")
