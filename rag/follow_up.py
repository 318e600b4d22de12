"""Whether a question stands alone or leans on the conversation before it. Knows nothing of what was said there.

A question leans on what went before if it has no topic of its own (`how long?`), or if it points at something that it
does not name (`who built it?`), or if it goes on with a mere fragment (`and in winter?`). A question that is read with
an old topic by mistake is spoilt, one that is read alone is only harder to answer: so what is in doubt stands alone.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rag.analysis import topic_of
from rag.text import fold

# Longer questions have a topic of their own.
_MOST_CHARACTERS, _MOST_WORDS = 160, 14
# So many words with a topic a fragment or a question that points elsewhere may have.
_FRAGMENT_TOPICS, _POINTING_TOPICS = 3, 4
_TOKEN = re.compile(r"[^\W_]+(?:(?:[-–'’]|(?<=\d)[.,](?=\d))[^\W_]+)*\+?|[,;:?!.()–—]")
_HANGUL = re.compile("[가-힣]")


def _set(words: str) -> frozenset[str]:
    return frozenset(fold(words).split())


@dataclass(frozen=True, slots=True)
class Word:
    """A word as typed, folded, and as it carries a topic (empty where it does not); `clause` counts from 0.

    `place` is the offset of its first character.
    """

    text: str
    folded: str
    topic: str
    clause: int
    place: int


# English

_EN_OPENERS = _set("and but so or also then ok okay well now plus hmm oh")
_EN_CONJUNCTIONS = _set("and or but if when because that which who where while after before since so than whether")
_EN_AUXILIARIES = _set(
    "is are was were be been do does did can could should would will shall may might must has have had am isn't aren't"
    " wasn't doesn't don't didn't can't won't"
)
_EN_PRONOUNS = _set("it they them he she him this those these theirs hers itself themselves")
_EN_POSSESSIVES = _set("its their his her")
_EN_PREPOSITIONS = _set("in on at for with without from to by during after before until till under over between inside")
_EN_FUNCTION = (
    _EN_OPENERS | _EN_CONJUNCTIONS | _EN_AUXILIARIES | _EN_PRONOUNS | _EN_POSSESSIVES | _EN_PREPOSITIONS
    | _set("the a an of not no yes just only really exactly please i me my mine we us our you your else too either again"
           " there here about that one ones same such any some all both each more less most least than")
)  # fmt: skip
# Words that ask for a side of something without saying of what.
_EN_GENERIC = _set(
    "long much many big large heavy far old tall high deep wide fast often early late soon cost costs take takes took"
    " taken last lasts lasted weigh weighs start starts started begin begins began end ends ended happen happened"
    " happens work works worked mean means meant need needs make makes made build built launch launched discover"
    " discovered invent invented find found use used call called name named go goes went gone get gets come comes came"
    " pay pays say says said know known think see done different similar better worse possible allowed required"
    " mandatory compulsory necessary true enough expensive cheap difficult hard easy dangerous important exactly"
    " approximately roughly mass weight size diameter length height width depth distance price fee age speed date"
    " deadline reason reasons cause causes purpose goal aim result results outcome consequences difference advantage"
    " advantages disadvantages benefits names example examples exception exceptions detail details duration lifetime"
    " conditions accuracy amount limit maximum minimum kind sort type part way instead everything anything something"
    " nothing anyone someone first second third fourth former latter previous next tell explain elaborate sure repeat"
    " summarise summarize shorter simpler further continue show give list specifically actually still ever yet already"
    " today now usually normally total altogether there's"
)
_EN_ASK = _set("what when where which who whom whose why how")
_EN_ABOUT = re.compile(r"^(?:(?:and|but|so|ok|okay|then|or) )*(?:what|how) about\b|^(?:and|but|so) what (?:of|with)\b")
_EN_CHAT = re.compile(
    r"\b(?:who|what|how) (?:are|r) (?:you|u)\b|\bwhat can (?:you|i)\b|\bcan you help|\bwhat do you (?:do|know)\b"
    r"|\bare you (?!sure|certain)|^help\b|\bdo you (?:speak|understand|know)\b|\byour name\b"
)
_EN_EXPLETIVE = re.compile(
    r"\bit (?:(?:really|always|still|be|also|even) )*(?:possible|allowed|true|necessary|required|mandatory|compulsory"
    r"|ok|okay|worth|safe|better|enough|important|legal|easy|hard|difficult|permitted|normal|likely|known|too late)\b"
    r"(?: for [\w' ]+?)?(?: (?:to|that|if|when) \w+ \w+|$| \w+ing \w+)"
    r"|\bit (?:\w+ )?(?:take|takes|took|cost|costs|matter|matters|count|counts) .*?\b(?:to|if|for|whether|that) \w+ \w+"
    r"|\bit (?:is|was|s) (?:possible|true|allowed|necessary|required) "
)
_EN_PERIODS = _set(
    "semester year month week term time summer winter spring autumn fall morning afternoon evening weekend page chat"
    " site website guide department university course conversation app assistant is was"
)


def _english(words: Sequence[Word], lowered: str) -> bool:
    if _EN_CHAT.search(lowered):
        return False
    folded = [word.folded for word in words]
    topics = [word for word in words if word.topic]
    opened = bool(folded) and folded[0] in _EN_OPENERS
    asks = any(word in _EN_ASK or word in _EN_AUXILIARIES for word in folded)
    if not topics:
        return True
    if _EN_ABOUT.search(lowered):
        return len(topics) <= _FRAGMENT_TOPICS
    if not asks and (opened or folded[0] in _EN_PREPOSITIONS or folded[-1] in ("too", "either", "instead", "though")):
        return len(topics) <= _FRAGMENT_TOPICS
    if len(topics) == 1 and (
        folded[-1] in ("too", "either", "instead", "then", "as well")
        or {"else", "same", "another", "other"} & {*folded}
    ):
        return True
    return len(topics) <= _POINTING_TOPICS and _points_in_english(words, lowered)


def _points_in_english(words: Sequence[Word], lowered: str) -> bool:
    expletive = bool(_EN_EXPLETIVE.search(lowered))
    for position, word in enumerate(words):
        before = words[:position]
        named = [other for other in before if other.topic]
        following = words[position + 1].folded if position + 1 < len(words) else ""
        if any(_closed(other, position, words) for other in named):
            continue
        if word.text.isupper() and len(word.text) > 1 and not lowered.isupper() and not _shouted(words):
            continue
        if word.folded in _EN_POSSESSIVES:
            if not named or (
                before[-1].folded in _EN_PREPOSITIONS | {"of"} and len(named) == 1 and not _name(named[0])
            ):
                return True
        elif word.folded in ("this", "that", "these", "those"):
            if _demonstrates(word, before[-1].folded if before else "", following):
                return True
        elif word.folded in _EN_PRONOUNS and not (word.folded == "it" and expletive):
            return True
        elif word.folded == "there" and position and not {before[-1].folded, following} & _EN_AUXILIARIES:
            return True
        elif word.folded in ("one", "ones") and before and before[-1].folded in ("which", "this", "that", "other"):
            return True
    return False


def _demonstrates(word: Word, before: str, following: str) -> bool:
    if following in _EN_PERIODS or following in ("who", "with", "i", "you", "we", "people", "students"):
        return False
    if word.folded == "that":
        # Elsewhere it opens a clause.
        return (
            not before or not following or before in _EN_PREPOSITIONS | _EN_AUXILIARIES | {"of", "about", "and", "like"}
        )
    return True


def _shouted(words: Sequence[Word]) -> bool:
    return all(word.text.isupper() or word.text.isdigit() for word in words)


def _name(word: Word) -> bool:
    return word.text[:1].isupper() or word.text[:1].isdigit()


def _closed(named: Word, position: int, words: Sequence[Word]) -> bool:
    """Whether a clause that names something ends before a position: a pronoun there may mean that."""
    pointing = words[position]
    return named.clause < pointing.clause


# Hungarian

_HU_OPENERS = _set("és s de akkor na no hát illetve vagy valamint viszont és ugyanakkor")
_HU_ASK = _set(
    "mi mit mik miket mikor mettől meddig mióta hol hova hová honnan hogyan hogy miként miért mennyi mennyit mennyire"
    " mennyiért mennyibe mennyivel hány hányan hányszor hányat mely melyik melyiket melyikük melyek milyen ki kik kit"
    " kinek kitől kivel kihez kié mekkora mire miről miből miben min mivel mitől mihez minek merre hányadik mikortól"
    " mikorra"
)
_HU_FUNCTION = (
    _HU_OPENERS | _HU_ASK
    | _set("a az egy is se sem nem igen kell lehet szabad van vannak volt voltak lesz lenne lehetne lett nincs nincsenek"
           " csak még már mint meg ki be le fel el át ide oda itt ott ez azt ezt pontosan körülbelül kb úgy így ha hogy"
           " talán vajon esetleg én te ő mi ti ők nekem neked kérem légyszi ugye tehát akkor majd most ma valami más"
           " minden tényleg biztos biztosan való vele számára alatt után előtt között szerint ilyenkor általában")
)  # fmt: skip
_HU_POINTING = _set(
    "azt annak arra abban attól abból azzal azért azon arról ahhoz azok azokat azoknak ezt ennek erre ebben ettől ebből"
    " ezzel ezért ezen erről ehhez ezek ezeket ezeknek ezekre azokra ő őt neki nekik róla róluk tőle tőlük benne bennük"
    " rajta rajtuk hozzá hozzájuk nála náluk vele velük belőle érte onnan oda ott ugyanez ugyanaz ugyanott ugyanakkor"
    " ugyanúgy mindkettő mindkettőt utóbbi előbbi azóta addig előbbinek utóbbinak azokban azokon ezekben ilyet olyat"
    " ugyanezt ugyanazt azoktól ezektől azokból ezekből őket"
)
_HU_CORRELATED = _set("hogy ha ami amit aki akit amikor amíg amely amelyik ahol ahová amiért akik amelyek")
_HU_GENERIC = _set(
    "tart tartott tarthat tartana kerül került kerülne ideig idő időt időre időbe hosszú hosszan nagy nehéz messze magas"
    " meleg gyors régi gyakran sok sokat sokan kezdődik kezdődött kezdődnek végződik véget ér ért indul indult elindult"
    " érkezik érkezett megérkezett történt történik működik működött jelent jelenti hívják keletkezett készült létezik"
    " létrejött megy ment jött jön tudok tudom kapok kapom kapunk lehetséges kötelező megengedett szükséges igaz jó elég"
    " drága olcsó fontos veszélyes tömege súlya mérete átmérője hossza magassága szélessége mélysége távolsága ára díja"
    " költsége kora sebessége dátuma időpontja határideje határidő határidőt oka okai célja céljai eredménye eredményei"
    " következménye következményei különbség különbsége előnye előnyei hátránya hátrányai neve nevei példa példák példát"
    " kivétel kivételek részlet részletek részletesen részletesebben bővebben időtartama időtartam feltétele feltételei"
    " hőmérséklete felbontása gyártója készítője tulajdonosa vezetője élettartama pontossága szerepe feladata feladatai"
    " lényege jellemzője jellemzői tulajdonságai összetétele helye típusa fajtája mondj mondjon mondd mondana többet"
    " magyarázd magyarázza fejtse fejtsd fejts ismételd ismételje elmondaná összefoglalná röviden folytasd folytassa"
    " első második harmadik negyedik utolsó következő előző másik többi összesen legalább legfeljebb maximum minimum"
    " ugyanannyi annyi ennyi fizetni fizet csinál csinálta számít jár vonatkozik érvényes használják használható szól"
    " helyzet dolog rész"
)
# A verb that has its object or its doer elsewhere: "ki tervezte", "mikor indították", "hol gyártják".
_HU_VERB = re.compile(r"\w{2,}(?:t[ae]|t[ae]k|j[ae]k|zi|ti|ji|li|ik|ott|ett|t)$")
_HU_RELATION = re.compile(r"\w+(?:sag|seg|meroj|oj)[ae]i?$")
_HU_ABOUT = re.compile(r"^(?:\w+ )?(?:mi van|mi lesz|mi a helyzet|mi a teendo)\b")
_HU_DEFINES = re.compile(r"\b(?:ki|mi|mik|kik) (?:is )?az (?:a|az)\b")
_HU_CHAT = re.compile(
    r"\bki vagy\b|\bmi vagy\b|\bmit tudsz\b|\bhogy hivnak\b|\bsegits\b|\bmiben tud\w* segiteni\b|\btudsz\b"
)


def _hungarian(words: Sequence[Word], lowered: str) -> bool:
    if _HU_CHAT.search(lowered) or _HU_DEFINES.search(lowered):
        return False
    folded = [word.folded for word in words]
    topics = [word for word in words if word.topic]
    asks = any(word in _HU_ASK for word in folded)
    opened = folded[0] in _HU_OPENERS
    if not topics:
        return True
    if _HU_ABOUT.search(lowered):
        return len(topics) <= _FRAGMENT_TOPICS
    if not asks and opened and not any(word in ("van", "kell", "lehet") for word in folded):
        return len(topics) <= _FRAGMENT_TOPICS
    if len(topics) == 1:
        topic = topics[0]
        place = words.index(topic)
        article = place > 0 and folded[place - 1] in ("a", "az", "egy")
        if asks and not article and not _name(topic) and _HU_VERB.fullmatch(topic.folded):
            return True
        if asks and article and _HU_RELATION.fullmatch(topic.folded):
            return True
        if "is" in folded[place + 1 : place + 2] and not (asks and not opened):
            return True
        if {"mas", "masik", "tobbi", "meg"} & {*folded} and asks:
            return True
    return len(topics) <= _POINTING_TOPICS and _points_in_hungarian(words)


def _points_in_hungarian(words: Sequence[Word]) -> bool:
    for position, word in enumerate(words):
        if any(_closed(other, position, words) for other in words[:position] if other.topic):
            continue
        following = words[position + 1].folded if position + 1 < len(words) else ""
        if any(other.folded in _HU_CORRELATED for other in words[position + 1 :]):
            continue
        if word.folded in _HU_POINTING:
            return True
        if word.folded in ("az", "ez") and (not following or following in _HU_ASK or following in ("is", "nem", "mi")):
            return True
        if word.folded in ("az", "ez", "ezek", "azok", "abban", "ebben") and following in ("a", "az"):
            return True
        if word.folded == "ez":
            return True
    return False


# Korean

_KO_OPENERS = re.compile(
    r"^(?:그럼|그러면|그렇다면|그리고|근데|그런데|하지만|그래서|또|또한|아니면|그래도|그렇군요|네|아)$"
)
_KO_POINTING = re.compile(
    r"^(?:그것|그거|그건|그게|그걸|그곳|그쪽|거기|거긴|그때|그땐|그분|그들|그중|그날|그해|그만큼|그이후|그후|그전|이것|이거|이건|이게|이걸|이곳"
    r"|여기|저것|저거|저건|당시|둘다|둘|나머지|마찬가지|걔|이들|그녀)"
    r"(?:은|는|이|가|을|를|의|에|에는|에선|에서|에서는|에서도|도|로|와|과|랑|보다|만|까지|부터|요|에도|엔|들은|들이|들도)*"
    r"(?:예요|이에요|인가요|입니까|뭐예요|뭔가요|죠|이죠|야)?$"
)
_KO_DETERMINERS = frozenset({"그", "이", "저", "해당", "같은", "다른"})
_KO_PARTICLES = re.compile(
    r"(?<=[가-힣\w])(?:에서는요|에서도요|에게서는|에서는|에서도|에게는|에게도|이라면|이라도|으로는|으로도|부터는|까지는|에는요|에도요|은요|는요|도요|이요"
    r"|라면|에는|에도|에선|에서|에게|한테|으로|부터|까지|처럼|보다|마다|이랑|하고|은|는|이|가|을|를|의|에|도|만|로|와|과|랑|엔|요|들|들은|들의)$"
)
_KO_ASK = re.compile(
    r"^(?:무엇|뭐|뭘|뭔|무슨|누구|누가|언제|어디|어떻게|어떤|어느|어땠|왜|얼마|얼만|몇|며칠|어때|어떤가|어떨|어째서|무얼|어떠)"
)
_KO_GENERIC_NOUNS = frozenset(
    "비용 가격 값 무게 질량 크기 길이 높이 폭 너비 깊이 거리 기간 시간 이유 원인 목적 목표 결과 이름 나이 속도 온도 날짜 마감 마감일 기한 장점 단점"
    " 차이 차이점 예 예시 예외 조건 지름 직경 수명 제작사 제조사 역할 특징 의미 뜻 종류 개수 수량 금액 최대 최소 전부 총 정도 경우 방법 자세히 자세하게"
    " 구체적으로 좀 더 조금 간단히 다시 요약 설명 추가 정확히 정말 진짜 혹시 대략 대충 보통 주로 실제로 지금 현재 아직 이미 계속 그냥 첫째 둘째"
    " 첫번째 두번째 세번째 마지막 첫 두 세 번째 시간 분 일 주 개 명 년 월 킬로 미터 누가 해상도 정확도 구성 재질 승무원 개발비 제작비 발사일 발사체"
    " 년도 연도 시기 장소 위치 수 것 때 등 건 거 안 못 잘 이상 이하 얼마 더요 왜요".split()
)
_KO_GENERIC_PREDICATE = re.compile(
    r"^(?:걸리|걸려|걸렸|하|해|했|할|되|돼|됐|될|된|만들|만든|발사|끝나|끝났|끝난|시작|내|냈|낸|받|드|들|든|필요|가능|있|없|크|큰|컸|무겁|무거|길|긴|멀|먼|높|빠르"
    r"|빠른|오래|도착|출발|돌아|발견|개발|설명|알려|말해|말씀|주|줘|써|쓰|쓸|썼|쓰인|사용|불리|부르|생기|생겼|생긴|일어|작동|운영|제작|건설|설치|지어|지었|지은|실패"
    r"|성공|중요|어렵|쉽|비싸|비싼|싸|위험|그렇|그런|그래|맞|아니|알|보이|보여|해당|적용|의무|필수|달라|다르|다른|괜찮|안되|안돼|바뀌|바뀐|계속|여전|얼마나)"
    r"[가-힣]*(?:나요|가요|까요?|까|니까|어요|아요|에요|예요|해요|려요|돼요|죠|지요|는지|은지|세요|요|다|줘|니|냐|대요|데요|나|어|아|래|려)$"
)
_KO_CONNECTIVE = re.compile(r"(?:고|며|는데|은데|지만|면|서|니|어서|아서|는데요)$")
_KO_CHAT = re.compile(r"(?:넌|너는|너|당신|당신은|넌) (?:누구|뭐|무엇)|이름이 뭐|뭐 할 수|뭘 할 수|도와줘|도와 주")


def _korean(words: Sequence[Word], lowered: str) -> bool:
    if _KO_CHAT.search(lowered):
        return False
    topics = [word for word in words if word.topic]
    opened = bool(_KO_OPENERS.match(words[0].folded))
    asks = any(_KO_ASK.match(word.folded) for word in words)
    last = words[-1].folded
    if not topics:
        return True
    fragment = not asks and not _KO_GENERIC_PREDICATE.match(last) and last == topics[-1].folded
    relational = any(_stem(word.folded) in _KO_GENERIC_NOUNS for word in words if not word.topic)
    ended = re.search(r"(?:은|는|은요|는요|도|도요|요|면|면요|엔|엔요)$", last)
    if fragment and not re.search(r"(?:이란|란|나요|까|가요|니까|세요|어요|아요|해요)$", last):
        if opened:
            return len(topics) <= _FRAGMENT_TOPICS and not relational
        if len(topics) == 1 and ended and not relational:
            return True
    if len(topics) == 1 and topics[0].folded.endswith(("도", "에도", "서도")) and not asks and len(words) <= 3:
        return True
    return len(topics) <= _POINTING_TOPICS and _points_in_korean(words)


def _points_in_korean(words: Sequence[Word]) -> bool:
    for position, word in enumerate(words):
        before = [other for other in words[:position] if other.topic]
        if len(before) > 1 or any(_KO_CONNECTIVE.search(other.folded) for other in before):
            return False
        if _KO_POINTING.match(word.folded):
            return True
        if word.folded in _KO_DETERMINERS and position + 1 < len(words):
            return True
    return False


def _stem(word: str) -> str:
    return _KO_PARTICLES.sub("", word)


def _korean_topic(folded: str) -> str:
    if _KO_OPENERS.match(folded) or _KO_ASK.match(folded) or _KO_POINTING.match(folded) or folded in _KO_DETERMINERS:
        return ""
    stem = _stem(folded)
    if stem in _KO_GENERIC_NOUNS or folded in _KO_GENERIC_NOUNS or _KO_GENERIC_PREDICATE.match(folded):
        return ""
    return topic_of(folded, "ko") and stem


def _topic(text: str, folded: str, language: str) -> str:
    if folded.isdigit():
        return text
    if language == "ko" and _HANGUL.search(folded):
        return _korean_topic(folded)
    function, generic = (_HU_FUNCTION | _HU_POINTING, _HU_GENERIC) if language == "hu" else (_EN_FUNCTION, _EN_GENERIC)
    if language == "en" and folded in ("it", "us", "who") and text.isupper():
        return text
    if folded in function or folded in generic or folded in _EN_ASK | _HU_ASK:
        return ""
    return topic_of(text, language)


def words_in(text: str, language: str) -> list[Word]:
    """The words of a text, with what each of them is about."""
    words: list[Word] = []
    clause = 0
    for match in _TOKEN.finditer(text):
        token = match[0]
        if not token[0].isalnum():
            clause += 1
            continue
        folded = fold(token.replace("’", "'"))
        if language == "en" and folded in _EN_CONJUNCTIONS and words:
            clause += 1
        if language == "hu" and folded in _HU_OPENERS | _HU_CORRELATED and words:
            clause += 1
        words.append(Word(token, folded, _topic(token, folded, language), clause, match.start()))
    return words


def leans(text: str, language: str) -> bool:
    """Whether a question in `en`, `hu` or `ko` can only be understood from what was said before it."""
    if not text.strip() or len(text) > _MOST_CHARACTERS:
        return False
    words = words_in(text, language)
    if not 0 < len(words) <= _MOST_WORDS:
        return False
    lowered = " ".join(word.folded for word in words)
    return _RULES[language](words, lowered)


_RULES = {"en": _english, "hu": _hungarian, "ko": _korean}


def topics(words: Iterable[Word]) -> list[Word]:
    """The words that carry a topic."""
    return [word for word in words if word.topic]
