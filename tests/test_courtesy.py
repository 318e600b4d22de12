import json
from pathlib import Path

import pytest

from rag.conversation.courtesy import courtesy

ROOT = Path(__file__).resolve().parent.parent
TYPED = {
    "en": {
        "greeting": [
            "Hi!", "hello", "HELLO THERE", "Heyyyy", "Good morning, Lacerta!", "hi 👋", "hello, how are you?",
        ],
        "thanks": [
            "Thanks!", "thx!!", "thank u so much :)", "OK, thank you very much.", "Thanks a lot for your help",
            "perfect, thanks", "Thank  you\n", "many thanks 🙏", "ty", "thaaaanks",
            "Great, that helped a lot, thanks!", "thankyou", "Oh nice, thanks!", "thanks in advance",
        ],
        "farewell": [
            "bye", "Goodbye!", "Thanks, bye!", "see you later", "BYE BYE", "ok, see ya 😊", "Have a nice day!",
            "good night", "thank you, have a great weekend",
        ],
    },
    "hu": {
        "greeting": [
            "Szia!", "sziasztok", "SZIA", "Jó napot kívánok!", "jo napot", "Üdv!", "udvozlom", "Helló 😀", "csáó",
            "Szióka", "Jó reggelt mindenkinek!", "Tisztelt Hölgyem, jó napot!", "sziaaa",
        ],
        "thanks": [
            "köszi", "kösziiii", "koszonom szepen!", "KÖSZÖNÖM", "Nagyon szépen köszönöm a segítséget!",
            "oké, köszi", "Rendben, köszönöm a választ.", "kösz", "Értem, köszönöm szépen", "köszi szépen 🙏",
            "Hálásan köszönöm!", "köszönöm szépen előre is", "ok koszi", "köszikeee", "Köszi, sokat segítettél!",
        ],
        "farewell": [
            "viszlát", "Viszontlátásra!", "viszlat", "Köszönöm, viszlát!", "További szép napot!",
            "Minden jót kívánok!", "jó éjszakát", "szép napot és köszönöm", "pá", "Köszi, szia, jó éjt",
        ],
    },
    "ko": {
        "greeting": [
            "안녕하세요", "안녕하세요~~", "안녕!", "안녕하십니까?", "ㅎㅇ", "반갑습니다 ^^", "하이요",
            "안녕하세요 반가워요!!",
        ],
        "thanks": [
            "감사합니다", "감사합니당", "네, 감사합니다!", "정말 고마워요 ㅎㅎ", "고맙습니다.", "ㄱㅅㄱㅅ",
            "답변 감사합니다 🙏", "알려주셔서 감사합니다", "아 그렇군요 감사합니다", "땡큐~",
            "친절한 설명 감사드려요", "도움이 많이 됐어요", "감사합니다ㅠㅠ", "오 감사해요 ㅋㅋㅋ", "네 고마워",
            "수고하셨습니다",
        ],
        "farewell": [
            "안녕히 계세요", "안녕히계세요!", "잘 가", "바이바이~", "감사합니다 안녕히 계세요", "다음에 또 올게요",
            "좋은 하루 되세요^^", "수고하세요", "네 또 봐요",
        ],
    },
}  # fmt: skip
NOT_SMALL_TALK = {
    "en": [
        "Thanks, and how long is it?", "Hi, when is the deadline?", "hello world program",
        "What does goodbye mean?", "thank you letter to the mentor", "good morning shift", "how are you trained?",
        "What is HI?", "bye-law", "Is it good?", "ok", "yes please", "have a day off", "morning", "and you?",
        "how", "later start date", "Cheers to what?", "thanks for the answer but it is wrong", "", "   ", "👍",
        "?", "42", "H2O", "hi = 5",
    ],
    "hu": [
        "Köszönöm, és meddig tart?", "Szia, hol van a tanszék?", "köszönőlevél", "Mit jelent az, hogy szia?", "jó",
        "rendben", "Üdvözlőlevél a gyakornokoknak", "A napot hol kell igazolni?", "Szép napot mikor lesz?", "mi",
        "segítséget kérek", "van?", "Köszönöm, de ez nem válasz a kérdésemre", "éjszakai műszak", "nem", "igen",
        "jó munkahely",
    ],
    "ko": [
        "감사합니다. 그런데 비용은 얼마예요?", "안녕하세요, 현장실습은 몇 주인가요?", "감사 기간은 언제인가요?",
        "네", "좋아요", "안녕이 무슨 뜻이에요?", "감사원은 어디에 있나요?", "하이브리드 로켓", "수고비가 있나요?",
        "또", "알겠습니다", "바이오 탑재체", "ㅋㅋㅋ",
    ],
}  # fmt: skip


@pytest.mark.parametrize(
    ("text", "language", "kind"),
    [(text, language, kind) for language in TYPED for kind in TYPED[language] for text in TYPED[language][kind]],
)
def test_a_courtesy_is_known_however_it_is_typed(text: str, language: str, kind: str) -> None:
    assert courtesy(text, language) == kind


@pytest.mark.parametrize(
    ("text", "language"), [(text, language) for language in NOT_SMALL_TALK for text in NOT_SMALL_TALK[language]]
)
def test_whatever_asks_or_tells_something_is_none(text: str, language: str) -> None:
    assert courtesy(text, language) == ""


def test_a_courtesy_is_one_of_its_language() -> None:
    assert courtesy("köszi", "hu") == "thanks"
    assert courtesy("köszi", "en") == courtesy("köszi", "ko") == courtesy("köszi", "other") == ""
    assert courtesy("Hello", "en") == courtesy("Hello", "hu") == "greeting"


def test_no_question_of_the_bundled_domains_is_taken_for_small_talk() -> None:
    questions = [
        json.loads(line)["question"]
        for path in sorted(ROOT.glob("corpora/*/questions.jsonl"))
        for line in path.read_text(encoding="utf-8").splitlines()
    ]
    assert len(questions) > 200
    assert not [text for text in questions for language in TYPED if courtesy(text, language)]


def test_a_long_text_is_no_courtesy() -> None:
    assert courtesy("thanks " * 7, "en") == ""
    assert courtesy("köszönöm szépen " * 1000, "hu") == ""


@pytest.mark.parametrize("text", ["a" * 100_000, "감" * 100_000, ":" * 100_000, "hi " * 50_000, "\u0301" * 100_000])
def test_hostile_texts_end_in_nothing(text: str) -> None:
    assert courtesy(text, "en") == courtesy(text, "hu") == courtesy(text, "ko") == ""
