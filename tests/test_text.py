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


@pytest.mark.parametrize(
    "parts",
    [
        # English: abbreviations, initials, numbers, quotes, ellipses, addresses
        ["He met Mr. J. R. Smith at 5 p.m. on Monday.", "Then he left."],
        ["See No. 5 of the list.", "Is it 5 km?", "No.", "It is 6 km."],
        ["Use e.g. Python, i.e. a language, or C, etc.", "The rest is in https://example.org/a.b?c=1.", "Then go on."],
        ["The U.S. Army moved to the U.K.", "It was big."],
        ['"Is it?" he asked.', '"Yes."', "Wait... what?", "Yes… indeed."],
        ["It costs $5.", "Pi is 3.14.", "In 1990.", "The mass is 200 t.", "The ratio is 2:1.", "Contrary to it, no."],
        ["Figure 2. The mirror of the telescope.", "World War II.", "Germany lost."],
        ["That is it.[1]", "Next one.[2, 3]", "Last."],
        ["**Bold.**", "Next one.", "*Slanted.*", "More."],
        # Hungarian: ordinals, dates, regnal numbers, abbreviations
        ["A 3. § (2) bek. szerint 2026. április 30. napjáig kell leadni.", "Utána nem lehet."],
        ["A határidő 2026. 04. 30.", "A kérelmet a titkárságon kell leadni."],
        ["Pl. a matematika, fizika stb.", "Kb. 5 fő, max. 10 fő.", "Vége."],
        ["Dr. Kovács J. István és ifj. Nagy P. jött.", "Elmentek."],
        ["IV. Béla király élt, majd II. Erzsébet.", "A XX. században történt."],
        ["A tanszék (Fő u. 3. II. em.) nyitva van.", "Az ún. kvark."],
        ["Ön írta: „Jövök.”", "Aztán elment."],
        # Korean: dates, quotes, no space behind the full stop
        ["신청 기간은 2026. 4. 30.까지입니다.", "서류를 제출하십시오."],
        ['"언제 옵니까?"라고 물었다.', "그는 “가자.”라고 말했다.", "그리고 갔다."],
        ["기간은 4주입니다 …", "자세한 내용은 문의하십시오."],
    ],
)
def test_marks_that_end_no_sentence(parts: list[str]) -> None:
    assert sentences(" ".join(parts)) == parts


@pytest.mark.parametrize(
    "lines",
    [
        ["# Heading", "Text under it."],
        ["**Steps**", "Text under it."],
        ["Steps:", "1. Open it.", "2. Close it."],
        ["a) the first", "b) the second"],
        ["가. 목적", "나. 방법"],
        ["① 첫째", "② 둘째"],
        ["안녕하세요 반갑습니다", "오늘은 날씨가 좋습니다", "내일 오십시오"],
        ["| name | mass |", "| Danuri | 678 kg |"],
    ],
)
def test_lines_that_are_sentences(lines: list[str]) -> None:
    assert sentences("\n".join(lines)) == lines


def test_korean_needs_no_space_behind_a_full_stop() -> None:
    assert sentences("그렇습니다.그리고 이것도 있다.다음.") == ["그렇습니다.", "그리고 이것도 있다.", "다음."]
    assert sentences("제3.나 항은 없다.") == ["제3.나 항은 없다."]


def test_a_sentence_may_cross_a_page() -> None:
    assert sentences("It goes\fon here. Next one.") == ["It goes\fon here.", "Next one."]


def test_no_text_no_sentences() -> None:
    assert sentences(" \n\n ") == []
