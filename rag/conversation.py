"""Conversation: follow-ups made whole with what was said before, and what a model saw of it. Knows no index, no prompt.

A model makes a follow-up whole where there is one (`condensed` takes what it wrote); `carry_over` does without.
"""

import hashlib
import re
import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rag.analysis import content_terms
from rag.follow_up import Word, leans, words_in
from rag.languages import detect
from rag.settings import LANGUAGES
from rag.text import flatten, fold, normalise, sentence_spans
from rag.types import Turn

if TYPE_CHECKING:
    from rag.prompt import Past

# So many of the last questions may belong to one chain of follow-ups; of each text so many characters are read.
_LOOK_BACK, _READ = 8, 1000
# What is carried over: so many terms, and so many characters of them.
_MOST_TERMS, _MOST_CHARACTERS = 4, 80


def needs_context(question: str, language: str, history: Sequence[Turn]) -> bool:
    """Whether a question in `en`, `hu` or `ko` leans on what was said before it; never without history."""
    asked = _asked(history)
    return bool(asked) and _leans(question, language, asked[-1])


def _asked(history: Sequence[Turn]) -> list[str]:
    """The last questions of a conversation, oldest first."""
    asked: list[str] = []
    for turn in reversed(history[-4 * _LOOK_BACK :]):
        text = turn.text[:_READ] if turn.role == "user" else ""
        if text.strip():
            asked.append(flatten(normalise(text)))
        if len(asked) == _LOOK_BACK:
            break
    return asked[::-1]


def _leans(question: str, language: str, before: str) -> bool:
    question = flatten(normalise(question[:_READ]))
    return leans(question, _spoken(question, language, before))


def _spoken(text: str, language: str, before: str) -> str:
    """The language of a text that may be too short to tell: then that of the question before it."""
    if language not in LANGUAGES:
        language = detect(text)
    if language in ("en", "hu") and len(text.split()) <= 2 and detect(before) in ("en", "hu"):
        return detect(before)
    return language if language in LANGUAGES else "en"


@dataclass(frozen=True, slots=True)
class _Phrase:
    """Neighbouring words of a question as typed. `marker` is the preposition, ending or particle that it came with."""

    text: str
    name: bool
    period: bool
    marker: str
    terms: frozenset[str]


def carry_over(question: str, language: str, history: Sequence[Turn]) -> str:
    """A follow-up with the topic of the questions that it goes on from behind it: `and in winter? (internship)`.

    What the follow-up puts in its place is not carried over. The question alone where there is nothing to carry.
    """
    question = flatten(normalise(question[: 4 * _READ]))
    asked = _asked(history)
    if not asked:
        return question
    # Back to the question that stood alone, which names the topic.
    first = len(asked) - 1
    while first and _leans(asked[first], "", asked[first - 1]):
        first -= 1
    answers = [turn.text[:_READ] for turn in history[-2:] if turn.role != "user"]
    said = fold(" ".join(answers))
    carried: list[_Phrase] = []
    for position in range(first, len(asked)):
        text = asked[position]
        spoken = _spoken(text, "", asked[position - 1] if position else "")
        phrases = _phrases(text, spoken)
        carried = [*_kept(carried, text, spoken, phrases), *phrases] if carried else phrases
    spoken = _spoken(question, language, asked[-1])
    own = _phrases(question, spoken)
    carried = _kept(carried, question, spoken, own)
    if detect(asked[-1]) != spoken and any(phrase.name for phrase in carried):
        # Words of another language say little to the search, names and numbers all.
        carried = [phrase for phrase in carried if phrase.name]
    terms = _chosen(carried, own, said)
    return f"{question} ({', '.join(terms)})" if terms else question


_PERIOD = re.compile(
    r"(?:winter|summer|spring|autumn|fall|january|february|march|april|may|june|july|august|september|october|november"
    r"|december|monday|tuesday|wednesday|thursday|friday|saturday|sunday|abroad|hungary|weekends?"
    r"|(?:nyar|tel|tavasz|osz|telen|tavassz)(?:on|en|al|szal|szel|i|tol|ig|ra|re)?|januar|februar|marcius|aprilis|majus|junius"
    r"|julius|augusztus|szeptember|oktober|november|december|kulfold(?:on|i|re)|itthon|belfold(?:on|i)|hetfo|kedd|szerda"
    r"|csutortok|pentek|szombat|vasarnap|여름|겨울|봄|가을|봄학기|가을학기|해외|국내|[0-9]{1,2}월|(?:1[89]|20)\d\d년?)"
)
_HUNGARIAN_MARKER = re.compile(
    r"[-–]?(b[ae]n|[nr][ae]l|t[oe]l|b[oe]l|r[oe]l|h[oe]z|[nr][ae]k?|b[ae]|[oe]?n|[oea]?t|ig|[vk][ae]l)$"
)
_KOREAN_MARKER = re.compile(r"(에서|에|으로|로|은|는|이|가|을|를|의|와|과|도|보다)(?:는|도|은)?요?$")
_ATTACHED = re.compile(r"(?<=[A-Z0-9])[-–][a-záéíóöőúüű]{1,3}$")
_PREPOSITIONS = frozenset("in on at for from to with by during after before of".split())
_CAPITAL_OR_DIGIT = re.compile(r"[A-Z]{2}|[a-z][A-Z]|\d")


def _phrases(text: str, language: str) -> list[_Phrase]:
    """The runs of words that carry a topic, in order."""
    words = words_in(text, language)
    groups: list[list[Word]] = []
    for position, word in enumerate(words):
        before = words[position - 1] if position else None
        if not word.topic:
            continue
        joins = (
            groups
            and before is not None
            and groups[-1][-1] is before
            and before.clause == word.clause
            and (language != "ko" or before.topic == before.text or word.text[0].isdigit())
            and len(groups[-1]) < 4
            and (_is_name(before, words) == _is_name(word, words) or word.text[0].isdigit())
        )
        if joins:
            groups[-1].append(word)
        else:
            groups.append([word])
    return [_phrase(group, words, language) for group in groups]


def _phrase(group: Sequence[Word], words: Sequence[Word], language: str) -> _Phrase:
    shown = [word.topic if language == "ko" else _ATTACHED.sub("", word.text) for word in group]
    text = " ".join(shown)
    place = words.index(group[0])
    last = group[-1].folded
    marker = ""
    if language == "en":
        before = words[place - 1].folded if place else ""
        if before in ("the", "a", "an") and place > 1:
            before = words[place - 2].folded
        marker = before if before in _PREPOSITIONS else ""
    else:
        match = (_HUNGARIAN_MARKER if language == "hu" else _KOREAN_MARKER).search(last)
        marker = match[1] if match else ""
        if language == "ko" and marker in ("은", "는", "이", "가", "도"):
            marker = "는"
    return _Phrase(
        text,
        any(_is_name(word, words) for word in group),
        any(_PERIOD.match(fold(part)) for part in shown),
        marker,
        frozenset(content_terms(text, language)),
    )


def _is_name(word: Word, words: Sequence[Word]) -> bool:
    if _CAPITAL_OR_DIGIT.search(word.text):
        return True
    return word.text[:1].isupper() and word is not words[0]


def _kept(carried: Sequence[_Phrase], question: str, language: str, own: Sequence[_Phrase]) -> list[_Phrase]:
    """What of the topic so far a follow-up leaves in its place."""
    kept = []
    for phrase in carried:
        replaced = any(
            (phrase.period and other.period)
            or (phrase.name and other.name and phrase.marker == other.marker)
            or (language == "ko" and phrase.marker == other.marker == "는")
            for other in own
        )
        if not replaced:
            kept.append(phrase)
    return kept


def _chosen(carried: Sequence[_Phrase], own: Sequence[_Phrase], said: str) -> list[str]:
    """The terms to carry over, names first, then those that the last answer took up, then the longest."""
    present = {term for phrase in own for term in phrase.terms}
    terms: list[str] = []
    length = 0
    ranked = sorted(carried, key=lambda phrase: (not phrase.name, fold(phrase.text) not in said, -len(phrase.text)))
    for phrase in ranked:
        if not phrase.terms - present or len(terms) == _MOST_TERMS:
            continue
        if length + len(phrase.text) > _MOST_CHARACTERS:
            continue
        terms.append(phrase.text)
        length += len(phrase.text) + 2
        present |= phrase.terms
    return terms


_LONGEST_QUESTION = 400
_LABEL = re.compile(
    r"^\W*(?:(?:here (?:is|'s)|this is|the|your|a)\s+)*(?:stand-?alone|rewritten|rephrased|condensed|self-contained|full"
    r"|complete|final|follow-?up|önálló|átfogalmazott|teljes|átírt|독립(?:적인|된)?|재작성(?:된)?|다시 쓴|완전한)?\s*"
    r"(?:question|query|version|rewrite|kérdés|átfogalmazás|질문|질의)?\W*[:：]\s*",
    re.IGNORECASE,
)
_MARKS = " \t\"'“”„‚‘’«»`*_#>-–•「」『』"
_LIST = re.compile(r"^(?:\d{1,2}[.)]|[-*•#>]+)\s+")
_SUSPICIOUS = re.compile(
    r"https?:|www\.|<[|/a-z]|\[(?:\d|INST)|```|!\[|\]\(|NO_ANSWER|\b(?:system|assistant|user)\s*:"
    r"|\b(?:ignore|disregard|forget)\b.{0,40}\b(?:instructions?|prompts?|rules)\b|system prompt"
    r"|(?:hagyd|hagyja) figyelmen kívül|rendszerprompt|지시(?:사항)?[을를]? ?(?:모두 )?무시|시스템 프롬프트",
    re.IGNORECASE,
)
_ASKS = {
    "en": re.compile(r"^(?:what|when|where|which|who|whom|whose|why|how|is|are|was|were|do|does|did|can|could|should"
                     r"|will|would|may|must|has|have|in which|at which|tell|list|describe|explain|give)\b", re.I),
    "hu": re.compile(r"\b(?:mi|mit|mik|mikor|meddig|hol|hova|honnan|hogyan|miért|mennyi\w*|hány\w*|mely\w*|milyen"
                     r"|ki|kik|kit|kinek|mekkora|mondj\w*|sorolj?\w*|lehet|kell)\b", re.I),
    "ko": re.compile(r"(?:나요|까|가요|까요|니까|는지|은지|어요|예요|에요|주세요|세요|줘|냐|니|은|는|죠)$"),
}  # fmt: skip


def condensed(reply: str, question: str, language: str) -> str:
    """A model's rewrite of a follow-up as one clean line; empty where it is no rewrite of this question.

    An answer, a text in another language, one that is far too long or has no word of the follow-up can't be used.
    """
    text = _line(reply)
    asked = flatten(normalise(question[:_READ]))
    if not text or len(text) > min(_LONGEST_QUESTION, 3 * len(asked) + 200):
        return ""
    if _SUSPICIOUS.search(text) or fold(text).strip(" ?.!") == fold(asked).strip(" ?.!"):
        return ""
    if detect(text) not in (language, detect(asked)):
        return ""
    spans = sentence_spans(text)
    questions = [text[start:end].endswith(("?", "？")) for start, end in spans]
    if not all(questions):
        bare = text.rstrip(".!?？ ")
        if len(spans) > 1 or language not in _ASKS or not _ASKS[language].search(bare):
            return ""
    wanted = {term for word in words_in(asked, language) if word.topic for term in content_terms(word.topic, language)}
    if wanted and not wanted & set(content_terms(text, language)):
        return ""
    return text


def _line(reply: str) -> str:
    """The one line of a reply that may be the question, without what models put around it; empty if there is none."""
    reply = normalise(reply[: 8 * _LONGEST_QUESTION])
    ended = reply.rfind("</think>")
    if ended >= 0:
        reply = reply[ended + len("</think>") :]
    elif "<think>" in reply:
        return ""
    lines = []
    for line in reply.split("\n"):
        line = _LIST.sub("", line.strip())
        before = ""
        while before != line:
            before = line
            line = _LABEL.sub("", line.strip(_MARKS), count=1).strip(_MARKS)
        if line:
            lines.append(line)
    return flatten(lines[0]) if lines else ""


class Memory:
    """What models saw of the last conversations, least recently used dropped first. Thread-safe, kept nowhere else.

    Holds at most `entries` of them and `characters` of their text.
    """

    def __init__(self, entries: int = 256, characters: int = 10_000_000) -> None:
        self._entries, self._characters = entries, characters
        self._kept: OrderedDict[str, tuple[Past, int]] = OrderedDict()
        self._held = 0
        self._lock = threading.Lock()

    @staticmethod
    def key(domain: str, language: str, model: str, turns: Iterable[Turn]) -> str:
        """A conversation's name: only who sends the very same turns to the same model finds what was remembered."""
        digest = hashlib.sha256()
        for part in (domain, language, model, *(part for turn in turns for part in (turn.role, turn.text))):
            data = part.encode("utf-8", "surrogatepass")
            # With its length, no part runs into the next one.
            digest.update(len(data).to_bytes(8, "big") + data)
        return digest.hexdigest()

    def remember(self, key: str, past: "Past") -> None:
        """Keeps what a model saw. What is larger than all room there is, is not kept."""
        size = _size(past)
        with self._lock:
            self._drop(key)
            if size > self._characters or self._entries < 1:
                return
            self._kept[key] = (past, size)
            self._held += size
            while len(self._kept) > self._entries or self._held > self._characters:
                self._drop(next(iter(self._kept)))

    def recall(self, key: str) -> "Past | None":
        """What was remembered by this name, or None."""
        with self._lock:
            if key not in self._kept:
                return None
            self._kept.move_to_end(key)
            return self._kept[key][0]

    def __len__(self) -> int:
        with self._lock:
            return len(self._kept)

    def _drop(self, key: str) -> None:
        if key in self._kept:
            self._held -= self._kept.pop(key)[1]


def _size(past: "Past") -> int:
    contents = sum(len(str(message.content)) for message in past.messages)
    return contents + len(past.reply) + sum(len(hit.chunk.text) for hit in past.passages)
