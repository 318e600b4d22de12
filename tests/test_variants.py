import json
import random
import re
import unicodedata
from pathlib import Path

import pytest

from evaluation.variants import VARIANTS, typed
from rag.text import fold

CORPORA = Path(__file__).parent.parent / "corpora"
QUESTIONS = [
    (record["question"], record["language"])
    for path in sorted(CORPORA.glob("*/questions.jsonl"))
    for record in map(json.loads, filter(str.strip, path.read_text(encoding="utf-8").splitlines()))
]
LONG_WORD = re.compile(r"[가-힣]{3,}|[^\W\d_가-힣]{6,}")


def edits(first: str, second: str) -> int:
    """Insertions, deletions, substitutions and swaps of neighbours between two texts (optimal string alignment)."""
    rows = [list(range(len(second) + 1))]
    for i, letter in enumerate(first, 1):
        row = [i]
        for j, other in enumerate(second, 1):
            row.append(min(row[-1] + 1, rows[-1][j] + 1, rows[-1][j - 1] + (letter != other)))
            if i > 1 and j > 1 and letter == second[j - 2] and first[i - 2] == other:
                row[-1] = min(row[-1], rows[-2][j - 2] + 1)
        rows.append(row)
    return rows[-1][-1]


def test_the_questions_are_of_all_languages() -> None:
    assert {language for _, language in QUESTIONS} == {"en", "hu", "ko"}


@pytest.mark.parametrize("name", VARIANTS)
def test_the_same_seed_gives_the_same_text(name: str) -> None:
    for seed, (text, language) in enumerate(QUESTIONS):
        first = VARIANTS[name](text, language, seed)
        random.random()
        assert VARIANTS[name](text, language, seed) == first
        assert first.strip()


@pytest.mark.parametrize("name", VARIANTS)
@pytest.mark.parametrize("text", ["", " ", "?", "a", "42", "é", "은"])
def test_short_texts_pass(name: str, text: str) -> None:
    assert isinstance(VARIANTS[name](text, "en", 0), str)


def test_without_accents() -> None:
    assert VARIANTS["without_accents"]("Hány hétig tart az ŰRSÉTA?", "hu", 0) == "Hany hetig tart az URSETA?"
    for text, language in QUESTIONS:
        plain = VARIANTS["without_accents"](text, language, 0)
        assert fold(plain) == fold(text) == plain.lower()
        assert len(plain) == len(text)


def test_upper_case() -> None:
    assert VARIANTS["upper_case"]("Hány hét? 은하 b", "hu", 0) == "HÁNY HÉT? 은하 B"


def test_a_typo_is_one_edit_in_a_long_word() -> None:
    changed = set()
    for text, language in QUESTIONS:
        for seed in range(4):
            mistyped = VARIANTS["typo"](text, language, seed)
            qualifies = bool(LONG_WORD.search(text))
            assert edits(text, mistyped) == qualifies, (text, mistyped)
            short = [word for word in text.split() if not LONG_WORD.search(word)]
            assert [word for word in mistyped.split() if word in short] == short
            changed.add(len(mistyped) - len(text))
    assert changed == {-1, 0, 1}


def test_a_typo_needs_a_long_word() -> None:
    assert VARIANTS["typo"]("How far is it?", "en", 1) == "How far is it?"
    assert VARIANTS["typo"]("달은 왜", "ko", 1) == "달은 왜"


def test_a_hangul_typo_replaces_one_letter_of_a_syllable() -> None:
    results = {VARIANTS["typo"]("망원경", "ko", seed) for seed in range(300)}
    # ㅁ has only ㄴ beside it, ㅇ has ㄴ and ㄹ, ㅓ has ㅗ and ㅏ.
    assert {"낭원경", "만원경", "말원경", "원망경", "망원", "망망원경"} <= results
    assert all(unicodedata.is_normalized("NFC", result) for result in results)


def test_a_latin_typo_uses_the_keyboard_of_the_language() -> None:
    english = {VARIANTS["typo"]("yyyyyy", "en", seed) for seed in range(100)}
    hungarian = {VARIANTS["typo"]("yyyyyy", "hu", seed) for seed in range(100)}
    assert {"tyyyyy", "uyyyyy"} <= english
    assert {"íyyyyy", "xyyyyy"} <= hungarian
    assert "tyyyyy" not in hungarian


def test_keywords() -> None:
    assert VARIANTS["keywords"]("What is the diameter of the mirror?", "en", 0) == "diameter mirror"


def test_unspaced_takes_the_spaces_of_korean_alone() -> None:
    text = "제임스 웹 우주 망원경은 James Webb 인가?"
    assert VARIANTS["unspaced"](text, "ko", 0) == "제임스웹우주망원경은James Webb인가?"
    assert VARIANTS["unspaced"]("How far is it?", "en", 0) == "How far is it?"


def test_spaced_out_opens_one_word() -> None:
    results = {VARIANTS["spaced_out"]("우주 망원경", "ko", seed) for seed in range(20)}
    assert results == {"우 주 망원경", "우주 망 원 경"}
    assert VARIANTS["spaced_out"]("How far is it?", "en", 0) == "How far is it?"


def test_typed_is_seeded_by_the_question() -> None:
    text = "Which telescope observes exoplanet atmospheres spectroscopically?"
    results = [typed({"_id": f"q{number}", "text": text, "lang": "en"}, "typo") for number in range(20)]
    assert len(set(results)) > 10
    assert results == [typed({"_id": f"q{number}", "text": text}, "typo") for number in range(20)]
    assert typed({"_id": "q1", "text": text}) == text


def test_hungarian_on_other_keyboards() -> None:
    text = "Őszi hűvös zápor, Űrhajós"
    assert VARIANTS["latin1_accents"](text, "hu", 0) == "Õszi hûvös zápor, Ûrhajós"
    assert VARIANTS["digraphs"](text, "hu", 0) == "Oeszi huevoes zapor, Uerhajos"
    assert VARIANTS["swapped_keys"]("Nyári zápor Zala", "hu", 0) == "Nzári yápor Yala"


def test_decomposed_reads_the_same() -> None:
    apart = VARIANTS["decomposed"]("őszi 달", "hu", 0)
    assert len(apart) == 9
    assert unicodedata.normalize("NFC", apart) == "őszi 달"


def test_spaced_throughout_opens_every_word() -> None:
    assert VARIANTS["spaced_throughout"]("우주 망원경 JWST", "ko", 0) == "우 주 망 원 경 JWST"


def test_korean_in_latin_letters() -> None:
    assert VARIANTS["english_keyboard"]("닭의 꽤 JWST", "ko", 0) == "ekfrdml Rho JWST"
    assert VARIANTS["romanised_korean"]("독립문 JWST는 좋다", "ko", 0) == "dongnimmun JWSTneun jota"
