import logging
import shutil
import threading
from dataclasses import replace

import pytest

from rag.answer import Engine, QuestionFailed
from rag.embed import embedding_fingerprint, load_embedder
from rag.errors import ConfigurationError
from rag.index import IndexWriter, Manifest, domain_index_folder, publish
from rag.models import ChatModel, estimate_tokens
from rag.settings import Settings
from rag.types import Answer, Chunk, Failed, Finished, Question, Retrieved, Token, Turn
from tests.doubles import ScriptedChat

DOMAIN = """
languages = ["en", "hu"]
[title]
en = "Internship guide"
hu = "Gyakorlati útmutató"
ko = "실습 안내"
[description]
en = "d"
hu = "d"
ko = "d"
[examples]
en = ["?"]
hu = ["?"]
ko = ["?"]
[contact]
en = "office@example.org"
hu = "iroda@example.org"
ko = "office@example.org"
[[sources]]
kind = "files"
[retrieval]
refuse_below = 0.4
"""
TEXTS = {
    "en": [
        "The internship lasts six weeks. It may be split in two parts.",
        "The deadline of the request form is 30 April 2026. The form is handed in at the office.",
        "Travel costs are not paid back to students of the department.",
    ],
    "hu": [
        "A szállás költségét a tanszék nem téríti meg. Erről a hallgató gondoskodik.",
        "A beszámolót szeptember 15-ig kell feltölteni. A beszámoló terjedelme tíz oldal.",
    ],
}
HOW_LONG = Question("How long does the internship last?", "guide")


def build_index(settings: Settings, version: str, texts=TEXTS) -> None:
    embedder = load_embedder("balanced")
    folder = domain_index_folder(settings, "guide") / version
    folder.mkdir(parents=True)
    chunks = [
        Chunk(f"{language}{number}", f"d{language}", "Guide", f"{language}.pdf", language, number + 1, number + 1, 0,
              len(text), (), text)
        for language, group in texts.items()
        for number, text in enumerate(group)
    ]  # fmt: skip
    writer = IndexWriter(folder, embedder.dimension)
    writer.add(chunks, embedder.embed_passages([chunk.text for chunk in chunks]))
    count = writer.finish()
    made_by = embedding_fingerprint(embedder)
    Manifest("guide", version, "2026-01-01T00:00:00Z", made_by, embedder.dimension, "s", (), count, "x").save(folder)
    publish(settings, "guide", version)


@pytest.fixture(scope="module")
def ground(tmp_path_factory) -> Settings:
    folder = tmp_path_factory.mktemp("answer")
    (folder / "corpora" / "guide").mkdir(parents=True)
    (folder / "corpora" / "guide" / "domain.toml").write_text(DOMAIN, encoding="utf-8")
    (folder / "corpora" / "guide" / "glossary.csv").write_text(
        "en,ko,hu,definition\ninternship,실습,szakmai gyakorlat,\n", encoding="utf-8"
    )
    settings = replace(Settings(), corpora=folder / "corpora", var=folder / "var", threads=1)
    build_index(settings, "1")
    return settings


@pytest.fixture
def engine(ground):
    opened = Engine(ground)
    yield opened
    opened.close()


def scripted(ground: Settings, *replies, **options) -> tuple[Engine, ScriptedChat]:
    opened = Engine(replace(ground, models=("openai:scripted",)))
    chat = ScriptedChat(replies=list(replies), calls=[], **options)
    opened._models._models["openai:scripted"] = ChatModel("openai:scripted", chat, 3000, estimate_tokens)
    return opened, chat


def finished(event: object) -> Answer:
    assert isinstance(event, Finished)
    return event.answer


def last(engine: Engine, question: Question) -> Finished | Failed:
    event = list(engine.stream(question))[-1]
    assert isinstance(event, Finished | Failed)
    return event


def test_events_come_in_order(engine):
    events = list(engine.stream(HOW_LONG))
    assert isinstance(events[0], Retrieved) and isinstance(events[-1], Finished)
    assert all(isinstance(event, Token) for event in events[1:-1]) and len(events) > 2
    answer = events[-1].answer
    assert "".join(event.text for event in events[1:-1]) == answer.text
    assert answer.hits == events[0].retrieval.hits
    assert {"retrieval", "first_token", "total"} <= answer.timings.keys()


def test_an_extractive_answer_is_framed_and_cited(engine):
    answer = engine.ask(HOW_LONG)
    assert "The internship lasts six weeks." in answer.text and "[1]" in answer.text
    assert answer.model == "extractive" and answer.answerable and answer.language == "en"
    assert answer.citations[0].quote in TEXTS["en"][0] and answer.citations[0].page == 1
    assert answer.notices == ()


def test_a_hungarian_question_gets_a_hungarian_frame(engine):
    answer = engine.ask(Question("Meddig kell feltölteni a beszámolót?", "guide", interface_language="ko"))
    assert answer.language == "hu" and "dokumentumok" in answer.text.lower()
    assert "szeptember 15-ig" in answer.text


def test_what_the_documents_do_not_answer_is_refused_without_a_model(ground):
    engine, chat = scripted(ground, "never")
    for text, language, said in [
        ("Who won the football championship yesterday evening?", "en", "Internship guide"),
        ("Ki nyerte tegnap este a labdarúgó bajnokságot?", "hu", "Gyakorlati útmutató"),
        ("어제 저녁 축구 선수권 대회에서 누가 이겼습니까?", "ko", "실습 안내"),
    ]:
        answer = engine.ask(Question(text, "guide"))
        assert not answer.answerable and answer.citations == () and answer.language == language
        assert said in answer.text and "@example.org" in answer.text
    assert chat.calls == []


@pytest.mark.parametrize("interface", ["en", "hu", "ko", "fr"])
def test_what_cannot_be_asked_is_said_in_the_visitor_s_language(engine, interface):
    said = {}
    for code, text in {
        "empty_question": " \n\u200b ",
        "too_long": "why " * 5000,
        "language": "Quelle est la durée du stage pour les étudiants de cette université ?",
        "unknown_domain": "How long?",
    }.items():
        domain = "nowhere" if code == "unknown_domain" else "guide"
        event = last(engine, Question(text, domain, interface_language=interface))
        assert isinstance(event, Failed) and event.code == code
        said[code] = event.message
    assert "20000" in said["too_long"] and "2000" in said["too_long"].replace("20000", "")
    marks = {"en": "English", "fr": "English", "hu": "magyarul", "ko": "한국어"}
    assert marks[interface] in said["language"]


def test_ask_raises_what_stream_reports(engine):
    with pytest.raises(QuestionFailed, match="type a question") as caught:
        engine.ask(Question("", "guide"))
    assert caught.value.code == "empty_question"
    with pytest.raises(QuestionFailed):
        engine.search(Question("", "guide"))


def test_search_gives_the_passages(engine):
    found = engine.search(HOW_LONG, 2)
    assert len(found.hits) == 2 and found.hits[0].chunk.id == "en0"


def test_a_model_s_answer_is_checked(ground):
    engine, chat = scripted(ground, "The internship lasts six weeks [1][9]. Everyone gets a free car for a year [1].")
    history = (Turn("user", "Hello"), Turn("assistant", "Good day"))
    events = list(engine.stream(replace(HOW_LONG, history=history)))
    answer = finished(events[-1])
    assert answer.model == "openai:scripted"
    assert answer.text == "The internship lasts six weeks. [1] Everyone gets a free car for a year. [?]"
    assert [sentence.supported for sentence in answer.sentences] == [True, False]
    assert "".join(event.text for event in events if isinstance(event, Token)).startswith("The internship lasts")
    assert [message.type for message in chat.calls[0]] == ["system", "human", "ai", "human"]
    assert "lasts six weeks" in chat.calls[0][-1].text and "Internship guide" in chat.calls[0][0].text


@pytest.mark.parametrize("reply", ["NO_ANSWER", "NO_ANSWER.", " NO_ANSWER because", "**NO_ANSWER**"])
def test_a_model_without_an_answer_ends_in_the_refusal(ground, reply):
    engine, _ = scripted(ground, reply)
    answer = engine.ask(HOW_LONG)
    assert not answer.answerable and "Internship guide" in answer.text and "NO_ANSWER" not in answer.text


def test_the_word_for_no_answer_is_not_shown_while_it_streams(ground):
    engine, _ = scripted(ground, ["NO", "_ANS", "WER"])
    assert not [event for event in engine.stream(HOW_LONG) if isinstance(event, Token)]
    engine, _ = scripted(ground, ["NO", "BODY knows."])
    assert "".join(event.text for event in engine.stream(HOW_LONG) if isinstance(event, Token)) == "NOBODY knows. "


def test_a_failed_model_is_named_with_its_reason(ground):
    for language, text, reason in [
        ("en", HOW_LONG.text, "did not reply in time"),
        ("hu", "Meddig kell feltölteni a beszámolót?", "nem válaszolt időben"),
    ]:
        engine, _ = scripted(ground, TimeoutError("sk-secret"))
        answer = engine.ask(Question(text, "guide"))
        assert answer.model == "extractive" and answer.language == language and answer.citations
        assert reason in answer.notices[0] and "openai:scripted" in answer.notices[0]
        assert "sk-secret" not in " ".join(answer.notices)


def test_a_half_answer_is_kept_and_marked(ground):
    engine, _ = scripted(ground, ["The internship lasts six weeks", ConnectionError()])
    answer = engine.ask(HOW_LONG)
    assert answer.text == "The internship lasts six weeks [1]" and "incomplete" in answer.notices[0]
    engine, _ = scripted(ground, "The internship lasts six weeks", finish_reason="length")
    assert "permitted length" in engine.ask(HOW_LONG).notices[0]


def test_an_answer_can_be_stopped(ground):
    engine, _ = scripted(ground, "The internship lasts six weeks" + " or more" * 50)
    seen: list[Token] = []
    for event in engine.stream(HOW_LONG, lambda: len(seen) >= 4):
        if isinstance(event, Token):
            seen.append(event)
    answer = finished(event)
    assert answer.text.startswith("The internship lasts six") and answer.text.count("or more") < 20
    assert answer.notices[0] == "The answer was stopped."


def test_no_index_says_which_command_makes_one(ground, tmp_path):
    engine = Engine(replace(ground, var=tmp_path))
    event = last(engine, replace(HOW_LONG, interface_language="hu"))
    assert isinstance(event, Failed) and event.code == "no_index" and "make ingest DOMAIN=guide" in event.message
    engine.warm_up()
    engine.close()


def test_an_index_of_another_embedder_or_a_broken_one_is_not_used(ground, tmp_path):
    shutil.copytree(ground.var, tmp_path / "var")
    settings = replace(ground, var=tmp_path / "var")
    manifest = domain_index_folder(settings, "guide") / "1" / "manifest.json"
    text = manifest.read_text(encoding="utf-8")
    for wrong in (text.replace(embedding_fingerprint(load_embedder("balanced")), "other"), "{"):
        manifest.write_text(wrong, encoding="utf-8")
        event = last(Engine(settings), HOW_LONG)
        assert isinstance(event, Failed) and event.code == "bad_index"


def test_a_new_version_is_noticed_and_the_old_one_finishes(ground, tmp_path):
    shutil.copytree(ground.var, tmp_path / "var")
    settings = replace(ground, var=tmp_path / "var")
    engine = Engine(settings)
    assert "six weeks" in engine.ask(HOW_LONG).text
    running = engine.stream(HOW_LONG)
    next(running)
    build_index(settings, "2", {"en": ["The internship lasts nine weeks."], "hu": TEXTS["hu"]})
    assert "nine weeks" in engine.ask(HOW_LONG).text
    assert "six weeks" in finished(list(running)[-1]).text
    engine.close()


def test_the_unforeseen_is_logged_and_told_plainly(engine, monkeypatch, caplog):
    def broken(*_: object) -> None:
        raise ZeroDivisionError("internal detail")

    monkeypatch.setattr("rag.answer.retrieve", broken)
    with caplog.at_level(logging.ERROR):
        event = last(engine, replace(HOW_LONG, interface_language="ko"))
    assert isinstance(event, Failed) and event.code == "internal" and "internal detail" not in event.message
    assert "ZeroDivisionError" in caplog.text


def test_wrong_settings_are_found_at_the_start(ground, tmp_path):
    with pytest.raises(ConfigurationError, match="not the name of a model"):
        Engine(replace(ground, models=("gpt",)))
    with pytest.raises(ConfigurationError, match="missing"):
        Engine(replace(ground, prompts=tmp_path))


def test_a_wrong_embedder_is_a_clear_failure(ground):
    event = last(Engine(replace(ground, embedder="gguf:/nowhere.gguf")), HOW_LONG)
    assert isinstance(event, Failed) and event.code == "configuration"


def test_many_visitors_at_once(engine):
    answers: list[Answer] = []
    threads = [threading.Thread(target=lambda: answers.append(engine.ask(HOW_LONG))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len({answer.text for answer in answers}) == 1 and len(answers) == 6


def test_a_follow_up_is_made_whole_by_the_words_of_the_question_before(engine):
    first = engine.ask(Question("What is the deadline of the request form?", "guide"))
    history = (Turn("user", "What is the deadline of the request form?"), Turn("assistant", first.text))
    events = list(engine.stream(Question("And where is it handed in?", "guide", history=history)))
    answer = finished(events[-1])
    assert [event.question for event in events if isinstance(event, Retrieved)] == [answer.question]
    assert answer.question.startswith("And where is it handed in?") and "request form" in answer.question
    assert "handed in at the office" in answer.text


def test_a_whole_question_is_searched_for_as_it_is(engine):
    history = (Turn("user", "What is the deadline of the request form?"), Turn("assistant", "30 April."))
    answer = engine.ask(replace(HOW_LONG, history=history))
    assert answer.question == "" and "six weeks" in answer.text


def test_what_the_documents_do_not_answer_is_refused_in_a_conversation_too(engine):
    history = (Turn("user", HOW_LONG.text), Turn("assistant", "Six weeks."))
    answer = engine.ask(Question("Who won the football championship yesterday evening?", "guide", history=history))
    assert not answer.answerable and answer.question == ""


def test_a_model_makes_a_follow_up_whole_and_the_words_come_first(ground):
    whole = "Where is the request form handed in?"
    engine, chat = scripted(ground, whole, "The form is handed in at the office [1].")
    history = (Turn("user", "What is the deadline of the request form?"), Turn("assistant", "30 April 2026 [1]"))
    events = list(engine.stream(Question("And where?", "guide", history=history)))
    answer = finished(events[-1])
    assert answer.question == whole and answer.text == "The form is handed in at the office. [1]"
    searched = [event.question for event in events if isinstance(event, Retrieved)]
    assert len(searched) == 2 and searched[1] == whole and searched[0].startswith("And where? (")
    # Both prompts begin alike, so that a local model evaluates the beginning once.
    condense, asked = chat.calls
    assert [message.text for message in condense[:3]] == [message.text for message in asked[:3]]
    assert whole in asked[-1].text


def test_a_dead_model_does_not_keep_a_follow_up_from_its_answer(ground):
    engine, _ = scripted(ground, ConnectionError(), ConnectionError())
    history = (Turn("user", "What is the deadline of the request form?"), Turn("assistant", "30 April 2026 [1]"))
    answer = engine.ask(Question("And where is it handed in?", "guide", history=history))
    assert answer.model == "extractive" and "office" in answer.text and answer.failures[0][0] == "openai:scripted"


def test_a_conversation_goes_on_behind_what_the_model_saw(ground):
    engine, chat = scripted(ground, "The internship lasts six weeks [1].", "Travel costs are not paid back [1].")
    first = engine.ask(HOW_LONG)
    history = (Turn("user", HOW_LONG.text), Turn("assistant", first.text))
    second = engine.ask(Question("Are the travel costs of students paid back?", "guide", history=history))
    before, after = ([(message.type, message.text) for message in call] for call in chat.calls)
    assert after[: len(before)] == before and after[len(before)] == ("ai", "The internship lasts six weeks [1].")
    # What the model calls 1 is the passage of the question before: the one that bears this out is cited.
    assert second.citations[0].chunk.id == "en2"


def test_an_answer_in_another_language_is_asked_for_again_and_not_shown(ground):
    wrong = "A gyakorlat hat hétig tart, és két részletben is le lehet tölteni."
    engine, chat = scripted(ground, wrong, "The internship lasts six weeks [1].")
    events = list(engine.stream(HOW_LONG))
    answer = finished(events[-1])
    assert answer.text == "The internship lasts six weeks. [1]" and answer.notices == () and len(chat.calls) == 2
    assert "hétig" not in "".join(event.text for event in events if isinstance(event, Token))
    first, second = (call[-1].text for call in chat.calls)
    assert second.startswith(first) and len(second) > len(first)

    engine, chat = scripted(ground, wrong, wrong)
    answer = engine.ask(HOW_LONG)
    assert "hétig" in answer.text and any("English" in notice for notice in answer.notices) and len(chat.calls) == 2

    engine, chat = scripted(ground, wrong, ConnectionError())
    answer = engine.ask(HOW_LONG)
    assert answer.model == "extractive" and "six weeks" in answer.text and answer.failures


@pytest.mark.parametrize(
    "reply",
    [
        "The passages do not contain any information about this.",
        "I am sorry, but this is not mentioned in the documents.",
        "The internship lasts long. NO_ANSWER",
    ],
)
def test_a_model_may_say_in_its_own_words_that_there_is_no_answer(ground, reply):
    engine, _ = scripted(ground, reply)
    answer = engine.ask(HOW_LONG)
    assert "NO_ANSWER" not in answer.text
    assert answer.answerable == reply.startswith("The internship")


def test_a_refusal_names_the_nearest_documents(engine):
    answer = engine.ask(Question("Who won the football championship yesterday evening?", "guide"))
    assert "Guide" in answer.text.replace("Internship guide", "") and answer.hits and not answer.citations


def test_sentences_without_support_are_marked_and_counted(ground):
    engine, _ = scripted(ground, "The internship lasts six weeks [1]. Every student receives a free car for a year.")
    answer = engine.ask(HOW_LONG)
    assert answer.unsupported == 1
    assert any("1" in notice and "[?]" in notice for notice in answer.notices)


@pytest.mark.parametrize(
    ("text", "language"), [("Hello!", "en"), ("köszönöm szépen", "hu"), ("Szia", "hu"), ("감사합니다", "ko")]
)
def test_a_greeting_is_returned_where_the_domain_allows_it(ground, tmp_path, text, language):
    corpora = tmp_path / "corpora"
    shutil.copytree(ground.corpora, corpora)
    domain = corpora / "guide" / "domain.toml"
    domain.write_text("small_talk = true\n" + domain.read_text(encoding="utf-8"), encoding="utf-8")
    engine, chat = scripted(replace(ground, corpora=corpora), "never")
    events = list(engine.stream(Question(text, "guide", interface_language=language)))
    answer = finished(events[-1])
    assert len(events) == 1 and answer.courtesy and answer.language == language and answer.answerable
    assert chat.calls == [] and answer.hits == ()
    plain, _ = scripted(ground, "never")
    assert not finished(last(plain, Question(text, "guide", interface_language=language))).courtesy


def test_a_word_alone_is_in_the_language_of_the_conversation(engine):
    history = (Turn("user", "Meddig kell feltölteni a beszámolót?"), Turn("assistant", "Szeptember 15-ig."))
    assert engine.ask(Question("Erasmus?", "guide", history=history)).language == "hu"
    assert engine.ask(Question("Erasmus?", "guide")).language == "en"
