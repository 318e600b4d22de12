"""A row a chunk, memory-mapped: its vector, and its pieces as the bundled student reads them.

Fusion looks at a few hundred chunks a question; the vector store hands out rows many times slower than memory does.
Flat files: a hash a chunk in order, vectors (float16), where its pieces begin, and the pieces.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

_HASHES, _VECTORS, _STARTS, _PIECES = "hashes.npy", "vectors.npy", "starts.npy", "pieces.npy"


class ChunkTableWriter:
    """Collects rows and writes them into `folder` in one go; until then they are kept in memory, half a KB a row."""

    def __init__(self, folder: Path, dimension: int) -> None:
        self._folder = folder
        self._names: list[int] = []
        self._vectors: list[np.ndarray] = [np.empty((0, dimension), np.float16)]
        self._pieces: list[np.ndarray] = []

    def add(self, names: Sequence[str], vectors: np.ndarray, pieces: Sequence[np.ndarray]) -> None:
        """Adds chunk ids with (n, dimension) vectors and the numbers of their pieces, kept once each."""
        self._names += map(_hash, names)
        self._vectors.append(vectors.astype(np.float16))
        self._pieces += [np.unique(some) for some in pieces]

    def finish(self) -> int:
        """Writes the files; the number of chunks."""
        self._folder.mkdir(parents=True, exist_ok=True)
        hashes = np.array(self._names, np.uint64)
        order = np.argsort(hashes, kind="stable")
        lengths = np.array([len(some) for some in self._pieces], np.uint64)[order]
        np.save(self._folder / _HASHES, hashes[order])
        np.save(self._folder / _VECTORS, np.concatenate(self._vectors)[order])
        np.save(self._folder / _STARTS, np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64))
        ordered = [self._pieces[place] for place in order]
        np.save(self._folder / _PIECES, np.concatenate(ordered) if ordered else np.empty(0, np.uint16))
        return len(hashes)


class ChunkTable:
    """Reads what `ChunkTableWriter` wrote. Raises OSError or ValueError where the files are missing or broken."""

    def __init__(self, folder: Path) -> None:
        # Plain views: a memory map's own indexing is slow.
        self._hashes, self._vectors, self._starts, self._pieces = (
            np.load(folder / name, mmap_mode="r").view(np.ndarray) for name in (_HASHES, _VECTORS, _STARTS, _PIECES)
        )
        if not len(self._hashes) == len(self._vectors) == len(self._starts) - 1:
            raise ValueError(f"{folder} is not whole")
        if self._starts[-1] != len(self._pieces):
            raise ValueError(f"{folder} is not whole")

    def __len__(self) -> int:
        return len(self._hashes)

    def get(self, names: Sequence[str]) -> tuple[np.ndarray, list[np.ndarray]]:
        """(n, dimension) float32 vectors and the distinct pieces, ascending, (p,) uint16, of chunks by id.

        An unknown id has a row of zeros and no pieces.
        """
        wanted = np.array([_hash(name) for name in names], np.uint64)
        places = np.minimum(np.searchsorted(self._hashes, wanted), max(0, len(self._hashes) - 1))
        if not len(self._hashes):
            return np.zeros((len(names), self._vectors.shape[1]), np.float32), [self._pieces] * len(names)
        known = self._hashes[places] == wanted
        vectors = self._vectors[places].astype(np.float32)
        vectors[~known] = 0
        begins, ends = self._starts[places].tolist(), self._starts[places + 1].tolist()
        pieces = [
            self._pieces[begin : end if there else begin]
            for begin, end, there in zip(begins, ends, known.tolist(), strict=True)
        ]
        return vectors, pieces


def _hash(name: str) -> int:
    return int.from_bytes(hashlib.blake2b(name.encode("utf-8", "replace"), digest_size=8).digest(), "little")
