"""A conversation as JSON: what is written is read back, and what others wrote is checked before it is anything."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from rag.types import PAGE_BREAK, Hit, Retrieval, Sentence, Term
from tests.exported import ALL, ARXIV, DOCUMENTS, EXPORTED, FILE, HOSTILE, WEB, answered, chunk, documents, record
from web.chat import chat_html
from web.conversation import Conversation, Exchange
from web.export import conversation as saving
from web.export.conversation import BadConversation, Loaded, dump, load, passages, with_passages
from web.export.references import references
from web.export.schema import MOST_EXCHANGES, Saved
from web.passages import passages_html
from web.texts import texts
from web.why import why_html

VERSION = "20261121T120000000000Z"
PASSAGE = replace(chunk(ARXIV, f"Before. It was observed.{PAGE_BREAK}On 14 September."), last_page=5)
FOUND = Retrieval(
    (
        Hit(PASSAGE, 1.25, {"lexical": 2, "dense": 1}, {"overlap": 0.5}, also=("a copy.pdf",)),
        Hit(replace(chunk(FILE), headings=("Part", "Orbits")), 0.5, {"dense": 7}),
    ),
    0.9,
    "hu",
    (Term({"en": ("weeks",), "hu": ("hét", "hetek")}, "Seven days."),),
    {"hu": "hány hét", "en": "how many weeks"},
)
CONVERSATION: Conversation = (
    replace(
        answered(
            "It was **observed** [1].\nMaybe [?] [2].",
            (
                (1, PASSAGE, "It was observed.", 4),
                (1, PASSAGE, "On 14 September.", 5),
                (2, chunk(FILE), "A sentence.", 4),
            ),
            sentences=(Sentence("It was **observed** [1].", (1,)), Sentence("Maybe", (2,), False)),
            model="qwen",
            notices=("The first model was away.",),
            shortened=True,
            cached=True,
            timings={"search": 0.01, "generate": 2.5},
            failures=(("openai:x", "timeout"),),
        ),
        found=FOUND,
    ),
    answered("안녕하세요!", courtesy=True, confidence=0.0, language="ko", number=2),
    replace(answered("Nincs válasz.", answerable=False, language="hu", number=3), searched="Mi a gyakorlat hossza?"),
    Exchange(4, "Stopped?", "Only so", (), stopped=True),
    Exchange(5, "Failed?", "", None, failure="The model is away."),
)


def dumped(conversation: Conversation = CONVERSATION, known: Any = DOCUMENTS) -> str:
    return dump(conversation, known, "space", VERSION, "hu", EXPORTED, "2026-11-21")


def changed(change: Callable[[Any], Any]) -> str:
    values = json.loads(dumped())
    change(values)
    return json.dumps(values)


def test_what_is_written_is_read_back() -> None:
    found = load(dumped())
    assert (found.domain, found.index_version, found.language, found.exported) == (
        "space",
        VERSION,
        "hu",
        "2026-11-21",
    )
    assert found.references == references(CONVERSATION, DOCUMENTS, "2026-11-21")
    assert len(found.conversation) == len(CONVERSATION)
    for before, after in zip(CONVERSATION, found.conversation, strict=True):
        assert (after.number, after.question, after.searched, after.text, after.failure, after.stopped) == (
            before.number,
            before.question,
            before.searched,
            before.text,
            before.failure,
            before.stopped,
        )
        assert not after.open and after.hits == (() if before.answer else None)
        if before.answer:
            assert after.answer
            assert replace(after.answer, citations=()) == replace(before.answer, citations=())
            assert [(c.number, c.quote, c.page, c.chunk.id, c.chunk.document_id) for c in after.answer.citations] == [
                (c.number, c.quote, c.page, c.chunk.id, c.chunk.document_id) for c in before.answer.citations
            ]


def test_writing_it_again_changes_nothing() -> None:
    found = load(dumped())
    assert dump(found.conversation, DOCUMENTS, found.domain, found.index_version, "hu", EXPORTED, "2026-11-21") == (
        dumped()
    )


def test_every_document_is_read_back_as_it_was() -> None:
    cited = tuple((n, chunk(item), "A sentence.", 3) for n, item in enumerate(ALL, 1))
    conversation = (answered("x [1]", cited),)
    assert load(dumped(conversation)).references == references(conversation, DOCUMENTS, "2026-11-21")


def test_the_quotes_stand_in_for_the_passage_on_their_pages() -> None:
    answer = load(dumped()).conversation[0].answer
    assert answer
    stand_in = answer.citations[0].chunk
    assert (stand_in.first_page, stand_in.last_page) == (4, 5)
    assert stand_in.text == f"It was observed.{PAGE_BREAK}On 14 September."
    assert stand_in.page_at(stand_in.text.index("On 14")) == 5
    assert (stand_in.title, stand_in.source) == (ARXIV.title, ARXIV.source)


def test_the_page_shows_it_again() -> None:
    found = load(dumped()).conversation
    assert "<mark>It was observed.</mark>" in passages_html(found[:1], texts("en"))
    shown = chat_html(found, texts("en"))
    assert "The model is away." in shown and 'href="#p-1-1"' in shown and "안녕하세요!" in shown


@pytest.mark.parametrize("language", ["en", "hu", "ko"])
def test_why_an_answer_is_what_it_is_is_known_again(language: str) -> None:
    found = load(dumped()).conversation
    shown = [why_html(exchange, texts(language)) for exchange in found]
    assert shown == [why_html(exchange, texts(language)) for exchange in CONVERSATION]
    assert "<td>2</td><td>1</td>" in shown[0] and "how many weeks" in shown[0] and "openai:x" in shown[0]


def test_of_a_conversation_that_was_kept_before_it_is_known_what_there_is() -> None:
    def before(values: Any) -> None:
        del values["exchanges"][0]["found"], values["exchanges"][0]["answer"]["failures"]

    (first, *_) = load(changed(before)).conversation
    assert first.found is None and first.answer and first.answer.failures == ()


def test_passages_come_from_the_index_where_they_still_hold_the_quote() -> None:
    found = load(dumped()).conversation
    assert passages(found) == [PASSAGE.id, chunk(FILE).id]
    other = replace(chunk(FILE), text="It says something else now.")
    answer = with_passages(found, [PASSAGE, other])[0].answer
    assert answer
    assert [citation.chunk == PASSAGE for citation in answer.citations] == [True, True, False]
    assert answer.citations[2].chunk.text == "A sentence."
    foreign = replace(PASSAGE, document_id="9" * 32)
    assert with_passages(found, [foreign]) == found


def test_what_was_awaited_is_stopped() -> None:
    (found,) = load(dumped((Exchange(1, "Q?", "So f"),))).conversation
    assert (found.text, found.stopped, found.open) == ("So f", True, False)


def test_a_document_that_is_gone_is_named_by_its_passage() -> None:
    (found,) = load(dumped((answered("x [1]", ((1, chunk(WEB), "A sentence.", 1),)),), {})).references
    assert (found.document, found.title, found.url) == (WEB.id, WEB.title, "")


def test_long_conversations_keep_their_end() -> None:
    many = tuple(Exchange(n, f"Q{n}", failure="x") for n in range(1, MOST_EXCHANGES + 3))
    found = load(dumped(many)).conversation
    assert len(found) == MOST_EXCHANGES
    assert (found[0].number, found[0].question, found[-1].question) == (1, "Q3", f"Q{MOST_EXCHANGES + 2}")


def test_what_engines_should_not_give_is_mended() -> None:
    odd = answered("x [1]", ((1, chunk(FILE), "", 1),), sentences=(Sentence("x", (1, 7)),), confidence=1.0000001)
    answer = load(dumped((odd,))).conversation[0].answer
    assert answer and answer.sentences[0].citations == (1,) and answer.confidence == 1.0


def test_an_empty_one() -> None:
    assert load(dumped(())).conversation == ()


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_texts_are_kept_as_text(text: str) -> None:
    hostile = record(text, text, id="e" * 32, author=text, url=f"https://a.example/{text}")
    passage = replace(chunk(hostile, text), headings=(text,))
    exchange = answered(
        f"{text} [1]",
        ((1, passage, f"q {text}"[:500], 1),),
        question=text,
        model=text,
        notices=(text,),
        failures=((text, text),),
    )
    found_so = Retrieval((Hit(passage, 1.0, also=(text,)),), 0.5, "en", (Term({"en": (text,)}),), {text: text})
    made = dumped((replace(exchange, found=found_so),), documents(hostile))
    found = load(made)
    assert json.loads(made)["exchanges"][0]["question"] == found.conversation[0].question
    assert not set(made) & set("\u202e\u202c\u200b\u2066\u2069\x00\x1b")
    shown = chat_html(found.conversation, texts("en")) + passages_html(found.conversation, texts("en"))
    assert "<script" not in shown and "<img" not in shown
    assert shown.count("<td>") >= 4


def no_quote(values: Any) -> None:
    del values["exchanges"][0]["answer"]["citations"][0]["quote"]


CHANGES: dict[str, tuple[Callable[[Any], Any], str]] = {
    "another kind": (lambda v: v.update(lacerta="record"), "lacerta"),
    "a later version": (lambda v: v.update(version=2), "reads version 1, the file has version 2"),
    "a later version of another form": (lambda v: (v.update(version=7), v.pop("exchanges")), "the file has version 7"),
    "no version": (lambda v: v.pop("version"), "version"),
    "a version in words": (lambda v: v.update(version="1"), "version"),
    "no exchanges": (lambda v: v.pop("exchanges"), "exchanges"),
    "too many exchanges": (lambda v: v.update(exchanges=v["exchanges"] * 200), "exchanges"),
    "a domain that is a path": (lambda v: v.update(domain="../space"), "domain"),
    "a question that is a number": (lambda v: v["exchanges"][0].update(question=1), "exchanges.0.question"),
    "a question without end": (lambda v: v["exchanges"][0].update(question="x" * 200_001), "exchanges.0.question"),
    "no quote": (no_quote, "exchanges.0.answer.citations.0.quote"),
    "page 0": (lambda v: v["exchanges"][0]["answer"]["citations"][0].update(page=0), "page"),
    "pages far apart": (lambda v: v["exchanges"][0]["answer"]["citations"][0].update(page=999), "more than 100 pages"),
    "number 0": (lambda v: v["exchanges"][0]["answer"]["citations"][0].update(number=0), "number"),
    "a number for two": (
        lambda v: v["exchanges"][0]["answer"]["citations"][0].update(number=2),
        "citation 2 stands for several passages",
    ),
    "a number for none": (
        lambda v: v["exchanges"][0]["answer"]["sentences"][0].update(citations=[3]),
        "a sentence has the number 3",
    ),
    "a passage with markup": (lambda v: v["exchanges"][0]["answer"]["citations"][0].update(passage="<b>"), "passage"),
    "a document that is not there": (lambda v: v["references"].pop(), "is cited but not among the references"),
    "a document twice": (lambda v: v["references"].append(v["references"][0]), "twice"),
    "too sure": (lambda v: v["exchanges"][0]["answer"].update(confidence=1.5), "confidence"),
    "no number": (lambda v: v["exchanges"][0]["answer"].update(confidence=float("nan")), "confidence"),
    "endless time": (lambda v: v["exchanges"][0]["answer"].update(timings={"x": float("inf")}), "timings"),
    "a place of 0": (lambda v: v["exchanges"][0]["found"]["hits"][0].update(ranks={"dense": 0}), "found.hits.0.ranks"),
    "an endless score": (lambda v: v["exchanges"][0]["found"]["hits"][0].update(score=float("inf")), "score"),
    "too many passages": (
        lambda v: v["exchanges"][0]["found"].update(hits=v["exchanges"][0]["found"]["hits"] * 51),
        "hits",
    ),
    "a question in no language": (lambda v: v["exchanges"][0]["found"].update(language='"><b>'), "found.language"),
    "no language": (lambda v: v["exchanges"][0]["answer"].update(language='"><b>'), "language"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_is_wrong_is_named(name: str) -> None:
    change, said = CHANGES[name]
    with pytest.raises(BadConversation, match=said):
        load(changed(change))


@pytest.mark.parametrize(
    "text",
    ["", "null", "[]", "1", '"x"', "{", "{}", "not JSON", "[" * 100_000, '{"a":' * 100_000, "9" * 10_000, "\ud800"],
)
def test_what_is_no_conversation_is_refused(text: str) -> None:
    with pytest.raises(BadConversation, match="export it again"):
        load(text)


def test_too_much_is_refused_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(saving, "LONGEST", 100)
    with pytest.raises(BadConversation, match="at most 100 characters, this one has"):
        load(dumped())


def test_an_error_says_nothing_of_the_content() -> None:
    with pytest.raises(BadConversation) as error:
        load(changed(lambda v: v["exchanges"][0].update(question=["a secret"])))
    assert "secret" not in str(error.value)


def loaded_reference(**more: object) -> Loaded:
    return load(changed(lambda v: v["references"][0].update(more)))


def test_addresses_and_identifiers_of_a_file_are_checked() -> None:
    (first, _) = loaded_reference(
        url="javascript:alert(1)",
        doi="10.1000/a}b",
        arxiv="9999.99999",
        date="2024-99",
        accessed="today",
        category="{}",
    ).references
    assert (first.url, first.doi, first.arxiv, first.date, first.accessed, first.category) == ("",) * 6


def test_what_is_not_known_is_ignored_and_what_is_hidden_is_gone() -> None:
    found = load(changed(lambda v: (v.update(more=1), v["exchanges"][0].update(question="a\u202eb\u200bc"))))
    assert found.conversation[0].question == "abc"


def test_the_schema_documents_every_field() -> None:
    schema = Saved.model_json_schema()
    assert schema["properties"].keys() == json.loads(dumped()).keys()
    assert {"SavedExchange", "SavedAnswer", "SavedCitation", "SavedReference"} <= schema["$defs"].keys()
