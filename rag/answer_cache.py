"""Finished answers, kept in memory for the same question to the same version of an index. Knows nothing of engines.

Only what was asked word for word, with the same history and wishes, is the same question.
"""

import hashlib
import json
import sys
import threading
from collections import OrderedDict
from dataclasses import asdict, dataclass, replace

from rag.types import Answer, Question, Retrieved, Usage

# Bytes of text, and for each passage what else is known of it.
_BYTES = 64_000_000
_PASSAGE_BYTES = 2_000
_NOTHING = Usage(0, 0, 0)


@dataclass(frozen=True, slots=True)
class Key:
    """A question to a version of a domain's index; `digest` stands for all else that an answer depends on."""

    domain: str
    version: str
    digest: bytes

    @classmethod
    def of(cls, question: Question, version: str) -> "Key":
        # All of its fields, so that none that will be added is forgotten.
        asked = json.dumps(asdict(replace(question, fresh=False, filters=dict(question.filters))), sort_keys=True)
        return cls(question.domain, version, hashlib.sha256(asked.encode()).digest())


@dataclass(frozen=True, slots=True)
class Kept:
    """An answer and what was found for it."""

    retrieved: Retrieved
    answer: Answer


class AnswerCache:
    """At most `entries` answers and `size` bytes of text, least recently used dropped first; none where 0. Thread-safe.

    An index version that is asked about drops the answers of all other versions of its domain.
    """

    def __init__(self, entries: int, size: int = _BYTES) -> None:
        self._entries, self._size = entries, size
        self._kept: OrderedDict[Key, tuple[Kept, int]] = OrderedDict()
        self._held = 0
        self._versions: dict[str, str] = {}
        self._writing: dict[Key, threading.Event] = {}
        self._lock = threading.Lock()

    def get(self, key: Key) -> Kept | None:
        """What was answered, None where nothing is kept."""
        with self._lock:
            if self._versions.get(key.domain) != key.version:
                self._versions[key.domain] = key.version
                for other in [other for other in self._kept if other.domain == key.domain]:
                    self._drop(other)
            if key not in self._kept:
                return None
            self._kept.move_to_end(key)
            return self._kept[key][0]

    def keep(self, key: Key, retrieved: Retrieved, answer: Answer) -> None:
        """Keeps an answer, unless its version is no longer asked about or it takes more than all room there is."""
        # What it cost and took is that of the question it was written for.
        retrieval = replace(retrieved.retrieval, timings={})
        kept = Kept(replace(retrieved, retrieval=retrieval), replace(answer, timings={}, usage=_NOTHING, cached=True))
        size = _size(kept)
        with self._lock:
            self._drop(key)
            if self._entries < 1 or size > self._size or self._versions.get(key.domain) != key.version:
                return
            self._kept[key] = (kept, size)
            self._held += size
            while len(self._kept) > self._entries or self._held > self._size:
                self._drop(next(iter(self._kept)))

    def begin(self, key: Key) -> threading.Event | None:
        """None for who should write the answer and call `end`; for others, what is set when it was written or not."""
        with self._lock:
            if self._entries < 1:
                return None
            if key in self._writing:
                return self._writing[key]
            self._writing[key] = threading.Event()
            return None

    def end(self, key: Key) -> None:
        """Lets those go on who wait for the answer that was begun."""
        with self._lock:
            ended = self._writing.pop(key, None)
        if ended:
            ended.set()

    def __len__(self) -> int:
        with self._lock:
            return len(self._kept)

    def _drop(self, key: Key) -> None:
        if key in self._kept:
            self._held -= self._kept.pop(key)[1]


def _size(kept: Kept) -> int:
    answer = kept.answer
    texts = [answer.text, *(sentence.text for sentence in answer.sentences), *(one.quote for one in answer.citations)]
    # What was found and what the answer rests on are mostly the same passages, in one piece of memory.
    chunks = {hit.chunk.id: hit.chunk for hit in (*answer.hits, *kept.retrieved.retrieval.hits)}
    chunks |= {citation.chunk.id: citation.chunk for citation in answer.citations}
    return sum(map(sys.getsizeof, texts)) + sum(sys.getsizeof(chunk.text) + _PASSAGE_BYTES for chunk in chunks.values())
