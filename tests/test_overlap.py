import unicodedata
from typing import Literal

import pytest

from evaluation.overlap import holds, holds_exactly, normalised, rouge, rouge_l, rouge_tokens, token_f1


@pytest.mark.parametrize(
    ("text", "answer", "language", "exactly", "inside"),
    [
        ("It takes six weeks.", "six weeks", "en", True, True),
        ("It takes six\nweeks.", "six  weeks", "en", True, True),
        ("It takes the Six-Weeks.", "a six weeks", "en", False, False),
        ("It takes Six Weeks.", "six weeks", "en", False, True),
        ("It weighs 120 kg.", "20 kg", "en", False, False),
        ("It weighs 5.3 kg.", "5", "en", False, False),
        ("It weighs 5.3 kg.", "3", "en", False, False),
        ("It weighs 3,5.", "3,5", "en", True, True),
        ("In 1905 it was 19", "190", "en", False, False),
        ("The dynasty (1115–1234) fell.", "1234", "en", True, True),
        ("부당하다 94%(3,457명)", "94%", "ko", True, True),
        ("A „hat hét” letelte után.", "hat hét", "hu", True, True),
        ("A hat het letelte után.", "hat hét", "hu", False, False),
        ("발사는 2022년 8월이다.", "2022년8월", "ko", False, True),
        ("Nothing.", "", "en", False, False),
        ("Nothing.", "!", "en", False, False),
    ],
)
def test_a_gold_answer_stands_inside(text: str, answer: str, language: str, exactly: bool, inside: bool) -> None:
    assert holds_exactly(text, [answer]) is exactly
    assert holds(text, [answer], language) is inside
    assert holds(text, ["nowhere", answer], language) is inside


def test_articles_are_those_of_the_language() -> None:
    assert normalised("The cat, a dog: an Ape!", "en") == ["cat", "dog", "ape"]
    assert normalised("Az űrhajós a „Holdon” járt.", "hu") == ["űrhajós", "holdon", "járt"]
    assert normalised("a 달", "ko") == ["a", "달"]


def test_token_f1_by_hand() -> None:
    # Of four words without the article three are among the five of the answer.
    found = token_f1("The six weeks of summer", ["six long weeks of work"], "en")
    assert (found.precision, found.recall) == (3 / 4, 3 / 5)
    assert found.f1 == pytest.approx(2 * 3 / (4 + 5))
    # A word counts as often as it stands in both.
    assert token_f1("no no no", ["no no"], "en").f1 == pytest.approx(2 * 2 / (3 + 2))
    assert token_f1("sun", ["moon", "the Sun!"], "en").f1 == 1
    assert token_f1("", ["sun"], "en").f1 == token_f1("sun", [], "en").f1 == 0


def test_korean_is_compared_by_syllables() -> None:
    # 서 울 에 서 and 서 울: two syllables shared of four and two, where no word is.
    found = token_f1("서울에서", ["서울"], "ko")
    assert (found.precision, found.recall) == (2 / 4, 1)
    assert token_f1("서울에서", ["서울"], "en").f1 == 0


def test_rouge_by_hand() -> None:
    text, gold = "the cat sat on the mat", ["the cat was on a mat"]
    # Shared: the, cat, on, mat; of the pairs only "the cat"; in order the, cat, on, mat.
    assert rouge(text, gold, 1).f1 == pytest.approx(4 / 6)
    assert rouge(text, gold, 2).f1 == pytest.approx(1 / 5)
    assert rouge_l(text, gold).f1 == pytest.approx(4 / 6)
    assert rouge_l("mat the on cat", gold).recall == pytest.approx(2 / 6)
    assert rouge("one", ["one"], 2).f1 == 0
    assert rouge("", gold, 1).f1 == rouge_l("", gold).f1 == 0


# What rouge-score 0.1.2 (rouge1, rouge2, rougeL, no stems) gives, on text in ASCII.
REFERENCE = [
    (
        "Webb moves in a halo orbit around L2, about 1.5 million km from the Earth.",
        "about 1.5 million km, in a halo orbit around L2",
        (0.8148148148148148, 0.7200000000000001, 0.4444444444444444),
    ),
    (
        "It isn't known: the probe's signal_strength fell by 3 dB in May.",
        "The probe's signal strength fell, by 3dB.",
        (0.608695652173913, 0.5714285714285714, 0.608695652173913),
    ),
]


@pytest.mark.parametrize(("text", "gold", "expected"), REFERENCE)
def test_rouge_is_that_of_the_reference(text: str, gold: str, expected: tuple[float, ...]) -> None:
    found = (rouge(text, [gold], 1).f1, rouge(text, [gold], 2).f1, rouge_l(text, [gold]).f1)
    assert found == pytest.approx(expected)


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("Árvíztűrő TÜKÖRFÚRÓGÉP, 3. őr", ["árvíztűrő", "tükörfúrógép", "3", "őr"]),
        ("누리호는 2022년에 KSLV-II", [*"누리호는", "2022", *"년에", "kslv", "ii"]),
        ("Straße, Łódź and 東京", ["straße", "łódź", "and", "東京"]),
    ],
)
@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_rouge_keeps_every_letter(text: str, tokens: list[str], form: Literal["NFC", "NFD"]) -> None:
    assert rouge_tokens(unicodedata.normalize(form, text)) == tokens


@pytest.mark.parametrize(("text", "other"), [("누리호 발사", "날씨 흐림"), ("szőlő és körte", "szolo es korte")])
def test_rouge_tells_texts_apart_that_differ_in_such_letters_alone(text: str, other: str) -> None:
    assert rouge(text, [text], 1).f1 == rouge(text, [text], 2).f1 == rouge_l(text, [text]).f1 == 1
    assert rouge(text, [other], 1).f1 <= 1 / 3
    assert rouge(text, [other], 2).f1 == 0
