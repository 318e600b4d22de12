"""Whether a question stands alone or leans on the one before it. Knows nothing of what was said there.

A question leans on what went before if it has no topic of its own (`how long?`), if it points at something that it does
not name (`who built it?`), or if it goes on with a mere fragment (`and in winter?`). A question that is read with an old
topic by mistake is spoilt, one that is read alone is only harder to answer: so what is in doubt stands alone.
"""

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rag.analysis import topic_of
from rag.text import fold

# Longer questions have a topic of their own.
_MOST_CHARACTERS, _MOST_WORDS = 160, 14
# So many words with a topic a fragment or a question that points elsewhere may have.
_FRAGMENT_TOPICS, _POINTING_TOPICS = 3, 4
_TOKEN = re.compile(r"[^\W_]+(?:(?:[-–'’]|(?<=\d)[.,](?=\d))[^\W_]+)*\+?|[,;:?!.()–—]")
_WORDS = {
    language: {kind: frozenset(fold(words).split()) for kind, words in kinds.items()}
    for language, kinds in tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8")).items()
}


@dataclass(frozen=True, slots=True)
class Word:
    """A word as typed, folded, and as it carries a topic (empty where it carries none). `clause` counts from 0."""

    text: str
    folded: str
    topic: str
    clause: int

    @property
    def name(self) -> bool:
        """Whether it is written as a name or a number."""
        return self.text[:1].isupper() or any(map(str.isdigit, self.text))


def leans(text: str, language: str) -> bool:
    """Whether a question in `en`, `hu` or `ko` can only be understood from what was said before it."""
    if len(text) > _MOST_CHARACTERS:
        return False
    words = words_in(text, language)
    if not 0 < len(words) <= _MOST_WORDS:
        return False
    return _RULES[language](words, " ".join(word.folded for word in words))


def words_in(text: str, language: str) -> list[Word]:
    """The words of a text, with what each of them is about."""
    kinds = _WORDS[language]
    parting = kinds.get("conjunctions", frozenset()) | kinds.get("correlates", frozenset())
    if language == "hu":
        parting |= kinds["openers"]
    words: list[Word] = []
    clause = 0
    for match in _TOKEN.finditer(text):
        written = match[0]
        if not written[0].isalnum():
            clause += 1
            continue
        folded = fold(written.replace("’", "'"))
        if words and (folded in parting or (language == "hu" and _RELATIVE.match(folded))):
            clause += 1
        topic = _korean_topic(folded) if _HANGUL.search(folded) else _latin_topic(written, folded, language)
        words.append(Word(written, folded, topic, clause))
    return words


def _latin_topic(written: str, folded: str, language: str) -> str:
    if any(map(str.isdigit, written)) or (written in ("IT", "US", "WHO") and language == "en"):
        return written
    kinds = _WORDS["hu" if language == "hu" else "en"]
    if any(folded in words for kind, words in kinds.items() if kind not in ("outside", "circumstances")):
        return ""
    if language == "hu" and _COMPARATIVE.search(folded):
        return ""
    return topic_of(written, language)


def _bare(words: Sequence[Word], language: str) -> list[Word]:
    """The words with a topic, without those that only say when, where nothing else has one."""
    topics = [word for word in words if word.topic]
    whens = _WORDS[language]["circumstances"]
    others = [word for word in topics if word.folded not in whens and _particles_off(word.folded) not in whens]
    return topics if others or len(topics) == len(words) else others


def _points(words: Sequence[Word], position: int) -> bool:
    """Whether a pronoun there has nothing to stand for in an earlier clause of its own question."""
    return not any(word.topic and word.clause < words[position].clause for word in words[:position])


_ABOUT = re.compile(r"^(?:(?:and|but|so|ok|okay|then|or) )*(?:what|how) about\b|^(?:and|but|so) what (?:of|with)\b")
# Asked of the assistant itself.
_CHAT = re.compile(
    r"\b(?:who|what|how) (?:are|r) (?:you|u)\b|\bwhat can (?:you|i)\b|\bcan you help|\bwhat do you (?:do|know)\b"
    r"|\bare you (?!sure|certain)|^help\b|\bdo you (?:speak|understand|know)\b|\byour name\b"
    r"|\b(?:ki|mi) vagy\b|\bmit tudsz\b|\bhogy hivnak\b|^segits|\btudsz (?:segiteni|magyarul|angolul)\b"
    r"|^(?:넌|너는|너|당신|당신은) (?:누구|뭐|무엇)|이름이 뭐|(?:뭐|뭘) 할 수|^도와"
)
_EXPLETIVE = re.compile(
    r"\bit (?:\w+ )?(?:possible|allowed|true|necessary|required|mandatory|compulsory|ok|okay|worth|safe|better|enough"
    r"|important|legal|easy|hard|difficult|permitted|normal|likely)\b(?: for \w+(?: \w+)?)?"
    r"(?: (?:to|that|if|when) \w+ \w+| \w+ing \w+)"
    r"|\bit (?:\w+ )?(?:take|takes|took|cost|costs|matter|matters|count) (?:\w+ )*?(?:to|if|for|whether|that) \w+ \w+"
    r"|\bis it (?:true|possible|allowed) \w+ing\b"
)
_NOT_A_CLAUSE = frozenset("of about and like".split())
_TOO = frozenset("too either instead though then".split())


def _english(words: Sequence[Word], text: str) -> bool:
    kinds = _WORDS["en"]
    if _CHAT.search(text):
        return False
    topics = _bare(words, "en")
    if not topics:
        return True
    folded = [word.folded for word in words]
    start = next((place for place, word in enumerate(folded) if word not in kinds["openers"]), 0)
    first = folded[start]
    asks = any(word in kinds["asks"] for word in folded)
    if _ABOUT.search(text):
        return len(topics) <= _FRAGMENT_TOPICS
    if not any(word in kinds["auxiliaries"] for word in folded):
        if (not asks and start) or first in kinds["prepositions"] or folded[-1] in _TOO:
            return len(topics) <= _FRAGMENT_TOPICS
        # "Which rocket?", "how many days in advance?"
        if first in ("which", "what", "whose", "how") and words[-1] is topics[0] and len(words) - start <= 2:
            return True
    if len(topics) == 1 and (folded[-1] in _TOO or {"else", "same", "another", "other", "others"} & {*folded}):
        return True
    return len(topics) <= _POINTING_TOPICS and any(
        _points_in_english(words, place, text) for place in range(len(words))
    )


def _points_in_english(words: Sequence[Word], place: int, text: str) -> bool:
    kinds = _WORDS["en"]
    word = words[place]
    before = words[place - 1].folded if place else ""
    following = words[place + 1].folded if place + 1 < len(words) else ""
    if word.topic or not _points(words, place):
        return False
    if word.folded in kinds["possessives"]:
        # What has it may be named in the same clause, but not by "the mass of".
        named = [other for other in words[:place] if other.topic]
        return not named or (before in kinds["prepositions"] | {"of"} and len(named) == 1 and not named[0].name)
    if word.folded in ("this", "that", "these", "those"):
        if following in kinds["outside"] or following in ("who", "with", "i", "you", "we", "people", "students"):
            return False
        clause_may_begin = before not in kinds["prepositions"] | kinds["auxiliaries"] | _NOT_A_CLAUSE
        return word.folded != "that" or not before or not following or not clause_may_begin
    if word.folded in kinds["pronouns"]:
        return not (word.folded == "it" and _EXPLETIVE.search(text))
    if word.folded == "there":
        return bool(place) and not {before, following} & kinds["auxiliaries"]
    return word.folded in ("one", "ones") and before in ("which", "this", "that", "other")


_RELATIVE = re.compile(r"a(?:mi|ki|mely|hol|hov|hon|meddig|mennyi|hany)")
_COMPARATIVE = re.compile(r"^(?!tobb)\w{3,}bb(?:ak|at|ik|an)?$")
# A verb whose object or doer is elsewhere: "tervezte", "indították", "gyártják", "vezeti", "lekésem", "befizetni".
_VERB = re.compile(
    r"\w{2,}(?:t[ae]|t[ae]k|j[ae]k|[bcdfghjklmnprstvz]i|li|ik|ott|ett|t)"
    r"|(?:le|be|fel|el|meg|ki|vissza|at|ossze|hozza)\w{2,}(?:om|em)"
    r"|(?:le|be|fel|el|meg|ki|vissza|at|ossze|hozza)\w+(?<![koe]z|[oe]d)ni"
)
_VERB_ALONE = re.compile(r"\w*(?:ni|hat[oa]|het[oe]|em|om)")
_POSSESSED = re.compile(r"\w+(?:sag|seg|meroj|oj)[ae]i?")
_HUNGARIAN_ABOUT = re.compile(r"^(?:\w+ )?(?:mi van|mi lesz|mi a helyzet|mi a teendo)\b")
_DEFINES = re.compile(r"\b(?:ki|mi|mik|kik) (?:is )?az (?:a|az)\b")


def _hungarian(words: Sequence[Word], text: str) -> bool:
    kinds = _WORDS["hu"]
    if _CHAT.search(text) or _DEFINES.search(text):
        return False
    topics = _bare(words, "hu")
    if not topics:
        return True
    folded = [word.folded for word in words]
    asks = any(word in kinds["asks"] for word in folded)
    opened = folded[0] in kinds["openers"]
    if _HUNGARIAN_ABOUT.search(text):
        return len(topics) <= _FRAGMENT_TOPICS
    says = any(word in kinds["generic"] or word in ("van", "kell", "lehet", "szabad") for word in folded)
    if not asks and not says and (opened or folded[-1] in ("is", "sem")):
        return len(topics) <= (_FRAGMENT_TOPICS if opened else 2)
    if len(topics) == 1 and _leans_on_one(words, words.index(topics[0]), asks, opened):
        return True
    return len(topics) <= _POINTING_TOPICS and any(_points_in_hungarian(words, place) for place in range(len(words)))


def _leans_on_one(words: Sequence[Word], place: int, asks: bool, opened: bool) -> bool:
    """Whether a question whose only topic stands at `place` lacks what it is about."""
    kinds = _WORDS["hu"]
    topic = words[place]
    before = words[place - 1].folded if place else ""
    following = words[place + 1].folded if place + 1 < len(words) else ""
    if before in ("a", "az", "egy"):
        return (asks and bool(_POSSESSED.fullmatch(topic.folded))) or (following in ("is", "sem") and not asks)
    if before in kinds["determiners"] and not topic.name:
        return True
    may = {"kell", "lehet", "szabad"} & {word.folded for word in words}
    if not topic.name and (asks or may) and _VERB.fullmatch(topic.folded):
        return True
    if following in ("is", "sem"):
        return opened or not asks
    return asks and bool({"mas", "masik", "tobbi"} & {word.folded for word in words})


def _points_in_hungarian(words: Sequence[Word], place: int) -> bool:
    kinds = _WORDS["hu"]
    word = words[place].folded
    following = words[place + 1].folded if place + 1 < len(words) else ""
    # "ahhoz, hogy": what it stands for comes behind it.
    rest = [other.folded for other in words[place + 1 :]]
    if not _points(words, place) or any(other in kinds["correlates"] or _RELATIVE.match(other) for other in rest):
        return False
    if word in kinds["pointing"]:
        return word != "akkor" or place > 0
    if word == "az":
        return not following or following in kinds["asks"] or following in ("is", "a", "az")
    return word == "ez"


_HANGUL = re.compile("[가-힣]")
_PARTICLES = re.compile(
    r"(?<=[가-힣\w])(?:에서는요|에서도요|에게서는|에서는|에서도|에게는|에게도|이라면|이라도|으로는|으로도|부터는|까지는|에는요|에도요|까지요|부터요"
    r"|에서요|은요|는요|도요|이요|로도|로는|라면|에는|에도|에선|에서|에게|한테|으로|부터|까지|처럼|보다|마다|이랑|에요|하고|은|는|이|가|을|를|의|에"
    r"|도|만|로|와|과|랑|엔|요)$"
)
_KOREAN_ASKS = re.compile(
    r"^(?:무엇|뭐|뭘|뭔|무슨|누구|누가|언제|어디|어떻게|어떤|어느|어땠|왜|얼마|얼만|몇|며칠|어때|어떨|어째서|무얼|어떠)"
)
_KOREAN_POINTING = re.compile(
    r"^(?:그것|그거|그건|그게|그걸|그곳|그쪽|거기|거긴|그때|그땐|그분|그들|그중|그날|그해|그만큼|이것|이거|이건|이게|이걸|이곳|여기|저것|저거|저건"
    r"|당시|둘다|둘|나머지|마찬가지|걔|이들|그녀)(?:[은는이가을를의에도로와과랑만요엔들]|에는|에선|에서|보다|까지|부터|예요|이에요|인가요|입니까|죠|이죠|야)*$"
)
# A stem, what conjugates it, an ending.
_PREDICATE = re.compile(
    "^(?:" + "|".join(sorted(_WORDS["ko"]["predicates"], key=len, reverse=True)) + ")"
    "[하했한할합해되됐된될됩돼시셨신실으었았였겠지졌진질어아여습려있없않고을]*"
    "(?:나요|가요|까요?|니까|[어아에예해려돼커져와워여]?요|죠|지요|는지|은지|세요|다|줘|니|냐|나|어|아|해|려|도|야|고|서|면|을|할|될|한|인|은|는)?$"
)
_ENDED = re.compile(
    r"(?:나요|[가까려해돼커져와워여]요|까|니까|어요|아요|죠|지요|는지|은지|어|아|해|돼)$|(?:야|[어아여려해워와]도|[을를할]|고)$"
)
_COPULA = re.compile(r"(?<!적)(?:인가요|이에요|예요|입니까|인지|이죠|란|이란)$")
_OF_A_NOUN = re.compile(r"^[가-힣]{2,}(?:하|해|했|할|한|합)")
_CONNECTIVE = re.compile(r"(?:고|며|는데|은데|지만|면|서|니)$")
_FRAGMENT_END = re.compile(r"(?:은|는|도|면|엔|요)$")


def _particles_off(word: str) -> str:
    return _PARTICLES.sub("", word)


def _korean_topic(folded: str) -> str:
    kinds = _WORDS["ko"]
    if folded in kinds["openers"] or folded in kinds["determiners"]:
        return ""
    if _KOREAN_ASKS.match(folded) or _KOREAN_POINTING.match(folded):
        return ""
    stem = _particles_off(folded)
    if {stem, folded, _particles_off(stem)} & kinds["generic"]:
        return ""
    if _PREDICATE.match(folded):
        return ""
    return topic_of(folded, "ko") and stem


def _korean(words: Sequence[Word], text: str) -> bool:
    kinds = _WORDS["ko"]
    if _CHAT.search(text):
        return False
    # A verb that is no noun made a verb has no topic where nothing else in the question has one.
    topics = [word for place, word in enumerate(words) if word.topic and not _says(words, place)]
    if not (topics := topics and [word for word in _bare(words, "ko") if word in topics]):
        return True
    last = words[-1]
    asks = any(_KOREAN_ASKS.match(word.folded) for word in words)
    relation = any(_particles_off(word.folded) in kinds["generic"] for word in words if not word.topic)
    if last is topics[-1] and not asks and not relation and not _COPULA.search(last.folded):
        if words[0].folded in kinds["openers"]:
            return len(topics) <= _FRAGMENT_TOPICS
        if len(topics) == 1 and len(words) == 1 and _FRAGMENT_END.search(last.folded):
            return True
    if len(topics) == 1 and topics[0].folded.endswith(("도", "도요")) and not asks and len(words) <= 3:
        return True
    return len(topics) <= _POINTING_TOPICS and any(_points_in_korean(words, place) for place in range(len(words)))


def _says(words: Sequence[Word], place: int) -> bool:
    """Whether a word is a plain verb or adjective: the last one, or one with an auxiliary behind it."""
    word = words[place].folded
    behind = words[place + 1].folded if place + 1 < len(words) else ""
    if _OF_A_NOUN.match(word) or _COPULA.search(word) or not _ENDED.search(word):
        return False
    return not behind or behind.startswith(("수", "해", "하", "돼", "되", "있", "없", "줘", "주", "계", "싶"))


def _points_in_korean(words: Sequence[Word], place: int) -> bool:
    before = [word for word in words[:place] if word.topic]
    if len(before) > 1 or any(_CONNECTIVE.search(word.folded) for word in before):
        return False
    word = words[place].folded
    if word == "당시" and before:
        return False
    return bool(_KOREAN_POINTING.match(word)) or (word in _WORDS["ko"]["determiners"] and place + 1 < len(words))


_RULES = {"en": _english, "hu": _hungarian, "ko": _korean}
