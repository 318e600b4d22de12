from pathlib import Path

import pytest

from rag.analysis import words_of
from rag.errors import ConfigurationError
from rag.glossary import Glossary
from rag.types import Term

GALAXY = Term({"en": ("galaxy",), "ko": ("은하",), "hu": ("galaxis",)})
CLUSTER = Term({"en": ("galaxy cluster",), "ko": ("은하단",), "hu": ("galaxishalmaz",)})
TELESCOPE = Term({"en": ("space telescope",), "ko": ("우주망원경",), "hu": ("űrtávcső", "űrteleszkóp")})
WEBB = Term(
    {"en": ("James Webb Space Telescope", "JWST"), "ko": ("제임스 웹 우주망원경",), "hu": ("James Webb-űrtávcső",)}
)
STAR = Term({"en": ("star",), "ko": ("별",), "hu": ("csillag",)})


def found(words: str, language: str) -> list[Term]:
    return [
        match.term for match in Glossary([GALAXY, CLUSTER, TELESCOPE, WEBB, STAR]).matches(words_of(words), language)
    ]


def test_inflected_forms_are_found() -> None:
    assert found("Mi van a galaxisban?", "hu") == [GALAXY]
    assert found("은하에서 무엇이", "ko") == [GALAXY]
    assert found("two galaxies", "en") == [GALAXY]


def test_the_closest_form_wins() -> None:
    astronomer = Term({"en": ("astronomer",), "ko": ("천문학자",), "hu": ("csillagász",)})
    mirror = Term({"en": ("primary mirror",), "ko": ("주경",), "hu": ("főtükör",)})
    photon = Term({"en": ("photon",), "ko": ("광자",), "hu": ("foton",)})
    glossary = Glossary([STAR, astronomer, photon, mirror])
    for word, expected in (("csillagok", STAR), ("csillagászok", astronomer), ("főtükre", mirror), ("fotont", photon)):
        assert [match.term for match in glossary.matches([word], "hu")] == [expected]


def test_forms_without_accents_are_found() -> None:
    assert found("urtavcso tukre", "hu") == [TELESCOPE]


def test_the_longest_form_wins() -> None:
    assert found("a galaxy cluster", "en") == [CLUSTER]
    assert found("은하단의 질량", "ko") == [CLUSTER]


def test_spaces_inside_a_korean_form_are_optional() -> None:
    assert found("우주 망원경의 거울", "ko") == [TELESCOPE]


def test_a_name_with_a_hyphen_is_found() -> None:
    assert found("A James Webb-űrtávcsővel mit", "hu") == [WEBB]
    assert found("JWST의 거울", "ko") == [WEBB]


def test_one_syllable_is_not_found_inside_a_longer_word() -> None:
    assert found("별도의 규정", "ko") == []
    assert found("별은 무엇인가", "ko") == [STAR]


def test_english_forms_are_found_in_every_language() -> None:
    assert found("a galaxy tömege", "hu") == [GALAXY]


def test_load(tmp_path: Path) -> None:
    path = tmp_path / "glossary.csv"
    path.write_text("en,ko,hu,definition\nspace telescope|JWST,우주망원경,űrtávcső,a telescope\n", encoding="utf-8-sig")
    (term,) = Glossary.load(path).terms
    assert term.forms["en"] == ("space telescope", "JWST")
    assert term.definition == "a telescope"
    assert Glossary.load(tmp_path / "none.csv").terms == ()


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    path = tmp_path / "glossary.csv"
    path.write_text("en,ko\nstar,별\n", encoding="utf-8")
    with pytest.raises(ConfigurationError, match="hu"):
        Glossary.load(path)
