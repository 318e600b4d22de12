from rag.analysis import content_terms, content_words
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


def test_identifiers_and_numbers_stay_whole() -> None:
    assert content_terms("GJ 1214 b, 6.5 m, 1,5", "en") == ["gj", "1214", "b", "6.5", "m", "1.5"]
    assert content_terms("JWST의 주경", "ko") == ["jwst", "의", "주경"]


def test_questions_lose_their_question_words() -> None:
    assert content_words("When was the telescope launched?", "en") == ["telescope", "launched"]
    assert content_words("Mennyi ideig tart a gyakorlat?", "hu") == ["ideig", "tart", "gyakorlat"]
    assert content_words("누리호는 언제 발사되었습니까?", "ko")[0] == "누리호"
    assert "언제" not in content_words("누리호는 언제 발사되었습니까?", "ko")


def test_a_question_of_stop_words_keeps_them() -> None:
    assert content_words("What is it?", "en") == ["What", "is", "it"]
