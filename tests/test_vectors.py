"""The vector store, in files and on a server: filters, ties, and what HNSW may miss where chunks are many."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from rag.settings import Secret
from rag.types import Chunk
from rag.vectors import VectorStore
from rag.vectors_files import FileVectors
from rag.vectors_server import VectorServer

DOCUMENTS = 300
COUNT = 1500


def chunk(number: int) -> Chunk:
    document = f"document {number % DOCUMENTS}"
    return Chunk(f"{number:04}", document, "", "a.txt", "en", 1, 1, 0, 4, (), f"text {number}")


@pytest.fixture(scope="module")
def rows() -> np.ndarray:
    """Clusters of uneven size, as subjects of a domain are."""
    random = np.random.default_rng(0)
    centres = random.normal(size=(40, 32))
    rows = centres[random.integers(0, 40, COUNT) * random.integers(0, 2, COUNT)] + 0.7 * random.normal(size=(COUNT, 32))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


Opener = Callable[[Path], VectorStore]


@pytest.fixture(scope="module")
def opened(chroma: str) -> Opener:
    """Opens the store of a version by its folder."""
    if not chroma:
        return FileVectors
    server = VectorServer(chroma, Secret(""), "vectors")
    return lambda folder: server.open(folder, writing=True)


@pytest.fixture(scope="module")
def store(rows: np.ndarray, tmp_path_factory: pytest.TempPathFactory, opened: Opener) -> Iterator[VectorStore]:
    store = opened(tmp_path_factory.mktemp("vectors"))
    store.add([chunk(number) for number in range(COUNT)], rows)
    yield store
    store.close()


def exact(rows: np.ndarray, query: np.ndarray, limit: int, documents: set[str] | None = None) -> list[str]:
    cosines = rows @ query
    allowed = [number for number in range(COUNT) if documents is None or f"document {number % DOCUMENTS}" in documents]
    return [f"{number:04}" for number in sorted(allowed, key=lambda number: -cosines[number])[:limit]]


def test_nearly_all_of_the_nearest_are_found(store: VectorStore, rows: np.ndarray) -> None:
    shared = [
        len({name for name, _ in store.search("en", query, 10)} & set(exact(rows, query, 10))) for query in rows[:100]
    ]
    assert sum(shared) >= 990


@pytest.mark.parametrize("many", [1, 2, 20, 150, 299])
def test_a_filter_finds_the_nearest_of_what_it_allows(store: VectorStore, rows: np.ndarray, many: int) -> None:
    for seed, query in enumerate(rows[:20]):
        chosen = np.random.default_rng(seed).choice(DOCUMENTS, many, replace=False)
        documents = {f"document {number}" for number in chosen}
        found = store.search("en", query, 10, documents)
        expected = exact(rows, query, 10, documents)
        assert len(found) == len(expected) == min(10, 5 * many)
        assert len(set(expected) & {name for name, _ in found}) >= len(expected) - 1
        assert all(f"document {int(name) % DOCUMENTS}" in documents for name, _ in found)
        assert [cosine for _, cosine in found] == sorted((cosine for _, cosine in found), reverse=True)


def test_a_filter_may_name_more_documents_than_a_statement_takes(store: VectorStore, rows: np.ndarray) -> None:
    documents = {"document 7", *(f"unknown {number}" for number in range(40_000))}
    found = store.search("en", rows[0], 3, documents)
    assert [name for name, _ in found] == exact(rows, rows[0], 3, {"document 7"})


def test_a_filter_that_nothing_passes_finds_nothing(store: VectorStore, rows: np.ndarray) -> None:
    assert store.search("en", rows[0], 10, set()) == []
    assert store.search("en", rows[0], 10, ["unknown"]) == []
    assert store.search("hu", rows[0], 10, ["document 1"]) == []


def test_equal_chunks_come_by_their_ids(tmp_path: Path, opened: Opener) -> None:
    row = np.full(8, 8**-0.5, np.float32)
    for order in (range(9), reversed(range(9))):
        numbers = list(order)
        store = opened(tmp_path / f"first {numbers[0]}")
        store.add([chunk(number) for number in numbers], np.tile(row, (9, 1)))
        assert [name for name, _ in store.search("en", row, 4)] == ["0000", "0001", "0002", "0003"]
        some = {f"document {number}" for number in range(3, 9)}
        assert [name for name, _ in store.search("en", row, 2, some)] == ["0003", "0004"]
        store.close()


def test_nothing_that_was_in_memory_stays_in_the_files(tmp_path: Path) -> None:
    store = FileVectors(tmp_path)
    store.add([chunk(number) for number in range(4)], np.eye(4, 8, dtype=np.float32))
    files = [*tmp_path.glob("*/data_level0.bin"), *tmp_path.glob("*/length.bin")]
    assert len(files) == 2
    for path in files:
        # What hnswlib leaves in places without a chunk, here for certain.
        path.write_bytes((b"secret" * path.stat().st_size)[: path.stat().st_size])
    store.close()
    assert not [path for path in files if b"secret" in path.read_bytes()]
    store = FileVectors(tmp_path)
    assert [name for name, _ in store.search("en", np.eye(4, 8, dtype=np.float32)[2], 1)] == ["0002"]
    store.close()


def test_what_the_graph_holds_survives_the_end_of_writing(rows: np.ndarray, tmp_path: Path, opened: Opener) -> None:
    store = opened(tmp_path)
    store.add([chunk(number) for number in range(COUNT)], rows)
    store.close()
    store = opened(tmp_path)
    for query in rows[:50]:
        assert len({name for name, _ in store.search("en", query, 10)} & set(exact(rows, query, 10))) >= 9
    store.close()
