"""Greetings, thanks and farewells: a text that is nothing but that, however it is typed. Knows nothing of a domain."""

import re

from rag.text import fold, normalise

# More words or characters than these ask for something.
_MOST_WORDS, _MOST_CHARACTERS = 6, 80
_LETTERS = re.compile(r"[^\W\d_]+|[ㄱ-ㅎㅏ-ㅣ]+")
# What must not be there beside the words: digits and signs of a formula, an address, code.
_NOT_SMALL_TALK = re.compile(r"[\d@#$%&=+/\\<>{}\[\]|_]")
_REPEATED = re.compile(r"(.)\1+")
_EMOTICON = re.compile(r"[:;=][-']?[)(DPpdoO/*3]+|\bx[dD]+\b|<3|\^[_.]?\^|T[_.]T")

# The phrases that make a text one of these, by language, folded (see rag.text.fold), longest forms as typed.
_PHRASES: dict[str, dict[str, tuple[str, ...]]] = {
    "en": {
        "greeting": (
            "hi", "hello", "hey", "hey there", "hi there", "hello there", "hiya", "howdy", "greetings", "good morning",
            "good afternoon", "good evening", "good day", "morning", "how are you", "how are you doing",
            "how do you do", "nice to meet you", "how is it going", "hows it going", "whats up", "yo",
        ),
        "thanks": (
            "thanks", "thank you", "thx", "ty", "tysm", "thank u", "thanx", "tnx", "cheers", "much appreciated",
            "appreciate it", "i appreciate it", "i appreciate your help", "i appreciate that", "many thanks",
            "much obliged", "thanks for your help", "thank you for your help", "thanks for the help",
            "thank you for the help", "thanks for your time", "thank you for your time", "thanks for helping",
            "thank you for helping", "thanks for the info", "thanks for the information", "thanks for everything",
            "thank you for everything", "thanks for the answer", "thank you for the answer", "thanks for explaining",
            "thank you for explaining", "thanks for that", "thank you for the information", "that helped",
            "that helps", "that was helpful", "that was very helpful", "very helpful", "that is very helpful",
        ),
        "farewell": (
            "bye", "goodbye", "good bye", "bye bye", "see you", "see ya", "see you later", "see you soon", "cya",
            "farewell", "good night", "take care", "have a nice day", "have a good day", "have a great day",
            "have a good one", "have a nice weekend", "have a good weekend", "have a nice evening",
            "have a good evening", "until next time", "talk to you later", "ttyl", "so long", "later",
        ),
    },
    "hu": {
        "greeting": (
            "szia", "sziasztok", "szio", "sziosztok", "szervusz", "szervusztok", "szevasz", "helo", "hello", "hali",
            "halihó", "csá", "csaó", "cső", "csókolom", "üdv", "üdvözlöm", "üdvözletem", "üdvözlet", "üdvözöllek",
            "jó napot", "jó napot kívánok", "napot", "jó reggelt", "jó reggelt kívánok", "jó estét",
            "jó estét kívánok", "kezét csókolom", "tiszteletem", "hogy vagy", "hogy van", "hogy vagytok", "mizu",
            "mi újság", "hogy s mint", "hogyan vagy", "szép napot kívánok mindenkinek", "jónapot",
        ),
        "thanks": (
            "köszönöm", "köszi", "köszike", "köszönjük", "kösz", "köszcsi", "kössz", "köszönet", "hálásan köszönöm",
            "nagyon köszönöm", "szépen köszönöm", "köszönöm szépen", "köszönöm a segítséget", "köszi a segítséget",
            "kösz a segítséget", "köszönöm a segítségét", "köszönöm a választ", "köszi a választ", "köszönöm a válaszát",
            "köszönöm az információt", "köszi az infót", "köszönöm az infót", "köszönöm a tájékoztatást",
            "köszönöm a felvilágosítást", "köszönöm az időt", "hálás vagyok", "hálás köszönet", "ezer köszönet",
            "nagyon hálás vagyok", "sokat segített", "sokat segítettél", "köszönöm a türelmet", "thx", "köszönettel",
        ),
        "farewell": (
            "viszlát", "viszontlátásra", "visszontlátásra", "a viszontlátásra", "viszhall", "pá", "pápá", "jó éjt",
            "jó éjszakát", "jó éjszakát kívánok", "szép napot", "további szép napot", "szép estét", "szép hétvégét",
            "minden jót", "legyen szép napja", "legyen szép napod", "szép napot kívánok", "további jó munkát",
            "további szép napot kívánok", "jó hétvégét", "ég veled", "ég önnel", "puszi", "további szép estét",
        ),
    },
    "ko": {
        "greeting": (
            "안녕", "안녕하세요", "안녕하십니까", "안뇽", "안녕하세용", "안녕하세여", "안뇽하세요", "하이", "헬로",
            "헬로우", "반가워", "반가워요", "반갑습니다", "만나서 반갑습니다", "만나서 반가워요", "처음 뵙겠습니다",
            "좋은 아침", "좋은 아침입니다", "좋은 아침이에요", "좋은 저녁입니다", "ㅎㅇ", "ㅎㅇㅎㅇ", "잘 지내",
            "잘 지내세요", "잘 지내셨어요", "안녕하신가요", "잘 지냈어", "방가", "방가워요", "하이요",
        ),
        "thanks": (
            "감사", "감사합니다", "감사해요", "감사드립니다", "감사드려요", "감사함다", "감사합니당", "감사해용",
            "고마워", "고마워요", "고맙습니다", "고맙습니당", "고마웠어요", "고마웠습니다", "감사했습니다", "땡큐",
            "땡스", "감솨", "감솨합니다", "ㄱㅅ", "ㄳ", "ㄱㅅㅇ", "도움이 됐어요", "도움이 되었습니다",
            "도움이 됐습니다", "도움이 되었어요", "도움 됐어요", "수고하셨습니다", "수고하셨어요", "수고했어",
            "수고했어요", "도와줘서 고마워", "도와줘서 고마워요", "도와주셔서 감사합니다", "도와주셔서 고맙습니다",
            "알려줘서 고마워", "알려줘서 고마워요", "알려주셔서 감사합니다", "알려 주셔서 감사합니다",
            "알려주셔서 고맙습니다", "답변 감사합니다", "답변 고마워요", "답변해 주셔서 감사합니다",
            "답변 감사드립니다", "설명 감사합니다", "친절한 답변 감사합니다", "도움 주셔서 감사합니다",
        ),
        "farewell": (
            "안녕히 계세요", "안녕히계세요", "안녕히 계십시오", "안녕히 가세요", "안녕히가세요", "잘 가", "잘가",
            "잘 가요", "잘 있어", "잘있어", "잘 있어요", "바이", "바이바이", "빠이", "빠이빠이", "ㅂㅇ", "ㅂㅂ",
            "또 봐", "또 봐요", "또 만나요", "또 봬요", "또 뵙겠습니다", "다음에 봐", "다음에 봐요", "다음에 또 봐요",
            "다음에 또 올게요", "나중에 봐", "나중에 봐요", "내일 봐요", "수고하세요", "수고하십시오", "수고해",
            "수고해요", "좋은 하루 되세요", "좋은 하루 보내세요", "좋은 하루", "즐거운 하루 되세요", "좋은 밤 되세요",
            "좋은 주말 보내세요", "좋은 저녁 되세요", "좋은 저녁 보내세요", "잘 자", "잘 자요", "안녕히 주무세요",
            "들어가세요", "이만 가볼게요",
        ),
    },
}  # fmt: skip
# What may stand beside them: politeness, agreement, delight, who is spoken to.
_BESIDE = {
    "en": "so very much a lot lots again ok okay okey oki great perfect nice good fine cool wow awesome excellent super"
    " wonderful amazing lovely brilliant kindly really oh ah yes yeah yep no all everyone everybody friend guys sir"
    " madam team lacerta bot dear my there and for now then you too u well got it i see understood alright right sure"
    " million bunch ton just and please haha lol pal mate buddy today",
    "hu": "szépen nagyon sokat is és meg de jó rendben oké ok oke okés szuper remek király klassz értem ezt előre még"
    " egyszer mindent mindenkinek mindenki kedves lacerta tisztelt hölgyem uram drága barátom neked önnek nektek szívesen"
    " akkor most köszönettel tökéletes pompás nagyszerű igen hát na ezer millió ismét újra haha kívánok önöknek a az"
    " segítséget választ infót infókat információt mára további",
    "ko": "정말 진짜 매우 너무 아주 많이 대단히 네 넵 넹 예 응 아 오 와 그럼 그래 그래요 알겠습니다 알겠어요 알겠어 알았어요"
    " 좋아요 좋습니다 완벽해요 친절하게 답변 설명 도움 오늘도 여러분 모두 라체르타 라세르타 님 선생님 ㅎ ㅋ ㅠ ㅜ ㅎㅎ ㅋㅋ 헤헤"
    " 하하 다시 한번 미리 덕분에 이만 저는 또 꼭",
}
# Where a text is several of these, the later it comes in a conversation the more it says.
_BY_WEIGHT = ("farewell", "thanks", "greeting")


def _squeezed(word: str) -> str:
    """A word with every run of one letter as one letter, for people draw words out: `kösziiii`."""
    return _REPEATED.sub(r"\1", fold(word))


def _words(text: str) -> tuple[str, ...]:
    return tuple(_squeezed(word) for word in _LETTERS.findall(text))


_KNOWN = {
    language: {
        # A phrase is found however its spaces were typed, so it is kept as its letters.
        "".join(_words(phrase)): kind
        for kind in reversed(_BY_WEIGHT)
        for phrase in kinds[kind]
    }
    for language, kinds in _PHRASES.items()
}
_FILLERS = {language: frozenset(_words(words)) for language, words in _BESIDE.items()}


def courtesy(text: str, language: str) -> str:
    """`greeting`, `thanks` or `farewell` where the whole text is that and nothing else, otherwise empty.

    `language` is tried first, then the others: texts so short are often taken for another language.
    """
    if len(text) > _MOST_CHARACTERS:
        return ""
    text = _EMOTICON.sub(" ", normalise(text).replace("'", "").replace("’", ""))
    if _NOT_SMALL_TALK.search(text):
        return ""
    words = _words(text)
    if not 0 < len(words) <= _MOST_WORDS:
        return ""
    for name in sorted(_KNOWN, key=lambda name: name != language):
        kinds = _kinds(words, name)
        if kinds:
            return next(kind for kind in _BY_WEIGHT if kind in kinds)
    return ""


def _kinds(words: tuple[str, ...], language: str) -> set[str]:
    """What the words of a text are if they are phrases and fillers without exception, otherwise nothing."""
    known, fillers = _KNOWN[language], _FILLERS[language]
    kinds: set[str] = set()
    start = 0
    while start < len(words):
        for stop in range(len(words), start, -1):
            kind = known.get("".join(words[start:stop]))
            if kind:
                kinds.add(kind)
                start = stop
                break
        else:
            if words[start] not in fillers:
                return set()
            start += 1
    return kinds
