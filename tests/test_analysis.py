import unicodedata

import pytest

from rag.analysis import content_terms, content_words, question_pairs, question_terms, topic_of, topic_words, words_of
from rag.text import fold


def test_english_stems() -> None:
    assert content_terms("Launches launched", "en") == content_terms("launch launching", "en")


def test_hungarian_stems_and_accents() -> None:
    assert content_terms("gyakorlatot", "hu") == content_terms("gyakorlat", "hu")
    for word in ("űrtávcső", "határidő", "beszámoló", "önéletrajz"):
        assert content_terms(word, "hu") == content_terms(fold(word), "hu")


def test_korean_pairs_do_not_depend_on_spaces() -> None:
    assert content_terms("우주망원경", "ko") == ["우주", "주망", "망원", "원경"]
    assert set(content_terms("우주 망원경", "ko")) < set(content_terms("우주망원경", "ko"))


@pytest.mark.parametrize("text", ["GJ 1214 b", "GJ1214b", "GJ-1214b", "GJ 1214b", "GJ\u20111214 b", "gj1214b"])
@pytest.mark.parametrize("language", ["en", "hu", "ko", "other"])
def test_an_identifier_has_the_same_terms_in_every_spelling(text: str, language: str) -> None:
    assert content_terms(text, language) == ["gj", "1214", "b", "gj1214", "1214b"]


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("NPR7150.2D", ["npr", "7150.2", "d", "npr7150.2", "7150.2d"]),
        ("Apollo-11", ["apollo", "11"]),
        ("COVID-19", ["covid", "19"]),
        ("World War II", ["world", "war", "2"]),
        ("STS-51-L", ["sts", "51", "l", "sts51", "51l"]),
        ("3-D, 3D", ["3", "d", "3", "d", "3d", "3d"]),
        # Neither a year nor a unit makes an identifier, nor do words in a text that is all in capitals.
        ("NASA 1958", ["nasa", "1958"]),
        ("6.5m, 6.5 m", ["6.5", "m", "6.5", "m"]),
        ("THE WAR 14 ENDED", ["the", "war", "14", "end"]),
        ("the 20th, 1990s, NASA's", ["the", "20", "1990", "nasa"]),
    ],
)
def test_what_is_an_identifier(text: str, terms: list[str]) -> None:
    assert content_terms(text, "en") == terms


@pytest.mark.parametrize(
    ("text", "language", "terms"),
    [
        ("1,000 km", "en", ["1000", "km"]),
        ("10 000 km", "en", ["10000", "km"]),
        ("10\u00a0000 km", "en", ["10000", "km"]),
        ("1.234 and 1,234,567.8", "en", ["1.234", "and", "1234567.8"]),
        ("1 000 Ft", "hu", ["1000", "ft"]),
        ("1.000 Ft", "hu", ["1000", "ft"]),
        ("2.500.000,5 Ft", "hu", ["2500000.5", "ft"]),
        # A Hungarian 1.234 may be either; digits in a row are columns of a table; a version is no number.
        ("1.234", "hu", ["1.234"]),
        ("6,5", "hu", ["6.5"]),
        ("12 345 678 9", "hu", ["12", "345", "678", "9"]),
        ("3.2.1", "en", ["3.2.1"]),
        ("1,000명", "ko", ["1000", "명"]),
    ],
)
def test_numbers_have_one_form(text: str, language: str, terms: list[str]) -> None:
    assert content_terms(text, language) == terms


def test_particles_behind_latin_words_and_numbers_are_no_terms() -> None:
    assert content_terms("JWST의 주경", "ko") == ["jwst", "주경"]
    assert content_terms("GJ1214b는", "ko") == content_terms("GJ 1214 b", "ko")
    assert question_terms("2021년에", "ko") == question_terms("2021년", "ko") == ["2021", "년"]
    assert set(question_terms("2021년은", "ko")) <= set(content_terms("2021년에", "ko"))
    assert content_terms("30도, 3만", "ko") == ["30", "도", "3", "만"]
    # One that stands alone, or behind Hangul, is as before.
    assert content_terms("은하 의", "ko") == ["은하", "의"]


def test_hungarian_endings_behind_a_hyphen_are_no_terms() -> None:
    for text in ("JWST-nek", "JWST-vel", "JWST-ről", "JWST-es"):
        assert content_terms(text, "hu") == ["jwst"]
    assert content_terms("2021-ben, 5-tel", "hu") == ["2021", "5"]
    assert content_terms("e-mail, Budapest-Keleti", "hu") == ["e", "mail", *content_terms("Budapest Keleti", "hu")]
    assert content_terms("check-in", "en") == ["check", "in"]


def test_case_does_not_matter() -> None:
    for text, language in (
        ("szakmai gyakorlat", "hu"),
        ("Az űrtávcső tükre", "hu"),
        ("When was the telescope launched", "en"),
        ("gj1214b", "en"),
    ):
        assert content_terms(text.upper(), language) == content_terms(text, language)
        assert question_terms(text.upper(), language) == question_terms(text, language)


def test_decomposed_text_is_the_same() -> None:
    for text, language in (("우주망원경의 주경", "ko"), ("űrtávcső", "hu")):
        apart = unicodedata.normalize("NFD", text)
        assert content_terms(apart, language) == content_terms(text, language)
        assert words_of(apart) == words_of(text)


def test_words_keep_identifiers_whole() -> None:
    assert words_of("Is GJ1214b (NPR7150.2D) 6.5m?") == ["Is", "GJ1214b", "NPR7150.2D", "6.5m"]
    assert words_of("JWST의 2021년") == ["JWST", "의", "2021", "년"]
    assert topic_of("의", "ko") == ""


def test_question_terms_keep_what_a_word_alone_would_lose() -> None:
    assert question_terms("What is the mass of gj 1214 b?", "en") == ["mass", "gj", "1214", "b"]
    assert question_terms("Is the A380 large?", "en") == ["a", "380", "larg", "a380"]
    # Words that a stop word parts are no identifier.
    assert "hd40" not in question_terms("Is the HD of 40?", "en")
    assert question_terms("What is it?", "en") == ["what", "is", "it"]
    # The question's stop words, the terms of the group that is searched.
    assert question_terms("Mikor indult a JWST?", "hu", "en") == ["indult", "jwst"]


def test_question_pairs_skip_a_few_stop_words() -> None:
    assert question_pairs("What is the diameter of the mirror?", "en") == [("diamet", "mirror")]
    assert question_pairs("Is the mirror what there is of it in the telescope?", "en") == []
    assert question_pairs("우주망원경의 주경", "ko") == [
        ("우주", "주망"),
        ("주망", "망원"),
        ("망원", "원경"),
        ("원경", "주경"),
    ]
    assert question_pairs("mirror", "en") == []
    assert question_pairs("", "en") == []


def test_questions_lose_their_question_words() -> None:
    assert content_words("When was the telescope launched?", "en") == ["telescope", "launched"]
    assert content_words("Mennyi ideig tart a gyakorlat?", "hu") == ["ideig", "tart", "gyakorlat"]
    assert content_words("누리호는 언제 발사되었습니까?", "ko")[0] == "누리호"
    assert "언제" not in content_words("누리호는 언제 발사되었습니까?", "ko")


def test_a_question_of_stop_words_keeps_them() -> None:
    assert content_words("What is it?", "en") == ["What", "is", "it"]


@pytest.mark.parametrize(
    ("text", "language", "topic"),
    [
        ("What is the diameter of Webb's mirror?", "en", "diameter Webb mirror"),
        ("who signs the work diary", "en", "signs work diary"),
        ("누리호는 언제 발사되었습니까?", "ko", "누리호 발사"),
        ("누리호 발사일 언제", "ko", "누리호 발사일"),
        ("mennyi ideig tart a gyakorlat", "hu", "ideig tart gyakorlat"),
        # What asks nothing stays as it is, down to its stop words.
        ("한국은 2022년에 달 궤도선을 발사했다.", "ko", "한국은 2022년에 달 궤도선을 발사했다."),
        ("A gyakorlat hat hétig tart.", "hu", "A gyakorlat hat hétig tart."),
        ("gravitational wave detector", "en", "gravitational wave detector"),
        ("What?", "en", "What"),
        ("", "en", ""),
    ],
)
def test_a_question_is_about_its_content_words(text: str, language: str, topic: str) -> None:
    assert topic_words(text, language) == topic
