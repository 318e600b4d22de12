"""Whether a question stands alone or leans on the one before it. Knows nothing of what was said there.

A question leans on what went before if it has no topic of its own (`how long?`), if it points at something that it does
not name (`who built it?`), or if it goes on with a mere fragment (`and in winter?`). A question that is read with an
old topic by mistake is spoilt, one that is read alone is only harder to answer: so what is in doubt stands alone.
"""

import re
from collections.abc import Sequence

from rag.conversation.topics import ASKS, COPULA, PARTICLES, POINTING, WORDS, Word, correlates, words_in

# Longer questions have a topic of their own.
_MOST_CHARACTERS, _MOST_WORDS = 160, 14
# So many words with a topic a fragment or a question that points elsewhere may have.
_FRAGMENT_TOPICS, _POINTING_TOPICS = 3, 4


def leans(text: str, language: str) -> bool:
    """Whether a question in `en`, `hu` or `ko` can only be understood from what was said before it."""
    if len(text) > _MOST_CHARACTERS:
        return False
    words = words_in(text, language)
    if not 0 < len(words) <= _MOST_WORDS:
        return False
    return _RULES[language](words, " ".join(word.folded for word in words))


def asks_alike(text: str, language: str) -> bool:
    """Whether a follow-up asks the same of something else, `and in winter?`, or is a mere question word, `why?`."""
    words = words_in(text, language)
    folded = [word.folded for word in words]
    if any(pattern.search(" ".join(folded)) for pattern in (_ABOUT, _HUNGARIAN_ABOUT)):
        return True
    asks = any(ASKS.match(word) or word in WORDS[language].get("asks", ()) for word in folded)
    return not asks or not any(word.topic or word.side for word in words)


def _bare(words: Sequence[Word], language: str) -> list[Word]:
    """The words with a topic; those that only say when, or `the mission`, do not count where they are all."""
    topics = [(place, word) for place, word in enumerate(words) if word.topic]
    kinds = WORDS[language]
    whens, things = kinds["circumstances"], kinds["things"]
    counted = [
        word
        for place, word in topics
        if not ({word.folded, word.topic} & whens)
        and not ({word.folded, word.topic} & things and _definite(words, place, language))
    ]
    return [word for _, word in topics] if counted or len(topics) == len(words) else []


def _definite(words: Sequence[Word], place: int, language: str) -> bool:
    """Whether a thing is one that was spoken of, `the mission`, and not asked for as such, `what is a mission`."""
    before = words[place - 1].folded if place else ""
    if language == "en":
        return before == "the"
    if language == "hu":
        return before in ("a", "az") and not (place > 1 and words[place - 2].folded in ("mi", "mik"))
    return not any(word.folded.startswith(("뭐", "무엇", "뭔", "뜻")) or COPULA.search(word.folded) for word in words)


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
    kinds = WORDS["en"]
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
        # "Which rocket?", "what font size?"
        if first in ("which", "what", "whose") and len(topics) == 1 and words[start + 1 : start + 2] == topics:
            return len(words) - start <= 3
    if len(topics) == 1 and (folded[-1] in _TOO or {"else", "same", "another", "other", "others"} & {*folded}):
        return True
    return len(topics) <= _POINTING_TOPICS and any(
        _points_in_english(words, place, text) for place in range(len(words))
    )


def _points_in_english(words: Sequence[Word], place: int, text: str) -> bool:
    kinds = WORDS["en"]
    word = words[place]
    before = words[place - 1].folded if place else ""
    following = words[place + 1].folded if place + 1 < len(words) else ""
    if word.topic or not _points(words, place):
        return False
    if word.folded in kinds["possessives"]:
        # What has it may be named in the same clause, but not by "the mass of".
        named = [other for other in words[:place] if other.topic]
        if word.folded == "her" and not following:
            return True
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


# A verb whose object or doer is elsewhere: "tervezte", "indították", "gyártják", "vezeti", "lekésem", "befizetni".
_VERB = re.compile(
    r"\w{2,}(?:t[ae]|t[ae]k|j[ae]k?|[bcdfghjklmnprstvz]i|ik)"
    r"|(?:le|be|fel|el|meg|ki|vissza|at|ossze|hozza)\w{2,}[aeo]m"
    r"|(?:le|be|fel|el|meg|ki|vissza|at|ossze|hozza)\w+(?<![koe]z|[oe]d)ni"
)
# Nouns end so as well: a verb only where there is no other.
_VERB_OR_NOUN = re.compile(r"\w{2,}(?:t|nak|nek|[aeo]m)")
_DEFINITE_VERB = re.compile(r"\w{2,}(?:t[ae]k?|j[ae]k?|[bcdfghjklmnprstvz]i)")
# Words that are a whole question only where something was spoken of: "látogatható?", "visszakapom?", "Győrben?".
_SAID_OF_IT = re.compile(
    r"\w{3,}(?:hato|heto)|(?:le|be|fel|el|meg|ki|vissza|at|ossze|hozza)\w{2,}[aeo]m"
    r"|[\w-]{2,}(?:b[ae]n|n[ae]l|t[oe]l|b[oe]l|r[oe]l|h[oe]z|n[ae]k)"
)
_AUXILIARIES = frozenset("van vannak volt voltak lesz nincs kell lehet szabad".split())
_POSTPOSITIONS = frozenset("nelkul alatt utan elott eseten helyett mellett kozben ota".split())
_POSSESSED = re.compile(r"\w+(?:sag|seg|meroj|oj)[ae]i?")
_HUNGARIAN_ABOUT = re.compile(r"^(?:\w+ )?mi (?:a helyzet\b|van (?:a |az )?[\w-]+[ae]l$|(?:van|lesz) (?:akkor )?ha\b)")
_DEFINES = re.compile(r"\b(?:ki|mi|mik|kik) (?:is )?az (?:a|az)\b")


def _hungarian(words: Sequence[Word], text: str) -> bool:
    kinds = WORDS["hu"]
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
    says = any(word in kinds["generic"] or word in _AUXILIARIES for word in folded)
    if not asks and not says and (opened or folded[-1] in ("is", "sem")):
        return len(topics) <= (_FRAGMENT_TOPICS if opened else 2)
    if not asks and folded[-1] in _POSTPOSITIONS and len(words) <= 3:
        return True
    if not asks and len(topics) == 1 and len(words) <= 2 and _SAID_OF_IT.fullmatch(topics[0].folded):
        return words[-1] is topics[0] and folded[0] not in ("a", "az")
    if len(topics) == 1 and asks and not says and not topics[0].name and _VERB_OR_NOUN.fullmatch(topics[0].folded):
        return words[words.index(topics[0]) - 1].folded not in ("a", "az", "egy")
    if len(topics) == 1 and _leans_on_one(words, words.index(topics[0]), asks, opened):
        return True
    # "Melyik szonda hozta": what it brought was said before.
    if len(topics) == 2 and words[-1] is topics[1] and words[-3:-2] and words[-3].folded in kinds["determiners"]:
        if not topics[0].folded.endswith("t") and not topics[1].name and _DEFINITE_VERB.fullmatch(topics[1].folded):
            return True
    return len(topics) <= _POINTING_TOPICS and any(_points_in_hungarian(words, place) for place in range(len(words)))


def _leans_on_one(words: Sequence[Word], place: int, asks: bool, opened: bool) -> bool:
    """Whether a question whose only topic stands at `place` lacks what it is about."""
    kinds = WORDS["hu"]
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
    kinds = WORDS["hu"]
    word = words[place].folded
    following = words[place + 1].folded if place + 1 < len(words) else ""
    # "ahhoz, hogy": what it stands for comes behind it.
    rest = [other.folded for other in words[place + 1 :]]
    if not _points(words, place) or any(correlates(other) for other in rest):
        return False
    if word in kinds["pointing"]:
        return word != "akkor" or place > 0
    if word == "az":
        return not following or following in kinds["asks"] or following in ("is", "a", "az")
    return word == "ez"


_ENDED = re.compile(
    r"(?:나요|[가까려해돼커져와워여]요|까|니까|어요|아요|죠|지요|는지|은지|어|아|해|돼)$|(?:야|[어아여려해워와]도|[을를할]|고)$"
)
_OF_A_NOUN = re.compile(r"^[가-힣]{2,}(?:하|해|했|할|한|합)")
_CONNECTIVE = re.compile(r"(?:고|며|는데|은데|지만|면|서|니)$")
_FRAGMENT = re.compile(r"(?:까지|부터|에서|에게|로|에|은|는|도|이|면|엔)요$")
_FRAGMENT_END = re.compile(r"(?:은|는|도|면|엔|요)$")


def _korean(words: Sequence[Word], text: str) -> bool:
    kinds = WORDS["ko"]
    if _CHAT.search(text):
        return False
    # A verb that is no noun made a verb has no topic where nothing else in the question has one.
    topics = [word for place, word in enumerate(words) if word.topic and not _says(words, place)]
    if not (topics := topics and [word for word in _bare(words, "ko") if word in topics]):
        return True
    last = words[-1]
    asks = any(ASKS.match(word.folded) for word in words)
    relation = any(PARTICLES.sub("", word.folded) in kinds["generic"] for word in words if not word.topic)
    if last is topics[-1] and not asks and not relation and not COPULA.search(last.folded):
        if words[0].folded in kinds["openers"]:
            return len(topics) <= _FRAGMENT_TOPICS
        if len(topics) == 1 and len(words) == 1 and _FRAGMENT_END.search(last.folded):
            return True
    if _FRAGMENT.search(last.folded):
        return len(topics) <= 2
    if len(topics) == 1 and topics[0].folded.endswith(("도", "도요")) and not asks and len(words) <= 3:
        return True
    return len(topics) <= _POINTING_TOPICS and any(_points_in_korean(words, place) for place in range(len(words)))


def _says(words: Sequence[Word], place: int) -> bool:
    """Whether a word is a plain verb or adjective: the last one, or one with an auxiliary behind it."""
    word = words[place].folded
    behind = words[place + 1].folded if place + 1 < len(words) else ""
    if _OF_A_NOUN.match(word) or COPULA.search(word):
        return False
    if behind.startswith("수"):
        return _ends_in_l(word)
    if not _ENDED.search(word):
        return False
    return not behind or behind.startswith(("해", "하", "돼", "되", "있", "없", "줘", "주", "계", "싶"))


def _ends_in_l(word: str) -> bool:
    """Whether the last syllable block of a word ends in `ㄹ`, the eighth of its 28 finals (Unicode, chapter 3.12)."""
    return "가" <= word[-1] <= "힣" and (ord(word[-1]) - ord("가")) % 28 == 8


def _points_in_korean(words: Sequence[Word], place: int) -> bool:
    before = [word for word in words[:place] if word.topic]
    if len(before) > 1 or any(_CONNECTIVE.search(word.folded) for word in before):
        return False
    word = words[place].folded
    if word == "당시" and before:
        return False
    return bool(POINTING.match(word)) or (word in WORDS["ko"]["determiners"] and place + 1 < len(words))


_RULES = {"en": _english, "hu": _hungarian, "ko": _korean}
