"""The sources panel: numbering, pages, emphasised quotes, and nothing of a document that becomes markup."""

import pytest

from rag.types import Answer, Chunk, Citation, Hit
from web.conversation import Exchange
from web.passages import passages_html, quote_html
from web.texts import texts


def chunk(identifier: str, text: str = "A first sentence. A second one.", source: str = "rules.pdf") -> Chunk:
    return Chunk(identifier, "d", f"Title {identifier}", source, "hu", 3, 4, 0, len(text), ("Part", "Section"), text)


def answered(number: int, cited: tuple[Chunk, ...], found: tuple[Chunk, ...]) -> Exchange:
    citations = tuple(Citation(n, part, "A second one.", 4) for n, part in enumerate(cited, 1))
    hits = tuple(Hit(part, 1.0) for part in found)
    answer = Answer("Text [1]", (), citations, 0.9, "hu", "extractive", hits)
    return Exchange(number, f"Question {number}?", "Text [1]", hits, answer)


def test_a_quote_is_emphasised_also_across_line_and_page_breaks() -> None:
    assert quote_html("One two\nthree\ffour five.", ["two three four"]) == "One <mark>two three four</mark> five."


def test_what_is_far_from_the_quotes_is_left_out_at_a_word() -> None:
    words = " ".join(f"word{number}" for number in range(1000))
    made = quote_html(words, ["word500", "word900"])
    assert made.startswith("… word") and made.endswith(" …") and made.count(" … ") == 1
    assert "<mark>word500</mark>" in made and "<mark>word900</mark>" in made
    assert len(made) < 1200


def test_overlapping_and_foreign_quotes_are_left_out() -> None:
    assert quote_html("a b c d", ["b c", "c d", "x", ""]) == "a <mark>b c</mark> d"


def test_a_long_word_without_spaces_is_not_lost() -> None:
    assert quote_html("x" * 500, ["x" * 10]).count("x") == 500


def test_markup_in_a_document_is_escaped_also_inside_a_quote() -> None:
    assert quote_html("a <img src=x> b", ["<img src=x>"]) == "a <mark>&lt;img src=x&gt;</mark> b"
    hostile = chunk('"><script>', '<script>alert("x")</script>')
    assert "<script" not in passages_html((answered(1, (hostile,), (hostile,)),), texts("en"))


@pytest.mark.parametrize(("language", "page"), [("en", "p. 4"), ("hu", "4. oldal"), ("ko", "4쪽")])
def test_pages_in_the_language_of_the_interface(language: str, page: str) -> None:
    made = passages_html((answered(1, (chunk("a"),), ()),), texts(language))
    assert page in made and texts(language)["hu"] in made


def test_a_file_without_pages_shows_none() -> None:
    made = passages_html((answered(1, (chunk("a", source="list.csv"),), ()),), texts("en"))
    assert "p. 4" not in made


def test_passages_are_numbered_before_the_answer_and_split_after_it() -> None:
    found = (chunk("a"), chunk("b"), chunk("c"))
    before = passages_html((Exchange(1, "Q", hits=tuple(Hit(part, 1.0) for part in found)),), texts("en"))
    assert [f'id="p-1-{number}"' in before for number in (1, 2, 3, 4)] == [True, True, True, False]
    after = passages_html((answered(1, (found[1],), found),), texts("en"))
    assert after.index("Title b") < after.index(texts("en")["sources_also"]) < after.index("Title a")
    assert 'id="p-1-1"' in after and 'id="p-1-2"' not in after


def test_earlier_questions_keep_their_sources() -> None:
    made = passages_html((answered(1, (chunk("a"),), ()), answered(2, (chunk("b"),), ())), texts("en"))
    assert made.index("Question 2?</h3>") < made.index('id="p-2-1"')
    assert made.index('id="p-2-1"') < made.index("<summary>Question 1?") < made.index('id="p-1-1"')


def test_nothing_found_is_said() -> None:
    assert texts("ko")["sources_none"] in passages_html((answered(1, (), ()),), texts("ko"))
    assert texts("ko")["sources_empty"] in passages_html((), texts("ko"))
