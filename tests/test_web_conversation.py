"""Events make the next value of a conversation, and the conversation becomes HTML."""

import re
from dataclasses import replace

import pytest

from rag.types import Answer, Chunk, Citation, Failed, Finished, Hit, Retrieval, Retrieved, Token, Turn
from web.chat import chat_html, status
from web.conversation import Exchange, advance, stop, turns
from web.texts import texts

CHUNK = Chunk("c", "d", "Title", "a.pdf", "en", 1, 1, 0, 4, (), "Text")


def answer(confidence: float = 0.9, model: str = "extractive", **values: object) -> Answer:
    citation = Citation(1, CHUNK, "Text", 1)
    return Answer("Final [1] [2]", (), (citation,), confidence, "en", model, (Hit(CHUNK, 1.0),), **values)  # type: ignore[arg-type]


def test_events_build_an_exchange() -> None:
    exchange = Exchange(1, "Q")
    assert exchange.open and exchange.hits is None
    exchange = advance(exchange, Retrieved(Retrieval((Hit(CHUNK, 1.0),), 0.9, "en")))
    exchange = advance(advance(exchange, Token("dra")), Token("ft"))
    assert exchange.hits and exchange.text == "draft" and exchange.open
    exchange = advance(exchange, Finished(answer()))
    assert exchange.text == "Final [1] [2]" and not exchange.open
    assert stop((exchange,)) == (exchange,)


def test_a_stopped_exchange_keeps_what_was_written_and_is_no_history() -> None:
    stopped = stop((Exchange(1, "Q", text="half"),))
    assert stopped[0].stopped and not stopped[0].open and stopped[0].text == "half"
    done = advance(Exchange(2, "Q2"), Finished(answer()))
    assert turns((*stopped, done)) == (Turn("user", "Q2"), Turn("assistant", "Final [1] [2]"))
    assert "half" in chat_html(stopped, texts("en"))


def test_a_failure_is_a_sentence_and_the_question_stays() -> None:
    failed = advance(Exchange(1, "My <question>"), Failed("x", "No <model> today."))
    made = chat_html((failed,), texts("hu"))
    assert "My &lt;question&gt;" in made and "No &lt;model&gt; today." in made
    assert status((failed,), texts("hu")) == "No <model> today."


def test_a_finished_answer_links_its_citations_and_names_its_model_and_confidence() -> None:
    exchange = advance(Exchange(4, "Q"), Finished(answer(model="gguf:<tiny>", notices=("An <older> model failed.",))))
    made = chat_html((exchange,), texts("en"))
    assert '<a class="citation" href="#p-4-1"' in made
    assert "[2]" in made and "p-4-2" not in made
    assert "Answered by gguf:&lt;tiny&gt;" in made and "An &lt;older&gt; model failed." in made


def test_each_citation_leads_to_its_own_quote() -> None:
    chunk = replace(CHUNK, text="Ice melts. Water boils.")
    quotes = tuple(Citation(1, chunk, quote, 1) for quote in ("Water boils.", "Ice melts."))
    for text, starts in (
        ("A víz forr. [1] A jég olvad. [1]", ["11", "0"]),
        # Whose quote is whose is not known.
        ("A víz forr, a jég olvad. [1]", ["11"]),
    ):
        done = replace(answer(), text=text, citations=quotes)
        made = chat_html((advance(Exchange(1, "Q"), Finished(done)),), texts("hu"))
        assert re.findall(r'data-start="(\d+)"', made) == starts


@pytest.mark.parametrize(("confidence", "word"), [(1.0, "high"), (0.6, "medium"), (0.1, "low"), (0.0, "low")])
def test_confidence_in_words(confidence: float, word: str) -> None:
    exchange = advance(Exchange(1, "Q"), Finished(answer(confidence)))
    assert f"Confidence: {word}" in chat_html((exchange,), texts("en"))


def test_a_refusal_claims_no_confidence() -> None:
    exchange = advance(Exchange(1, "Q"), Finished(answer(0.1, answerable=False)))
    assert 'class="confidence' not in chat_html((exchange,), texts("en"))


def test_a_very_long_question_is_shortened_in_the_conversation() -> None:
    assert len(chat_html((Exchange(1, "x" * 20_000),), texts("en"))) < 2000
