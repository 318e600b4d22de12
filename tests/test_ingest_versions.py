"""Versions that grow from the one before: exact, and never seen half done, however often an ingest is killed."""

import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ingest import build
from ingest.pipeline import bring_up_to_date
from rag.answer import Engine
from rag.embed import embedding_fingerprint, load_embedder
from rag.glossary import Glossary
from rag.index import Index, Manifest, current_version, domain_index_folder, versions
from rag.retrieve import retrieve
from rag.settings import RetrievalSettings, Settings
from rag.types import Chunk, Question
from rag.vectors_files import FileVectors
from rag.vectors_server import VectorServer
from tests.files import make_domain

ROOT = Path(__file__).resolve().parent.parent
# A run has more of them where there is time: LACERTA is for settings, so the name is the tests' own.
KILLS = int(os.environ.get("TEST_KILLS", "4"))


def text(number: int, word: str) -> str:
    lines = [f"Station {number} counted {number * 7 + row} {word}s on day {row} of the survey." for row in range(30)]
    return f"# Station {number}\n\n" + " ".join(lines)


def write(folder: Path, number: int, word: str) -> None:
    (folder / f"station{number:03}.md").write_text(text(number, word), encoding="utf-8")


@pytest.fixture
def settings(tmp_path: Path, chroma: str) -> Settings:
    return replace(Settings(), var=tmp_path / "var", corpora=tmp_path / "corpora", embedder="fast", chroma=chroma)


@pytest.fixture
def sources(settings: Settings) -> Path:
    folder = make_domain(settings.corpora)
    for number in range(12):
        write(folder, number, "heron")
    (folder / "madarak.txt").write_text("A fehér gólya a réten él, őszre elvonul.", encoding="utf-8")
    return folder


def opened(settings: Settings) -> Index:
    return Index.open(settings, "birds", embedding_fingerprint(load_embedder(settings.embedder)))


def everything(settings: Settings) -> list[tuple[Chunk, list[float]]]:
    index = opened(settings)
    try:
        chunks = sorted(index.table.all_chunks(), key=lambda chunk: chunk.id)
        vectors = index.table.rows([chunk.id for chunk in chunks]).vectors.tolist()
        return list(zip(chunks, vectors, strict=True))
    finally:
        index.close()


def found(settings: Settings, question: str) -> list[tuple[str, float]]:
    index = opened(settings)
    try:
        answer = retrieve(
            question, "en", index, load_embedder(settings.embedder), Glossary(), RetrievalSettings(), limit=8
        )
        return [(hit.chunk.text, round(hit.score, 4)) for hit in answer.hits]
    finally:
        index.close()


def manifest(settings: Settings) -> Manifest:
    return Manifest.load(domain_index_folder(settings, "birds") / str(current_version(settings, "birds")))


def test_a_version_that_grew_is_what_one_from_nothing_would_be(settings: Settings, sources: Path) -> None:
    bring_up_to_date(settings, "birds")
    write(sources, 3, "stork")
    write(sources, 12, "ibis")
    (sources / "station005.md").unlink()
    (sources / "station006.md").rename(sources / "moved.md")
    grown = bring_up_to_date(settings, "birds")
    assert (grown.added, grown.updated, grown.removed, grown.renamed, grown.unchanged) == (1, 1, 1, 1, 11)
    assert manifest(settings).removed > 0
    kept, question = everything(settings), "How many storks did station 3 count on day 7?"
    grown_hits, grown_manifest = found(settings, question), manifest(settings)
    assert "3 counted 28 stork" in grown_hits[0][0]
    rebuilt = bring_up_to_date(settings, "birds", rebuild=True)
    assert rebuilt.embedded == 0
    assert manifest(settings).removed == 0
    assert everything(settings) == kept
    assert found(settings, question) == grown_hits
    assert manifest(settings).digest == grown_manifest.digest
    assert manifest(settings).documents == grown_manifest.documents


def test_what_was_removed_or_edited_is_gone_from_the_bytes(settings: Settings, sources: Path) -> None:
    (sources / "secret.txt").write_text("Quetzalcoatlus nests in the bell tower of the town hall.", encoding="utf-8")
    write(sources, 4, "xenops")
    bring_up_to_date(settings, "birds")
    before = manifest(settings)
    (sources / "secret.txt").unlink()
    write(sources, 4, "heron")
    bring_up_to_date(settings, "birds")
    assert manifest(settings).removed > 0
    folder = domain_index_folder(settings, "birds") / manifest(settings).version
    # The report names what was removed.
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != "report.json"]
    content = b"".join(path.read_bytes() for path in files)
    for trace in ("Quetzalcoatlus", "quetzalcoatlus", "secret.txt", "xenops"):
        assert trace.encode() not in content
    old = domain_index_folder(settings, "birds") / before.version
    assert any(b"Quetzalcoatlus" in path.read_bytes() for path in old.rglob("*") if path.is_file())


def test_only_what_changed_is_read(settings: Settings, sources: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bring_up_to_date(settings, "birds")
    write(sources, 2, "stork")
    read: list[str] = []
    document = build.document_of

    def noted(domain, content, loaded):
        read.append(content.source)
        return document(domain, content, loaded)

    monkeypatch.setattr(build, "document_of", noted)
    bring_up_to_date(settings, "birds")
    assert read == ["station002.md"]


def test_where_much_was_removed_the_version_is_built_from_nothing(settings: Settings, sources: Path) -> None:
    bring_up_to_date(settings, "birds")
    for number in range(3):
        write(sources, number, "stork")
    bring_up_to_date(settings, "birds")
    assert manifest(settings).removed > 0
    for number in range(3, 8):
        write(sources, number, "stork")
    report = bring_up_to_date(settings, "birds")
    assert manifest(settings).removed == 0
    assert (report.updated, report.unchanged) == (5, 8)


def test_a_base_whose_vectors_were_changed_is_noticed(settings: Settings, sources: Path) -> None:
    from rag.errors import LacertaError

    first = bring_up_to_date(settings, "birds")
    folder, server = domain_index_folder(settings, "birds") / first.version, VectorServer.of(settings)
    store = server.open(folder) if server else FileVectors(folder / "chroma")
    collection = store._collections["en"]
    names = collection.get(include=[])["ids"]
    collection.update(ids=names, embeddings=np.roll(np.eye(len(names), 256, dtype=np.float32), 1, axis=1))
    store.close()
    write(sources, 1, "stork")
    with pytest.raises(LacertaError, match="not consistent.*--rebuild"):
        bring_up_to_date(settings, "birds")
    assert current_version(settings, "birds") == first.version
    assert bring_up_to_date(settings, "birds", rebuild=True).published


def test_the_report_stays_with_the_version(settings: Settings, sources: Path) -> None:
    import json

    report = bring_up_to_date(settings, "birds")
    path = domain_index_folder(settings, "birds") / report.version / "report.json"
    kept = json.loads(path.read_text(encoding="utf-8"))
    assert (kept["added"], kept["chunks"], kept["published"]) == (13, report.chunks, True)


def test_kills_at_any_moment_harm_neither_readers_nor_versions(settings: Settings, sources: Path) -> None:
    """A reader asks all the time; each ingest is killed at a random moment of the time that one takes."""
    bring_up_to_date(settings, "birds")
    environment = {
        **os.environ,
        "LACERTA_VAR": str(settings.var),
        "LACERTA_CORPORA": str(settings.corpora),
        "LACERTA_EMBEDDER": "fast",
        "LACERTA_CHROMA": settings.chroma,
    }
    command = [sys.executable, "-m", "ingest", "birds"]
    engine = Engine(settings)
    failures: list[str] = []
    asked = 0
    done = threading.Event()

    def ask() -> None:
        nonlocal asked
        while not done.is_set():
            try:
                hits = engine.search(Question("How many birds did station 8 count on day 9?", "birds"), limit=3).hits
                if not hits or "Station 8 counted" not in hits[0].chunk.text:
                    failures.append(f"{[hit.chunk.text[:60] for hit in hits]}")
            except Exception as error:
                failures.append(repr(error))
            asked += 1

    reader = threading.Thread(target=ask)
    reader.start()
    chance = random.Random(11)
    killed = 0
    try:
        write(sources, 0, "word0")
        started = time.monotonic()
        subprocess.run(command, cwd=ROOT, env=environment, check=True, stdout=subprocess.DEVNULL)
        whole = time.monotonic() - started
        for turn in range(KILLS):
            write(sources, turn % 6, f"word{turn + 1}")
            process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
            try:
                process.wait(chance.uniform(0.2, 1.0) * whole)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                killed += process.wait() == -signal.SIGKILL
            folder = domain_index_folder(settings, "birds")
            for version in versions(settings, "birds"):
                embedder = Manifest.load(folder / version).embedder
                Index.open_folder(folder / version, embedder, VectorServer.of(settings)).close()
            assert current_version(settings, "birds") in versions(settings, "birds")
        subprocess.run(command, cwd=ROOT, env=environment, check=True, stdout=subprocess.DEVNULL)
        # The reader takes the last version before it ends.
        last = asked
        while asked < last + 3 and reader.is_alive():
            time.sleep(0.01)
    finally:
        done.set()
        reader.join()
        engine.close()
    assert failures == []
    assert killed > 0 and asked > KILLS
    assert not list(domain_index_folder(settings, "birds").glob("*.building"))
    undisturbed = replace(settings, var=settings.var.with_name("undisturbed"))
    bring_up_to_date(undisturbed, "birds")
    assert manifest(undisturbed).digest == manifest(settings).digest
    assert [chunk for chunk, _ in everything(undisturbed)] == [chunk for chunk, _ in everything(settings)]
    shutil.rmtree(undisturbed.var)
