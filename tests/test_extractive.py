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


def test_one_sentence_is_enough_where_it_is_far_ahead():
    filler = "Coffee is served in the hall at noon. The library has many old books."
    assert sentences("How long does the internship last?", retrieval(f"The internship lasts six weeks. {filler}")) == [
        "The internship lasts six weeks."
    ]


def test_a_sentence_stands_behind_the_one_that_it_follows():
    text = "The internship lasts six weeks. The internship may last ten weeks for some. Bread is sold nearby."
    assert answer("How long does the internship last?", retrieval(text)).text == (
        "The internship lasts six weeks. The internship may last ten weeks for some. [1]"
    )


@pytest.mark.parametrize(
    ("language", "question", "text"),
    [
        ("en", "What did the comet do?", "The comet came near. However, the comet left soon."),
        ("hu", "Mit tett az üstökös 1986-ban?", "Közel ért a Nap felé. Ekkor 1986-ban az üstökös fényes volt."),
        ("ko", "혜성은 1986년에 어떻게 되었습니까?", "태양에 가까워졌다. 이때 1986년 혜성은 밝았다."),
    ],
)
def test_what_begins_with_a_connective_has_its_neighbour_before_it(language, question, text):
    assert answer(question, retrieval(text, language=language)).text == f"{text} [1]"


def test_a_list_is_shown_with_its_introduction():
    items = "The application needs:\n\n- the signed form,\n\n- the work plan,\n\n- a short letter."
    text = f"{items}\n\nBread is sold in the shop."
    checked = answer("What does the application need?", retrieval(text))
    assert checked.text == "The application needs: the signed form; the work plan; a short letter. [1]"
    assert checked.citations[0].quote == items


def test_a_list_that_goes_on_in_the_next_passage_says_so():
    text = "There are six instruments:\n\n- LUTI, a camera;\n\n- KMAG, a magnetometer;"
    assert sentences("Which instruments are there?", retrieval(text))[0] == (
        "There are six instruments: LUTI, a camera; KMAG, a magnetometer; …"
    )


@pytest.mark.parametrize(
    ("language", "question", "text", "shown"),
    [
        (
            "en",
            "Can I work from home?",
            "Can I work from home?\n\nNo. Everyone comes to the office.\n\nIs there a shop?\n\nYes, downstairs.",
            "No. Everyone comes to the office.",
        ),
        ("hu", "Mi van, ha megbetegszem?", "Mi van, ha megbetegszem?\n\nSzólj reggel 9-ig.", "Szólj reggel 9-ig."),
        ("ko", "재택근무가 가능한가요?", "재택근무가 가능한가요?\n\n주 2일까지 됩니다.", "주 2일까지 됩니다."),
        ("en", "Is lunch free?", "Q: Is lunch free? A: Every guest eats free.", "Every guest eats free."),
    ],
)  # fmt: skip
def test_the_answer_of_an_faq_is_shown_without_its_question(language, question, text, shown):
    assert sentences(question, retrieval(text, language=language)) == [shown]


def test_captions_references_navigation_and_contents_are_not_answers():
    junk = [
        "Figure 3: The internship office and the length of the internship.",
        "Copyright 2024 The internship office. All rights reserved.",
        "Home | Internship | Length | Contact",
        "Length of the internship in weeks and days ........................ 12",
        "Kovacs, J., Smith, A. B., 2010, Internship length, ApJ, 711, 50.",
        "The Length of the Internship at the Faculty of Science",
    ]
    text = "\n\n".join([*junk, "It lasts six weeks."])
    assert sentences("How long is the internship?", retrieval(text)) == ["It lasts six weeks."]


def test_an_explanation_is_not_looked_for_in_a_table():
    text = "mission: Nuri; outcome: launch failed; date: 2021\n\nThe launch of Nuri failed as a tank came loose."
    assert sentences("Why did the launch of Nuri fail?", retrieval(text))[0].startswith("The launch of Nuri failed")
    assert sentences("In which year did the launch of Nuri fail?", retrieval(text))[0].startswith("mission: Nuri")


def test_a_row_that_is_too_long_loses_whole_columns():
    row = "name: Danuri; " + "; ".join(f"column {number}: value {number}" for number in range(60))
    shown = sentences("What is Danuri?", retrieval(row))[0]
    assert len(shown) <= 602 and shown.endswith(" …") and shown.removesuffix(" …").split("; ")[-1] in row.split("; ")


def test_markdown_links_and_pictures_leave_their_words():
    text = (
        "The internship lasts **six weeks**, see [the rules](https://example.org/x) ![logo](https://example.org/y.png)."
    )
    assert sentences("How long does the internship last?", retrieval(text)) == [
        "The internship lasts six weeks , see the rules logo."
    ]
