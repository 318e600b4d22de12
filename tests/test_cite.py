import pytest

from rag.cite import check, passage_spans, quote
from rag.types import Chunk, Hit


def hit(text: str, number: int = 1, language: str = "en", first_page: int = 3) -> Hit:
    last = first_page + text.count("\f")
    return Hit(Chunk(f"c{number}", "d", "Guide", "g.pdf", language, first_page, last, 0, len(text), (), text), 1.0)


HITS = [
    hit("The internship lasts six weeks. It may be split in two parts.", 1),
    hit("The form is handed in at the office. The deadline is 30 April 2026.", 2),
    hit("Travel costs are not paid back to students of the department.", 3),
]


def numbers(checked) -> list[tuple[int, ...]]:
    return [sentence.citations for sentence in checked.sentences]


def test_citations_are_numbered_by_first_use():
    checked = check("The deadline is 30 April 2026 [2]. The internship lasts six weeks [1].", HITS, "en")
    assert checked.text == "The deadline is 30 April 2026. [1] The internship lasts six weeks. [2]"
    assert [(citation.number, citation.chunk.id) for citation in checked.citations] == [(1, "c2"), (2, "c1")]
    assert numbers(checked) == [(1,), (2,)]
    assert [sentence.text for sentence in checked.sentences][0] == "The deadline is 30 April 2026."


@pytest.mark.parametrize(
    "text",
    [
        "The internship lasts six weeks [1].",
        "The internship lasts six weeks. [1]",
        "The internship lasts six weeks.[1]",
        "The internship lasts six weeks【1】.",
        "The internship lasts six weeks [Passage 1].",
        "The internship lasts six weeks [^1].",
        "The internship lasts six weeks [1](http://example.org/x).",
        "The internship lasts six weeks [1, 9].",
        "The internship lasts six weeks [1][1].",
        "The internship lasts six weeks [7].",
        "The internship lasts six weeks [0].",
        "The internship lasts six weeks.",
        "The internship lasts six weeks [3].",
        "The internship\u200b lasts six\x07 weeks.",
    ],
)
def test_every_way_of_citing_ends_in_the_right_passage(text):
    checked = check(text, HITS, "en")
    assert checked.text == "The internship lasts six weeks. [1]"
    assert checked.citations[0].chunk.id == "c1" and checked.sentences[0].supported


def test_several_passages_for_a_sentence():
    hits = [HITS[0], hit("An internship of six weeks lasts longer.", 4)]
    for marker in ("[1, 2]", "[1][2]", "[1-2]", "[1]–[2]"):
        checked = check(f"The internship lasts six weeks {marker}.", hits, "en")
        assert numbers(checked) == [(1, 2)], marker


def test_what_nothing_supports_is_marked():
    checked = check("The salary is 900 euros each month [1]. The internship lasts six weeks.", HITS, "en")
    assert [sentence.supported for sentence in checked.sentences] == [False, True]
    assert checked.text == "The salary is 900 euros each month. [?] The internship lasts six weeks. [1]"


def test_short_sentences_need_no_source():
    checked = check("Yes. The internship lasts six weeks.", HITS, "en")
    assert [(sentence.citations, sentence.supported) for sentence in checked.sentences] == [((), True), ((1,), True)]


def test_meaning_helps():
    text = "Students hand the deadline form in."
    assert check(text, HITS, "en").sentences[0].supported
    unsupported = check("Astronauts train under water near Houston.", HITS, "en")
    assert not unsupported.sentences[0].supported


def test_dates_agree_across_languages():
    right = check("A határidő 2026. április 30. a hallgatók számára [2].", HITS, "hu")
    assert right.citations[0].chunk.id == "c2" and all(sentence.supported for sentence in right.sentences)
    wrong = check("A leadási határidő 2027 áprilisában lesz a hallgatók számára [2].", HITS, "hu")
    assert wrong.citations == () and not wrong.sentences[0].supported


@pytest.mark.parametrize(
    ("language", "passage", "answer", "strange"),
    [
        (
            "hu",
            "A szakmai gyakorlat időtartama hat hét. A kérelmet a titkárságon kell leadni.",
            "A kérelmet a titkárságra kell leadni.",
            "A hallgatók ingyen utazhatnak a vonaton.",
        ),
        (
            "ko",
            "다누리는 2022년 8월 5일에 발사되었다. 다누리는 달 궤도를 돈다.",
            "다누리는 2022년 8월 5일 발사되었습니다.",
            "학생 식당은 매일 아침 일찍 문을 엽니다.",
        ),
    ],
)
def test_hungarian_and_korean(language, passage, answer, strange):
    checked = check(f"{answer} {strange}", [hit(passage, language=language)], language)
    assert [sentence.supported for sentence in checked.sentences] == [True, False]
    assert checked.citations[0].quote in passage


def test_lines_and_lists_keep_their_shape():
    text = "These hold:\n\n- The internship lasts six weeks [1]\n- Travel costs are not paid back [3]"
    assert check(text, HITS, "en").text == (
        "These hold:\n\n- The internship lasts six weeks [1]\n- Travel costs are not paid back [2]"
    )


def test_nothing_to_check():
    for text in ("", " \n", "[1]"):
        assert check(text, HITS, "en").citations == ()
    assert check("The internship lasts six weeks [1].", [], "en").text == "The internship lasts six weeks. [?]"


def test_a_quote_stands_on_one_page():
    chunk = hit("One begins here. A sentence that\fruns over to the next page. End.").chunk
    assert quote(chunk, 0, 16) == ("One begins here.", 3)
    assert quote(chunk, 17, chunk.text.index(" End")) == ("runs over to the next page.", 4)
    assert quote(chunk, chunk.text.index("End"), len(chunk.text)) == ("End.", 4)


def test_quotes_are_exact_parts_of_the_passage():
    for sentence in ("It may be split in two parts [1].", "The form is handed in at the office [2]."):
        citation = check(sentence, HITS, "en").citations[0]
        assert citation.quote in citation.chunk.text and "\f" not in citation.quote
        assert citation.quote == sentence.replace(" [1]", "").replace(" [2]", "")


def test_neighbouring_sentences_share_a_quote():
    checked = check("The internship lasts six weeks [1]. It may be split in two parts [1].", HITS, "en")
    assert checked.citations[0].quote == HITS[0].chunk.text


def test_a_table_row_is_one_sentence():
    row = "name: Danuri; launch: 5. August 2022. It flew; mass: 678 kg"
    text = f"Heading\n\n{row}\n\nFirst. Second."
    assert [text[start:end] for start, end in passage_spans(text)] == ["Heading", row, "First.", "Second."]


@pytest.mark.parametrize(
    "written",
    [
        "The internship lasts six weeks [?] [1].",
        "The internship lasts six weeks [1] [?].",
        "The internship lasts six weeks.[?]",
        "The internship lasts six weeks【？】.",
    ],
)
def test_a_mark_that_the_model_wrote_itself_is_removed(written):
    assert check(written, HITS, "en").text == "The internship lasts six weeks. [1]"


def test_a_mark_of_the_model_s_own_does_not_add_to_ours():
    checked = check("Astronauts train under water near Houston [?].", HITS, "en")
    assert checked.text == "Astronauts train under water near Houston. [?]"


@pytest.mark.parametrize(
    ("sentence", "passage"),
    [
        ("The internship lasts 6 weeks [1].", "c1"),
        ("It takes six weeks to do the internship [1].", "c1"),
        ("The deadline, 30 April 2026, is for the form [2].", "c2"),
        ("The form is due by 30 April 2026 at the office [2].", "c2"),
        ("Students of the department do not get their travel costs back [3].", "c3"),
    ],
)
def test_other_words_for_the_same(sentence, passage):
    checked = check(sentence, HITS, "en")
    assert checked.sentences[0].supported and checked.citations[0].chunk.id == passage


@pytest.mark.parametrize(
    "sentence",
    [
        "The internship lasts eight weeks [1].",
        "The internship lasts six months [1].",
        "The deadline is 30 April 2027 [2].",
        "The form is handed in to Professor Szabolcs at the office [2].",
        "The internship does not last six weeks [1].",
    ],
)
def test_a_changed_number_unit_name_or_meaning_is_not_supported(sentence):
    checked = check(sentence, HITS, "en")
    assert not checked.sentences[0].supported and checked.citations == ()
    assert checked.text.endswith(". [?]")


@pytest.mark.parametrize(
    ("language", "sentences"),
    [
        (
            "en",
            [
                "## What the internship involves",
                "**Steps of the application:**",
                "These are the steps of the application process:",
                "Would you like to know more about the application process?",
                "The passages do not mention the salary of the students.",
                "Yes.",
            ],
        ),
        (
            "hu",
            [
                "A jelentkezés menetének lépései a következők:",
                "Szeretne többet megtudni a jelentkezés menetéről?",
                "A dokumentumok nem említik a hallgatók havi fizetését.",
                "Igen.",
            ],
        ),
        (
            "ko",
            [
                "신청 절차의 단계는 다음과 같습니다:",
                "신청 절차에 대해 더 알고 싶으십니까?",
                "문서에는 학생 급여에 대한 내용이 언급되어 있지 않습니다.",
                "네.",
            ],
        ),
    ],
)
def test_what_states_nothing_is_neither_marked_nor_cited(language, sentences):
    for sentence in sentences:
        checked = check(sentence, HITS, language)
        assert checked.text == sentence and checked.sentences[0].supported and checked.citations == ()


def test_items_of_a_list_are_judged_without_their_numbers():
    text = "1. The internship lasts six weeks\n2. Travel costs are not paid back\n9) It may be split in two parts"
    assert check(text, HITS, "en").text == (
        "1. The internship lasts six weeks [1]\n2. Travel costs are not paid back [2]\n"
        "9) It may be split in two parts [1]"
    )


def test_marks_stay_within_the_rows_of_a_table():
    text = (
        "| what | how long |\n| --- | --- |\n| The internship lasts | six weeks |\n| The holidays last | nine months |"
    )
    lines = check(text, HITS, "en").text.split("\n")
    assert lines[:2] == text.split("\n")[:2]
    assert lines[2:] == ["| The internship lasts | six weeks [1] |", "| The holidays last | nine months [?] |"]


@pytest.mark.parametrize(
    ("language", "right", "wrong"),
    [
        ("hu", "A szakmai gyakorlat hat hétig tart.", "A szakmai gyakorlat nyolc hétig tart."),
        ("ko", "현장실습 기간은 6주입니다.", "현장실습 기간은 8주입니다."),
    ],
)
def test_across_languages_citations_are_checked_too(language, right, wrong):
    for written in (right, right.replace(".", " [1]."), right.replace(".", " [3].")):
        checked = check(written, HITS, language)
        assert [citation.chunk.id for citation in checked.citations] == ["c1"]
        assert checked.citations[0].quote == "The internship lasts six weeks."
    # The other number is not the only sign of what is wrong: the passage cited has nothing to do with it.
    strange = check(wrong.replace(".", " [3]."), HITS, language)
    assert "c3" not in [citation.chunk.id for citation in strange.citations]


def test_in_other_languages_the_model_s_citation_stands_if_the_numbers_agree():
    hits = [hit("Le stage dure 6 semaines.", language="other")]
    assert check("The internship lasts 6 weeks [1].", hits, "en").sentences[0].supported
    assert not check("The internship lasts 8 weeks [1].", hits, "en").sentences[0].supported
    assert not check("The internship lasts 6 weeks.", hits, "en").sentences[0].supported


def test_a_sentence_made_of_two_is_quoted_whole():
    checked = check("The internship lasts six weeks and may be split in two parts [1].", HITS, "en")
    assert checked.citations[0].quote == HITS[0].chunk.text


def test_across_languages_a_citation_that_was_not_given_needs_more():
    """A sentence about students is not borne out by one that is about students too."""
    passage = hit("A szállás költségét a tanszék nem téríti meg. Erről a hallgató gondoskodik.", language="hu")
    checked = check("Every student receives a free car for a year.", [passage], "en")
    assert checked.citations == () and not checked.sentences[0].supported


def test_sentences_that_rest_on_parts_far_apart_have_a_quote_each():
    first, last = "The internship lasts six weeks.", "The report has ten pages at least."
    between = " ".join(f"Rule {number} speaks of something else altogether." for number in range(30))
    checked = check(f"{last} [1] {first} [1]", [hit(f"{first} {between} {last}")], "en")
    assert [citation.number for citation in checked.citations] == [1, 1]
    assert [citation.quote for citation in checked.citations] == [last, first]
    near = check(f"{last} [1] {first} [1]", [hit(f"{first} {last}")], "en")
    assert [citation.quote for citation in near.citations] == [f"{first} {last}"]
    apart = check(f"{last} [1] {first} [1]", [hit(f"{first} Every student has a tutor. {last}")], "en")
    assert [citation.quote for citation in apart.citations] == [last, first]
