import json
from dataclasses import replace
from pathlib import Path

import pytest

from ingest.gate import GateRefused, check, recall
from rag.embed import embedding_fingerprint, load_embedder
from rag.errors import ConfigurationError
from rag.index import DocumentRecord, Index, IndexWriter, Manifest, current_version
from rag.settings import Domain, PublishSettings, Settings, load_domain
from rag.types import Chunk
from tests.files import make_domain

TEXTS = {
    "webb": "The primary mirror of the James Webb Space Telescope is 6.5 metres across.",
    "voyager": "Voyager 1 was launched in September 1977 and is now in interstellar space.",
    "ring": "The rings of Saturn are made almost entirely of water ice.",
    "heron": "The grey heron waits in the reeds for fish.",
    "stork": "White storks fly to Africa in August.",
    "swift": "Swifts sleep on the wing.",
    "owl": "The eagle owl hunts at night and nests on cliffs.",
}
QUESTIONS = [
    ("mirror", "How large is the mirror of the Webb telescope?", "webb.txt"),
    ("ice", "What are the rings of Saturn made of?", "ring-copy.txt"),
    # Nothing answers this one: the document is not there.
    ("tern", "Where do terns breed?", "tern.txt"),
]


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Index:
    folder: Path = tmp_path_factory.mktemp("index")
    embedder = load_embedder("fast")
    chunks = [Chunk(name, name, "", f"{name}.txt", "en", 1, 1, 0, len(text), (), text) for name, text in TEXTS.items()]
    writer = IndexWriter(folder, embedder.dimension)
    writer.add(chunks, embedder.embed_passages([chunk.text for chunk in chunks]))
    writer.finish()
    documents = tuple(
        DocumentRecord(name, f"{name}.txt", "", "en", "text", "", 1, 1, 1, (f"{name}.txt", f"{name}-copy.txt"))
        for name in TEXTS
    )
    fingerprint = embedding_fingerprint(embedder)
    Manifest("birds", "1", "", fingerprint, embedder.dimension, "", documents, len(chunks), "").save(folder)
    return Index.open_folder(folder, fingerprint)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    make_domain(tmp_path / "corpora")
    return Settings(var=tmp_path / "var", corpora=tmp_path / "corpora", embedder="fast")


def domain_asking(settings: Settings, count: int, least: float = 0.0) -> Domain:
    """The domain with the first `count` questions, and one that no document answers."""
    domain = load_domain(settings, "birds")
    records = [
        {"id": name, "question": text, "language": "en", "answerable": True, "answer": "x"}
        | {"sources": [{"source": source, "page": 1}]}
        for name, text, source in QUESTIONS[:count]
    ]
    unanswerable = {"id": "u", "question": "Who won?", "language": "en", "answerable": False, "answer": ""}
    lines = [json.dumps(record) for record in (*records, unanswerable | {"sources": []})]
    (domain.folder / "questions.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return replace(domain, publish=PublishSettings(least))


def test_recall_is_the_share_of_questions_whose_document_is_found(index: Index, settings: Settings) -> None:
    embedder = load_embedder("fast")
    assert recall(index, domain_asking(settings, 2), settings, embedder) == 1
    assert recall(index, domain_asking(settings, 3), settings, embedder) == pytest.approx(2 / 3)
    # The version that is measured serves nobody yet.
    assert current_version(settings, "birds") is None


def test_a_worse_version_is_refused_with_its_figures(index: Index, settings: Settings) -> None:
    embedder = load_embedder("fast")
    check(index, domain_asking(settings, 3, least=0.66), settings, embedder)
    with pytest.raises(GateRefused) as caught:
        check(index, domain_asking(settings, 3, least=0.7), settings, embedder)
    message = str(caught.value)
    assert "2 of 3 questions (66.7%)" in message and "70.0%" in message
    assert "tern: Where do terns breed?" in message and "mirror" not in message
    assert "python -m ingest birds --force" in message


def test_without_questions_there_is_no_figure_and_no_gate(index: Index, settings: Settings) -> None:
    embedder = load_embedder("fast")
    assert recall(index, domain_asking(settings, 0), settings, embedder) is None
    assert recall(index, load_domain(settings, "birds"), settings, embedder) is None
    check(index, domain_asking(settings, 0), settings, embedder)
    with pytest.raises(ConfigurationError, match="questions.jsonl has no answerable question"):
        check(index, domain_asking(settings, 0, least=0.5), settings, embedder)


def test_a_wrong_line_is_named(index: Index, settings: Settings) -> None:
    domain = domain_asking(settings, 1)
    with (domain.folder / "questions.jsonl").open("a", encoding="utf-8") as file:
        file.write("\n{}\n")
    with pytest.raises(ConfigurationError, match="questions.jsonl, line 3"):
        recall(index, domain, settings, load_embedder("fast"))
