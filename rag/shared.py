"""What is opened once and shared by all questions: domains, glossaries, prompts, the embedder, indexes. Thread-safe.

Knows nothing of answers.
"""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from rag.embed import embedding_fingerprint, load_embedder
from rag.glossary import Glossary
from rag.index import Index, current_version
from rag.prompt.templates import Prompts, load_prompts
from rag.rerank import Reranker, load_reranker
from rag.settings import LANGUAGES, Domain, Settings, domain_names, load_domain
from rag.types import Embedder


@dataclass(slots=True)
class _OpenIndex:
    """An index with the number of questions that read it now; closed when retired and read by none."""

    version: str
    index: Index
    readers: int = 0
    retired: bool = False


class Shared:
    """Raises ConfigurationError at once if a domain or a prompt is wrong; the embedder is loaded at its first use."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.domains: dict[str, Domain] = {name: load_domain(settings, name) for name in domain_names(settings)}
        self.glossaries: Mapping[str, Glossary] = {
            name: Glossary.load(domain.folder / "glossary.csv") for name, domain in self.domains.items()
        }
        self._prompts = {name: load_prompts(settings.prompts, name) for name in ("", *self.domains)}
        self._embedder: Embedder | None = None
        self._reranker: Reranker | None = None
        self._embedder_lock = threading.Lock()
        self._indexes: dict[str, _OpenIndex] = {}
        self._index_lock = threading.Lock()

    def prompts(self, domain: str, language: str) -> Prompts:
        """The prompts of a domain in a language; the general ones, in English, where it has none."""
        by_language = self._prompts[domain if domain in self.domains else ""]
        return by_language[language if language in LANGUAGES else "en"]

    def embedder(self) -> Embedder:
        with self._embedder_lock:
            if self._embedder is None:
                self._embedder = load_embedder(self.settings.embedder, self.settings)
            return self._embedder

    @property
    def warm(self) -> bool:
        """Whether the embedder is open."""
        return self._embedder is not None

    def reranker(self) -> Reranker | None:
        with self._embedder_lock:
            if self._reranker is None and self.settings.reranker:
                self._reranker = load_reranker(self.settings.reranker, self.settings)
            return self._reranker

    @contextmanager
    def index(self, name: str) -> Iterator[Index]:
        """The current version of a domain's index, held open while it is read. Raises IndexUnavailable."""
        embedder = embedding_fingerprint(self.embedder())
        with self._index_lock:
            held = self._indexes.get(name)
            version = current_version(self.settings, name)
            if held is None or held.version != version:
                # The old version stays, and serves, if the new one can't be opened.
                opened = _OpenIndex(version or "", Index.open(self.settings, name, embedder))
                if held is not None:
                    self._retire(held)
                held = self._indexes[name] = opened
            held.readers += 1
        try:
            yield held.index
        finally:
            with self._index_lock:
                held.readers -= 1
                if held.retired and not held.readers:
                    held.index.close()

    def close(self) -> None:
        """Closes the indexes; those that are being read, when they no longer are."""
        with self._index_lock:
            for held in self._indexes.values():
                self._retire(held)
            self._indexes.clear()

    @staticmethod
    def _retire(held: _OpenIndex) -> None:
        held.retired = True
        if not held.readers:
            held.index.close()
