"""Untrusted text becomes safe HTML: only the marks that markup.py lists are elements."""

from html.parser import HTMLParser

import pytest

from web.markup import answer_html, plain_html


def link(number: int) -> str | None:
    return f'<a href="#{number}">[{number}]</a>' if number <= 2 else None


class Tags(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.found.add(tag)


def test_citations_are_links_only_where_there_is_such_a_source() -> None:
    assert answer_html("Yes [1]. No [3].", link) == '<p>Yes <a href="#1">[1]</a>. No [3].</p>'


def test_paragraphs_line_breaks_and_bold() -> None:
    html = answer_html("One\ntwo\n\n**three** * 4 ** 5", link)
    assert html == "<p>One<br>two</p><p><strong>three</strong> * 4 ** 5</p>"


def test_lists() -> None:
    assert answer_html("Two:\n- a [1]\n* b\n1. c\n2) d", link) == (
        '<p>Two:</p><ul><li>a <a href="#1">[1]</a></li><li>b</li></ul><ol><li>c</li><li>d</li></ol>'
    )


@pytest.mark.parametrize(
    "hostile",
    [
        "<img src=x onerror=alert(1)>",
        "![x](http://evil.example/x.png)",
        "[text](http://evil.example)",
        "[1](http://evil.example)",
        "<a href='javascript:alert(1)'>x</a>",
        "**<script>alert(1)</script>**",
        "- <iframe src=http://evil.example></iframe>",
        "&lt;img src=x&gt;",
        "[<b>1</b>] [1<script>]",
        "http://evil.example www.evil.example",
    ],
)
def test_nothing_of_a_hostile_text_becomes_an_element(hostile: str) -> None:
    made = answer_html(hostile, link)
    assert Tags(made).found <= {"p", "ul", "li", "strong", "a"}
    assert 'href="http' not in made
    assert Tags(plain_html(hostile)).found == set()


def test_an_escaped_entity_stays_what_was_written() -> None:
    assert answer_html("&amp; &#60;", link) == "<p>&amp;amp; &amp;#60;</p>"
