"""Conversation: follow-ups made whole with what was said before, and what a model saw of it. Knows no index, no prompt.

A model makes a follow-up whole where there is one (`condensed` takes what it wrote); `carry_over` does without.
"""

import hashlib
import re
import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from rag.analysis import content_terms
from rag.conversation.follow_up import asks_alike, leans
from rag.conversation.topics import WORDS, Phrase, phrases, words_in
from rag.languages import detect
from rag.settings import LANGUAGES
from rag.text import flatten, fold, normalise, sentence_spans
from rag.types import Turn

if TYPE_CHECKING:
    from rag.prompt import Past

# So many of the last questions may belong to one chain of follow-ups; of each text so many characters are read.
_LOOK_BACK, _READ = 8, 1000
# Texts of so few words are often taken for another language.
_SHORT = 2
# What is carried over: so many terms, and so many characters of them.
_MOST_TERMS, _FEW_TERMS, _MOST_CHARACTERS = 4, 2, 80
# The particle of what a Korean question is about.
_SUBJECT = "는"


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
    """The language of a text that may be too short to tell: then it may be that of the question before it."""
    if language not in LANGUAGES:
        language = detect(text)
    if language not in LANGUAGES:
        language = "en"
    if before and len(text.split()) <= _SHORT and not leans(text, language):
        earlier = detect(before)
        if {earlier, language} == {"en", "hu"} and leans(text, earlier):
            return earlier
    return language


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
    carried: list[Phrase] = []
    for place in range(first, len(asked)):
        spoken = _spoken(asked[place], "", asked[place - 1] if place else "")
        own = phrases(asked[place], spoken)
        carried = [*_kept(carried, own), *own]
    before = spoken
    spoken = _spoken(question, language, asked[-1])
    own = phrases(question[:_READ], spoken)
    carried = _kept(carried, own)
    if before != spoken and any(phrase.rank == 0 for phrase in carried):
        # Words of another language say little to the search, names and numbers all.
        carried = [phrase for phrase in carried if phrase.rank == 0]
    said = fold(" ".join(turn.text[:_READ] for turn in history[-1:] if turn.role != "user"))
    terms = _chosen(carried, own, said, whole=asks_alike(question[:_READ], spoken))
    return f"{question} ({', '.join(terms)})" if terms else question


def _kept(carried: Sequence[Phrase], own: Sequence[Phrase]) -> list[Phrase]:
    """What a follow-up with its own phrases leaves of the topic so far: a time replaces a time, a name a name."""
    kept = []
    for phrase in carried:
        if any(_replaces(other, phrase) for other in own):
            continue
        if any(other.bare_number for other in own) and any(map(str.isdigit, phrase.text)):
            # "And 2?" after "Voyager 1" is about another Voyager.
            text = " ".join(word for word in phrase.text.split() if not any(map(str.isdigit, word)))
            if text:
                kept.append(replace(phrase, text=text))
            continue
        kept.append(phrase)
    return kept


def _replaces(new: Phrase, old: Phrase) -> bool:
    if new.rank == 3 or old.rank == 3:
        return new.rank == old.rank
    if new.when or old.when:
        return new.when and old.when
    if new.bare_number:
        return False
    # In the same place of the sentence.
    return new.marker == old.marker and (new.rank == old.rank == 0 or new.marker == _SUBJECT)


def _chosen(carried: Sequence[Phrase], own: Sequence[Phrase], said: str, whole: bool) -> list[str]:
    """The terms to carry over: names first, then nouns, of each those that the last answer took up, then the longest.

    With `whole`, what was asked of them counts as well.
    """
    present = {term for phrase in own for term in phrase.terms}
    terms: list[str] = []
    length = 0

    def order(phrase: Phrase) -> tuple[int, bool, int, int]:
        kind = (0, 1, 1, 2)[phrase.rank]
        return kind, fold(phrase.text) not in said, phrase.rank, -len(phrase.text) if phrase.rank else 0

    for phrase in sorted(carried, key=order):
        enough = _MOST_TERMS if phrase.rank < 2 or whole else _FEW_TERMS
        if phrase.rank == 3:
            enough = _FEW_TERMS if whole else 0
        if len(terms) >= enough or phrase.terms <= present or length + len(phrase.text) > _MOST_CHARACTERS:
            continue
        terms.append(phrase.text)
        length += len(phrase.text) + 2
        present |= phrase.terms
    return terms


_LONGEST_QUESTION, _LONGEST_REPLY = 400, 50_000
# What stands before a colon is no part of the question if it speaks of one.
_LABEL = re.compile(
    r"question|query|rewrit|rephras|stand-?alone|kérdés|átfogalmaz|átír|önálló|질문|질의|재작성|독립", re.IGNORECASE
)
_LONGEST_LABEL = 60
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
    if language not in LANGUAGES or not text or len(text) > min(_LONGEST_QUESTION, 3 * len(asked) + 200):
        return ""
    if _SUSPICIOUS.search(text) or fold(text).strip(" ?.!") == fold(asked).strip(" ?.!"):
        return ""
    if detect(text) != language:
        return ""
    spans = sentence_spans(text)
    questions = [text[start:end].endswith(("?", "？")) for start, end in spans]
    if not all(questions):
        bare = text.rstrip(".!?？ ")
        if len(spans) > 1 or not _ASKS[language].search(bare):
            return ""
    words = words_in(asked, language)
    named = [word.topic for word in words if word.topic]
    # Verbs of Korean change their stems.
    sides = [word.side for word in words if language != "ko" or word.side in WORDS["ko"]["generic"]]
    wanted = {term for word in named or sides for term in content_terms(word, language)}
    if wanted and not wanted & set(content_terms(text, language)):
        return ""
    return text


def _line(reply: str) -> str:
    """The one line of a reply that may be the question, without what models put around it; empty if there is none."""
    reply = reply[:_LONGEST_REPLY]
    _, ended, after = reply.rpartition("</think>")
    if not ended and "<think>" in reply:
        return ""
    for line in normalise(after[: 4 * _LONGEST_QUESTION]).split("\n"):
        line = _LIST.sub("", line.strip()).strip(_MARKS)
        label, colon, _ = line[: _LONGEST_LABEL + 1].replace("：", ":").partition(":")
        if colon and _LABEL.search(label):
            line = line[len(label) + 1 :].strip(_MARKS)
        if line:
            return flatten(line)
    return ""


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
