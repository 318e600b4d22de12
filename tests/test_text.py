import pytest

from rag.text import flatten, fold, normalise, sentence_spans


def sentences(text: str) -> list[str]:
    return [text[start:end] for start, end in sentence_spans(text)]


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("˝oszi f´elév ﬁnom", "őszi félév finom"),
        ("e\u0301s o\u030b", "és ő"),
        ("hid\u200bden\u202e text\u00ad\ufeff", "hidden text"),
        ("tag\U000e0041\U000e0042 ged", "tag ged"),
        ("a\r\nb\rc\u2028d", "a\nb\nc\nd"),
        ("  two \t spaces\u00a0here ", "two spaces here"),
        ("page one\fpage two", "page one\fpage two"),
    ],
)
def test_normalise(raw: str, expected: str) -> None:
    assert normalise(raw) == expected
    assert normalise(expected) == expected


def test_spacing_accent_stays_where_no_letter_can_carry_it() -> None:
    assert normalise("x ´ 5") == "x ´ 5"


def test_fold_keeps_hangul() -> None:
    assert fold("ŐSZI Árvíztűrő 누리호") == "oszi arvizturo 누리호"


def test_flatten() -> None:
    assert flatten(" one\n two\fthree ") == "one two three"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "The mirror is 6.5 m wide (see Fig. 2). It was launched on Dec. 25, 2021 by the U.S. and ESA. "
            "J. Doe agreed.",
            [
                "The mirror is 6.5 m wide (see Fig. 2).",
                "It was launched on Dec. 25, 2021 by the U.S. and ESA.",
                "J. Doe agreed.",
            ],
        ),
        (
            "Ld. a 3. §-t. A hallgató pl. cégnél dolgozik. Határidő: 2026. március 15. (péntek). Kérdés? Írjon!",
            [
                "Ld. a 3. §-t.",
                "A hallgató pl. cégnél dolgozik.",
                "Határidő: 2026. március 15. (péntek).",
                "Kérdés?",
                "Írjon!",
            ],
        ),
        (
            "누리호는 2022. 6. 21. 발사되었다. 무게는 200 t이다. 그렇습니까? 네!",
            ["누리호는 2022. 6. 21. 발사되었다.", "무게는 200 t이다.", "그렇습니까?", "네!"],
        ),
        ("One line\nbroken here. Then\n\nA heading\n\n- item one\n- item two", None),
    ],
)
def test_sentences(text: str, expected: list[str] | None) -> None:
    wanted = expected or ["One line\nbroken here.", "Then", "A heading", "- item one", "- item two"]
    assert sentences(text) == wanted


def test_a_sentence_may_cross_a_page() -> None:
    assert sentences("It goes\fon here. Next one.") == ["It goes\fon here.", "Next one."]


def test_no_text_no_sentences() -> None:
    assert sentences(" \n\n ") == []
