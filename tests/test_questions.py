import json
from pathlib import Path

import pytest

from rag.errors import ConfigurationError
from rag.index import DocumentRecord
from rag.questions import document_names, found_at, load_questions
from rag.types import Chunk


def test_a_label_without_a_source_is_named(tmp_path: Path) -> None:
    path = tmp_path / "questions.jsonl"
    record = {"id": "x", "question": "?", "language": "en", "answerable": True, "answer": "a", "sources": []}
    path.write_text("\n" + json.dumps(record), encoding="utf-8")
    with pytest.raises(ConfigurationError, match="line 2"):
        load_questions(path)


def test_the_page_counts_where_it_is_asked_for() -> None:
    chunks = [
        Chunk("1", "d", "", "a.pdf", "en", 2, 3, 0, 1, (), "x"),
        Chunk("2", "d", "", "b.pdf", "en", 1, 1, 0, 1, (), "y"),
    ]
    assert found_at(chunks, (("a.pdf", 3),), pages=True) == 1
    assert found_at(chunks, (("a.pdf", 4),), pages=True) is None
    assert found_at(chunks, (("a.pdf", 4),), pages=False) == 1
    assert found_at(chunks, (("c.pdf", 1), ("b.pdf", 1)), pages=True) == 2


def test_a_copy_of_a_file_is_the_same_document() -> None:
    record = DocumentRecord("1", "a-copy.pdf", "", "en", "pdf", "", 0, 1, 1, names=("a-copy.pdf", "b.pdf"))
    chunks = [Chunk("1", "d", "", "a-copy.pdf", "en", 1, 1, 0, 1, (), "x")]
    assert found_at(chunks, (("b.pdf", 1),), pages=True) is None
    assert found_at(chunks, (("b.pdf", 1),), pages=True, names=document_names([record])) == 1
