from dataclasses import replace

import pytest

from rag.extractive import answer
from rag.types import Chunk, Hit, Retrieval, Term
from tests.doubles import WordEmbedder


def retrieval(*texts: str, language: str = "en", passages: str = "", headings=(), terms=()) -> Retrieval:
    hits = tuple(
        Hit(
            Chunk(f"c{number}", "d", "Guide", "g.pdf", passages or language, 1, 1 + text.count("\f"), 0, len(text),
                  tuple(headings), text),
            1.0 - number / 100,
        )
        for number, text in enumerate(texts)
    )  # fmt: skip
    return Retrieval(hits, 0.9, language, tuple(terms))


def sentences(question: str, found: Retrieval, embedder=None) -> list[str]:
    return [sentence.text for sentence in answer(question, found, embedder).sentences]


RULES = (
    "The office is on the second floor of the main building. The internship lasts six weeks for every student. "
    "Coffee is served in the hall at noon."
)


def test_the_best_sentence_comes_first_and_is_cited():
    checked = answer("How long does the internship last?", retrieval("Nothing fits here at all.", RULES))
    assert checked.text.startswith("The internship lasts six weeks for every student. [1]")
    citation = checked.citations[0]
    assert citation.chunk.id == "c1" and citation.number == 1
    assert citation.quote in citation.chunk.text and "six weeks" in citation.quote


def test_at_most_three_sentences_and_no_duplicates():
    texts = [f"{word} internship lasts six weeks for every student." for word in ("The", "This", "An", "Your", "Our")]
    assert len(sentences("How long does the internship last?", retrieval(*texts))) == 1
    rows = [f"name: internship; lasts: {weeks} weeks" for weeks in range(2, 9)]
    assert len(sentences("How long does the internship last?", retrieval(*rows))) == 3
    different = [
        f"The internship of the {name} department lasts long." for name in ("physics", "history", "law", "music", "art")
    ]
    assert len(sentences("How long does the internship last?", retrieval(*different))) == 3


def test_a_sentence_that_refers_back_brings_its_neighbour():
    text = "Danuri is a lunar orbiter of Korea. It was launched on 5 August 2022. Bread is sold in the shop nearby."
    checked = answer("When was the orbiter launched?", retrieval(text))
    assert checked.text == "Danuri is a lunar orbiter of Korea. It was launched on 5 August 2022. [1]"
    assert checked.citations[0].quote == checked.text.removesuffix(" [1]")


@pytest.mark.parametrize(
    ("language", "question", "text", "first"),
    [
        ("en", "When is the form due?", "The form is due soon at the office. The form is due 3 May here.", "3 May"),
        (
            "hu",
            "Mikor kell leadni a kérelmet?",
            "A kérelmet a titkárságon kell leadni. A kérelmet május 15-ig kell leadni.",
            "15",
        ),
        ("ko", "다누리는 언제 발사되었습니까?", "다누리는 미국에서 발사되었다. 다누리는 2022년에 발사되었다.", "2022"),
    ],
)
def test_numbers_are_preferred_when_asked_for(language, question, text, first):
    assert first in sentences(question, retrieval(text, language=language))[0]


def test_headings_fragments_and_source_lines_are_not_answers():
    text = "Length of internship\n\nThe internship lasts six weeks.\n\nSource: Internship length office, internship."
    found = sentences("Length of the internship?", retrieval(text, headings=["Length of internship"]))
    assert found == ["The internship lasts six weeks."]


def test_a_row_is_shown_with_its_columns():
    rows = "name: Danuri; country: Korea; launch year: 2022\n\nname: Juno; country: USA; launch year: 2011"
    assert sentences("In which year was Danuri launched?", retrieval(rows))[0] == (
        "name: Danuri; country: Korea; launch year: 2022"
    )


def test_a_row_of_a_table_on_a_page_gets_its_header():
    table = "Quantity | Value\n\nAge | 13.8 billion years\n\nHubble constant | 67.4 km/s/Mpc"
    found = retrieval(f"The final release is simple.\n\n{table}")
    checked = answer("What is the Hubble constant?", found)
    assert checked.sentences[0].text == "Quantity: Hubble constant; Value: 67.4 km/s/Mpc"
    assert checked.citations[0].quote == "Hubble constant | 67.4 km/s/Mpc"
    # A passage that begins in the middle of a table has no header to show.
    middle = retrieval("Age | 13.8 billion years\n\nHubble constant | 67.4 km/s/Mpc")
    assert sentences("What is the Hubble constant?", middle)[0] == "Hubble constant: 67.4 km/s/Mpc"


def test_the_glossary_finds_sentences_in_another_language():
    term = Term({"en": ("black hole",), "ko": ("블랙홀",), "hu": ("fekete lyuk",)})
    text = "Stars are made of hot gas in the main. A black hole lets no light escape from it. Planets go round stars."
    found = retrieval(text, language="ko", passages="en", terms=[term])
    assert sentences("블랙홀이란 무엇입니까?", found)[0] == "A black hole lets no light escape from it."


def test_an_answer_stays_in_one_language():
    found = retrieval("The Danuri orbiter flies round the Moon.", "A Danuri űrszonda a Hold körül kering.")
    foreign = replace(found.hits[1], chunk=replace(found.hits[1].chunk, language="hu"))
    mixed = replace(found, hits=(found.hits[0], foreign))
    assert sentences("What is Danuri?", mixed) == ["The Danuri orbiter flies round the Moon."]
    hungarian = replace(mixed, language="hu")
    assert sentences("Mi a Danuri?", hungarian) == ["A Danuri űrszonda a Hold körül kering."]


def test_meaning_decides_between_equal_words():
    class Favours(WordEmbedder):
        def embed_passages(self, texts):
            return super().embed_passages(["internship length" if "lasts" in text else "bread" for text in texts])

    text = "The internship office opens early each day. The internship lasts from spring until autumn."
    assert "lasts" in sentences("internship length", retrieval(text), Favours())[0]
    # A question in a language that the embedder does not know is answered without it.
    assert sentences("gyakorlat", retrieval("A gyakorlat hat hét.", language="hu"), Favours())


def test_a_document_s_own_brackets_and_control_characters_do_not_pass():
    text = "The internship lasts\u202e six weeks [12] as\x1b stated."
    assert answer("How long does the internship last?", retrieval(text)).text == (
        "The internship lasts six weeks (12) as stated. [1]"
    )


def test_a_sentence_over_two_pages_is_shown_whole_and_quoted_from_one():
    checked = answer("How long does the internship last?", retrieval("The internship lasts six\fweeks in the summer."))
    assert checked.sentences[0].text == "The internship lasts six weeks in the summer."
    assert checked.citations[0].quote == "The internship lasts six" and checked.citations[0].page == 1


def test_nothing_to_show():
    assert answer("What?", retrieval()).text == ""
    assert answer("What?", retrieval("Heading", "...")).text == ""


def test_a_very_long_sentence_is_cut_where_a_word_ends():
    text = "The internship " + "lasts long and " * 200 + "ends."
    shown = answer("internship", retrieval(text)).sentences[0].text
    assert len(shown) <= 602 and shown.endswith(" …")
