"""A domain as a LangChain retriever, for chains of other programs.

Knows nothing of answers: whoever calls it decides what becomes of the documents.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from pydantic import Field

from rag.answer import Engine
from rag.errors import ConfigurationError
from rag.settings import Settings
from rag.types import PAGE_BREAK, Hit, Question

LARGEST_LIMIT = 1000


class DomainRetriever(BaseRetriever):
    """Finds passages of a domain. Thread-safe; `engine` is open until its `close()` is called.

    Each document's `id` is that of the chunk, its `metadata` holds `source`, `title`, `page`, `last_page` (1-based),
    `language`, `score` (higher is better), `chunk_id`, and `confidence`, in [0, 1]: how sure it is that all of them
    together answer the query.
    """

    engine: Any = Field(exclude=True, repr=False)
    question: Question
    k: int

    def _get_relevant_documents(self, query: str, *, run_manager: CallbackManagerForRetrieverRun) -> list[Document]:
        found = self.engine.search(replace(self.question, text=query), self.k)
        return [_document(hit, found.confidence) for hit in found.hits]


def as_retriever(
    domain: str, k: int = 10, filters: Mapping[str, str] | None = None, engine: Engine | None = None
) -> DomainRetriever:
    """A retriever of the `k` best passages of a domain, among the documents that pass `filters`.

    Without `engine` it opens one of its own, as the settings of the environment say. Raises ConfigurationError for an
    unknown domain, a wrong `k` or wrong settings; its calls raise LacertaError where a query or a filter is wrong or
    there is no index.
    """
    if not 1 <= k <= LARGEST_LIMIT:
        raise ConfigurationError(f"k should be from 1 to {LARGEST_LIMIT}, is now {k}.")
    engine = engine or Engine(Settings.from_environment())
    if domain not in engine.domains:
        raise ConfigurationError(f"There is no domain {domain!r}. Domains: {', '.join(engine.domains) or 'none'}.")
    return DomainRetriever(engine=engine, question=Question("", domain, filters=dict(filters or {})), k=k)


def _document(hit: Hit, confidence: float) -> Document:
    chunk = hit.chunk
    return Document(
        id=chunk.id,
        page_content=chunk.text.replace(PAGE_BREAK, "\n"),
        metadata={
            "source": chunk.source,
            "title": chunk.title,
            "page": chunk.first_page,
            "last_page": chunk.last_page,
            "language": chunk.language,
            "score": hit.score,
            "chunk_id": chunk.id,
            "confidence": confidence,
        },
    )
