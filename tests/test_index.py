from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rag.bm25 import K1
from rag.errors import IndexUnavailable, LacertaError
from rag.index import Index, IndexWriter, Manifest, current_version, domain_index_folder, publish, versions
from rag.lexical import LexicalIndex, terms_of
from rag.settings import Settings
from rag.types import Chunk
from rag.vectors import VectorStore
from rag.vectors_files import FileVectors
from rag.vectors_server import VectorServer

TEXTS = {
    "en": ["The mirror of the telescope is cold.", "Launch costs are high.", "The mirror has eighteen segments."],
    "hu": ["A gyakorlat hat hétig tart.", "A beszámolót a gyakorlat után kell leadni."],
    "ko": ["누리호는 고흥에서 발사되었다."],
    "other": ["Der Spiegel ist kalt."],
}


def chunks() -> list[Chunk]:
    return [
        Chunk(f"{language}{row}", "doc", "Title", "a.txt", language, 1, 2, 3, 4, ("One", "Two"), text)
        for language, texts in TEXTS.items()
        for row, text in enumerate(texts)
    ]


def vectors(count: int) -> np.ndarray:
    return np.eye(count, 8, dtype=np.float32)


def manifest(version: str, embedder: str = "eye", store: str = "") -> Manifest:
    return Manifest("birds", version, "2026-01-01T00:00:00Z", embedder, 8, "s", (), 7, "d", store=store)


@pytest.fixture
def settings(tmp_path: Path, chroma: str) -> Settings:
    return replace(Settings(), var=tmp_path, chroma=chroma)


def writer_of(settings: Settings, version: str, dimension: int) -> IndexWriter:
    folder = domain_index_folder(settings, "birds") / version
    return IndexWriter(folder, dimension, server=VectorServer.of(settings))


def store_of(settings: Settings, version: str) -> VectorStore:
    folder, server = domain_index_folder(settings, "birds") / version, VectorServer.of(settings)
    return server.open(folder) if server else FileVectors(folder / "chroma")


def test_the_vector_store_keeps_chunks_and_finds_the_nearest(settings: Settings) -> None:
    store = store_of(settings, "1")
    store.add(chunks(), vectors(7))
    store.close()
    store = store_of(settings, "1")
    assert store.counts() == {"en": 3, "hu": 2, "ko": 1, "other": 1}
    query = np.array([0.6, 0.8, 0, 0, 0, 0, 0, 0], dtype=np.float32)
    found = store.search("en", query, 2)
    assert [name for name, _ in found] == ["en1", "en0"]
    assert [cosine for _, cosine in found] == pytest.approx([0.8, 0.6], abs=1e-5)
    store.close()


def test_asking_for_more_than_there_is_gives_what_there_is(settings: Settings) -> None:
    store = store_of(settings, "1")
    store.add(chunks()[:1], vectors(1))
    assert len(store.search("en", vectors(1)[0], 50)) == 1
    assert store.search("hu", vectors(1)[0], 50) == []
    store.close()


def test_the_lexical_index_finds_inflected_words_after_it_was_opened_again(tmp_path: Path) -> None:
    index = LexicalIndex(tmp_path)
    index.add(chunks(), [terms_of(chunk) for chunk in chunks()])
    index.commit()
    index = LexicalIndex(tmp_path)
    assert index.counts() == {"en": 3, "hu": 2, "ko": 1, "other": 1}
    assert [name for name, _ in index.search("en", ["mirror", "cold"], 5)] == ["en0", "en2"]
    assert index.search("en", [], 5) == []
    assert index.search("en", ["nothing"], 5) == []


def test_the_most_a_question_can_score_is_never_exceeded(tmp_path: Path) -> None:
    index = LexicalIndex(tmp_path)
    index.add(chunks(), [terms_of(chunk) for chunk in chunks()])
    index.commit()
    for terms in (["mirror"], ["mirror", "cold", "titl"], ["mirror", "unheard"]):
        (_, best), *_ = index.search("en", terms, 5)
        assert 0 < best < (K1 + 1) * sum(index.rarities("en", terms))
    assert index.rarities("en", ["unheard"]) > index.rarities("en", ["mirror"])
    assert index.rarities("xx", ["mirror"]) == [0]


def test_a_version_is_written_opened_and_read(settings: Settings) -> None:
    folder = domain_index_folder(settings, "birds") / "1"
    writer = writer_of(settings, "1", 8)
    writer.add(chunks()[:4], vectors(4))
    writer.add(chunks()[4:], vectors(3))
    assert writer.finish() == 7
    assert versions(settings, "birds") == []
    manifest("1", store=settings.chroma).save(folder)
    assert current_version(settings, "birds") is None
    publish(settings, "birds", "1")
    assert (current_version(settings, "birds"), versions(settings, "birds")) == ("1", ["1"])
    index = Index.open(settings, "birds", "eye")
    assert index.manifest == manifest("1", store=settings.chroma)
    assert set(index.groups) == {"en", "hu", "ko", "other"}
    assert [chunk.id for chunk in index.chunks(["ko0", "nothing", "en2"])] == ["ko0", "en2"]
    index.close()


def test_vectors_of_the_wrong_shape_are_refused(settings: Settings) -> None:
    writer = writer_of(settings, "1", 9)
    with pytest.raises(LacertaError, match="9"):
        writer.add(chunks(), vectors(7))
    writer.abandon()


def test_indexes_that_disagree_are_not_finished(settings: Settings) -> None:
    writer = writer_of(settings, "1", 8)
    writer.add(chunks(), vectors(7))
    store_of(settings, "1")._collections["hu"].delete(ids=["hu0"])
    with pytest.raises(LacertaError, match="not consistent"):
        writer.finish()


def test_no_index_says_which_command_makes_one(settings: Settings) -> None:
    with pytest.raises(IndexUnavailable, match="make ingest DOMAIN=birds"):
        Index.open(settings, "birds", "eye")


def test_another_embedder_is_refused(settings: Settings) -> None:
    folder = domain_index_folder(settings, "birds") / "1"
    folder.mkdir(parents=True)
    manifest("1", "other", settings.chroma).save(folder)
    publish(settings, "birds", "1")
    with pytest.raises(IndexUnavailable, match="other.*eye.*make ingest"):
        Index.open(settings, "birds", "eye")


def test_only_a_complete_version_is_published(settings: Settings) -> None:
    (domain_index_folder(settings, "birds") / "1").mkdir(parents=True)
    with pytest.raises(IndexUnavailable):
        publish(settings, "birds", "1")
    assert current_version(settings, "birds") is None


def test_a_broken_manifest_is_named(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text("{", encoding="utf-8")
    with pytest.raises(IndexUnavailable, match=str(tmp_path)):
        Manifest.load(tmp_path)
