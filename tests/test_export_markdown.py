"""Markdown that a real reader renders: all words there, and no element that an answer or a document asked for."""

import re
from html.parser import HTMLParser

import pytest
from markdown_it import MarkdownIt

from rag.settings import LANGUAGES
from rag.types import Sentence
from tests.exported import ALL, ARXIV, DOCUMENTS, FILE, HOSTILE, NTRS, WEB, about, answered, chunk, documents, record
from web.conversation import Exchange
from web.export.markdown import escape, markdown
from web.export.references import line
from web.texts import texts

READER = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
EXPECTED = {"h1", "h2", "p", "blockquote", "ul", "ol", "li", "strong", "hr", "br", "a"}


class Rendered(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.text = ""
        self.feed(READER.render(text))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("href", "src")]
        assert {name for name, _ in attrs} <= {"href", "start"}

    def handle_data(self, data: str) -> None:
        self.text += data


def of(exchange: Exchange, language: str = "en", known: object = DOCUMENTS) -> str:
    return markdown((exchange,), known, about(language), texts(language), "2026-11-21")  # type: ignore[arg-type]


def test_a_whole_answer() -> None:
    passage = chunk(ARXIV, "It was observed. On 14 September.")
    exchange = answered(
        "It was **observed** [1]. So says [2], too.\nOn a day.\n\n- one [1]\n- two [?]\n\n1. first\n2. second",
        ((1, passage, "It was observed.", 4), (1, passage, "On 14 September.", 5), (2, chunk(FILE), "Egy mondat.", 2)),
        sentences=(Sentence("two", (), False),),
        model="qwen",
    )
    assert of(exchange) == (
        "# Answers from documents: Space\n\n"
        "## Question\n\n"
        "> How does it work?\n\n"
        "## Answer\n\n"
        "It was **observed** [1]. So says [2], too.\\\n"
        "On a day.\n\n"
        "- one [1]\n"
        "- two [?]\n\n"
        "1. first\n"
        "2. second\n\n"
        "Confidence: high. Answered by qwen. \\[?\\] stands behind sentences that no passage bears out.\n\n"
        "## References\n\n"
        "[1] **Observation of Gravitational Waves from a Binary Black Hole Merger** B. P. Abbott, Péter Pázmány, Ludwig"
        " van der Berg, Martin King Jr., The LIGO Scientific Collaboration. 11 February 2016."
        " Phys. Rev. Lett. 116, 061102 (2016). arXiv:1602.03837v1. DOI: 10.1103/PhysRevLett.116.061102."
        " p. 4, 5. As of 21 November 2026. <https://arxiv.org/abs/1602.03837v1>\n\n"
        "> It was observed.\n\n"
        "> On 14 September.\n\n"
        "[2] **Gyakorlati szabályzat (mintaadat)** Budapesti Műszaki és Gazdaságtudományi Egyetem."
        " File: gyakorlati-szabalyzat\\.pdf. p. 2.\n\n"
        "> Egy mondat.\n\n"
        "---\n\n"
        "- Collection: Space\n"
        "- Index version: 20261121T120000000000Z\n"
        "- Exported on 21 November 2026\n"
    )


@pytest.mark.parametrize(
    ("language", "day", "page"),
    [
        ("en", "21 November 2026", "p. 4."),
        ("hu", "2026. november 21.", "4. oldal."),
        ("ko", "2026년 11월 21일", "4쪽."),
    ],
)
def test_in_the_language_of_the_interface(language: str, day: str, page: str) -> None:
    made = Rendered(of(answered("x [1]", ((1, chunk(FILE), "q", 4),)), language)).text
    assert day in made and page in made
    assert texts(language)["export_references"] in made and texts(language)["confidence_high"] in made
    assert "2026. november 21.." not in made


def test_only_documents_are_linked() -> None:
    cited = tuple((n, chunk(item), "q", 1) for n, item in enumerate(ALL, 1))
    made = Rendered(of(answered("a [1] [2] [3] [4] [5]", cited)))
    assert made.links == [
        "https://arxiv.org/abs/1602.03837v1",
        "https://ntrs.nasa.gov/citations/20200001234",
        "https://hu.wikipedia.org/w/index.php?oldid=27000001",
        "https://www.example.ac.kr/guide?id=3&lang=ko_KR",
    ]


def test_many_authors_are_cut() -> None:
    many = record("T", identifier="arXiv:2401.01234", authors=", ".join(f"Anna Nagy{n}" for n in "abcdefghijkl"))
    made = of(answered("x [1]", ((1, chunk(many), "q", 1),)), known=documents(many))
    assert "Anna Nagyj et al." in made and "Nagyk" not in made


def test_questions_without_an_answer_say_why() -> None:
    assert "Only so far" in of(Exchange(1, "Q?", "Only so far", stopped=True))
    assert texts("en")["stopped"] in of(Exchange(1, "Q?", "Only so far", stopped=True))
    assert "The model is away" in of(Exchange(1, "Q?", failure="The model is away."))
    assert texts("en")["export_none"] in of(answered("I don't know.", answerable=False))
    assert texts("en")["confidence_high"] not in of(answered("I don't know.", answerable=False))


def test_a_conversation_has_each_question() -> None:
    conversation = (answered("a [1]", ((1, chunk(WEB), "q", 1),)), answered("b", question="And then?", number=2))
    made = Rendered(markdown(conversation, DOCUMENTS, about(), texts("en")))
    assert made.text.index("How does it work?") < made.text.index("현장실습 안내") < made.text.index("And then?")
    assert made.tags.count("h2") == 6


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_texts_are_words(text: str) -> None:
    hostile = record(text, text, id="e" * 32, author=text, publisher=text, url="https://a.example/x")
    exchange = answered(
        f"{text}\n{text} [1]\n\n**{line(text)[:500]}**\n- {text}\n",
        ((1, chunk(hostile, text), text, 1),),
        question=text,
        model=text,
        notices=(text,),
    )
    written = of(exchange, known=documents(hostile))
    made = Rendered(written)
    assert {*made.tags} <= EXPECTED
    assert made.links == ["https://a.example/x"]
    assert line(text)[:900].strip() in " ".join(made.text.split())
    # What readers other than this one would take for an element, a picture, a formula or an address.
    rest = written.replace("<https://a.example/x>", "")
    assert not re.search(r"<|(?<!\\)(?:!\[|\$|://)|www\.|evil\.example", rest)


@pytest.mark.parametrize("text", HOSTILE)
def test_escaped_text_is_shown_as_it_is_anywhere(text: str) -> None:
    for before, after in (("", ""), ("- ", ""), ("> ", ""), ("word ", " word"), ("**", "**")):
        made = Rendered(f"{before}{escape(text)}{after}\n")
        shown = " ".join(made.text.split()).removeprefix("word ").removesuffix(" word")
        assert shown.strip("*") == line(text, None).strip("*")
        assert {*made.tags} <= {"p", "ul", "li", "blockquote", "strong"}


@pytest.mark.parametrize(
    "text",
    [
        "[1](https://evil.example)",
        "[1]: https://evil.example",
        "![1](https://evil.example)",
        "[1][2](https://evil.example)",
        "[1]\\(x)",
        "**[1]**(https://evil.example)",
        "[**1**](https://evil.example)",
        "[1]<https://evil.example>",
        "![1]",
        "[?](https://evil.example)",
        "\\[1](https://evil.example)",
        "****[1]****(https://evil.example)",
        "[7](https://evil.example)",
        "**a [1]:** x",
        "[1]\t(x) [1]\n(https://evil.example)",
        "[1]\n: x",
    ],
)
def test_marks_never_become_links_or_pictures(text: str) -> None:
    cited = ((1, chunk(FILE), "q", 1), (2, chunk(FILE, name="b"), "r", 1))
    made = Rendered(of(answered(text, cited)))
    assert made.links == [] and not {"img", "a"} & {*made.tags}
    assert "[1]" in made.text


def test_indented_and_empty_lines_make_no_code() -> None:
    made = Rendered(of(answered("    four spaces\n\ttab\n\n\n        eight\n", question="    a\n\n    b")))
    assert {*made.tags} <= EXPECTED and "pre" not in made.tags
    assert "four spaces" in made.text and "eight" in made.text


@pytest.mark.parametrize("language", LANGUAGES)
def test_dates_that_are_not_exact(language: str) -> None:
    only_year, only_month = record("Y", published="2024"), record("M", id="e" * 32, published="2024-03")
    cited = ((1, chunk(only_year), "q", 1), (2, chunk(only_month), "q", 1))
    made = Rendered(of(answered("x [1] [2]", cited), language, documents(only_year, only_month))).text
    assert "[1] Y 2024. " in made
    assert {"en": "March 2024", "hu": "2024. március", "ko": "2024년 3월"}[language] in made


def test_catalogue_values_stand_in_the_list() -> None:
    made = of(answered("x [1]", ((1, chunk(NTRS), "q", 3),)))
    assert "NASA Glenn Research Center" in made and "NASA/TM-2020-220000; E-19800" in made
