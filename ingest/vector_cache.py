"""Vectors that were computed before, on disk, so that the same text is embedded once. Knows nothing of documents."""

import hashlib
import re
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self

import numpy as np

from rag.types import Embedder

# Written after each batch: what a killed run has embedded is not embedded again.
BATCH = 128


class VectorCache:
    """Vectors of one embedder by the SHA-256 of their text, in a SQLite file below `folder`. One process writes."""

    def __init__(self, folder: Path, embedder_name: str, dimension: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        name = re.sub(r"[^\w.-]+", "_", embedder_name)[:80]
        digest = hashlib.sha256(f"{embedder_name}\0{dimension}".encode()).hexdigest()[:8]
        self._dimension = dimension
        self._connection = sqlite3.connect(folder / f"vectors-{name}-{digest}.sqlite", timeout=60)
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=NORMAL")
        self._connection.execute(
            "CREATE TABLE IF NOT EXISTS vectors (key BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID"
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def embed(
        self, texts: Sequence[str], embedder: Embedder, progress: Callable[[int, int], None] = lambda *_: None
    ) -> tuple[np.ndarray, int]:
        """`(n, dimension)` float32 rows of the texts, and how many of them had to be embedded.

        `progress` gets the number embedded and the number missing.
        """
        keys = [hashlib.sha256(text.encode()).digest() for text in texts]
        known = self._read(keys)
        missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in known}
        # Texts of about one length go together, so that little of a batch is padding.
        rest = sorted(missing.items(), key=lambda item: len(item[1]))
        for start in range(0, len(rest), BATCH):
            batch = rest[start : start + BATCH]
            rows = np.ascontiguousarray(embedder.embed_passages([text for _, text in batch]), dtype=np.float32)
            with self._connection:
                self._connection.executemany(
                    "INSERT OR REPLACE INTO vectors VALUES (?, ?)",
                    [(key, row.tobytes()) for (key, _), row in zip(batch, rows, strict=True)],
                )
            known |= {key: row for (key, _), row in zip(batch, rows, strict=True)}
            progress(start + len(batch), len(rest))
        matrix = np.empty((len(keys), self._dimension), dtype=np.float32)
        for place, key in enumerate(keys):
            matrix[place] = known[key]
        return matrix, len(missing)

    def _read(self, keys: Sequence[bytes]) -> dict[bytes, np.ndarray]:
        known: dict[bytes, np.ndarray] = {}
        for start in range(0, len(keys), 500):
            part = keys[start : start + 500]
            marks = ",".join("?" * len(part))
            for key, value in self._connection.execute(f"SELECT key, value FROM vectors WHERE key IN ({marks})", part):
                row = np.frombuffer(value, dtype=np.float32)
                if row.shape == (self._dimension,):
                    known[key] = row
        return known
