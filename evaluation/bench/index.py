"""Indexes of made chunks, one for the program and one for the plain pipeline, kept in `var/bench` for the next run.

Both hold the same chunks and vectors. Only the first chunks have vectors of their own: see `MadeVectors`.
"""

import hashlib
import json
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from evaluation.bench.beside import Plain
from evaluation.bench.memory import load, on_disk
from evaluation.made import MadeVectors, chunk_of, passage_of
from rag.index import FORMAT, IndexWriter, Manifest
from rag.lexical import terms_of
from rag.settings import LANGUAGES
from rag.types import Embedder

OWN, PLAIN = "own", "plain"
_BATCH = 1024
# Chunks that stand for all, where it is asked whether they are still the same.
_SAMPLE = 10 * len(LANGUAGES)


@dataclass(frozen=True, slots=True)
class MadeIndex:
    """An index of `count` made chunks for each pipeline, in `folder`, with their vectors in a file."""

    folder: Path
    count: int
    embedder: str

    @property
    def rows(self) -> Path:
        return self.folder / "vectors.npy"

    @property
    def index(self) -> Path:
        return self.folder / OWN

    @property
    def database(self) -> Path:
        return self.folder / PLAIN

    def build_own(self, dimension: int) -> dict[str, Any]:
        """Seconds that the index took, without the making of its chunks and vectors."""
        self.index.mkdir()
        started = time.perf_counter()
        writer = IndexWriter(self.index, dimension)
        seconds = time.perf_counter() - started
        stored = np.load(self.rows, mmap_mode="r")
        for start, end in _batches(self.count, f"indexing {self.count:,}"):
            chunks, rows = [chunk_of(number) for number in range(start, end)], np.asarray(stored[start:end])
            started = time.perf_counter()
            writer.add(chunks, rows)
            seconds += time.perf_counter() - started
        started = time.perf_counter()
        writer.finish()
        Manifest("made", "1", "", self.embedder, dimension, "", (), self.count, "").save(self.index)
        return {"build_seconds": round(seconds + time.perf_counter() - started, 1), "disk_mb": on_disk(self.index)}

    def build_plain(self, plain: Plain) -> dict[str, Any]:
        """The same for the plain pipeline."""
        with plain.talk("store", self.database, self.rows) as (_, add):
            seconds = 0.0
            for start, end in _batches(self.count, f"plain, indexing {self.count:,}"):
                chunks = [chunk_of(number) for number in range(start, end)]
                seconds += add({
                    "ids": [chunk.id for chunk in chunks],
                    "texts": [passage_of(chunk) for chunk in chunks],
                    "metadatas": [{"source": chunk.source, "page": chunk.first_page} for chunk in chunks],
                })  # fmt: skip
        return {"build_seconds": round(seconds, 1), "disk_mb": on_disk(self.database)}

    def once(self, name: str, build: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """What `build` gave when the part `name` was built, now where it was not; `load` is the machine's before."""
        told = self.folder / f"{name}.json"
        if not told.exists():
            shutil.rmtree(self.folder / name, ignore_errors=True)
            before = load()
            figures = build() | {"load": before}
            # Written last: a build that was stopped is begun anew.
            told.write_text(json.dumps(figures), encoding="utf-8")
        figures = json.loads(told.read_text(encoding="utf-8"))
        return dict(figures)


def _batches(count: int, what: str) -> Iterator[tuple[int, int]]:
    with tqdm(total=count, desc=what, unit=" chunks", leave=False, disable=None) as bar:
        for start in range(0, count, _BATCH):
            end = min(start + _BATCH, count)
            yield start, end
            bar.update(end - start)


def digest(embedder: Embedder, real: int) -> str:
    """Changes with the made chunks, their vectors, their terms and the format of an index."""
    chunks = [chunk_of(number) for number in range(_SAMPLE)]
    parts = [FORMAT, embedder.name, real, [(passage_of(chunk), terms_of(chunk).all.tolist()) for chunk in chunks]]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:12]


def real_vectors(count: int, embedder: Embedder, folder: Path) -> np.ndarray:
    """The `(count, dimension)` rows of the first chunks."""
    kept = folder / f"vectors-{count}-{digest(embedder, count)}.npy"
    if not kept.exists():
        rows = [
            embedder.embed_passages([passage_of(chunk_of(number)) for number in range(start, end)])
            for start, end in _batches(count, "embedding")
        ]
        aside = kept.with_suffix(".part.npy")
        np.save(aside, np.concatenate(rows))
        aside.replace(kept)
    return np.asarray(np.load(kept))


def write_rows(made: MadeIndex, vectors: MadeVectors) -> dict[str, Any]:
    shape = made.count, vectors.real.shape[1]
    stored = np.lib.format.open_memmap(made.rows, "w+", np.float32, shape)
    for start, end in _batches(made.count, "vectors"):
        stored[start:end] = vectors.rows(start, end)
    stored.flush()
    return {"count": made.count}
