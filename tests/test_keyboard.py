import json
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from evaluation.hangul import english_keys
from ingest.pipeline import bring_up_to_date
from rag.answer import Engine
from rag.keyboard import as_meant, hangul_of
from rag.settings import Settings
from rag.types import Finished, Question, Retrieved
from tests.files import make_domain

CORPORA = Path(__file__).parent.parent / "corpora"
QUESTIONS = [
    record["question"]
    for path in sorted(CORPORA.glob("*/questions.jsonl"))
    for record in map(json.loads, filter(str.strip, path.read_text(encoding="utf-8").splitlines()))
]
CRANE = "두루미는 겨울에 철원 평야로 날아온다. 두루미의 날개는 이 미터가 넘는다.\n"


@pytest.mark.parametrize(
    ("keys", "hangul"),
    [
        ("ekf", "달"),
        ("ekfrl", "달기"),
        ("ekfrrhk", "닭과"),
        ("rho", "괘"),
        ("Rho", "꽤"),
        ("dkssud", "안녕"),
        ("djqtdj", "없어"),
        ("EKF", "딸"),
        ("the", "솓"),
        ("tell", ""),
        ("k", ""),
        ("", ""),
    ],
)
def test_keys_make_syllables(keys: str, hangul: str) -> None:
    assert hangul_of(keys) == hangul


def test_every_syllable_can_be_typed() -> None:
    syllables = [chr(code) for code in range(ord("가"), ord("힣") + 1)]
    assert [hangul_of(english_keys(syllable)) for syllable in syllables] == syllables


def test_korean_on_english_keys_is_noticed() -> None:
    korean = [text for text in QUESTIONS if re.search("[가-힣]{2}", text)]
    assert len(korean) > 50
    assert sum(as_meant(english_keys(text)) != english_keys(text) for text in korean) >= 0.95 * len(korean)
    assert as_meant("enfnalsms rudnfdp djelfh skfdkdhskdy?") == "두루미는 겨울에 어디로 날아오나요?"
    # Names and numbers stay.
    assert as_meant("JWSTsms 2021sus djswp qkftkehldjTskdy?") == "JWSTsms 2021년 언제 발사되었나요?"


def test_other_questions_stay() -> None:
    others = [text for text in QUESTIONS if not re.search("[가-힣]", text)]
    assert len(others) > 100
    assert [as_meant(text) for text in others] == others


@pytest.mark.parametrize(
    "text",
    [
        "social work",
        "When did Wei Yilin die?",
        "Who will care for the dog?",
        "aortic aneurysm",
        "foreign society",
        "?",
        "",
    ],
)
def test_words_that_could_be_either_stay(text: str) -> None:
    assert as_meant(text) == text


def test_spaces_behind_every_syllable_go() -> None:
    assert as_meant("두 루 미 는 겨 울 에 오 나 요?") == "두루미는겨울에오나요?"
    assert as_meant("왜 그 두 새가 오나요?") == "왜 그 두 새가 오나요?"
    assert as_meant("우 주 망 원 경 JWST") == "우주망원경 JWST"


def test_letters_are_put_together() -> None:
    assert as_meant(unicodedata.normalize("NFD", "őszi 달")) == "őszi 달"


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    folder = tmp_path_factory.mktemp("keyboard")
    sources = make_domain(folder / "corpora")
    (sources / "crane.md").write_text(CRANE, encoding="utf-8")
    (sources / "owl.md").write_text("The barn owl hunts mice at night.\n", encoding="utf-8")
    settings = replace(Settings(), corpora=folder / "corpora", var=folder / "var", threads=1)
    assert not bring_up_to_date(settings, "birds").failures
    engine = Engine(settings)
    yield engine
    engine.close()


def test_a_mistyped_question_is_answered_and_what_was_understood_is_told(engine: Engine) -> None:
    meant = "두루미는 겨울에 어디로 날아오나요?"
    events = [*engine.stream(Question(english_keys(meant), "birds"))]
    found = next(event for event in events if isinstance(event, Retrieved))
    finished = next(event for event in events if isinstance(event, Finished))
    assert found.question == finished.answer.question == meant
    assert finished.answer.language == "ko"
    assert "철원 평야" in finished.answer.text
    assert engine.search(Question(english_keys(meant), "birds")).hits[0].chunk.source == "crane.md"


def test_letters_apart_are_not_told(engine: Engine) -> None:
    meant = "Mikor vadászik a gyöngybagoly egérre?"
    answer = engine.ask(Question(unicodedata.normalize("NFD", meant), "birds"))
    assert (answer.question, answer.language) == ("", "hu")
