from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from langchain_core.documents import Document
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnablePassthrough

from ingest.pipeline import bring_up_to_date
from rag.answer import Engine, QuestionFailed
from rag.errors import ConfigurationError, IndexUnavailable
from rag.retriever import as_retriever
from rag.settings import Settings
from tests.doubles import ScriptedChat
from tests.files import make_domain, make_pdf, prose

PAY = "How much is the lighthouse keeper paid?"


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    folder = tmp_path_factory.mktemp("retriever")
    sources = make_domain(folder / "corpora", "harbour")
    pages = [["The ferry sails at nine in the morning."], ["The lighthouse keeper is paid forty crowns a week."]]
    (sources / "island.pdf").write_bytes(make_pdf([prose(page) for page in pages], "Island"))
    (sources / "révész.txt").write_text("A révésznek egy hétre húsz koronát fizetnek a kikötőben.", encoding="utf-8")
    make_domain(folder / "corpora", "empty")
    settings = replace(Settings(), corpora=folder / "corpora", var=folder / "var", threads=1)
    bring_up_to_date(settings, "harbour")
    opened = Engine(settings)
    yield opened
    opened.close()


def test_documents_carry_what_a_citation_needs(engine: Engine) -> None:
    documents = as_retriever("harbour", k=2, engine=engine).invoke(PAY)
    best = documents[0]
    assert "forty crowns" in best.page_content and "\f" not in best.page_content and len(documents) == 2
    assert best.metadata.keys() == {
        "source", "title", "page", "last_page", "language", "score", "chunk_id", "confidence",
    }  # fmt: skip
    assert best.metadata["source"] == "island.pdf" and best.metadata["title"] == "Island"
    assert best.metadata["language"] == "en" and best.metadata["page"] <= 2 == best.metadata["last_page"]
    assert best.id == best.metadata["chunk_id"] and 0 < best.metadata["confidence"] <= 1
    assert best.metadata["score"] > documents[1].metadata["score"]


def test_filters_and_k_hold(engine: Engine) -> None:
    filtered = as_retriever("harbour", filters={"language": "hu"}, engine=engine).invoke(PAY)
    assert {document.metadata["source"] for document in filtered} == {"révész.txt"}
    assert len(as_retriever("harbour", k=1, engine=engine).invoke(PAY)) == 1


def test_it_is_a_part_of_a_chain(engine: Engine) -> None:
    def shown(documents: list[Document]) -> str:
        return "\n".join(f"({document.metadata['source']}) {document.page_content}" for document in documents)

    chat = ScriptedChat(replies=["Forty crowns a week."], calls=[])
    prompt = ChatPromptTemplate.from_template("Passages:\n{passages}\n\nQuestion: {question}")
    retriever = as_retriever("harbour", k=1, engine=engine)
    chain = {"passages": retriever | shown, "question": RunnablePassthrough()} | prompt | chat | StrOutputParser()
    assert chain.invoke(PAY).strip() == "Forty crowns a week."
    assert "(island.pdf)" in chat.calls[0][0].text and "forty crowns" in chat.calls[0][0].text


def test_several_queries_at_once(engine: Engine) -> None:
    retriever = as_retriever("harbour", k=1, engine=engine)
    found = retriever.batch([PAY, "Mennyit fizetnek a révésznek?"] * 4)
    assert [documents[0].metadata["source"] for documents in found] == ["island.pdf", "révész.txt"] * 4


def test_errors_are_clear(engine: Engine) -> None:
    with pytest.raises(ConfigurationError, match="no domain 'nowhere'. Domains: empty, harbour"):
        as_retriever("nowhere", engine=engine)
    for wrong in (0, 1001):
        with pytest.raises(ConfigurationError, match=f"1 to 1000, is now {wrong}"):
            as_retriever("harbour", k=wrong, engine=engine)
    with pytest.raises(QuestionFailed, match="language, source, kind"):
        as_retriever("harbour", filters={"colour": "red"}, engine=engine).invoke(PAY)
    with pytest.raises(QuestionFailed, match="type a question"):
        as_retriever("harbour", engine=engine).invoke(" ")
    with pytest.raises(IndexUnavailable, match="make ingest DOMAIN=empty"):
        as_retriever("empty", engine=engine).invoke(PAY)


def test_it_opens_an_engine_of_its_own(engine: Engine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LACERTA_CORPORA", str(engine.settings.corpora))
    monkeypatch.setenv("LACERTA_VAR", str(engine.settings.var))
    retriever = as_retriever("harbour", k=1)
    try:
        assert retriever.engine is not engine
        assert "forty crowns" in retriever.invoke(PAY)[0].page_content
    finally:
        retriever.engine.close()
