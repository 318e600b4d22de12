"""What is opened once and shared by all questions: domains, glossaries, prompts, the embedder, indexes. Thread-safe.

Knows nothing of answers.
"""

import logging
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from rag.embed import embedding_fingerprint, load_embedder
from rag.errors import IndexUnavailable, LacertaError
from rag.glossary import Glossary
from rag.index import Index, current_version
from rag.prompt.templates import Prompts, load_prompts
from rag.rerank import Reranker, load_reranker
from rag.settings import LANGUAGES, Domain, Settings, domain_names, load_domain
from rag.types import Embedder

_LOG = logging.getLogger(__name__)
# How often it is looked for new versions of the indexes.
_LOOK_SECONDS = 0.1
# A version that could not be opened is left alone for so long: a server may come back, a folder may be mended.
_REFUSED_SECONDS = 2.0


@dataclass(slots=True)
class _OpenIndex:
    """An index with the number of questions that read it now; closed when retired and read by none."""

    version: str
    index: Index
    readers: int = 0
    retired: bool = False


@dataclass(frozen=True, slots=True)
class _Refused:
    """A version that could not be opened, why, and until when it is left alone."""

    version: str
    reason: str
    until: float


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
        self._refused: dict[str, _Refused] = {}
        self._index_lock = threading.Lock()
        # Held by whoever opens a version, beside the questions that read the one before.
        self._opening = {name: threading.Lock() for name in self.domains}
        self._follower: threading.Thread | None = None
        self._closed = threading.Event()

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
        """The current version of a domain's index, held open while it is read. Raises IndexUnavailable.

        While another thread opens a new version, and where it can't be opened, the one before. After `follow` only
        the first version of a domain is waited for.
        """
        held = self._current(name)
        try:
            yield held.index
        finally:
            with self._index_lock:
                held.readers -= 1
                unused = held.retired and not held.readers
            if unused:
                held.index.close()

    def follow(self) -> None:
        """From now on opens new versions as soon as they are there, on a thread of its own that ends with `close`."""
        with self._index_lock:
            if self._follower is None and not self._closed.is_set():
                self._follower = threading.Thread(target=self._follow, name="indexes", daemon=True)
                self._follower.start()

    def close(self) -> None:
        """Closes the indexes; those that are being read, when they no longer are."""
        self._closed.set()
        if self._follower:
            self._follower.join()
        for name in self.domains:
            self._put(name, None)

    def _follow(self) -> None:
        while not self._closed.wait(_LOOK_SECONDS):
            for name in self.domains:
                try:
                    if current_version(self.settings, name) or name in self._indexes:
                        self._refresh(name)
                # Whoever asks is told.
                except (LacertaError, OSError, ValueError):
                    continue

    def _current(self, name: str) -> _OpenIndex:
        """The index to read, with one more reader."""
        while True:
            self._refresh(name)
            with self._index_lock:
                if held := self._indexes.get(name):
                    held.readers += 1
                    return held

    def _refresh(self, name: str) -> None:
        """Opens the current version, if another one is open or none. Raises IndexUnavailable where that leaves none."""
        version = current_version(self.settings, name)
        if version is None:
            self._put(name, None)
        held = self._indexes.get(name)
        if held is not None and held.version == version:
            return
        if held is not None and self._follower not in (None, threading.current_thread()):
            # Who can be answered from the version before does not wait for the next one.
            return
        opening = self._opening[name]
        if opening.acquire(blocking=held is None):
            try:
                self._open(name)
            finally:
                opening.release()

    def _open(self, name: str) -> None:
        # Read first: where it changes meanwhile, the next look finds that out.
        version = current_version(self.settings, name) or ""
        before = self._indexes.get(name)
        if before is not None and before.version == version:
            return
        refused = self._refused.get(name)
        known = refused is not None and refused.version == version
        if refused is None or not known or time.monotonic() > refused.until:
            try:
                self._put(name, _OpenIndex(version, _opened(self.settings, name, self.embedder())))
                return
            except IndexUnavailable as error:
                if before is not None and not known:
                    _LOG.error("The index %s can't be opened, %s goes on serving: %s", version, before.version, error)
                refused = self._refused[name] = _Refused(version, str(error), time.monotonic() + _REFUSED_SECONDS)
        if before is None:
            raise IndexUnavailable(refused.reason)

    def _put(self, name: str, following: _OpenIndex | None) -> None:
        """Puts another index, or none, in the place of the one that is open."""
        with self._index_lock:
            held = self._indexes.pop(name, None)
            if following is not None:
                self._indexes[name] = following
            if held is None:
                return
            held.retired = True
            unused = not held.readers
        if unused:
            held.index.close()


def _opened(settings: Settings, name: str, embedder: Embedder) -> Index:
    """The current version of a domain, with all of it read that the first question would wait for."""
    try:
        index = Index.open(settings, name, embedding_fingerprint(embedder))
        try:
            for group in index.groups:
                index.vectors.search(group, np.eye(1, index.manifest.dimension, dtype=np.float32)[0], 1)
        except BaseException:
            index.close()
            raise
        return index
    except LacertaError:
        raise
    # The stores pass on whatever a damaged file makes of them.
    except Exception as error:
        raise IndexUnavailable(
            f'The index of "{name}" can\'t be opened ({type(error).__name__}: {error}): run python -m ingest {name}'
            " --rebuild."
        ) from error
