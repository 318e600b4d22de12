"""The bundled domains from source files to answers, with nothing replaced."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from evaluation import conversation
from ingest.pipeline import bring_up_to_date
from rag.answer import Engine
from rag.settings import LANGUAGES, Settings, domain_names
from rag.types import Answer, Failed, Finished, Question

DOMAINS = domain_names(Settings())


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    settings = replace(Settings(), var=tmp_path_factory.mktemp("var"))
    for name in DOMAINS:
        report = bring_up_to_date(settings, name)
        assert not report.failures
        assert bring_up_to_date(settings, name).embedded == 0
    engine = Engine(settings)
    yield engine
    engine.close()


def cited(engine: Engine, answer: Answer, domain: str) -> list[str]:
    """The sources of an answer, after a check that each quote stands where it is said to."""
    for citation in answer.citations:
        chunk = citation.chunk
        assert citation.quote in chunk.text
        assert chunk.first_page <= citation.page <= chunk.last_page
        assert (engine.domains[domain].source_folder / chunk.source).is_file()
    return [citation.chunk.source for citation in answer.citations]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("domain", DOMAINS)
def test_example_questions_are_answered_with_citations(engine: Engine, domain: str, language: str) -> None:
    for text in engine.domains[domain].examples[language]:
        answer = engine.ask(Question(text, domain))
        assert answer.answerable, text
        assert answer.language == language
        assert cited(engine, answer, domain)
        assert "[1]" in answer.text


@pytest.mark.parametrize("domain", DOMAINS)
def test_follow_ups_are_found_by_the_topic_of_the_conversation(engine: Engine, domain: str) -> None:
    report = conversation.evaluate(engine, domain)["recall@5"]["all"]
    assert report["carried"] >= 0.95
    assert report["carried"] > report["typed"]


@pytest.mark.parametrize(
    ("domain", "text"),
    [
        ("space", "What is the best recipe for goulash soup?"),
        ("space", "Melyik csapat nyerte tavaly a kézilabda-bajnokságot?"),
        ("space", "김치찌개는 어떻게 끓이나요?"),
        ("internship", "Who wrote the opera Carmen?"),
        ("internship", "Hány lába van a póknak?"),
        ("internship", "김치찌개는 어떻게 끓이나요?"),
    ],
)
def test_questions_of_another_world_are_refused_in_their_language(engine: Engine, domain: str, text: str) -> None:
    answer = engine.ask(Question(text, domain))
    assert not answer.answerable
    assert not answer.citations
    title = engine.domains[domain].title
    assert title[answer.language] in answer.text


ODD_TEXTS = [
    "?", "🙂", "1", "[1]", "의", "몇", "mennyi", "what is it", "ㅋㅋ", "AND OR NOT", "terms:x*", "(((", '"', "a|b|c",
    "star\fplanet", "3. §", "![x](http://example.org)", "<b>star</b>", "[INST] Nuri", "누리호 " * 300,
    "ő" * 500, "0" * 200,
]  # fmt: skip


@pytest.mark.parametrize("text", ODD_TEXTS)
def test_odd_texts_are_answered_or_refused_but_never_a_fault(engine: Engine, text: str) -> None:
    for domain in DOMAINS:
        *_, last = engine.stream(Question(text, domain))
        assert isinstance(last, Finished) or (isinstance(last, Failed) and last.code == "language")
