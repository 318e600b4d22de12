from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from rag.embed import embedding_fingerprint, load_embedder
from rag.glossary import Glossary
from rag.index import Index, IndexWriter, Manifest
from rag.retrieve import retrieve
from rag.settings import RetrievalSettings
from rag.types import Chunk, Retrieval, Term

TEXTS = {
    "webb": ("en", "The primary mirror of the James Webb Space Telescope is 6.5 metres across."),
    "voyager": ("en", "Voyager 1 was launched in September 1977 and is now in interstellar space."),
    "ring": ("en", "The rings of Saturn are made almost entirely of water ice."),
    "copy": ("en", "The rings of Saturn are made almost entirely of water ice."),
    "gyakorlat": ("hu", "A szakmai gyakorlat időtartama hat hét, összesen 240 óra."),
    "napló": ("hu", "A munkanaplót minden héten alá kell íratni a gyakorlatvezetővel."),
    "누리호": ("ko", "누리호는 2022년 6월 21일 두 번째 발사에서 위성을 궤도에 올렸다."),
    "다누리": ("ko", "다누리는 달 궤도를 도는 한국의 첫 탐사선이다."),
}
GLOSSARY = Glossary(
    [
        Term(
            {
                "en": ("James Webb Space Telescope", "JWST"),
                "ko": ("제임스 웹 우주망원경",),
                "hu": ("James Webb-űrtávcső",),
            }
        ),
        Term({"en": ("primary mirror",), "ko": ("주경",), "hu": ("főtükör",)}),
        Term({"en": ("duration", "how long"), "ko": ("기간",), "hu": ("időtartam", "mennyi ideig")}),
        Term({"en": ("internship",), "ko": ("현장실습",), "hu": ("szakmai gyakorlat",)}),
    ]
)


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Index:
    folder: Path = tmp_path_factory.mktemp("index")
    embedder = load_embedder("balanced")
    chunks = [
        Chunk(name, name, "", f"{name}.txt", language, 1, 1, 0, len(text), (), text)
        for name, (language, text) in TEXTS.items()
    ]
    writer = IndexWriter(folder, embedder.dimension)
    writer.add(chunks, embedder.embed_passages([chunk.text for chunk in chunks]))
    writer.finish()
    Manifest("d", "1", "", embedding_fingerprint(embedder), embedder.dimension, "", (), len(chunks), "").save(folder)
    return Index.open_folder(folder, embedding_fingerprint(embedder))


def ask(index: Index, text: str, language: str, glossary: Glossary = GLOSSARY, limit: int = 5) -> Retrieval:
    return retrieve(text, language, index, load_embedder("balanced"), glossary, RetrievalSettings(), limit)


@pytest.mark.parametrize(
    ("text", "language", "expected"),
    [
        ("How large is Webb's mirror?", "en", "webb"),
        ("When did Voyager leave the Earth?", "en", "voyager"),
        ("Ki írja alá a munkanaplót?", "hu", "napló"),
        ("munkanaplo alairas", "hu", "napló"),
        ("누리호의 두번째 발사는 언제였습니까?", "ko", "누리호"),
    ],
)
def test_the_passage_is_found_in_its_own_language(index: Index, text: str, language: str, expected: str) -> None:
    found = ask(index, text, language)
    assert found.hits[0].chunk.id == expected
    assert found.language == language


@pytest.mark.parametrize(
    ("text", "language", "expected"),
    [
        ("제임스 웹 우주망원경의 주경은 얼마나 큽니까?", "ko", "webb"),
        ("Mekkora a James Webb-űrtávcső főtükre?", "hu", "webb"),
        ("How long is the internship?", "en", "gyakorlat"),
        ("현장실습 기간은 얼마나 됩니까?", "ko", "gyakorlat"),
    ],
)
def test_the_glossary_leads_to_another_language(index: Index, text: str, language: str, expected: str) -> None:
    with_glossary = ask(index, text, language)
    assert with_glossary.hits[0].chunk.id == expected
    assert with_glossary.terms
    assert with_glossary.confidence > ask(index, text, language, Glossary()).confidence


def test_the_glossary_says_a_term_in_the_language_of_the_passages(index: Index) -> None:
    queries = ask(index, "제임스 웹 우주망원경의 주경은 얼마나 큽니까?", "ko").queries
    assert queries["en"].endswith("James Webb Space Telescope primary mirror")
    assert queries["ko"] == "제임스 웹 우주망원경의 주경은 얼마나 큽니까?"


@pytest.mark.parametrize(
    ("text", "language", "expected"),
    [
        ("토성의 고리는 무엇으로 이루어져 있습니까?", "ko", {"ring", "copy"}),
        ("Miből állnak a Szaturnusz gyűrűi?", "hu", {"ring", "copy"}),
        ("Who signs the work diary every week?", "en", {"napló"}),
        ("실습 일지는 누가 서명합니까?", "ko", {"napló"}),
        ("Melyik Korea első holdszondája?", "hu", {"다누리"}),
    ],
)
def test_another_language_is_found_without_a_glossary(
    index: Index, text: str, language: str, expected: set[str]
) -> None:
    assert ask(index, text, language, Glossary()).hits[0].chunk.id in expected


def test_the_same_text_is_one_hit(index: Index) -> None:
    names = [hit.chunk.id for hit in ask(index, "What are the rings of Saturn made of?", "en", limit=10).hits]
    assert len({"ring", "copy"} & set(names)) == 1


def test_hits_carry_ranks_and_evidence_and_come_best_first(index: Index) -> None:
    hits = ask(index, "What are the rings of Saturn made of?", "en", limit=3).hits
    assert len(hits) == 3
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    assert hits[0].ranks["lexical"] == hits[0].ranks["dense"] == 1
    assert 0 < hits[0].features["coverage"] <= 1


def test_the_same_question_gives_the_same_hits(index: Index) -> None:
    first, again = (ask(index, "What is in orbit around the Moon?", "en").hits for _ in range(2))
    assert [(hit.chunk.id, hit.score) for hit in first] == [(hit.chunk.id, hit.score) for hit in again]


def test_questions_of_another_world_are_not_believed(index: Index) -> None:
    asked = ask(index, "How large is the primary mirror of the James Webb Space Telescope?", "en").confidence
    foreign = ask(index, "Who won the football match in Manchester?", "en").confidence
    assert foreign < RetrievalSettings().refuse_below < asked


def test_only_the_documents_asked_for_are_found(index: Index) -> None:
    text = "What are the rings of Saturn made of?"
    found = retrieve(
        text, "en", index, load_embedder("balanced"), GLOSSARY, RetrievalSettings(), 5, documents={"webb", "napló"}
    )
    assert {hit.chunk.id for hit in found.hits} == {"webb", "napló"}


class Backwards:
    """A reranker that prefers what speaks of ice least."""

    name = "backwards"

    def scores(self, query: str, passages: Sequence[str]) -> np.ndarray:
        return np.array([0.1 if "ice" in passage else 0.9 for passage in passages], np.float32)


def test_a_reranker_has_the_last_word(index: Index) -> None:
    text = "What are the rings of Saturn made of?"
    arguments = (text, "en", index, load_embedder("balanced"), GLOSSARY, RetrievalSettings(), 20)
    plain, read = retrieve(*arguments), retrieve(*arguments, reranker=Backwards())
    assert plain.hits[0].chunk.id in ("ring", "copy")
    assert read.hits[0].chunk.id not in ("ring", "copy") and read.hits[0].features["reranker"] == pytest.approx(0.9)
    assert [hit.score for hit in read.hits] == sorted((hit.score for hit in read.hits), reverse=True)
