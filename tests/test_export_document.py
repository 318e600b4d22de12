"""The page for print: self-contained, closed by its own policy, with nothing of a document that becomes markup."""

import base64
import hashlib
import re
from html.parser import HTMLParser

import pytest

from rag.settings import LANGUAGES
from rag.types import Sentence
from tests.exported import ALL, ARXIV, DOCUMENTS, FILE, HOSTILE, WEB, about, answered, chunk, documents, record
from web.conversation import Exchange
from web.export.document import document
from web.export.references import line
from web.texts import texts

TAGS = set(
    "html head meta title style body h1 h2 h3 main section div p ul ol li br strong a cite span blockquote"
    " footer".split()
)
ATTRIBUTES = {"lang", "charset", "http-equiv", "content", "name", "class", "id", "href", "rel"}


class Read(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.style = ""
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] == ["style"]:
            self.style += data
        else:
            self.text += data

    def values(self, name: str) -> list[str]:
        return [attributes[name] or "" for _, attributes in self.elements if name in attributes]


def of(exchange: Exchange, language: str = "en", known: object = DOCUMENTS) -> str:
    return document((exchange,), known, about(language), texts(language), "2026-11-21")  # type: ignore[arg-type]


def test_a_whole_answer() -> None:
    exchange = answered(
        "It was **observed** [1].\n\n- one [2]\n- two [?]",
        ((1, chunk(ARXIV), "It was observed.", 4), (2, chunk(WEB), "문장입니다.", 1)),
        sentences=(Sentence("two", (), False),),
        language="en",
    )
    made = Read(of(exchange))
    assert made.values("href") == [
        "#reference-1-1",
        "#reference-1-2",
        "https://arxiv.org/abs/1602.03837v1",
        "https://www.example.ac.kr/guide?id=3&lang=ko_KR",
    ]
    assert made.values("id") == ["reference-1-1", "reference-1-2"]
    assert made.values("lang") == ["en", "en", "en", "en", "ko", "ko"]
    for words in ("How does it work?", "11 February 2016.", "p. 4.", "Confidence: high", "문장입니다.", "[?] stands"):
        assert words in made.text
    assert [attributes for tag, attributes in made.elements if tag == "span"][0] == {"class": "unsupported"}


def test_the_policy_allows_the_style_of_the_page_and_nothing_else() -> None:
    made = Read(of(answered("x")))
    digest = base64.b64encode(hashlib.sha256(made.style.encode()).digest()).decode()
    policy = next(a["content"] for tag, a in made.elements if a.get("http-equiv") == "Content-Security-Policy")
    assert policy == f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    assert not re.search(r"url\(|@import|expression|https?:", made.style)
    assert "@page" in made.style and "break-inside: avoid" in made.style


@pytest.mark.parametrize("language", LANGUAGES)
def test_in_the_language_of_the_interface(language: str) -> None:
    made = Read(of(answered("x [1]", ((1, chunk(FILE), "q", 4),)), language))
    assert made.elements[0] == ("html", {"lang": language})
    for key in ("export_answer", "export_references", "confidence_high", "extractive"):
        assert texts(language)[key] in made.text
    assert texts(language)["page"].format(page="4") in made.text


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_texts_are_words(text: str) -> None:
    hostile = record(text, text, id="e" * 32, language=text, author=text, url="https://a.example/?x=1&y=2")
    exchange = answered(
        f"{text} [1] [2](https://evil.example)",
        ((1, chunk(hostile, text), text, 1),),
        question=text,
        model=text,
        language=text,
        notices=(text,),
    )
    written = document((exchange,), documents(hostile), about(domain=text), texts("en"))
    made = Read(written)
    assert {tag for tag, _ in made.elements} <= TAGS
    assert {name for _, attributes in made.elements for name in attributes} <= ATTRIBUTES
    assert {*made.values("href")} == {"#reference-1-1", "https://a.example/?x=1&y=2"}
    assert made.text.count(line(text)[:100]) >= 3
    assert not set(written) & set("\u202e\u202c\u200b\u2066\u2069\x00\x1b")
    assert written.encode()


def test_questions_without_an_answer_say_why() -> None:
    made = Read(of(Exchange(1, "Q?", "Only so far", failure="The model is away.")))
    assert "Only so far" in made.text and "The model is away." in made.text
    assert texts("en")["export_none"] in Read(of(answered("I don't know.", answerable=False))).text


def test_anchors_of_several_answers_are_apart() -> None:
    cited = tuple((n, chunk(item), "q", 1) for n, item in enumerate(ALL, 1))
    conversation = (answered("a [1] [5]", cited), answered("b [2]", cited, number=2))
    made = Read(document(conversation, DOCUMENTS, about(), texts("en")))
    assert len({*made.values("id")}) == len(made.values("id")) == 2 * len(ALL)
    inside = {value.removeprefix("#") for value in made.values("href") if value.startswith("#")}
    assert inside == {"reference-1-1", "reference-1-5", "reference-2-2"}


def test_an_empty_conversation_is_a_page() -> None:
    assert texts("en")["export_title"].format(domain="Space") in Read(document((), {}, about(), texts("en"))).text
