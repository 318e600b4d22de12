"""Conversations go to the browser and come back, with the passages of the index, and never those of another domain."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ingest.pipeline import bring_up_to_date
from rag.answer import Engine
from rag.settings import Settings
from rag.types import Finished, Question, Retrieved
from tests.files import make_domain
from web.conversation import Conversation, Exchange, advance
from web.export.conversation import BadConversation
from web.kept import Keeper, told


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    folder: Path = tmp_path_factory.mktemp("kept")
    settings = replace(Settings(), corpora=folder / "corpora", var=folder / "var", threads=1)
    for name in ("harbour", "empty"):
        sources = make_domain(settings.corpora, name)
        (sources / "ferry.md").write_text("# Ferry\n\nThe ferry sails at nine in the morning.\n", encoding="utf-8")
    bring_up_to_date(settings, "harbour")
    opened = Engine(settings)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def held(engine: Engine) -> Conversation:
    exchange = Exchange(1, "When does the ferry sail?")
    for event in engine.stream(Question(exchange.question, "harbour")):
        assert isinstance(event, Retrieved | Finished) or not exchange.answer
        exchange = advance(exchange, event)
    assert exchange.answer and exchange.answer.citations
    return (exchange,)


def test_a_conversation_comes_back_with_the_passages_of_the_index(engine: Engine, held: Conversation) -> None:
    keeper = Keeper(engine, "en")
    (back,) = keeper.conversation(keeper.text(held, "harbour"), "harbour")
    assert back.answer and held[0].answer
    assert back.question == held[0].question and back.answer.text == held[0].answer.text
    assert [item.chunk.headings for item in back.answer.citations] == [
        item.chunk.headings for item in held[0].answer.citations
    ]
    assert json.loads(keeper.text(held, "harbour"))["references"][0]["title"] == "Ferry"


def test_passages_shown_as_one_are_kept_too(engine: Engine, held: Conversation) -> None:
    assert held[0].answer
    joined = "+".join(["a" * 32] * 16)
    cited = [replace(item, chunk=replace(item.chunk, id=joined)) for item in held[0].answer.citations]
    keeper = Keeper(engine, "en")
    kept = keeper.text((replace(held[0], answer=replace(held[0].answer, citations=tuple(cited))),), "harbour")
    (back,) = keeper.conversation(kept, "harbour")
    assert back.answer and back.answer.citations[0].chunk.id == joined


def test_another_domain_s_and_a_broken_one_are_refused(engine: Engine, held: Conversation) -> None:
    keeper = Keeper(engine, "hu")
    text = keeper.text(held, "harbour")
    with pytest.raises(BadConversation):
        keeper.conversation(text, "empty")
    for broken in ("", "{}", text[:-20], "[1]", text.replace('"version": 1', '"version": 99')):
        with pytest.raises(BadConversation):
            keeper.conversation(broken, "harbour")


def test_without_an_index_what_was_kept_is_shown(engine: Engine, held: Conversation) -> None:
    keeper = Keeper(engine, "en")
    assert keeper.records("empty") == ("", {}) == keeper.records("nowhere")
    text = keeper.text(held, "empty")
    (back,) = keeper.conversation(text, "empty")
    assert back.answer and held[0].answer and back.answer.text == held[0].answer.text


def test_documents_are_looked_up_anew_with_a_new_version(engine: Engine) -> None:
    keeper = Keeper(engine, "en")
    version, records = keeper.records("harbour")
    assert keeper.records("harbour") == (version, records) and version
    assert [record.title for record in records.values()] == ["Ferry"]


def test_the_same_told_twice_differs() -> None:
    assert told("d", "asked", ()) != told("d", "asked", ())
    assert "id" not in json.loads(told("d", "asked", ()))
