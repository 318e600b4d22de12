"""What retrieval reads of each chunk, memory-mapped: vector, pieces, analysed terms and the chunk itself.

Fusion looks at a few hundred chunks a question; the vector store and the lexical index hand out single chunks many
times slower than memory does. Flat files, a row a chunk in the order in which they were added, and the hashes of their
ids in order, to find them by.
"""

import hashlib
import json
import zlib
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from rag.types import Chunk
from rag.vectors import GROUPS, group_of

# Of a varying length a row: its pieces as the bundled student reads them, once each and ascending; the hashes of the
# terms of title and headings, and of all terms, in their order; the chunk as JSON.
_RAGGED = {"pieces": np.uint16, "titles": np.uint32, "terms": np.uint32, "chunks": np.uint8}
_INDEX = ("hashes", "places", "groups")
_FIELDS = tuple(item.name for item in fields(Chunk))
_BLOCK = 4096


@dataclass(frozen=True, slots=True)
class Terms:
    """The analysed terms of a chunk in their order, as (n,) uint32 hashes.

    `titles` are those of its title and headings, `all` those of all its text, title and headings included.
    """

    titles: np.ndarray
    all: np.ndarray


@dataclass(frozen=True, slots=True)
class Rows:
    """What is known of (n,) chunks. `vectors` is (n, dimension) float32, the lists have an array a chunk.

    An unknown chunk has zeros, no pieces and no terms.
    """

    vectors: np.ndarray
    pieces: list[np.ndarray]
    terms: list[Terms]


def term_hashes(terms: Sequence[str]) -> np.ndarray:
    """(n,) uint32 that stand for terms, here and in the lexical index; of a million terms some hundred share one."""
    return np.fromiter((zlib.crc32(term.encode("utf-8", "replace")) for term in terms), np.uint32, len(terms))


class ChunkTableWriter:
    """Writes rows into `folder`, which it creates; memory does not grow with them, but for some 60 bytes each."""

    def __init__(self, folder: Path, dimension: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._dimension = dimension
        self._names = array("Q")
        self._groups = bytearray()
        self._lengths = {column: array("q") for column in _RAGGED}
        self._files: dict[str, BinaryIO] = {
            column: (folder / f"{column}.bin").open("wb") for column in ("vectors", *_RAGGED)
        }

    def add(
        self, chunks: Sequence[Chunk], vectors: np.ndarray, pieces: Sequence[np.ndarray], terms: Sequence[Terms]
    ) -> None:
        """Adds (n,) chunks with (n, dimension) vectors, the numbers of their pieces and their terms."""
        self._files["vectors"].write(vectors.astype(np.float16).tobytes())
        for chunk, some, analysed in zip(chunks, pieces, terms, strict=True):
            self._names.append(_hash(chunk.id))
            self._groups.append(GROUPS.index(group_of(chunk.language)))
            self._append("pieces", np.unique(some).astype(np.uint16))
            self._append("titles", analysed.titles)
            self._append("terms", analysed.all)
            self._append("chunks", np.frombuffer(_packed(chunk), np.uint8))

    def _append(self, column: str, values: np.ndarray) -> None:
        self._files[column].write(values.tobytes())
        self._lengths[column].append(len(values))

    def copy(self, table: "ChunkTable", kept: np.ndarray) -> None:
        """Adds the rows of another table where (len(table),) `kept` is true."""
        places = np.flatnonzero(kept)
        hashes = np.empty(len(table), np.uint64)
        hashes[table.places] = table.hashes
        self._names.extend(hashes[places].tolist())
        self._groups += table.groups[places].tobytes()
        for start in range(0, len(places), _BLOCK):
            some = places[start : start + _BLOCK]
            self._files["vectors"].write(table.vectors[some].tobytes())
            for column in _RAGGED:
                parts = table.parts(column, some)
                self._files[column].write(b"".join(part.tobytes() for part in parts))
                self._lengths[column].extend(map(len, parts))

    def finish(self) -> int:
        """Writes what finds the rows, and closes; the number of chunks."""
        self.close()
        hashes = np.frombuffer(self._names, np.uint64)
        order = np.argsort(hashes, kind="stable")
        np.save(self._folder / "hashes.npy", hashes[order])
        np.save(self._folder / "places.npy", order.astype(np.uint32))
        np.save(self._folder / "groups.npy", np.frombuffer(bytes(self._groups), np.uint8))
        for column, lengths in self._lengths.items():
            np.save(self._folder / f"{column}.npy", np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]))
        (self._folder / "dimension.json").write_text(json.dumps(self._dimension), encoding="utf-8")
        return len(hashes)

    def close(self) -> None:
        """Closes the files as they are."""
        for file in self._files.values():
            file.close()


class ChunkTable:
    """Reads what `ChunkTableWriter` wrote. Raises OSError or ValueError where the files are missing or broken."""

    def __init__(self, folder: Path) -> None:
        dimension = int(json.loads((folder / "dimension.json").read_text(encoding="utf-8")))
        self.hashes, self.places, self.groups = (_mapped(folder / f"{name}.npy") for name in _INDEX)
        self.vectors = _raw(folder / "vectors.bin", np.float16).reshape(-1, dimension)
        self._starts = {column: _mapped(folder / f"{column}.npy") for column in _RAGGED}
        self._values = {column: _raw(folder / f"{column}.bin", kind) for column, kind in _RAGGED.items()}
        count = len(self.hashes)
        whole = len(self.places) == len(self.groups) == len(self.vectors) == count and all(
            len(starts) == count + 1 and starts[-1] == len(self._values[column])
            for column, starts in self._starts.items()
        )
        if not whole:
            raise ValueError(f"{folder} is not whole")
        lengths = {column: np.diff(self._starts[column]) for column in ("titles", "terms")}
        self._averages = {
            (group, column): float(many[self.groups == code].mean()) if (self.groups == code).any() else 0.0
            for column, many in lengths.items()
            for code, group in enumerate(GROUPS)
        }

    def __len__(self) -> int:
        return len(self.hashes)

    def average_length(self, group: str, column: str) -> float:
        """How many `titles` or `terms` the chunks of a language group have, on average."""
        return self._averages[group, column]

    def find(self, names: Sequence[str]) -> np.ndarray:
        """(n,) int64 numbers of the rows of chunks by id, -1 for an unknown one."""
        if not len(self):
            return np.full(len(names), -1, np.int64)
        wanted = np.fromiter(map(_hash, names), np.uint64, len(names))
        found = np.minimum(np.searchsorted(self.hashes, wanted), len(self) - 1)
        return np.where(self.hashes[found] == wanted, self.places[found], np.int64(-1))

    def parts(self, column: str, places: np.ndarray) -> list[np.ndarray]:
        """A column of varying length, an array for each row by number; empty for -1."""
        starts, values = self._starts[column], self._values[column]
        begins, ends = starts[places].tolist(), np.where(places < 0, starts[places], starts[places + 1]).tolist()
        return [values[begin:end] for begin, end in zip(begins, ends, strict=True)]

    def rows(self, names: Sequence[str]) -> Rows:
        """Evidence of chunks by id, in their order."""
        places = self.find(names)
        if not len(self):
            none = np.empty(0, np.uint32)
            vectors = np.zeros((len(names), self.vectors.shape[1]), np.float32)
            return Rows(vectors, [none] * len(names), [Terms(none, none)] * len(names))
        vectors = self.vectors[places].astype(np.float32)
        vectors[places < 0] = 0
        return Rows(vectors, self.parts("pieces", places), self._terms(places))

    def _terms(self, places: np.ndarray) -> list[Terms]:
        return list(map(Terms, self.parts("titles", places), self.parts("terms", places)))

    def chunks(self, names: Sequence[str]) -> list[Chunk]:
        """The chunks with these ids, in their order; unknown ids are left out."""
        places = self.find(names)
        return self.chunks_at(places[places >= 0])

    def chunks_at(self, places: np.ndarray) -> list[Chunk]:
        """The chunks of rows by number."""
        return [_chunk(part.tobytes()) for part in self.parts("chunks", places)]

    def all_chunks(self) -> Iterator[Chunk]:
        """Every chunk, in the order in which they were added."""
        for start in range(0, len(self), _BLOCK):
            yield from self.chunks_at(np.arange(start, min(start + _BLOCK, len(self))))

    def of_document(self, document_id: str) -> list[Chunk]:
        """The chunks of a document, in the order in which they were added; none for an unknown one."""
        # Looked for in the bytes: reading the JSON of every chunk takes many times longer.
        name = json.dumps(document_id, ensure_ascii=False).encode("utf-8", "surrogatepass")
        found: list[Chunk] = []
        for start in range(0, len(self), _BLOCK):
            places = np.arange(start, min(start + _BLOCK, len(self)))
            parts = (part.tobytes() for part in self.parts("chunks", places))
            found += (_chunk(part) for part in parts if name in part)
        return [chunk for chunk in found if chunk.document_id == document_id]

    def terms(self, names: Sequence[str]) -> list[Terms]:
        """The terms of chunks by id, in their order; unknown ids are left out."""
        places = self.find(names)
        return self._terms(places[places >= 0])


def _mapped(path: Path) -> np.ndarray:
    # A plain view: a memory map's own indexing is slow.
    return np.asarray(np.load(path, mmap_mode="r").view(np.ndarray))


def _raw(path: Path, kind: Any) -> np.ndarray:
    # An empty file can't be mapped.
    return np.asarray(np.memmap(path, kind, "r").view(np.ndarray)) if path.stat().st_size else np.empty(0, kind)


def _hash(name: str) -> int:
    return int.from_bytes(hashlib.blake2b(name.encode("utf-8", "replace"), digest_size=8).digest(), "little")


def _packed(chunk: Chunk) -> bytes:
    values = asdict(chunk)
    return json.dumps([values[name] for name in _FIELDS], ensure_ascii=False).encode("utf-8", "surrogatepass")


def _chunk(packed: bytes) -> Chunk:
    values = dict(zip(_FIELDS, json.loads(packed.decode("utf-8", "surrogatepass")), strict=True))
    return Chunk(**{**values, "headings": tuple(values["headings"])})
