"""Why an answer is what it is, as a table that anyone can read."""

from dataclasses import replace

import pytest

from rag.types import Answer, Chunk, Citation, Hit, Retrieval, Term
from web.conversation import Exchange
from web.numbers import number
from web.texts import texts
from web.why import STAGES, level, why_html

FIRST = Chunk("a", "d", "First <b>title</b>", "a.pdf", "en", 1, 1, 0, 4, (), "Text")
SECOND = replace(FIRST, id="b", title="Second", first_page=4, headings=("Part", "Its <i>orbit</i>"))
HITS = (
    Hit(FIRST, 1234.5, {"lexical": 3, "dense": 1}),
    Hit(SECOND, 0.25, {"dense": 7}, also=("copy <of> it.pdf",)),
)
ANSWER = Answer(
    "Text [2].", (), (Citation(2, FIRST, "Text", 1),), 0.9, "en", "gguf:<tiny>", HITS,
    timings={"lexical": 0.0123, "total": 1.5, "unknown stage": 1.0}, failures=(("openai:x", "timeout"),), cached=True,
)  # fmt: skip
FOUND = Retrieval(
    HITS, 0.9, "hu", (Term({"en": ("weeks",), "hu": ("hét",)}),), {"hu": "hány <hét>", "en": "how many weeks"}
)
EXCHANGE = Exchange(3, "Q", "Text [2].", HITS, ANSWER, searched="Q made <whole>", found=FOUND)


def test_the_trace_tells_language_words_ranks_what_was_dropped_and_times() -> None:
    made = why_html(EXCHANGE, texts("en"))
    for said in (
        "Hungarian", "Q made &lt;whole&gt;", '<span lang="hu">hány &lt;hét&gt;</span>', "how many weeks", "hét",
        "high (0.90 of 1)", "gguf:&lt;tiny&gt;", "openai:x: timeout", "copy &lt;of&gt; it.pdf", "12 ms", "1,500 ms",
        texts("en")["chat_why_cached"],
    ):  # fmt: skip
        assert said in made, said
    assert "<td>3</td><td>1</td><td>1,234.50</td><td>[2]</td>" in made
    assert "<td>–</td><td>7</td><td>0.25</td><td>not quoted</td>" in made
    # Passages of one document are told apart.
    assert "<small>p. 4 · Its &lt;i&gt;orbit&lt;/i&gt;</small>" in made
    assert "<b>" not in made and "unknown stage" not in made


def test_numbers_are_written_as_in_the_language() -> None:
    assert "1\u00a0234,50" in why_html(EXCHANGE, texts("hu"))
    assert [number(1234.5, 1, language) for language in ("en", "hu", "ko")] == ["1,234.5", "1\u00a0234,5", "1,234.5"]


def test_of_a_restored_answer_the_known_part_is_told() -> None:
    made = why_html(replace(EXCHANGE, found=None, hits=()), texts("ko"))
    assert "gguf:&lt;tiny&gt;" in made and texts("ko")["chat_why_passages"] not in made


def test_nothing_is_told_where_there_is_nothing_to_tell() -> None:
    for exchange in (
        Exchange(1, "Q"),
        replace(EXCHANGE, answer=None, failure="No."),
        replace(EXCHANGE, answer=replace(ANSWER, courtesy=True)),
    ):
        assert why_html(exchange, texts("en")) == ""


@pytest.mark.parametrize("language", ["en", "hu", "ko"])
def test_every_stage_has_a_name(language: str) -> None:
    timed = replace(EXCHANGE, answer=replace(ANSWER, timings=dict.fromkeys(STAGES, 0.001)))
    made = why_html(timed, texts(language))
    assert all(texts(language)[f"chat_stage_{stage}"] in made for stage in STAGES)


@pytest.mark.parametrize(
    ("confidence", "word"), [(1.0, "high"), (0.75, "high"), (0.5, "medium"), (0.0, "low"), (-1, "low")]
)
def test_confidence_in_words(confidence: float, word: str) -> None:
    assert level(confidence) == word
