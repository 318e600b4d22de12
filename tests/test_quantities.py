"""Numbers of the three languages that mean the same, and those that do not."""

import pytest

from rag.cite.quantities import contradicted, missing, quantities, values


def lost(sentence: str, passage: str) -> int:
    return missing(quantities(sentence), values(quantities(passage)))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("6 weeks", "six weeks"),
        ("six weeks", "6 hétig tart"),
        ("6 hét", "6주 동안"),
        ("1,200 people", "1200"),
        ("1 200 fő", "1.200 fő"),
        ("1\u00a0200 fő", "1,200"),
        ("3만 명", "30,000"),
        ("3만 5천 명", "35 ezer"),
        ("1억 2000만 원", "120,000,000 won"),
        ("3.5 million", "3,5 millió"),
        ("3백만", "3 million"),
        ("2026. 04. 30.", "30 April 2026"),
        ("2022년 8월 5일", "2022. augusztus 5-én"),
        ("the 19th century", "a XIX. század"),
        ("a 4 éves", "négyéves"),
        ("1,234.5", "1234,5"),
    ],
)
def test_the_same_number_written_differently(one: str, other: str) -> None:
    assert lost(one, other) == 0


@pytest.mark.parametrize(
    ("sentence", "passage", "count"),
    [
        ("8 weeks", "six weeks", 1),
        ("seven weeks", "6 weeks", 1),
        ("30,000", "30", 1),
        ("3 million", "3 thousand", 1),
        ("5 May 2027", "5 May 2026", 1),
        ("It is 3.5 m wide and 7 m long", "It is 3.6 m wide and 8 m long", 2),
        # Words that need not be numbers ask for nothing: "this week", "it affects".
        ("ezen a héten hat rá", "", 0),
        ("no numbers", "12", 0),
    ],
)
def test_what_is_missing(sentence: str, passage: str, count: int) -> None:
    assert lost(sentence, passage) == count


def test_words_of_other_languages_count_with_a_unit_only() -> None:
    known = values(quantities("A fiú és a lány hat hétig maradt."))
    assert missing(quantities("The two children stayed."), known, words=False) == 0
    assert missing(quantities("They stayed for eight weeks."), known, words=False) == 1


@pytest.mark.parametrize(
    ("sentence", "passage", "count"),
    [
        ("6 weeks", "6 months", 1),
        ("6 hét", "6 weeks", 0),
        ("4개월", "4월", 1),
        ("5 km", "5 km and 5 miles", 0),
        ("5 km", "5 of them", 0),
        ("5", "5 km", 0),
        ("20 percent", "20 %", 0),
        ("20 million", "20 billion", 0),
    ],
)
def test_units_that_do_not_agree(sentence: str, passage: str, count: int) -> None:
    assert contradicted(quantities(sentence), quantities(passage)) == count
