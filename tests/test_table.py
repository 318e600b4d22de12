from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from rag.table import ChunkTable, ChunkTableWriter, Terms, term_hashes
from rag.types import PAGE_BREAK, Chunk


def chunk(number: int) -> Chunk:
    text = f"text {number} über 누리호\n\tend"
    gap = (None, "", "\n\n", PAGE_BREAK)[number % 4]
    language = ("en", "hu", "de")[number % 3]
    return Chunk(
        f"chunk {number}", f"d{number // 5}", "Title", "a.txt", language, 1, 2, 3, 9, ("One", "T\u200bwo"), text, gap
    )


def written(folder: Path, numbers: range, *parts: int) -> ChunkTable:
    writer = ChunkTableWriter(folder, 4)
    add(writer, numbers)
    assert writer.finish() == len(numbers)
    return ChunkTable(folder)


def add(writer: ChunkTableWriter, numbers: range) -> None:
    writer.add(
        [chunk(number) for number in numbers],
        np.array([row(number) for number in numbers], np.float32).reshape(-1, 4),
        [np.array([*range(number % 7), 0], np.uint16)[::-1] for number in numbers],
        [terms(number) for number in numbers],
    )


def row(number: int) -> list[float]:
    return [number, 1, -number, 0.5]


def terms(number: int) -> Terms:
    return Terms(term_hashes(["title"]), term_hashes(["title", *["word"] * (number % 4), f"w{number}"]))


def assert_same_terms(found: list[Terms], numbers: Sequence[int]) -> None:
    for some, number in zip(found, numbers, strict=True):
        assert some.titles.tolist() == terms(number).titles.tolist()
        assert some.all.tolist() == terms(number).all.tolist()


def test_what_was_written_is_read_by_id(tmp_path: Path) -> None:
    table = written(tmp_path, range(500))
    assert len(table) == 500
    wanted = [*range(499, 0, -7)]
    names = [f"chunk {number}" for number in wanted]
    assert table.chunks(names) == [chunk(number) for number in wanted]
    assert_same_terms(table.terms(names), wanted)
    rows = table.rows(names)
    np.testing.assert_allclose(rows.vectors, [row(number) for number in wanted], rtol=1e-3)
    assert [some.tolist() for some in rows.pieces] == [[*range(max(1, number % 7))] for number in wanted]
    assert_same_terms(rows.terms, wanted)
    assert list(table.all_chunks()) == [chunk(number) for number in range(500)]


def test_unknown_ids_have_no_evidence_and_no_text(tmp_path: Path) -> None:
    table = written(tmp_path, range(9))
    rows = table.rows(["nothing", "chunk 8"])
    assert rows.vectors[0].tolist() == [0, 0, 0, 0] and rows.vectors[1].tolist() == [8, 1, -8, 0.5]
    assert [len(some) for some in (rows.pieces[0], rows.terms[0].titles, rows.terms[0].all)] == [0, 0, 0]
    assert table.chunks(["nothing", "chunk 8"]) == [chunk(8)]
    assert_same_terms(table.terms(["chunk 1", "nothing"]), [1])
    assert table.rows([]).vectors.shape == (0, 4)


def test_lengths_are_averaged_by_language(tmp_path: Path) -> None:
    table = written(tmp_path, range(12))
    english = [len(terms(number).all) for number in range(0, 12, 3)]
    assert table.average_length("en", "terms") == pytest.approx(sum(english) / len(english))
    assert table.average_length("other", "titles") == 1
    assert table.average_length("ko", "terms") == 0


def test_a_table_is_copied_without_what_was_removed(tmp_path: Path) -> None:
    old = written(tmp_path / "old", range(100))
    names = [f"chunk {number}" for number in range(100)]
    kept = np.ones(100, bool)
    kept[old.find(names[10:20])] = False
    writer = ChunkTableWriter(tmp_path / "new", 4)
    writer.copy(old, kept)
    add(writer, range(100, 105))
    assert writer.finish() == 95
    table = ChunkTable(tmp_path / "new")
    left = [*range(10), *range(20, 105)]
    assert list(table.all_chunks()) == [chunk(number) for number in left]
    assert_same_terms(table.terms([f"chunk {number}" for number in left]), left)
    np.testing.assert_allclose(table.rows(names[20:30]).vectors, old.rows(names[20:30]).vectors)
    assert (table.find(names[10:20]) == -1).all()
    assert b"text 15 " not in (tmp_path / "new" / "chunks.bin").read_bytes()


def test_no_rows(tmp_path: Path) -> None:
    table = written(tmp_path, range(0))
    assert len(table) == 0 and table.rows(["unknown"]).vectors.tolist() == [[0, 0, 0, 0]]
    assert table.chunks(["unknown"]) == [] == list(table.all_chunks())


@pytest.mark.parametrize("file", ["terms.npy", "chunks.bin", "vectors.bin", "hashes.npy", "dimension.json"])
def test_files_that_are_cut_or_gone_are_noticed(tmp_path: Path, file: str) -> None:
    written(tmp_path, range(20))
    path = tmp_path / file
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError):
        ChunkTable(tmp_path) if path.stat().st_size else int("")
    path.unlink()
    with pytest.raises(OSError):
        ChunkTable(tmp_path)
